//! Writes what X.509, CMS and RFC 3161 are made of.

use data_encoding::BASE64;

pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = body.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => out.push(short),
        Ok(one) => out.extend([0x81, one]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(length).expect("it is short").to_be_bytes());
        }
    }
    out.extend(body);
    out
}

pub(crate) fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

pub(crate) fn set(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x31, parts)
}

pub fn utf8(text: &str) -> Vec<u8> {
    tlv(12, &[text.as_bytes()])
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(4, &[bytes])
}

pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], bytes])
}

pub(crate) fn oid(text: &str) -> Vec<u8> {
    let mut arcs = text
        .split('.')
        .map(|arc| arc.parse::<u32>().expect("an OID"));
    let (first, second) = (arcs.next().expect("two"), arcs.next().expect("two"));
    let mut body = vec![u8::try_from(first * 40 + second).expect("small")];
    for arc in arcs {
        let groups: Vec<_> = (0..5).map(|group| (arc >> (7 * group)) & 0x7f).collect();
        let longest = groups.iter().rposition(|group| *group != 0).unwrap_or(0);
        for at in (0..=longest).rev() {
            let more = if at > 0 { 0x80 } else { 0 };
            body.push(u8::try_from(groups[at]).expect("seven bits") | more);
        }
    }
    tlv(6, &[&body])
}

/// An extension of a certificate.
pub(crate) fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    seq(&[&oid(id), critical, &octets(value)])
}

/// A name that is a common name alone.
pub(crate) fn name(common: &str) -> Vec<u8> {
    seq(&[&set(&[&seq(&[&oid("2.5.4.3"), &utf8(common)])])])
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend([std::str::from_utf8(line).expect("base64"), "\n"]);
    }
    text + &format!("-----END {label}-----\n")
}

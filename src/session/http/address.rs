//! Where requests may go.

use crate::name::Registry;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    error, fmt,
    net::{IpAddr, SocketAddr},
};

/// Whether an address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match ip(url) {
        Some(address) => address.is_loopback(),
        None => url.host_str() == Some("localhost"),
    }
}

/// Whether an address may lead to this machine: more than what counts as loopback where that gives
/// a right. Names that others resolve to it are not known here.
pub(super) fn is_local(url: &Url) -> bool {
    if let Some(address) = ip(url) {
        let address = address.to_canonical();
        return address.is_loopback() || address.is_unspecified();
    }
    let name = url.host_str().unwrap_or_default().trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether an address is link-local (RFC 3927, RFC 4291). Clouds hand out the secrets of a machine
/// there.
pub(super) fn is_link_local(url: &Url) -> bool {
    ip(url).is_some_and(has_no_route)
}

/// Whether a registry is a link-local address, written out.
pub(crate) fn leads_nowhere(registry: &Registry) -> bool {
    let url = Url::parse(&format!("https://{}/", registry.address()));
    url.is_ok_and(|url| is_link_local(&url))
}

fn has_no_route(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => match address.segments() {
            // What translators make of an IPv4 address (RFC 6052, RFC 8215, RFC 7915), tunnels
            // (RFC 3056), and what was long ago.
            [0x64, 0xff9b, 0, 0, 0, 0, 0xa9fe, _]
            | [0x64, 0xff9b, 1, _, _, _, 0xa9fe, _]
            | [0x64, 0xff9b, 1, 0xa9fe, ..]
            | [0, 0, 0, 0, 0 | 0xffff, 0, 0xa9fe, _]
            | [0x2002, 0xa9fe, ..] => true,
            _ => address.is_unicast_link_local(),
        },
    }
}

fn ip(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse().ok()
}

/// An address as it may be shown: queries hold presigned signatures, user names passwords. A long
/// path is left out whole: a part of it could be a part of a secret. So is all of an address that
/// is not of the web, as what would be a user there may stand in its path.
pub(crate) fn shown(url: &Url) -> String {
    let origin = url.origin();
    if !origin.is_tuple() {
        return format!("{}:…", url.scheme());
    }
    let path = Some(url.path()).filter(|path| path.len() <= 300);
    format!("{}{}", origin.ascii_serialization(), path.unwrap_or("/…"))
}

/// The system's resolver, without link-local addresses: who controls a name decides where it leads,
/// for each request anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok::<Addrs, _>(Box::new(routable(found)?.into_iter()))
        })
    }
}

fn routable(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, LinkLocal> {
    let (refused, good): (Vec<_>, Vec<_>) = found.partition(|address| has_no_route(address.ip()));
    if good.is_empty() && !refused.is_empty() {
        return Err(LinkLocal);
    }
    Ok(good)
}

/// A name leads to link-local addresses alone.
#[derive(Debug)]
pub(super) struct LinkLocal;

impl fmt::Display for LinkLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to a link-local address")
    }
}

impl error::Error for LinkLocal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_address_leads_is_seen() {
        let check = |host: &str, loopback: bool, local: bool, link_local: bool| {
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            assert_eq!(is_loopback(&url), loopback, "{host}");
            assert_eq!(is_local(&url), local, "{host}");
            assert_eq!(is_link_local(&url), link_local, "{host}");
        };
        check("127.0.0.1:5000", true, true, false);
        check("[::1]", true, true, false);
        check("localhost", true, true, false);
        check("0x7f.1", true, true, false);
        check("[::ffff:127.0.0.1]", false, true, false);
        check("0.0.0.0", false, true, false);
        check("[::]", false, true, false);
        check("localhost.", false, true, false);
        check("a.localhost", false, true, false);
        check("registry.example", false, false, false);
        check("192.0.2.1", false, false, false);
        check("169.254.169.254", false, false, true);
        check("0xa9.0xfea9fe", false, false, true);
        check("2852039166", false, false, true);
        check("[fe80::1]", false, false, true);
        check("[febf::1]:80", false, false, true);
        check("[fec0::1]", false, false, false);
        check("[::ffff:169.254.169.254]", false, false, true);
        check("[::ffff:a9fe:1]", false, false, true);
        check("[::a9fe:a9fe]", false, false, true);
        check("[64:ff9b::169.254.169.254]", false, false, true);
        check("[64:ff9b:1::169.254.169.254]", false, false, true);
        check("[64:ff9b:1:a9fe:a9:fe00::]", false, false, true);
        check("[64:ff9b:1::192.0.2.1]", false, false, false);
        check("[::ffff:0:169.254.169.254]", false, false, true);
        check("[2002:a9fe:a9fe::1]", false, false, true);
        check("[2002:a9fd::1]", false, false, false);
        check("169.253.0.1", false, false, false);
    }

    #[test]
    fn only_what_is_safe_of_an_address_is_shown() {
        let check = |text: &str, expected: &str| {
            assert_eq!(shown(&Url::parse(text).unwrap()), expected);
        };
        check("https://auth.io/token", "https://auth.io/token");
        check(
            "https://ann:pw@auth.io:5000/x?sig=y#z",
            "https://auth.io:5000/x",
        );
        check("ftp://ann:pw@auth.io/x", "ftp://auth.io/x");
        check("hstp:/t:pw@auth.io", "hstp:…");
        check("hstp://ann:pw@auth.io/x", "hstp:…");
        check("data:ann:pw@auth.io", "data:…");
        let long = format!("https://auth.io/{}", "x".repeat(300));
        check(&long, "https://auth.io/…");
    }

    #[test]
    fn names_do_not_lead_to_link_local_addresses() {
        let check = |found: &[&str], expected: Option<&[&str]>| {
            let parsed = |texts: &[&str]| -> Vec<SocketAddr> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            let left = routable(parsed(found).into_iter()).ok();
            assert_eq!(left, expected.map(parsed), "{found:?}");
        };
        check(&["192.0.2.1:0"], Some(&["192.0.2.1:0"]));
        check(&["169.254.169.254:0"], None);
        check(&["[fe80::1]:0", "[::ffff:169.254.169.254]:0"], None);
        check(&["[fe80::1]:0", "192.0.2.1:0"], Some(&["192.0.2.1:0"]));
        check(&[], Some(&[]));
    }
}

//! A Sigstore of one's own: an authority, logs, a clock, and bundles as they sign them, rightly and
//! wrongly. Nothing is asked of any network.

use crate::der::{bits, extension, name, octets, oid, seq, set, tlv};
pub use crate::der::{pem, utf8};
use data_encoding::{BASE64, HEXLOWER};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const GITHUB: &str = "https://token.actions.githubusercontent.com";
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
pub const COSIGN: &str = "https://sigstore.dev/cosign/sign/v1";
/// When all is signed: a second of June 2025.
pub const SIGNED: u64 = 1_748_736_000;

fn sha256(data: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, data).as_ref().to_vec()
}

/// A P-256 key.
pub struct Key(EcdsaKeyPair);

impl Default for Key {
    fn default() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        Self(EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).expect("a key"))
    }
}

impl Key {
    pub fn sign(&self, data: &[u8]) -> Vec<u8> {
        let made = self.0.sign(&SystemRandom::new(), data).expect("it signs");
        made.as_ref().to_vec()
    }

    /// The public half, as SPKI has it.
    pub fn public(&self) -> Vec<u8> {
        let algorithm = seq(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
        seq(&[&algorithm, &bits(self.0.public_key().as_ref())])
    }

    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public())
    }

    fn id(&self) -> Vec<u8> {
        sha256(&self.public())
    }
}

fn ecdsa() -> Vec<u8> {
    seq(&[&oid("1.2.840.10045.4.3.2")])
}

fn hash_algorithm() -> Vec<u8> {
    seq(&[&oid("2.16.840.1.101.3.4.2.1")])
}

fn tbs(
    subject: &[u8],
    issuer: &[u8],
    years: [&str; 2],
    key: &[u8],
    extensions: &[Vec<u8>],
) -> Vec<u8> {
    let [from, to] = years.map(|year| tlv(0x17, &[year.as_bytes(), b"0101000000Z"]));
    let extensions = tlv(0xa3, &[&seq(&[&extensions.concat()])]);
    let (version, serial) = (tlv(0xa0, &[&[2, 1, 2]]), [2, 1, 7]);
    let validity = seq(&[&from, &to]);
    seq(&[
        &version,
        &serial,
        &ecdsa(),
        issuer,
        &validity,
        subject,
        key,
        &extensions,
    ])
}

fn certificate(tbs: &[u8], key: &Key) -> Vec<u8> {
    seq(&[tbs, &ecdsa(), &bits(&key.sign(tbs))])
}

/// What is signed.
#[derive(Clone)]
pub enum Over {
    /// These bytes.
    Bytes(Vec<u8>),
    /// This statement, in an envelope of that type.
    Statement(String, &'static str),
}

/// How something is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Made {
    Right,
    /// By a key that nobody trusts.
    Wrong,
    Absent,
}

/// How a signature is logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    Right,
    Absent,
    /// The log's promise, without a proof.
    Promise,
    /// A proof, without a promise: nobody signs when.
    Proof,
    /// A promise by another log.
    WrongPromise,
    /// A head that another log signed.
    WrongHead,
    /// A proof of another tree.
    WrongProof,
    /// An entry about something else.
    OtherEntry,
    /// Logged so many seconds later.
    Later(u64),
}

/// A bundle to be made, open to every change.
pub struct Spec<'a> {
    pub over: Over,
    /// Tags and texts: 0x81 is an e-mail address, 0x86 a URI.
    pub names: Vec<(u8, String)>,
    /// Fulcio's extensions by their last number, as they are in the certificate.
    pub claims: Vec<(u32, Vec<u8>)>,
    pub issued_by: Option<&'a Key>,
    /// The name of whoever issues certificates.
    pub issuer: &'a str,
    pub years: [&'a str; 2],
    pub code_signing: bool,
    pub sct: Made,
    pub log: Logged,
    pub stamp: Made,
    /// Instead of a certificate.
    pub key: Option<&'a Key>,
    /// The signature is over something else.
    pub forged: bool,
    pub kind: Option<&'a str>,
}

/// A statement about what has that digest.
pub fn statement(hex: &str, predicate: &str) -> Over {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "artifact", "digest": {"sha256": hex}}],
        "predicateType": predicate, "predicate": {},
    });
    Over::Statement(statement.to_string(), "application/vnd.in-toto+json")
}

impl Spec<'_> {
    /// As the workflow of a repository signs a tag of it.
    pub fn workflow(over: Over, repository: &str) -> Self {
        let at = "refs/tags/v1";
        let workflow =
            format!("https://github.com/{repository}/.github/workflows/release.yml@{at}");
        let owner = repository.split('/').next().expect("a part");
        let claims = BTreeMap::from([
            (8, GITHUB.to_owned()),
            (9, workflow.clone()),
            (12, format!("https://github.com/{repository}")),
            (13, "0123456789abcdef0123456789abcdef01234567".into()),
            (14, at.into()),
            (15, "1001".into()),
            (16, format!("https://github.com/{owner}")),
            (17, "2002".into()),
            (20, "push".into()),
        ]);
        let mut spec = Self::of(over, 0x86, &workflow, GITHUB);
        spec.claims = claims
            .into_iter()
            .map(|(claim, text)| (claim, utf8(&text)))
            .collect();
        spec
    }

    /// As whoever has that name signs, says the issuer.
    pub fn of(over: Over, tag: u8, name: &str, issuer: &str) -> Self {
        Self {
            over,
            names: vec![(tag, name.to_owned())],
            claims: vec![(1, issuer.as_bytes().to_vec()), (8, utf8(issuer))],
            issued_by: None,
            issuer: "a test's authority",
            years: ["25", "26"],
            code_signing: true,
            sct: Made::Right,
            log: Logged::Right,
            stamp: Made::Absent,
            key: None,
            forged: false,
            kind: Some("application/vnd.dev.sigstore.bundle.v0.3+json"),
        }
    }

    /// The same with another claim, or without one.
    pub fn claim(mut self, claim: u32, text: Option<&str>) -> Self {
        self.claims.retain(|(number, _)| *number != claim);
        self.claims.extend(text.map(|text| (claim, utf8(text))));
        self
    }
}

/// A policy for files by the workflow that [`Spec::workflow`] names; its root lies beside it.
pub const TRUST: &str = "
    [trust.root.public-good]
    path = 'root.json'
    [trust.signer.release]
    workflow = 'github.com/acme/echo/.github/workflows/release.yml'
    refs = ['refs/tags/*']
    [[trust.rule]]
    scope = 'files'
    accept = ['release']
";

/// Authorities and logs.
#[derive(Default)]
pub struct Sigstore {
    pub authority: Key,
    pub certificates: Key,
    pub log: Key,
    pub clock: Key,
    /// Whom nobody trusts.
    pub stranger: Key,
}

impl Sigstore {
    /// The authority's own certificate, in DER.
    pub fn root(&self) -> Vec<u8> {
        let own = name("a test's authority");
        let extensions = [
            extension("2.5.29.19", true, &seq(&[&[1, 1, 0xff]])),
            extension("2.5.29.15", true, &[3, 2, 1, 6]),
        ];
        let key = self.authority.public();
        certificate(
            &tbs(&own, &own, ["20", "49"], &key, &extensions),
            &self.authority,
        )
    }

    fn clock_certificate(&self) -> Vec<u8> {
        let extensions = [
            extension("2.5.29.15", true, &[3, 2, 7, 0x80]),
            extension("2.5.29.37", true, &seq(&[&oid("1.3.6.1.5.5.7.3.8")])),
        ];
        let (own, above) = (name("a test's clock"), name("a test's authority"));
        let key = self.clock.public();
        certificate(
            &tbs(&own, &above, ["20", "49"], &key, &extensions),
            &self.authority,
        )
    }

    /// The root, as clients have it.
    pub fn trusted_root(&self) -> Value {
        let since = json!({"start": "2020-01-01T00:00:00Z"});
        let log = |key: &Key| {
            json!([{
                "baseUrl": "https://log.test", "hashAlgorithm": "SHA2_256",
                "logId": {"keyId": BASE64.encode(&key.id())},
                "publicKey": {"rawBytes": BASE64.encode(&key.public()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": since},
            }])
        };
        let chain = |certificates: &[Vec<u8>]| {
            let of = |der: &Vec<u8>| json!({"rawBytes": BASE64.encode(der)});
            let certificates: Vec<_> = certificates.iter().map(of).collect();
            json!({"certificates": certificates})
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": log(&self.log), "ctlogs": log(&self.certificates),
            "certificateAuthorities": [{"uri": "https://authority.test", "subject": {},
                "validFor": since, "certChain": chain(&[self.root()])}],
            "timestampAuthorities": [{"uri": "https://clock.test", "subject": {},
                "validFor": since, "certChain": chain(&[self.clock_certificate(), self.root()])}],
        })
    }

    /// A certificate for a key.
    fn leaf(&self, key: &Key, spec: &Spec<'_>) -> Vec<u8> {
        let names: Vec<_> = spec
            .names
            .iter()
            .map(|(tag, text)| tlv(*tag, &[text.as_bytes()]))
            .collect();
        let mut extensions = vec![
            extension("2.5.29.15", true, &[3, 2, 7, 0x80]),
            extension("2.5.29.17", true, &seq(&[&names.concat()])),
        ];
        if spec.code_signing {
            let usage = seq(&[&oid("1.3.6.1.5.5.7.3.3")]);
            extensions.push(extension("2.5.29.37", false, &usage));
        }
        for (number, value) in &spec.claims {
            let id = format!("1.3.6.1.4.1.57264.1.{number}");
            extensions.push(extension(&id, false, value));
        }
        let above = name(spec.issuer);
        let make =
            |extensions: &[Vec<u8>]| tbs(&seq(&[]), &above, spec.years, &key.public(), extensions);
        if spec.sct != Made::Absent {
            let sct = self.sct(&make(&extensions), spec);
            extensions.push(extension("1.3.6.1.4.1.11129.2.4.2", false, &octets(&sct)));
        }
        let by = spec.issued_by.unwrap_or(&self.authority);
        certificate(&make(&extensions), by)
    }

    /// The log's word for a certificate: RFC 6962.
    fn sct(&self, precertificate: &[u8], spec: &Spec<'_>) -> Vec<u8> {
        let time = (SIGNED * 1000).to_be_bytes();
        let length = &u32::try_from(precertificate.len())
            .expect("short")
            .to_be_bytes()[1..];
        let issuer = spec.issued_by.unwrap_or(&self.authority).id();
        let said = [
            &[0, 0],
            &time[..],
            &[0, 1],
            &issuer,
            length,
            precertificate,
            &[0, 0],
        ]
        .concat();
        let by = if spec.sct == Made::Wrong {
            &self.stranger
        } else {
            &self.certificates
        };
        let made = by.sign(&said);
        let short = |length: usize| u16::try_from(length).expect("short").to_be_bytes();
        let log = self.certificates.id();
        let sct = [
            &[0],
            &log[..],
            &time,
            &[0, 0, 4, 3],
            &short(made.len()),
            &made,
        ]
        .concat();
        [&short(sct.len() + 2)[..], &short(sct.len()), &sct].concat()
    }

    /// The bundle.
    pub fn bundle(&self, spec: &Spec<'_>) -> Value {
        let own = Key::default();
        let key = spec.key.unwrap_or(&own);
        let (leaf, verifier) = match spec.key {
            Some(key) => (Vec::new(), key.public_pem()),
            None => {
                let leaf = self.leaf(key, spec);
                let verifier = pem("CERTIFICATE", &leaf);
                (leaf, verifier)
            }
        };
        let signed = match &spec.over {
            Over::Bytes(bytes) => bytes.clone(),
            Over::Statement(text, kind) => {
                format!("DSSEv1 {} {kind} {} {text}", kind.len(), text.len()).into_bytes()
            }
        };
        let made = key.sign(if spec.forged {
            b"something else"
        } else {
            &signed
        });
        let signature = BASE64.encode(&made);
        let (entry, content, member) = match &spec.over {
            Over::Bytes(bytes) => (
                ("hashedrekord", hashedrekord(bytes, &signature, &verifier)),
                json!({"signature": signature, "messageDigest":
                    {"algorithm": "SHA2_256", "digest": BASE64.encode(&sha256(bytes))}}),
                "messageSignature",
            ),
            Over::Statement(text, kind) => (
                ("dsse", dsse(text, &signature, &verifier)),
                json!({"payload": BASE64.encode(text.as_bytes()), "payloadType": kind,
                    "signatures": [{"sig": signature}]}),
                "dsseEnvelope",
            ),
        };
        let material = if spec.key.is_some() {
            json!({"publicKey": {"hint": "a key"}})
        } else {
            json!({"certificate": {"rawBytes": BASE64.encode(&leaf)}})
        };
        let mut bundle = json!({"verificationMaterial": material, member: content});
        if let Some(kind) = spec.kind {
            bundle["mediaType"] = kind.into();
        }
        let entry = self.entry(entry.0, &entry.1, spec.log);
        bundle["verificationMaterial"]["tlogEntries"] = entry.into_iter().collect();
        let stamp = match spec.stamp {
            Made::Absent => return bundle,
            Made::Right => self.stamp(&made, &self.clock),
            Made::Wrong => self.stamp(&made, &self.stranger),
        };
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": [{"signedTimestamp": BASE64.encode(&stamp)}]});
        bundle
    }

    /// An entry of the log, which has no other.
    fn entry(&self, kind: &str, body: &Value, logged: Logged) -> Option<Value> {
        let other;
        let body = match logged {
            Logged::Absent => return None,
            Logged::OtherEntry => {
                other = hashedrekord(b"other bytes", "AAAA", &self.stranger.public_pem());
                &other
            }
            _ => body,
        };
        let kind = if logged == Logged::OtherEntry {
            "hashedrekord"
        } else {
            kind
        };
        let time = match logged {
            Logged::Later(seconds) => SIGNED + seconds,
            _ => SIGNED,
        };
        let body = sorted(body).to_string();
        let id = self.log.id();
        let by = |wrong: bool| if wrong { &self.stranger } else { &self.log };
        let promised = sorted(
            &json!({"body": BASE64.encode(body.as_bytes()), "integratedTime": time,
            "logID": HEXLOWER.encode(&id), "logIndex": 0}),
        );
        let promise = by(logged == Logged::WrongPromise).sign(promised.to_string().as_bytes());
        let leaf = if logged == Logged::WrongProof {
            "other"
        } else {
            &body
        };
        let tree = BASE64.encode(&sha256(&[&[0], leaf.as_bytes()].concat()));
        let note = format!("log.test\n1\n{tree}\n");
        let head = by(logged == Logged::WrongHead).sign(note.as_bytes());
        let head = BASE64.encode(&[&id[..4], &head].concat());
        let mut entry = json!({
            "logIndex": "0", "logId": {"keyId": BASE64.encode(&id)},
            "kindVersion": {"kind": kind, "version": "0.0.1"}, "integratedTime": time.to_string(),
            "canonicalizedBody": BASE64.encode(body.as_bytes()),
        });
        if logged != Logged::Proof {
            entry["inclusionPromise"] = json!({"signedEntryTimestamp": BASE64.encode(&promise)});
        }
        if logged != Logged::Promise {
            entry["inclusionProof"] = json!({"logIndex": "0", "rootHash": tree, "treeSize": "1",
                "hashes": [], "checkpoint": {"envelope": format!("{note}\n\u{2014} log.test {head}\n")}});
        }
        Some(entry)
    }

    /// The clock's word for a signature: RFC 3161, in CMS.
    fn stamp(&self, signature: &[u8], by: &Key) -> Vec<u8> {
        let imprint = seq(&[&hash_algorithm(), &octets(&sha256(signature))]);
        let time = tlv(0x18, &[b"20250601000000Z"]);
        let info = seq(&[&[2, 1, 1], &oid("1.2.3.4"), &imprint, &[2, 1, 9], &time]);
        let kind = oid("1.2.840.113549.1.9.16.1.4");
        let attributes = [
            seq(&[&oid("1.2.840.113549.1.9.3"), &set(&[&kind])]),
            seq(&[
                &oid("1.2.840.113549.1.9.4"),
                &set(&[&octets(&sha256(&info))]),
            ]),
        ];
        let made = by.sign(&set(&[&attributes.concat()]));
        let signer = seq(&[
            &[2, 1, 1],
            &seq(&[&name("a test's authority"), &[2, 1, 7]]),
            &hash_algorithm(),
            &tlv(0xa0, &[&attributes.concat()]),
            &ecdsa(),
            &octets(&made),
        ]);
        let content = seq(&[&kind, &tlv(0xa0, &[&octets(&info)])]);
        let data = seq(&[
            &[2, 1, 3],
            &set(&[&hash_algorithm()]),
            &content,
            &set(&[&signer]),
        ]);
        seq(&[&oid("1.2.840.113549.1.7.2"), &tlv(0xa0, &[&data])])
    }

    /// What cosign 2 put beside a manifest.
    pub fn layer(&self, manifest: &str, spec: &Spec<'_>, kind: &str) -> Layer {
        let payload = json!({"critical": {"identity": {"docker-reference": "ghcr.io/acme/echo"},
            "image": {"docker-manifest-digest": manifest}, "type": kind}, "optional": null});
        let payload = payload.to_string().into_bytes();
        let over = Over::Bytes(payload.clone());
        let bundle = self.bundle(&Spec {
            over,
            names: spec.names.clone(),
            claims: spec.claims.clone(),
            ..*spec
        });
        let material = &bundle["verificationMaterial"];
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let entry = &material["tlogEntries"][0];
        let stored = json!({
            "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {"body": entry["canonicalizedBody"], "integratedTime": SIGNED,
                "logIndex": 0, "logID": HEXLOWER.encode(&self.log.id())},
        });
        let leaf = material["certificate"]["rawBytes"].as_str();
        let leaf = leaf.map(|leaf| BASE64.decode(leaf.as_bytes()).expect("base64"));
        Layer {
            payload,
            signature: text(&bundle["messageSignature"]["signature"]),
            certificate: leaf.map(|leaf| pem("CERTIFICATE", &leaf)),
            chain: Some(pem("CERTIFICATE", &self.root())),
            bundle: (spec.log != Logged::Absent).then(|| stored.to_string()),
        }
    }
}

/// A layer of cosign 2's tag, and its annotations.
pub struct Layer {
    pub payload: Vec<u8>,
    pub signature: String,
    pub certificate: Option<String>,
    pub chain: Option<String>,
    pub bundle: Option<String>,
}

fn hashedrekord(bytes: &[u8], signature: &str, verifier: &str) -> Value {
    json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
        "data": {"hash": {"algorithm": "sha256", "value": HEXLOWER.encode(&sha256(bytes))}},
        "signature": {"content": signature,
            "publicKey": {"content": BASE64.encode(verifier.as_bytes())}}}})
}

fn dsse(statement: &str, signature: &str, verifier: &str) -> Value {
    let hash =
        json!({"algorithm": "sha256", "value": HEXLOWER.encode(&sha256(statement.as_bytes()))});
    json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {"envelopeHash": hash, "payloadHash": hash,
        "signatures": [{"signature": signature, "verifier": BASE64.encode(verifier.as_bytes())}]}})
}

/// Members in their order, as canonical JSON has them.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            Value::Object(members.into_iter().collect())
        }
        other => other.clone(),
    }
}

//! Bundles by themselves: what holds, what does not, and what it costs to find out.

mod real;

use super::{verifier::VERIFIED, *};
use crate::{
    artifact::{Facts, Limits, inspect},
    name::Digest,
    signature::{Beside, Looked as Found, signatures as signatures_of, step::Step},
};
use serde_json::{Value, json};
use vouch_testing::{
    forge::module,
    seeds::seed,
    sigstore::{COSIGN, Key, Made, Over, PROVENANCE, SIGNED, Sigstore, Spec, statement},
};

fn facts() -> Arc<Facts> {
    let bytes = module();
    let examined = inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap();
    examined.facts().unwrap()
}

/// What a test trusts: a root of its own, by the name of the public one.
fn anchors(of: &Sigstore) -> Anchors {
    let mut anchors = Anchors::new();
    let root = of.trusted_root().to_string();
    anchors.add_root("public-good", root.as_bytes()).unwrap();
    anchors
}

fn found(anchors: &Anchors, bundle: &[u8]) -> Found {
    let evidence = [Evidence::bundle("beside", bundle)];
    let beside = Beside {
        manifest: None,
        evidence: &evidence,
        anchors,
    };
    signatures_of(&facts(), beside)
}

/// A bundle that holds.
fn good(of: &Sigstore) -> Value {
    let over = statement(&facts().digest.hex(), PROVENANCE);
    of.bundle(&Spec::workflow(over, "acme/echo"))
}

/// What is said of how something was built is told of provenance alone, and only where it holds.
#[test]
fn provenance_is_told_once_its_signature_holds() {
    let own = Sigstore::default();
    let anchors = anchors(&own);
    let said = |predicate: &str| {
        let Over::Statement(text, kind) = statement(&facts().digest.hex(), predicate) else {
            panic!("a statement");
        };
        let says = r#""predicate":{"runDetails":{"builder":{"id":"https://builder.test"}}}"#;
        Over::Statement(text.replace(r#""predicate":{}"#, says), kind)
    };
    let check = |predicate: &str, expected: Option<&str>| {
        let bundle = own.bundle(&Spec::workflow(said(predicate), "acme/echo"));
        let signed = found(&anchors, bundle.to_string().as_bytes()).signatures;
        let signed = signed.unwrap_or_else(|refusal| panic!("{refusal}"));
        let provenance = signed[0].provenance();
        let builder = provenance.and_then(|provenance| provenance.builder.as_deref());
        assert_eq!(builder, expected, "{predicate}");
    };
    check(PROVENANCE, Some("https://builder.test"));
    check(COSIGN, None);
    let forged = Spec {
        forged: true,
        ..Spec::workflow(said(PROVENANCE), "acme/echo")
    };
    let forged = own.bundle(&forged).to_string();
    assert!(found(&anchors, forged.as_bytes()).signatures.is_err());
}

#[test]
fn a_bundle_that_holds_says_who_signed_what_and_when() {
    let own = Sigstore::default();
    let anchors = anchors(&own);
    let hex = facts().digest.hex();
    for over in [
        Over::Bytes(module()),
        statement(&hex, COSIGN),
        statement(&hex, PROVENANCE),
    ] {
        let bundle = own.bundle(&Spec::workflow(over, "acme/echo"));
        let found = found(&anchors, bundle.to_string().as_bytes());
        let signed = found
            .signatures
            .unwrap_or_else(|refusal| panic!("{refusal}"));
        let [signed] = &signed[..] else {
            panic!("{signed:?}")
        };
        let wire = serde_json::to_value(signed.on_the_wire()).unwrap();
        let expected = json!({
            "method": "sigstore",
            "signer": {
                "id": "sigstore:workflow=github.com/acme/echo/.github/workflows/release.yml",
                "commit": "0123456789abcdef0123456789abcdef01234567",
                "issuer": "https://token.actions.githubusercontent.com",
                "owner": "github.com/acme",
                "ownerId": "2002",
                "ref": "refs/tags/v1",
                "repository": "github.com/acme/echo",
                "repositoryId": "1001",
                "root": "public-good",
                "trigger": "push",
                "uri": "https://github.com/acme/echo/.github/workflows/release.yml@refs/tags/v1",
                "workflow": "github.com/acme/echo/.github/workflows/release.yml",
            },
            "subject": format!("sha256:{hex}"),
            "signedAt": SIGNED,
        });
        assert_eq!(wire, expected);
        let [report] = &found.reports[..] else {
            panic!("one was looked at")
        };
        for step in Step::ALL {
            let (outcome, found) = report.step(step).unwrap();
            assert_eq!(outcome, vouch_protocol::CheckOutcome::Held, "{step:?}");
            assert!(!found.is_empty(), "{step:?}");
        }
    }
}

#[test]
fn no_two_signers_have_one_id() {
    let own = Sigstore::default();
    let mut anchors = anchors(&own);
    anchors
        .add_root("lab", own.trusted_root().to_string().as_bytes())
        .unwrap();
    let over = || Over::Bytes(module());
    let (email, uri) = (0x81, 0x86);
    let mut ids = std::collections::BTreeSet::new();
    for spec in [
        Spec::of(over(), email, "a@b,issuer=https://x", "https://y"),
        Spec::of(over(), email, "a@b", "https://x,issuer=https://y"),
        Spec::of(over(), email, "a@b", "https://x"),
        Spec::of(over(), uri, "a@b", "https://x"),
        Spec::of(over(), uri, "a@b%2Cissuer=", "https://x"),
        Spec::workflow(over(), "acme/echo"),
        Spec::workflow(over(), "acme/echo").claim(12, Some("https://github.com/x/y")),
        Spec::workflow(over(), "acme/echo").claim(12, None),
        Spec::workflow(over(), "acme/echo").claim(12, Some("https://x,root=lab")),
    ] {
        let bundle = own.bundle(&spec).to_string();
        for signed in found(&anchors, bundle.as_bytes()).signatures.unwrap() {
            let id = signed.signer().id.clone();
            assert!(ids.insert(id.clone()), "{id} is there twice");
        }
    }
    assert_eq!(ids.len(), 18, "{ids:?}");
}

/// Whatever one byte is changed to, it is refused, or says the same.
#[test]
fn a_changed_byte_changes_nothing_that_is_said() {
    let own = Sigstore::default();
    let anchors = anchors(&own);
    let said = |bundle: &[u8]| {
        let signed = found(&anchors, bundle).signatures.ok()?.remove(0);
        Some((signed.on_the_wire(), signed.covers()))
    };
    let good = good(&own).to_string().into_bytes();
    let right = said(&good).unwrap();
    let mut same = 0;
    for at in (0..good.len()).step_by(3) {
        for change in [1_u8, 0x20] {
            let mut bundle = good.clone();
            bundle[at] ^= change;
            if let Some(other) = said(&bundle) {
                assert_eq!(other, right, "byte {at} of {}", good.len());
                same += 1;
            }
        }
    }
    // Names of members that nobody asks for, and the like.
    assert!(
        same < good.len() / 10,
        "{same} of {} changes pass",
        good.len()
    );
}

#[test]
fn what_is_cut_off_is_refused() {
    let own = Sigstore::default();
    let anchors = anchors(&own);
    let good = good(&own).to_string();
    for end in (0..good.len()).step_by(97) {
        let refused = found(&anchors, &good.as_bytes()[..end])
            .signatures
            .unwrap_err();
        assert_eq!(refused.kind, ErrorKind::SignatureInvalid, "{end}");
    }
}

/// How many signatures are verified for a bundle.
fn cost(bundle: &Value, anchors: &Anchors) -> (u32, Option<ErrorKind>) {
    let before = VERIFIED.get();
    let found = found(anchors, bundle.to_string().as_bytes());
    let kind = found.signatures.err().map(|refusal| refusal.kind);
    (VERIFIED.get() - before, kind)
}

#[test]
fn hostile_bundles_cost_no_verification() {
    let own = Sigstore::default();
    let anchors = anchors(&own);
    // A root is made when the first bundle asks for it.
    cost(&good(&own), &anchors);
    let (most, kind) = cost(&good(&own), &anchors);
    assert_eq!(kind, None);
    assert!(most <= 6, "{most} signatures for a good one");
    let check = |why: &str, change: &dyn Fn(&mut Value)| {
        let mut bundle = good(&own);
        change(&mut bundle);
        let (cost, kind) = cost(&bundle, &anchors);
        let invalid = Some(ErrorKind::SignatureInvalid);
        assert_eq!((cost, kind), (0, invalid), "{why}");
    };
    let entries = |bundle: &mut Value, number| {
        let entries = bundle["verificationMaterial"]["tlogEntries"]
            .as_array_mut()
            .unwrap();
        let entry = entries[0].clone();
        entries.resize(number, entry);
    };
    check("10,000 log entries", &|bundle| entries(bundle, 10_000));
    check("nine log entries", &|bundle| entries(bundle, 9));
    check("1,000 timestamps", &|bundle| {
        let stamps = vec![json!({"signedTimestamp": "MAA="}); 1000];
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": stamps});
    });
    check("nine timestamps", &|bundle| {
        let stamps = vec![json!({"signedTimestamp": "MAA="}); 9];
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": stamps});
    });
    let head = |bundle: &mut Value, lines: usize| {
        let proof = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
        let head = bundle.pointer_mut(proof).unwrap();
        let line = head.as_str().unwrap().lines().last().unwrap().to_owned();
        let more = format!(
            "{}{}",
            head.as_str().unwrap(),
            format!("{line}\n").repeat(lines)
        );
        *head = more.into();
    };
    check("a head of 20,000 lines", &|bundle| head(bundle, 5000));
    check("a head of 17 lines", &|bundle| head(bundle, 12));
    check("65 hashes", &|bundle| {
        let proof = "/verificationMaterial/tlogEntries/0/inclusionProof/hashes";
        *bundle.pointer_mut(proof).unwrap() = json!(vec!["AAAA"; 65]);
    });
    check("9 certificates", &|bundle| {
        let one = bundle["verificationMaterial"]["certificate"].take();
        bundle["verificationMaterial"] =
            json!({"x509CertificateChain": {"certificates": vec![one; 9]}});
    });
    check("a statement of 300 KB", &|bundle| {
        bundle["dsseEnvelope"]["payload"] =
            data_encoding::BASE64.encode(&vec![b' '; 300_000]).into();
    });
    check("2,000 subjects", &|bundle| {
        let subjects = vec![json!({"digest": {"sha256": "00".repeat(32)}}); 2000];
        let statement = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": COSIGN,
            "subject": subjects});
        let statement = statement.to_string();
        bundle["dsseEnvelope"]["payload"] =
            data_encoding::BASE64.encode(statement.as_bytes()).into();
    });
    check("a predicate nested without end in texts", &|bundle| {
        let statement = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","predicateType":"{PROVENANCE}","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicate":{}}}"#,
            facts().digest.hex(),
            vouch_testing::forge::hidden_depth(60),
        );
        bundle["dsseEnvelope"]["payload"] =
            data_encoding::BASE64.encode(statement.as_bytes()).into();
    });
    check("two signatures in an envelope", &|bundle| {
        let signatures = bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
        signatures.push(signatures[0].clone());
    });
    check("lists within lists", &|bundle| {
        let mut deep = json!([]);
        for _ in 0..120 {
            deep = json!([deep]);
        }
        bundle["verificationMaterial"]["tlogEntries"] = deep;
    });
    check("numbers that are none", &|bundle| {
        bundle["verificationMaterial"]["tlogEntries"][0]["logIndex"] = "-1".into();
    });
    check("an issuer whom nobody knows", &|bundle| {
        let spec = Spec {
            issuer: "somebody",
            ..Spec::workflow(statement(&facts().digest.hex(), COSIGN), "acme/echo")
        };
        *bundle = own.bundle(&spec);
    });
}

#[test]
fn a_root_of_the_owner_s_is_read_leniently_and_strictly() {
    let own = Sigstore::default();
    let check = |change: &dyn Fn(&mut Value), expected: Result<&[&str], &str>| {
        let mut root = own.trusted_root();
        change(&mut root);
        let root = Root::parse("lab", root.to_string().as_bytes());
        match (root, expected) {
            (Ok(root), Ok(left_out)) => {
                let found = root.left_out();
                assert_eq!(found.len(), left_out.len(), "{found:?}");
                for (found, expected) in found.iter().zip(left_out) {
                    assert!(found.contains(expected), "{found}");
                }
            }
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (found, _) => panic!("{found:?}, not {expected:?}"),
        }
    };
    check(&|_| {}, Ok(&[]));
    let unknown = |root: &mut Value, list: &str| {
        let members = root[list].as_array_mut().unwrap();
        let mut other = members[0].clone();
        other["publicKey"]["rawBytes"] = "MAA=".into();
        other["logId"]["keyId"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
        other["baseUrl"] = "https://later.example".into();
        members.push(other);
    };
    check(
        &|root| unknown(root, "tlogs"),
        Ok(&["https://later.example"]),
    );
    check(
        &|root| unknown(root, "ctlogs"),
        Ok(&["https://later.example"]),
    );
    check(
        &|root| root["tlogs"][0]["hashAlgorithm"] = "SHA9".into(),
        Ok(&["https://log.test"]),
    );
    check(
        &|root| root["certificateAuthorities"] = json!([]),
        Err("no certificate authority"),
    );
    check(
        &|root| root["certificateAuthorities"][0]["certChain"] = json!({"certificates": []}),
        Err("no certificate authority"),
    );
    check(&|root| root["mediaType"] = "x".into(), Err("`mediaType`"));
    check(&|root| *root = json!([]), Err("`mediaType`"));
    check(
        &|root| root["x"] = " ".repeat(1 << 20).into(),
        Err("larger than"),
    );
    assert!(
        Root::parse("lab", b"{")
            .unwrap_err()
            .contains("not a trusted root")
    );
}

#[test]
fn a_root_says_how_old_it_is_and_when_it_ends() {
    let own = Sigstore::default();
    let check = |ends: &[(&str, &str)], expected: Option<u64>| {
        let mut root = own.trusted_root();
        for (member, end) in ends {
            root.pointer_mut(member).unwrap()["end"] = (*end).into();
        }
        let root = Root::parse("lab", root.to_string().as_bytes()).unwrap();
        assert_eq!(root.until().map(|(end, _)| end), expected, "{ends:?}");
        assert_eq!(root.since(), Some(1_577_836_800));
    };
    let log = "/tlogs/0/publicKey/validFor";
    let authority = "/certificateAuthorities/0/validFor";
    check(&[], None);
    check(&[(log, "2030-01-01T00:00:00Z")], Some(1_893_456_000));
    let both = [
        (log, "2030-01-01T00:00:00Z"),
        (authority, "2029-01-01T00:00:00Z"),
    ];
    check(&both, Some(1_861_920_000));
    for root in Anchors::new().roots() {
        let root = root.unwrap();
        assert_eq!(root.left_out(), [""; 0], "{}", root.name());
        assert!(root.since().is_some(), "{}", root.name());
    }
}

#[test]
fn a_key_is_a_public_key_in_pem() {
    let check = |pem: &str, expected: Result<(), &str>| {
        let added = Anchors::new().add_key(pem.as_bytes(), None).map(drop);
        match (added, expected) {
            (Ok(()), Ok(())) => {}
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (added, _) => panic!("{pem}: {added:?}"),
        }
    };
    let key = Key::default();
    check(&key.public_pem(), Ok(()));
    check(
        &key.public_pem().replace("PUBLIC", "PRIVATE"),
        Err("not a public key"),
    );
    check("", Err("not a public key"));
    check(
        &vouch_testing::sigstore::pem("PUBLIC KEY", b"x"),
        Err("of a kind that cannot be used"),
    );
}

/// Threads that verify their first bundle at once find the provider there.
#[test]
fn the_first_bundles_may_come_at_once() {
    let own = Sigstore::default();
    let good = good(&own).to_string();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let anchors = anchors(&own);
                assert!(found(&anchors, good.as_bytes()).signatures.is_ok());
            });
        }
    });
}

/// What fuzzing begins with: see [`bundle`](crate::signature::fuzzing::bundle).
#[test]
fn what_fuzzing_begins_with_holds() {
    let own = Sigstore::default();
    let root = own.trusted_root().to_string();
    let artifact = b"an artifact";
    let hex = Digest::of(artifact).hex();
    let mut anchors = Anchors::new();
    anchors.add_root("public-good", root.as_bytes()).unwrap();
    let holds = |evidence: Evidence, digest: Digest| {
        let signed = crate::signature::bundled(digest, evidence, &anchors);
        assert_eq!(signed.map(|signed| signed.len()), Ok(1));
    };
    let over = || Over::Bytes(artifact.to_vec());
    let of = |over| Spec::workflow(over, "acme/echo");
    let stamped = Spec {
        stamp: Made::Right,
        ..of(over())
    };
    for spec in [
        of(over()),
        of(statement(&hex, COSIGN)),
        of(statement(&hex, PROVENANCE)),
        Spec::of(over(), 0x81, "ann@example.org", "https://accounts.example"),
        stamped,
    ] {
        let bundle = own.bundle(&spec).to_string();
        let evidence = Evidence::bundle("it", bundle.as_bytes());
        holds(evidence, Digest::of(artifact));
        seed("bundle", format!("{root}\n{bundle}"));
    }
    let kind = "cosign container image signature";
    let layer = own.layer(&format!("sha256:{hex}"), &of(over()), kind);
    let text = |text: Option<&String>| text.map(|text| text.replace('\n', "|"));
    seed(
        "bundle",
        [
            root.clone(),
            "cosign 2".into(),
            String::from_utf8(layer.payload.clone()).unwrap(),
            layer.signature.clone(),
            text(layer.certificate.as_ref()).unwrap(),
            text(layer.bundle.as_ref()).unwrap(),
        ]
        .join("\n"),
    );
    let layer = crate::signature::Layer {
        payload: layer.payload,
        signature: layer.signature,
        certificate: layer.certificate,
        chain: None,
        bundle: layer.bundle,
    };
    holds(Evidence::layer("it", layer), Digest::of(artifact));
}

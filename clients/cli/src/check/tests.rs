use super::*;

#[test]
fn what_is_not_known_is_not_accepted() {
    let check = |judgement: Value, expected: Outcome, said: &str| {
        let mut reference = json!({
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}},
            "written": "a", "format": "wadm", "reference": "ghcr.io/a/b:1",
        });
        let members = judgement.as_object().unwrap().clone();
        reference.as_object_mut().unwrap().extend(members);
        let result = json!({"recognised": true, "whole": true, "references": [reference]});
        let result = serde_json::from_value(result).unwrap();
        let findings = findings(Path::new("x"), "a", result);
        assert_eq!(findings[0].outcome, expected);
        assert_eq!(findings[0].message, said);
    };
    let accepted = json!({
        "verdict": "accepted",
        "artifact": {"kind": "module", "digest": "sha256:9f86", "size": 7},
        "signature": {
            "method": "token", "signer": {"id": "token:ACOJ", "account": "ACOJ"}, "subject": "MBCF",
        },
        "trust": {"rule": "ghcr.io/a", "mode": "named", "signer": "acme"},
    });
    let judged = |pinned: &str| json!({"state": "judged", "verification": accepted.clone(), "pinned": pinned});
    let pinned = "ghcr.io/a/b:1@sha256:2c26";
    let said = "ghcr.io/a/b:1@sha256:2c26, signed by acme (rule ghcr.io/a)";
    check(judged(pinned), Outcome::Success, said);
    let refusal = json!({"kind": "unsigned", "message": "ghcr.io/a/b:1 is not signed"});
    let refused =
        json!({"state": "judged", "verification": {"verdict": "refused", "refusal": refusal}});
    check(refused, Outcome::Refused, "ghcr.io/a/b:1 is not signed");
    let unknown = json!({"state": "unknown", "why": "failed", "message": "nobody answers"});
    check(unknown, Outcome::Failed, "ghcr.io/a/b:1: nobody answers");
    let later = json!({"state": "pondered"});
    let said = "the service says something of ghcr.io/a/b:1 that this version does not know";
    check(later, Outcome::Failed, said);
}

#[test]
fn what_was_not_looked_at_is_said() {
    let result = json!({"recognised": true, "whole": false, "references": []});
    let findings = findings(Path::new("x"), "", serde_json::from_value(result).unwrap());
    assert_eq!(findings[0].outcome, Outcome::Failed);
}

#[test]
fn what_is_not_well_formed_is_said_with_its_line() {
    let range = json!({"start": {"line": 1, "character": 2}, "end": {"line": 1, "character": 3}});
    let result = json!({"recognised": true, "whole": false, "unclear": range, "references": []});
    let result = serde_json::from_value(result).unwrap();
    let findings = findings(Path::new("x"), "a\nb: c", result);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].outcome, Outcome::Failed);
    let said = report::text(&findings[0]);
    assert!(
        said.starts_with("x:2:3: unknown: it is not well formed"),
        "{said}"
    );
}

//! Agents that lie, hang and talk nonsense, on sockets of our own. The real ones are in
//! `tests/signing`.

use super::*;
use ed25519_dalek::{Signer as _, SigningKey};
use std::future::Future;
use tempfile::TempDir;
use tokio::net::UnixListener;

/// Longer than anything takes here.
const EVER: Duration = Duration::from_secs(3600);

/// An agent that does that with each connection.
fn agent<F: Future<Output = ()> + Send + 'static>(
    with: impl Fn(UnixStream) -> F + Send + 'static,
) -> (TempDir, Agent) {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            with(stream).await;
        }
    });
    (folder, Agent::at(socket))
}

/// An agent that answers these bytes to everything.
fn answering(bytes: Vec<u8>) -> (TempDir, Agent) {
    agent(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            let length = stream.read_u32().await.unwrap();
            let mut asked = vec![0; length as usize];
            stream.read_exact(&mut asked).await.unwrap();
            let _ = stream.write_all(&bytes).await;
        }
    })
}

/// A message with its length.
fn message(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    put(&mut message, &[&[kind], rest].concat());
    message
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut string = Vec::new();
    put(&mut string, bytes);
    string
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// A list of keys, by blob and comment.
fn listing(keys: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut rest = u32::try_from(keys.len()).unwrap().to_be_bytes().to_vec();
    for (blob, comment) in keys {
        put(&mut rest, blob);
        put(&mut rest, comment);
    }
    message(IDENTITIES_ANSWER, &rest)
}

fn public() -> Vec<u8> {
    ssh::blob(&key().verifying_key().to_bytes())
}

#[tokio::test]
async fn keys_are_listed_with_why_some_cannot_sign() {
    let blob = |kind: &str| [string(kind.as_bytes()), vec![1, 2, 3]].concat();
    let rows = [
        ("ssh-rsa", "RSA"),
        ("ecdsa-sha2-nistp256", "ECDSA"),
        ("sk-ssh-ed25519@openssh.com", "FIDO"),
        ("ssh-ed25519-cert-v01@openssh.com", "certificate"),
        ("ssh-ed448", "\"ssh-ed448\""),
        ("", "\"\""),
    ];
    let blobs: Vec<_> = rows.iter().map(|(kind, _)| blob(kind)).collect();
    let public = public();
    let mut keys: Vec<(&[u8], &[u8])> = vec![(&public, b"ann@laptop"), (&public, b"")];
    keys.extend(blobs.iter().map(|blob| (&**blob, "x\u{202e}\n".as_bytes())));
    let (_folder, agent) = answering(listing(&keys));
    let found = agent.keys_within(EVER).await.unwrap();
    assert_eq!(found.len(), 8);
    let account = Account::of_key(key().verifying_key().to_bytes());
    assert_eq!(found[0].account().unwrap(), &account);
    assert_eq!(
        (found[0].comment(), found[0].kind()),
        ("ann@laptop", ED25519)
    );
    assert_eq!(found[1].called(), found[1].fingerprint());
    for ((kind, why), key) in rows.iter().zip(&found[2..]) {
        let error = key.account().unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::KeyUnusable, "{kind}");
        assert!(error.message.contains(why), "{kind}: {error}");
        assert_eq!(key.comment(), "x\u{202e}\n");
        assert!(error.message.starts_with(r"x\u{202e}\n cannot"), "{error}");
    }
    let long = vec![b'\xff'; 100_000];
    let (_folder, agent) = answering(listing(&[(&public, &long)]));
    let found = agent.keys_within(EVER).await.unwrap();
    assert_eq!(found[0].comment(), "\u{fffd}".repeat(LONGEST_COMMENT));
    let (_folder, agent) = answering(listing(&[]));
    assert!(agent.keys_within(EVER).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_that_break_the_protocol() {
    let check = async |answer: Vec<u8>, kind: SigningErrorKind, expected: &str| {
        let (_folder, agent) = answering(answer.clone());
        let error = agent.keys_within(EVER).await.unwrap_err();
        let shown = answer.get(..64).unwrap_or(&answer);
        assert_eq!(error.kind, kind, "{shown:?}: {error}");
        assert!(error.message.contains(expected), "{shown:?}: {error}");
        assert!(error.help.is_some(), "{error}");
    };
    let broken = SigningErrorKind::AgentBroken;
    let good = listing(&[(&public(), b"x")]);
    check(Vec::new(), broken, "hung up").await;
    check(vec![0, 0], broken, "hung up").await;
    check(good[..good.len() - 1].to_vec(), broken, "hung up").await;
    check(vec![0; 4], broken, "did not answer with its keys").await;
    check(b"HTTP/1.1 400 Bad Request\r\n".to_vec(), broken, "bytes").await;
    check(vec![0xff; 64], broken, "4294967295 bytes").await;
    check(
        message(FAILURE, &[]),
        SigningErrorKind::AgentRefused,
        "does not list",
    )
    .await;
    check(message(SIGN_RESPONSE, &[]), broken, "with its keys").await;
    check(message(IDENTITIES_ANSWER, &[]), broken, "garbled").await;
    check(message(IDENTITIES_ANSWER, &[0, 0, 0, 1]), broken, "garbled").await;
    check(
        message(IDENTITIES_ANSWER, &[0, 0, 4, 1]),
        broken,
        "1025 keys",
    )
    .await;
    check(
        message(IDENTITIES_ANSWER, &[0xff; 4]),
        broken,
        "4294967295 keys",
    )
    .await;
    check(
        message(IDENTITIES_ANSWER, &[0, 0, 0, 0, 0]),
        broken,
        "garbled",
    )
    .await;
    let short = &public()[..50];
    check(listing(&[(short, b"x")]), broken, "garbled").await;
    let long = [public(), vec![0]].concat();
    check(listing(&[(&long, b"x")]), broken, "garbled").await;
    check(listing(&[(b"", b"x")]), broken, "garbled").await;
    let overlong = [&[0, 0, 0, 1][..], &[0xff; 4], b"ssh-ed25519"].concat();
    check(message(IDENTITIES_ANSWER, &overlong), broken, "garbled").await;
}

#[tokio::test]
async fn signatures_that_are_none() {
    let account = Account::of_key(key().verifying_key().to_bytes());
    let signed = async |answer: Vec<u8>| {
        let (_folder, agent) = answering(answer);
        let key = AgentKey::read(&agent, &public(), b"ann").unwrap();
        agent.sign(&key, &account, "eyJ0.eyJ0", EVER).await
    };
    let response = |kind: &[u8], signature: &[u8], behind: &[u8]| {
        let blob = [string(kind), string(signature), behind.to_vec()].concat();
        message(SIGN_RESPONSE, &string(&blob))
    };
    let kind = ED25519.as_bytes();
    let good = key().sign(b"eyJ0.eyJ0").to_bytes();
    let signature = signed(response(kind, &good, b"")).await.unwrap();
    assert_eq!(signature.to_bytes(), good);
    let check = async |answer: Vec<u8>, kind: SigningErrorKind, expected: &str| {
        let error = signed(answer).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(expected), "{error}");
    };
    let broken = SigningErrorKind::AgentBroken;
    check(
        message(FAILURE, &[]),
        SigningErrorKind::AgentRefused,
        "with ann",
    )
    .await;
    check(message(IDENTITIES_ANSWER, &[]), broken, "with a signature").await;
    check(message(SIGN_RESPONSE, &[]), broken, "not an Ed25519").await;
    check(response(b"ssh-rsa", &good, b""), broken, "not an Ed25519").await;
    check(response(kind, &good[..63], b""), broken, "not an Ed25519").await;
    check(response(kind, &good, b"\x01"), broken, "not an Ed25519").await;
    let other = key().sign(b"something else").to_bytes();
    check(response(kind, &other, b""), broken, "does not verify").await;
    check(response(kind, &[0; 64], b""), broken, "does not verify").await;
}

#[tokio::test]
async fn an_agent_that_hangs_is_given_up() {
    // It answers half a length, and keeps the connection.
    let (_folder, agent) = agent(|mut stream| async move {
        stream.write_all(&[0, 0]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let error = agent
        .keys_within(Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(error.kind, SigningErrorKind::TimedOut);
    assert!(error.message.contains("did not list its keys"), "{error}");
    assert!(error.help.unwrap().contains("touch"));
}

#[tokio::test]
async fn an_agent_that_is_given_up_is_hung_up_on() {
    let (tell, mut told) = tokio::sync::mpsc::channel(2);
    let (_folder, agent) = agent(move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut asked = vec![0; 5];
            stream.read_exact(&mut asked).await.unwrap();
            tell.send(asked).await.unwrap();
            // To the end: that is where the other side has hung up.
            let mut more = Vec::new();
            stream.read_to_end(&mut more).await.unwrap();
            tell.send(more).await.unwrap();
        }
    });
    let asked = tokio::select! {
        keys = agent.keys_within(EVER) => panic!("{keys:?}"),
        asked = told.recv() => asked,
    };
    assert_eq!(asked.unwrap(), [0, 0, 0, 1, REQUEST_IDENTITIES]);
    assert!(told.recv().await.unwrap().is_empty());
}

#[tokio::test]
async fn where_no_agent_is() {
    let folder = TempDir::new().unwrap();
    let check = async |name: &str, expected: &str| {
        let agent = Agent::at(folder.path().join(name));
        let error = agent.keys_within(EVER).await.unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::NoAgent, "{name}");
        assert!(error.message.contains(expected), "{name}: {error}");
        assert!(error.help.unwrap().contains("SSH_AUTH_SOCK"));
    };
    check("absent", "nothing is there").await;
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("left")).unwrap());
    check("left", "nobody listens").await;
    std::fs::write(folder.path().join("file"), "").unwrap();
    check("file", "nobody listens").await;
    check(&"x".repeat(200), "cannot be reached").await;
}

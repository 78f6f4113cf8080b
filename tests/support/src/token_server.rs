//! A token server for docker-registry, with all that a test wants to count, shorten and revoke:
//! "Token Authentication Specification" by GET, "OAuth2 Token Authentication" by POST.

use crate::faulty::{Answer, Faulty, Seen};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

pub const USERNAME: &str = "ann";
pub const PASSWORD: &str = "planted-password-0";
pub const SERVICE: &str = "registry under test";
const ISSUER: &str = "issuer under test";

pub struct TokenServer {
    server: Faulty,
    state: Arc<State>,
    folder: tempfile::TempDir,
}

struct State {
    key: EcdsaKeyPair,
    certificate: String,
    /// Seconds that a token lives.
    life: AtomicU64,
    refresh: Mutex<Family>,
    /// Refresh tokens that came a second time.
    reused: AtomicUsize,
    issued: Mutex<Vec<String>>,
}

/// A refresh token and those it replaced.
#[derive(Default)]
struct Family {
    good: Option<String>,
    spent: Vec<String>,
}

impl TokenServer {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        let (key, der, certificate) = (path("key.pem"), path("key.der"), path("token.pem"));
        let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
        openssl(&[&["genpkey"], &curve[..], &["-out", &key]].concat());
        let convert = ["pkcs8", "-topk8", "-nocrypt", "-in", &key];
        openssl(&[&convert[..], &["-outform", "DER", "-out", &der]].concat());
        let signed = ["req", "-x509", "-days", "2", "-subj", "/CN=tokens"];
        openssl(&[&signed[..], &["-key", &key, "-out", &certificate]].concat());
        let random = ring::rand::SystemRandom::new();
        let der = fs::read(der).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random).unwrap();
        let pem = fs::read_to_string(&certificate).unwrap();
        let state = Arc::new(State {
            key,
            certificate: pem.lines().filter(|line| !line.starts_with('-')).collect(),
            life: AtomicU64::new(300),
            refresh: Mutex::default(),
            reused: AtomicUsize::new(0),
            issued: Mutex::default(),
        });
        let same = Arc::clone(&state);
        let server = Faulty::start(move |seen, number| same.answer(seen, number));
        Self {
            server,
            state,
            folder,
        }
    }

    /// The registry's section `auth`.
    pub fn auth(&self) -> String {
        let certificate = self.folder.path().join("token.pem");
        format!(
            "auth: {{token: {{realm: \"http://{}/token\", service: {SERVICE}, issuer: {ISSUER}, \
             rootcertbundle: {}}}}}\n",
            self.server.name(),
            certificate.display()
        )
    }

    pub fn challenge(&self) -> String {
        format!(
            "Bearer realm=\"http://{}/token\",service=\"{SERVICE}\",error=\"invalid_token\"",
            self.server.name()
        )
    }

    pub fn live_for(&self, seconds: u64) {
        self.state.life.store(seconds, Ordering::Relaxed);
    }

    /// A refresh token, the only good one from now on.
    pub fn refresh_token(&self) -> String {
        let mut family = self.state.refresh.lock().unwrap();
        *family = Family {
            good: Some("planted-refresh-0".into()),
            spent: Vec::new(),
        };
        "planted-refresh-0".into()
    }

    pub fn revoke_refresh_tokens(&self) {
        self.state.refresh.lock().unwrap().good = None;
    }

    pub fn reused(&self) -> usize {
        self.state.reused.load(Ordering::Relaxed)
    }

    /// How often each scope was asked for, in all ways.
    pub fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for seen in self.server.seen() {
            let scope = form(&seen).get("scope").cloned().unwrap_or_default();
            *counts.entry(scope).or_default() += 1;
        }
        counts
    }

    pub fn count(&self) -> usize {
        self.server.seen().len()
    }

    /// Every secret that it gave.
    pub fn issued(&self) -> Vec<String> {
        self.state.issued.lock().unwrap().clone()
    }
}

/// The parameters of a GET or POST.
fn form(seen: &Seen) -> HashMap<String, String> {
    let body = String::from_utf8_lossy(&seen.body);
    let target = seen.target.split_once('?').map_or("", |(_, query)| query);
    let query = if seen.method == "POST" { &body } else { target };
    let mut form = HashMap::<String, String>::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // Several scopes in a GET are one parameter each; in a POST they share one.
        let entry = form.entry(name.into_owned()).or_default();
        if !entry.is_empty() {
            entry.push(' ');
        }
        entry.push_str(&value);
    }
    form
}

impl State {
    fn answer(&self, seen: &Seen, number: usize) -> Answer {
        let form = form(seen);
        let scope = form.get("scope").map_or("", String::as_str);
        if form.get("service").map(String::as_str) != Some(SERVICE) {
            return Answer::new(400).body(r#"{"error":"invalid_request"}"#);
        }
        let mut refresh = None;
        let known = if seen.method == "POST" {
            let given = form.get("refresh_token").cloned().unwrap_or_default();
            let mut family = self.refresh.lock().unwrap();
            if family.spent.contains(&given) {
                // A thief, or a client that lost count: nobody of the family is good any more.
                self.reused.fetch_add(1, Ordering::Relaxed);
                family.good = None;
            }
            if family.good.as_ref() != Some(&given) {
                return Answer::new(400).body(r#"{"error":"invalid_grant"}"#);
            }
            let next = format!("planted-refresh-{}", number + 1);
            self.issued.lock().unwrap().push(next.clone());
            family.spent.push(given);
            family.good = Some(next.clone());
            refresh = Some(next);
            true
        } else {
            let right = BASE64.encode(format!("{USERNAME}:{PASSWORD}").as_bytes());
            match seen.header("authorization") {
                None => false,
                Some(known) if known == format!("Basic {right}") => true,
                Some(_) => {
                    let error = r#"{"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}"#;
                    return Answer::new(401).body(error);
                }
            }
        };
        let token = self.token(scope, known, number);
        self.issued.lock().unwrap().push(token.clone());
        let life = self.life.load(Ordering::Relaxed);
        let mut answer = json!({"token": token, "access_token": token, "expires_in": life});
        if let Some(refresh) = refresh {
            answer["refresh_token"] = refresh.into();
        }
        Answer::new(200).body(answer.to_string())
    }

    fn token(&self, scope: &str, known: bool, number: usize) -> String {
        let access: Vec<Value> = scope
            .split(' ')
            .filter(|_| known)
            .filter_map(|scope| {
                let mut parts = scope.splitn(3, ':');
                let (kind, name, actions) = (parts.next()?, parts.next()?, parts.next()?);
                let actions: Vec<_> = actions
                    .split(',')
                    .filter(|action| !name.starts_with("denied/") || *action == "pull")
                    .collect();
                Some(json!({"type": kind, "name": name, "actions": actions}))
            })
            .collect();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = json!({
            "iss": ISSUER, "sub": if known { USERNAME } else { "" }, "aud": SERVICE,
            "iat": now, "nbf": now - 10, "exp": now + self.life.load(Ordering::Relaxed),
            "jti": number.to_string(), "access": access,
        });
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [self.certificate]});
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let text = format!("{}.{}", part(&header), part(&claims));
        let random = ring::rand::SystemRandom::new();
        let signature = self.key.sign(&random, text.as_bytes()).unwrap();
        format!("{text}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// Whether a bearer token has expired, to the second.
pub fn has_expired(authorization: &str) -> bool {
    let payload = authorization.split('.').nth(1).unwrap_or_default();
    let Ok(payload) = BASE64URL_NOPAD.decode(payload.as_bytes()) else {
        return false;
    };
    let claims: Value = serde_json::from_slice(&payload).unwrap_or_default();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    claims["exp"].as_u64().is_some_and(|expires| expires <= now)
}

//! The one place where HTTP clients are made: certificates, proxies and redirects are the same for
//! every request.

use super::{
    certificates::{add, identity},
    host::Host,
    lock,
    section::RegistryConfig,
};
use crate::error::{Error, Result};
use reqwest::{Client, Url, redirect};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme, client::ResolvesClientCert,
    crypto::ring::default_provider, sign::CertifiedKey,
};
use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;
use vouch_protocol::ErrorKind;

/// The system's authorities, read once for all sessions: it takes a tenth of a second, and 10 MB.
static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// The clients for one registry, each made when first needed.
#[derive(Debug)]
pub(super) struct Clients {
    section: RegistryConfig,
    /// The registry itself; a client certificate is shown to nobody else.
    registry: Url,
    connect: Duration,
    made: Mutex<Arc<[Made; 5]>>,
}

#[derive(Debug, Default)]
struct Made {
    client: OnceCell<Client>,
    certificate: Arc<Certificate>,
    answered: AtomicBool,
}

/// What is shown to those who ask for a client certificate.
#[derive(Debug, Default)]
struct Certificate {
    pair: OnceLock<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ResolvesClientCert for Certificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.pair.get().cloned()
    }

    fn has_certs(&self) -> bool {
        self.pair.get().is_some()
    }
}

/// What requests to an address need of their client.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// To this machine, which no proxy reaches; docker and oras hold it so.
    direct: bool,
    /// Over TLS: only then are authorities looked for.
    tls: bool,
    /// To the registry itself, which is shown a client certificate.
    shown: bool,
}

impl Clients {
    pub(super) fn new(host: &Host, connect: Duration) -> Self {
        Self {
            section: host.section.clone(),
            registry: host.base.clone(),
            connect,
            made: Mutex::default(),
        }
    }

    /// The client for requests to that address.
    pub(super) async fn to(&self, url: &Url) -> Result<Client> {
        let way = self.way(url);
        let all = self.made();
        let made = way.of(&all);
        made.client
            .get_or_try_init(|| async {
                let (section, connect) = (self.section.clone(), self.connect);
                let certificate = Arc::clone(&made.certificate);
                tokio::task::spawn_blocking(move || build(&section, connect, way, certificate))
                    .await
                    .map_err(|error| {
                        let message = "making an HTTP client failed";
                        Error::new(ErrorKind::Internal, message).source(error)
                    })?
            })
            .await
            .cloned()
    }

    /// Whoever is there has answered.
    pub(super) fn answered(&self, url: &Url) {
        let made = self.made();
        self.way(url)
            .of(&made)
            .answered
            .store(true, Ordering::Relaxed);
    }

    /// Whether whoever is there has asked for a client certificate, and answered nothing since.
    /// Servers that miss one end the connection, and that often overtakes the word that says why.
    pub(super) fn only_asked(&self, url: &Url) -> bool {
        let all = self.made();
        let made = self.way(url).of(&all);
        made.certificate.asked.load(Ordering::Relaxed) && !made.answered.load(Ordering::Relaxed)
    }

    fn made(&self) -> Arc<[Made; 5]> {
        Arc::clone(&lock(&self.made))
    }

    fn way(&self, url: &Url) -> Way {
        let tls = url.scheme() == "https";
        let own = url.origin() == self.registry.origin();
        Way {
            direct: is_loopback(url),
            tls,
            shown: tls && own && self.section.client.is_some(),
        }
    }

    /// Makes the clients anew where files decide about them: these may have changed.
    pub(super) fn read_files_again(&self) {
        if self.section.names_files() {
            *lock(&self.made) = Arc::default();
        }
    }
}

impl Way {
    fn of(self, made: &[Made; 5]) -> &Made {
        let [proxied_plain, proxied_tls, direct_plain, direct_tls, shown] = made;
        match (self.direct, self.tls) {
            _ if self.shown => shown,
            (false, false) => proxied_plain,
            (false, true) => proxied_tls,
            (true, false) => direct_plain,
            (true, true) => direct_tls,
        }
    }
}

fn build(
    section: &RegistryConfig,
    connect: Duration,
    way: Way,
    certificate: Arc<Certificate>,
) -> Result<Client> {
    let failed = |why: &dyn std::fmt::Display| {
        Error::new(
            ErrorKind::InsecureRegistry,
            format!("TLS cannot be set up: {why}"),
        )
        .help("Install the system's CA certificates, or name a `ca` file in the config.")
    };
    let authorities = match (way.tls, &section.ca) {
        // A proxy may be spoken to over TLS all the same.
        (false, _) if way.direct => Arc::new(RootCertStore::empty()),
        (_, Some(path)) => {
            let mut authorities = RootCertStore::clone(&system());
            add(&mut authorities, path)?;
            Arc::new(authorities)
        }
        (_, None) => system(),
    };
    if way.tls && authorities.is_empty() {
        return Err(failed(&"no CA certificates were found"));
    }
    if let Some(client) = section.client.as_ref().filter(|_| way.shown) {
        // Only one task at a time makes this client: nothing else was put there.
        let _ = certificate.pair.set(Arc::new(identity(client)?));
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error).source(error))?
        .with_root_certificates(authorities)
        .with_client_cert_resolver(certificate);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut builder = Client::builder()
        .user_agent(concat!("vouchd/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        // Followed in `send`, which knows where credentials may go.
        .redirect(redirect::Policy::none())
        // Ours honours Retry-After and makes bodies anew.
        .retry(reqwest::retry::never())
        .http2_adaptive_window(true)
        .tls_backend_preconfigured(tls);
    if way.direct {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| failed(&super::failure::causes(&error)).source(error))
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR` count, as for OpenSSL.
fn system() -> Arc<RootCertStore> {
    let authorities = SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "certificates of the system could not be read");
        }
        let mut authorities = RootCertStore::empty();
        // Systems have some that are too old or odd to be read; they vouch for nobody then.
        authorities.add_parsable_certificates(found.certs);
        Arc::new(authorities)
    });
    Arc::clone(authorities)
}

/// Whether an address is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost",
    }
}

/// Whether an address may lead to this machine: more than what counts as loopback where that gives
/// a right. Names that others resolve to it are not known here.
pub(super) fn is_local(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse::<IpAddr>() {
        let address = address.to_canonical();
        return address.is_loopback() || address.is_unspecified();
    }
    let name = host.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Fails where the environment names a proxy that cannot be used: without it, requests would go
/// where they were not meant to.
pub(super) fn check_proxies() -> Result<()> {
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        for name in [name.to_owned(), name.to_ascii_lowercase()] {
            let usable = std::env::var_os(&name)
                .is_none_or(|value| value.is_empty() || value.to_str().is_some_and(is_proxy));
            if !usable {
                // Its value may hold a password.
                return Err(Error::new(
                    ErrorKind::InvalidParams,
                    format!("the environment's {name} names no proxy that can be used"),
                )
                .help("Write `http://host:port` or `https://host:port`, or unset it."));
            }
        }
    }
    Ok(())
}

fn is_proxy(value: &str) -> bool {
    let parsed = if value.contains("://") {
        Url::parse(value)
    } else {
        Url::parse(&format!("http://{value}"))
    };
    parsed.is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
    })
}

/// An address as it may be shown: queries hold presigned signatures, user names passwords. A long
/// path is left away whole: a part of it could be a part of a secret.
pub(super) fn shown(url: &Url) -> String {
    let path = Some(url.path()).filter(|path| path.len() <= 300);
    let origin = url.origin().ascii_serialization();
    format!("{origin}{}", path.unwrap_or("/…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_this_machine_is_seen() {
        let check = |host: &str, loopback: bool, local: bool| {
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            assert_eq!(is_loopback(&url), loopback, "{host}");
            assert_eq!(is_local(&url), local, "{host}");
        };
        check("127.0.0.1:5000", true, true);
        check("[::1]", true, true);
        check("localhost", true, true);
        check("0x7f.1", true, true);
        check("[::ffff:127.0.0.1]", false, true);
        check("0.0.0.0", false, true);
        check("[::]", false, true);
        check("localhost.", false, true);
        check("a.localhost", false, true);
        check("registry.example", false, false);
        check("192.0.2.1", false, false);
    }

    #[test]
    fn proxies_are_addresses() {
        let check = |value: &str, expected: bool| assert_eq!(is_proxy(value), expected, "{value}");
        check("http://ann:pw@proxy.example:3128", true);
        check("proxy.example:3128", true);
        check("https://proxy.example", true);
        check("http://ann:pw@[bad", false);
        check("socks9://proxy.example", false);
        check("http://", false);
        check("not a proxy", false);
    }
}

//! The one place where HTTP clients are made: certificates, proxies and redirects are the same for
//! every request.

use super::{
    super::{causes::causes, config::RegistryConfig},
    address::{Resolver, is_loopback},
    certificates::{add, identity},
    proxy::Proxies,
};
use crate::error::{Result, error};
use parking_lot::Mutex;
use reqwest::{Client, Url, redirect};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme, client::ResolvesClientCert,
    crypto::ring::default_provider, sign::CertifiedKey,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;

/// The system's authorities, read once for all sessions: it takes a tenth of a second, and 10 MB.
static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// Connections to one address that are kept for the next request.
const IDLE: usize = 4;

/// The clients for one registry, each made when first needed.
#[derive(Debug)]
pub(crate) struct Clients {
    section: RegistryConfig,
    /// The registry itself; a client certificate is shown to it alone.
    registry: Url,
    connect: Duration,
    proxies: Arc<Proxies>,
    made: Mutex<HashMap<Way, Arc<Made>>>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    /// To this machine, which no proxy reaches; docker and oras hold it so.
    direct: bool,
    /// Over TLS: only then are authorities looked for.
    tls: bool,
    /// To the registry itself, which is shown a client certificate.
    shown: bool,
}

impl Clients {
    pub(super) fn new(
        section: RegistryConfig,
        registry: Url,
        connect: Duration,
        proxies: Arc<Proxies>,
    ) -> Self {
        Self {
            section,
            registry,
            connect,
            proxies,
            made: Mutex::default(),
        }
    }

    /// What the owner's config says of the registry.
    pub(super) fn section(&self) -> &RegistryConfig {
        &self.section
    }

    /// The client for requests to that address.
    pub(super) async fn to(&self, url: &Url) -> Result<Client> {
        let way = self.way(url);
        if !way.direct {
            self.proxies.check(url)?;
        }
        let made = self.made(way);
        made.client
            .get_or_try_init(|| async {
                let (section, connect) = (self.section.clone(), self.connect);
                let certificate = Arc::clone(&made.certificate);
                let build = move || build(&section, connect, way, certificate);
                tokio::task::spawn_blocking(build).await?
            })
            .await
            .cloned()
    }

    /// A server at that address has answered.
    pub(super) fn answered(&self, url: &Url) {
        let made = self.made(self.way(url));
        made.answered.store(true, Ordering::Relaxed);
    }

    /// Whether the server there has asked for a client certificate and answered nothing since.
    /// Servers that miss one close the connection, often before the alert that says why arrives.
    pub(super) fn only_asked(&self, url: &Url) -> bool {
        let made = self.made(self.way(url));
        made.certificate.asked.load(Ordering::Relaxed) && !made.answered.load(Ordering::Relaxed)
    }

    fn made(&self, way: Way) -> Arc<Made> {
        Arc::clone(self.made.lock().entry(way).or_default())
    }

    fn way(&self, url: &Url) -> Way {
        let tls = url.scheme() == "https";
        let own = url.origin() == self.registry.origin();
        Way {
            direct: is_loopback(url),
            tls,
            shown: tls && own && self.section.client_cert.is_some(),
        }
    }

    /// Makes the clients anew where files decide about them: these may have changed.
    pub(crate) fn read_files_again(&self) {
        if self.section.names_files() {
            self.made.lock().clear();
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
        error!(InsecureRegistry: "TLS cannot be set up: {why}")
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
    if let Some((chain, key)) = section.client().filter(|_| way.shown) {
        // Only one task at a time makes this client: nothing else was put there.
        let _ = certificate.pair.set(Arc::new(identity(chain, key)?));
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
        // Followed in `Host`, which knows where credentials may go.
        .redirect(redirect::Policy::none())
        .dns_resolver(Resolver)
        // Ours honours Retry-After and makes bodies anew.
        .retry(reqwest::retry::never())
        .http2_adaptive_window(true)
        // Each keeps the buffer that it last read into, of 400 KiB after a download.
        .pool_max_idle_per_host(IDLE)
        .tls_backend_preconfigured(tls);
    if way.direct {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| failed(&causes(&error, |text| text)).source(error))
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR` count, as for OpenSSL.
fn system() -> Arc<RootCertStore> {
    let authorities = SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "certificates of the system could not be read");
        }
        let mut authorities = RootCertStore::empty();
        // Some that systems carry are too old or odd to be parsed; they are not trusted then.
        authorities.add_parsable_certificates(found.certs);
        Arc::new(authorities)
    });
    Arc::clone(authorities)
}

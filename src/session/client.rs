//! The one place where HTTP clients are made: certificates, proxies and redirects are the same for
//! every request.

use crate::{
    error::{Error, Result},
    file::Source,
};
use reqwest::{Certificate, Client, Url, redirect};
use std::{
    io::Read,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::OnceCell;
use vouch_protocol::ErrorKind;

/// A bundle of certificates is at most that large.
const LARGEST_BUNDLE: u64 = 4 << 20;

/// The clients of one TLS setup. Made when first needed: reading the system's certificates takes
/// milliseconds.
#[derive(Debug)]
pub(super) struct Clients {
    ca: Option<PathBuf>,
    connect: Duration,
    /// By the environment's proxies, if it names any.
    proxied: OnceCell<Client>,
    /// For this machine, which no proxy reaches; docker and oras hold it so.
    direct: OnceCell<Client>,
}

impl Clients {
    pub(super) fn new(ca: Option<PathBuf>, connect: Duration) -> Self {
        Self {
            ca,
            connect,
            proxied: OnceCell::new(),
            direct: OnceCell::new(),
        }
    }

    /// The client for requests to that address.
    pub(super) async fn to(&self, url: &Url) -> Result<Client> {
        let direct = is_loopback(url);
        let cell = if direct { &self.direct } else { &self.proxied };
        cell.get_or_try_init(|| async {
            let (ca, connect) = (self.ca.clone(), self.connect);
            tokio::task::spawn_blocking(move || build(ca.as_deref(), connect, direct))
                .await
                .map_err(|error| {
                    Error::new(ErrorKind::Internal, "making an HTTP client failed").source(error)
                })?
        })
        .await
        .cloned()
    }
}

fn build(ca: Option<&Path>, connect: Duration, direct: bool) -> Result<Client> {
    // Fails where it was done before, by us or by the program we are part of: then all is well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("vouchd/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        // Followed in `send`, which knows where credentials may go.
        .redirect(redirect::Policy::none())
        // Ours honours Retry-After and makes bodies anew.
        .retry(reqwest::retry::never())
        .http2_adaptive_window(true);
    if direct {
        builder = builder.no_proxy();
    }
    if let Some(path) = ca {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    builder.build().map_err(|error| {
        Error::new(
            ErrorKind::InsecureRegistry,
            format!("TLS cannot be set up: {}", super::failure::causes(&error)),
        )
        .help("Install the system's CA certificates, or name a `ca` file in the config.")
    })
}

fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let unusable = |why: &str| {
        Error::new(
            ErrorKind::InsecureRegistry,
            format!("the config's CA file {} {why}", path.display()),
        )
        .help("Set `ca` to a PEM file of certificates.")
    };
    let source = Source::open(path)
        .map_err(|error| unusable(&format!("cannot be used: {error}")).source(error))?;
    if source.size() > LARGEST_BUNDLE {
        return Err(unusable("is too large"));
    }
    let mut pem = Vec::new();
    source
        .reader()
        .take(LARGEST_BUNDLE)
        .read_to_end(&mut pem)
        .map_err(|error| unusable(&format!("cannot be read: {error}")))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|_| unusable("holds no PEM certificates"))?;
    if certificates.is_empty() {
        return Err(unusable("holds no PEM certificates"));
    }
    Ok(certificates)
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

/// An address as it may be shown: queries hold presigned signatures, user names passwords.
pub(crate) fn shown(url: &Url) -> String {
    let path: String = url.path().chars().take(300).collect();
    format!("{}{path}", url.origin().ascii_serialization())
}

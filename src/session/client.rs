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

/// An address as it may be shown: queries hold presigned signatures, user names passwords.
pub(super) fn shown(url: &Url) -> String {
    let path: String = url.path().chars().take(300).collect();
    format!("{}{path}", url.origin().ascii_serialization())
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

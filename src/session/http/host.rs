//! Where a registry answers, and what may be said and asked of others on its behalf.

use super::{
    super::{config::RegistryConfig, credentials::Redactor},
    address::{is_link_local, is_local, is_loopback, shown},
    client::Clients,
    proxy::Proxies,
};
use crate::{
    error::{Error, Result, error},
    name::Registry,
};
use reqwest::Url;
use std::{fmt, sync::Arc, time::Duration};
use vouch_protocol::ErrorKind;

/// How long to wait for registries, and how often to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next byte, in either direction.
    pub idle: Duration,
    /// For the head of a response once the request was sent, and for a small body as a whole.
    pub answer: Duration,
    /// For all that one registry has beside an artifact to judge it by.
    pub beside: Duration,
    /// Before the second attempt; twice as long before each further one, less some jitter.
    pub backoff: Duration,
    /// The longest `Retry-After` that is waited for, and the most that all waits of one request
    /// may add up to.
    pub retry_after: Duration,
    /// Attempts in all, while nothing gets any further.
    pub attempts: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            beside: Duration::from_secs(30),
            backoff: Duration::from_millis(250),
            retry_after: Duration::from_secs(60),
            attempts: 5,
        }
    }
}

/// A registry as one session speaks to it.
pub(crate) struct Host {
    registry: Registry,
    base: Url,
    timeouts: Timeouts,
    pub(crate) clients: Clients,
    redactor: Arc<Redactor>,
}

impl Host {
    /// A registry, spoken to as its section of the config says.
    pub(crate) fn new(
        registry: &Registry,
        section: RegistryConfig,
        timeouts: &Timeouts,
        proxies: &Arc<Proxies>,
        redactor: &Arc<Redactor>,
    ) -> Result<Self> {
        let base = |scheme: &str| {
            Url::parse(&format!("{scheme}://{}/", registry.address()))
                .map_err(|error| error!(Internal: "{registry} has no address").source(error))
        };
        let tls = base("https")?;
        let plain = section
            .plain_http
            .unwrap_or(is_loopback(&tls) && !section.names_files())
            && !registry.is_docker_hub();
        let base = if plain { base("http")? } else { tls };
        let (connect, proxies) = (timeouts.connect, Arc::clone(proxies));
        Ok(Self {
            registry: registry.clone(),
            clients: Clients::new(section, base.clone(), connect, proxies),
            base,
            timeouts: timeouts.clone(),
            redactor: Arc::clone(redactor),
        })
    }

    /// The registry's name, for messages.
    pub(crate) fn registry(&self) -> &str {
        self.registry.as_str()
    }

    /// The root of its addresses.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// How long to wait for it.
    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// What the owner's config says of it.
    pub(crate) fn section(&self) -> &RegistryConfig {
        self.clients.section()
    }

    pub(crate) fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    /// What others had a hand in, without our secrets: some echo what they are sent.
    pub(crate) fn redacted(&self, text: String) -> String {
        self.redactor.redacted(text)
    }

    /// An error about this registry. It may hold the registry's words.
    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, self.redacted(message.into())).registry(self.registry())
    }

    /// An error about something that this registry does: `what` goes on behind its name.
    pub(crate) fn fault(&self, kind: ErrorKind, what: &str) -> Error {
        self.error(kind, format!("{} {what}", self.registry))
    }

    /// The same error, about this registry.
    pub(crate) fn about(&self, error: &Error) -> Error {
        let about = self.error(error.kind(), error.message());
        match error.data().help {
            Some(help) => about.help(self.redacted(help)),
            None => about,
        }
    }

    /// Whether an address is the registry's own.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Who is at an address, for messages.
    pub(crate) fn party(&self, url: &Url) -> String {
        if self.is_own(url) {
            self.registry().to_owned()
        } else {
            format!("{} (for {})", self.redacted(shown(url)), self.registry)
        }
    }

    /// Fails where a request may not go: from a registry that is spoken to over TLS nothing leads
    /// to plain HTTP; from one on this machine no plain HTTP leads away from it, and from others
    /// none to it. Nothing leads to link-local addresses.
    pub(crate) fn permit(&self, url: &Url) -> Result<()> {
        let plain = self.base.scheme() == "http" && self.may_be_plain(url);
        self.check(url, plain, "sends requests on to")
    }

    /// Fails where a realm may not be asked, as the login travels with the question: plain HTTP is
    /// for this machine, and for where the owner's config says so of the registry.
    pub(crate) fn permit_realm(&self, realm: &Url) -> Result<()> {
        let plain =
            (self.base.scheme() == "http" || is_loopback(&self.base)) && self.may_be_plain(realm);
        self.check(realm, plain, "asks to get access tokens from")
    }

    /// Whether plain HTTP stays on this machine, or stays away from it.
    fn may_be_plain(&self, url: &Url) -> bool {
        if is_loopback(&self.base) {
            is_loopback(url)
        } else {
            !is_local(url)
        }
    }

    fn check(&self, url: &Url, plain: bool, leads_to: &str) -> Result<()> {
        let protected = match url.scheme() {
            "https" => true,
            "http" => plain,
            _ => false,
        };
        let (why, help) = if url.host_str().is_none_or(str::is_empty) || !protected {
            (
                "not as well protected",
                "Have the registry name an https address.",
            )
        } else if is_link_local(url) && !self.is_own(url) {
            let help = "Clouds keep the secrets of machines at such addresses.";
            ("a link-local address", help)
        } else {
            return Ok(());
        };
        let message = format!(
            "{} {leads_to} {}, which is {why}",
            self.registry,
            shown(url)
        );
        let error = self.error(ErrorKind::InsecureRegistry, message);
        Err(error.help(format!("Nothing was sent there. {help}")))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.base.as_str()).finish()
    }
}

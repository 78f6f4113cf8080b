//! Registries: hosts with or without a port, and Docker Hub's many names.

use super::without_secrets;
use crate::error::{Error, Result, error};
use reqwest::Url;
use serde::{Serialize, Serializer};
use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// Docker Hub: its one name, where its API answers (the name itself is that of a web site), and
/// what else it is called.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_API: &str = "registry-1.docker.io";
const DOCKER_HUB_NAMES: [&str; 4] = [
    DOCKER_HUB,
    "index.docker.io",
    DOCKER_HUB_API,
    "registry.hub.docker.com",
];

/// The default ports of TLS and of plain HTTP.
const TLS: u16 = 443;
const PLAIN: u16 = 80;

/// The one name of a registry: see the module. `ghcr.io`, `127.0.0.1:5000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registry(String);

impl Registry {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is Docker Hub, where repositories without a namespace are in `library`.
    pub fn is_docker_hub(&self) -> bool {
        self.0 == DOCKER_HUB
    }

    /// The host, and the port if there is one, at which it answers.
    pub fn address(&self) -> &str {
        if self.is_docker_hub() {
            DOCKER_HUB_API
        } else {
            &self.0
        }
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.0
            .parse()
            .is_ok_and(|name: HostPort| name.is_loopback())
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Registry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A registry's host and port, in their canonical form but for what [`PlainHosts`] decide.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// In lower case; an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
}

impl HostPort {
    /// Whether the host alone could be the first part of a repository too.
    fn needs_port(&self) -> bool {
        self.host != "localhost" && !self.host.contains(['.', ':'])
    }

    /// Whether the host is this machine, as what docker and oras speak plain HTTP to by default.
    fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        match address.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => address == "localhost",
        }
    }

    /// The host and port of a text, or why it has none.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, "")) => (format!("[{address}]"), None),
            Some((address, rest)) => {
                let port = rest.strip_prefix(':').ok_or("it is not a host")?;
                (format!("[{address}]"), Some(port))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host.to_owned(), Some(port)),
                None => (text.to_owned(), None),
            },
        };
        let port = port
            .map(|port| {
                Some(port)
                    .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
                    .and_then(|port| port.parse().ok())
                    .filter(|port| *port != 0)
                    .ok_or("its port is not a number from 1 to 65535")
            })
            .transpose()?;
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_name = host.len() <= 253 && host.split('.').all(is_label);
        let is_address = |address: &str| address.parse::<Ipv6Addr>().is_ok();
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if !bracketed.map_or(is_name, is_address) {
            return Err("it is not a host");
        }
        // The URL standard's host parser: it knows which names are spellings of an IP address, and
        // is what requests are sent with.
        let host = Url::parse(&format!("https://{host}/"))
            .ok()
            .and_then(|url| url.host_str().map(ToOwned::to_owned))
            .ok_or("it is not a host")?;
        Ok(Self { host, port })
    }
}

impl FromStr for HostPort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).map_err(|why| wrong(text, why))
    }
}

fn wrong(text: &str, why: &str) -> Error {
    error!(InvalidReference: "{:?} is not a registry: {why}", without_secrets(text))
        .help("Write a host and, where it has one, a port: `ghcr.io`, `localhost:5000`.")
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The hosts whose port is 80 where none is written, as the owner's config says `plain-http` of
/// them. It is what a name's one value depends on: see the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainHosts(BTreeSet<String>);

impl PlainHosts {
    /// Those of registries of which the config says `plain-http`. One with another port than 443
    /// says nothing about the host without a port.
    pub fn new(plain: impl IntoIterator<Item = HostPort>) -> Self {
        let hosts = plain
            .into_iter()
            .filter(|name| name.port.is_none_or(|port| port == TLS))
            .map(|name| name.host);
        Self(hosts.collect())
    }

    /// Parses a registry's name in a request: the names that references take.
    pub fn registry(&self, text: &str) -> Result<Registry> {
        self.parse(text).map_err(|why| wrong(text, why))
    }

    pub(super) fn parse(&self, text: &str) -> Result<Registry, &'static str> {
        // What docker tells a registry from the first part of a repository by.
        if !text.contains(['.', ':']) && !text.eq_ignore_ascii_case("localhost") {
            return Err("it has neither a dot nor a port");
        }
        Ok(self.name(&HostPort::parse(text)?))
    }

    /// The one name of a host and port.
    pub fn name(&self, name: &HostPort) -> Registry {
        let HostPort { host, port } = name;
        if DOCKER_HUB_NAMES.contains(&host.as_str()) && port.is_none_or(|port| port == TLS) {
            return Registry(DOCKER_HUB.to_owned());
        }
        let plain = self.0.contains(host);
        let port = match port {
            // References have to be able to name it.
            None if name.needs_port() => Some(if plain { PLAIN } else { TLS }),
            Some(TLS) if !(plain || name.needs_port() || name.is_loopback()) => None,
            port => *port,
        };
        let host = host.clone();
        Registry(HostPort { host, port }.to_string())
    }
}

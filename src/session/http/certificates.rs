//! The PEM files that the owner's config names: authorities, and what the service shows of itself.
//! No message holds a part of a file: one of them is a private key.

use super::super::config::RegistryConfig;
use crate::{
    error::{Error, Result, error},
    file::Source,
};
use rustls::{
    RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::path::Path;
use zeroize::Zeroizing;

/// The largest PEM file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// Adds the certificates of a PEM file.
pub(super) fn add(authorities: &mut RootCertStore, path: &Path) -> Result<()> {
    for certificate in certificates("ca", path)? {
        authorities
            .add(certificate)
            .map_err(|_| unusable("ca", path, "holds a certificate that cannot be used"))?;
    }
    Ok(())
}

/// Reads a certificate and its key, which have to belong together.
pub(super) fn identity(certificate: &Path, key: &Path) -> Result<CertifiedKey> {
    let chain = certificates("client-cert", certificate)?;
    let wrong = |why: &str| unusable("client-key", key, why);
    let source = open("client-key", key)?;
    if !source.is_private() {
        return Err(wrong("can be read by others").help(format!(
            "Run `chmod 600 {}`. A key of root's may also be readable for its group.",
            key.display()
        )));
    }
    let pem = read("client-key", key, &source)?;
    let parsed = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| wrong("holds no PEM private key; one with a passphrase cannot be used"))?;
    CertifiedKey::from_der(chain, parsed, &default_provider()).map_err(|error| {
        let why = match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("is not the key of {}", certificate.display())
            }
            // It says what is wrong with the key's kind, and nothing of its value.
            error => format!("cannot be used: {error}"),
        };
        wrong(&why)
    })
}

impl RegistryConfig {
    /// What is wrong with the files that it names, by their keys. Blocks.
    pub fn problems(&self) -> Vec<(&'static str, Error)> {
        let ca = self.ca.as_deref();
        let ca = ca.map(|path| add(&mut RootCertStore::empty(), path));
        let client = self.client();
        let client = client.map(|(certificate, key)| identity(certificate, key).map(drop));
        [("ca", ca), ("client-cert", client)]
            .into_iter()
            .filter_map(|(key, checked)| Some((key, checked?.err()?)))
            .collect()
    }
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read(key, path, &open(key, path)?)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| unusable(key, path, "holds a certificate that cannot be read"))?;
    if certificates.is_empty() {
        return Err(unusable(key, path, "holds no PEM certificates"));
    }
    Ok(certificates)
}

fn open(key: &str, path: &Path) -> Result<Source> {
    Source::open(path)
        .map_err(|error| unusable(key, path, &format!("cannot be used: {error}")).source(error))
}

fn read(key: &str, path: &Path, source: &Source) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error| unusable(key, path, &format!("cannot be used: {error}")).source(error);
    let pem = source.whole(LARGEST).map_err(failed)?;
    pem.map(Zeroizing::new)
        .ok_or_else(|| unusable(key, path, "is larger than 4 MiB"))
}

fn unusable(key: &str, path: &Path, why: &str) -> Error {
    let (what, help) = match key {
        "ca" => ("CA file", "Set `ca` to a PEM file of certificates."),
        "client-cert" => (
            "client certificate",
            "Set `client-cert` to a PEM file of the certificate and those that lead to its authority.",
        ),
        _ => (
            "client key",
            "Set `client-key` to a PEM file of the key without a passphrase.",
        ),
    };
    error!(InsecureRegistry: "the config's {what} {} {why}", path.display()).help(help)
}

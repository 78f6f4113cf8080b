//! Mutual TLS.

use super::*;
use std::{fs, os::unix::fs::PermissionsExt};
use vouch_testing::{daemon::Daemon, registry::Registry};

/// The section of a registry, with a certificate of that other's authority or without.
fn section(registry: &Registry, client: Option<(PathBuf, PathBuf)>) -> String {
    let (name, ca) = (registry.name(), registry.ca());
    let mut section = format!("[registry.\"{name}\"]\nca = '{}'\n", ca.display());
    if let Some((certificate, key)) = client {
        let (certificate, key) = (certificate.display(), key.display());
        section = format!("{section}client-cert = '{certificate}'\nclient-key = '{key}'\n");
    }
    section
}

#[test]
fn a_registry_lets_in_who_shows_its_certificate() {
    let (registry, other) = (
        Registry::with_client_certificates(),
        Registry::with_client_certificates(),
    );
    let folder = Folder::new();
    let path = signed(&folder);
    let reference = format!("{}/acme/echo:1", registry.name());
    let pushed = |config: &str| {
        let daemon = Daemon::configured(config, &[]);
        push(&mut daemon.connect(), &path, &reference)
    };
    let refused = |config: &str, message: &str, help: &str| {
        let error = pushed(config).unwrap_err();
        assert_eq!(kind(&error), "insecureRegistry", "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(message),
            "{error}"
        );
        assert!(
            error["data"]["help"].as_str().unwrap().contains(help),
            "{error}"
        );
    };
    pushed(&section(&registry, Some(registry.client()))).unwrap();
    refused(
        &section(&registry, None),
        "asked for a client certificate",
        "client-cert = ",
    );
    let wrong = section(&registry, Some(other.client()));
    refused(&wrong, "asked for a client certificate", "is it one that");

    let (certificate, key) = registry.client();
    let mixed = section(&registry, Some((certificate.clone(), other.client().1)));
    refused(&mixed, "is not the key of", "PEM file");
    let absent = section(&registry, Some((certificate, "/absent".into())));
    refused(&absent, "/absent", "PEM file");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = section(&registry, Some(registry.client()));
    refused(&open, "can be read by others", "chmod 600");
}

#[test]
fn a_certificate_is_shown_to_no_other_host() {
    // It lets in those who show a certificate, and would let in this one.
    let realm = Registry::with_client_certificates();
    let auth = format!(
        "auth: {{token: {{realm: \"https://{}/token\", service: s, issuer: i, rootcertbundle: {}}}}}\n",
        realm.name(),
        realm.ca().display()
    );
    let registry = Registry::with_client_certificates_of(&realm, &auth);
    let folder = Folder::new();
    let both = [realm.ca(), registry.ca()].map(|ca| fs::read_to_string(ca).unwrap());
    let ca = folder.write("both.pem", both.concat().as_bytes());
    let config = section(&registry, Some(realm.client()));
    let config = config.replace(
        &registry.ca().display().to_string(),
        &ca.display().to_string(),
    );
    let daemon = Daemon::configured(&config, &[]);
    let reference = format!("{}/acme/echo:1", registry.name());
    let error = push(&mut daemon.connect(), &signed(&folder), &reference).unwrap_err();
    let message = error["message"].as_str().unwrap();
    let expected = format!(
        "asking for an access token: https://{}/token (for {}) asked for a client certificate",
        realm.name(),
        registry.name()
    );
    assert!(message.starts_with(&expected), "{error}");
    let help = error["data"]["help"].as_str().unwrap();
    assert!(help.contains("which is shown no certificate"), "{error}");
}

#[test]
fn a_certificate_that_was_replaced_counts_after_a_reload() {
    let (registry, other) = (
        Registry::with_client_certificates(),
        Registry::with_client_certificates(),
    );
    let folder = Folder::new();
    let (certificate, key) = other.client();
    let taken = (folder.path("cert.pem"), folder.path("key.pem"));
    let replace = |(certificate, key): (PathBuf, PathBuf)| {
        fs::copy(certificate, &taken.0).unwrap();
        fs::copy(key, &taken.1).unwrap();
    };
    replace((certificate, key));
    let config = section(&registry, Some(taken.clone()));
    let daemon = Daemon::logging_all(&config, &[]);
    let reference = format!("{}/acme/echo:1", registry.name());
    let pushed = || push(&mut daemon.connect(), &signed(&folder), &reference);
    assert_eq!(kind(&pushed().unwrap_err()), "insecureRegistry");
    replace(registry.client());
    let said = daemon.hang_up();
    assert!(said.contains("was read again"), "{said}");
    pushed().unwrap();
    let key = fs::read_to_string(&taken.1).unwrap();
    let secret = key.lines().nth(1).unwrap();
    assert!(!daemon.log().contains(secret), "a key is in the log");
}

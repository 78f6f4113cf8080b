//! What docker and podman write, and what they do not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchd::name::PlainHosts;
use vouchd::session::fuzzing::docker_config;

fuzz_target!(|text: &str| {
    for registry in ["ghcr.io", "docker.io", "127.0.0.1:5000"] {
        let registry = || PlainHosts::default().registry(registry).expect("it is one");
        docker_config(text, registry(), None);
        docker_config(text, registry(), "acme/echo".parse().ok());
    }
});

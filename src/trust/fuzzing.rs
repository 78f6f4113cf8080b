//! What fuzzing reaches of trust: see `tests/fuzz`.

use super::{Policy, Section, pins::Pins, place::Scope};
use crate::name::PlainHosts;
use std::path::PathBuf;

/// Reads the inside of `[trust]`. What is accepted as a scope is its canonical form.
pub fn policy(text: &str) {
    let plain = PlainHosts::default();
    let Ok(mut section) = toml::from_str::<Section>(text) else {
        return;
    };
    // Nothing that an input names is opened.
    for (_, path) in section.files_mut() {
        *path = PathBuf::new();
    }
    if Policy::new(section.clone(), &plain).is_ok() {
        for rule in &section.rule {
            let scope = Scope::parse(&rule.scope, &plain).map(|scope| scope.to_string());
            assert_eq!(scope.as_ref(), Ok(&rule.scope));
        }
    }
}

/// Reads a file of pins, and what is written of it: nobody is forgotten on the way.
pub fn pins(text: &str) {
    let signers = |pins: &Pins| -> Vec<_> {
        let signers = pins.all();
        signers
            .map(|pin| (pin.repository.clone(), pin.signer.clone()))
            .collect()
    };
    if let Ok(pins) = Pins::parse(text) {
        let again = Pins::parse(&pins.text());
        assert_eq!(again.as_ref().map(signers), Ok(signers(&pins)));
    }
}

//! `vouch trust root`: the roots that bundles are verified by.

use super::arguments::RootCommand;
use crate::{
    call::unreadable,
    failure::Failure,
    show::{Screen, age, date},
};
use serde_json::{Value, json};
use std::io;
use vouch_client::protocol::{RootStatus, TrustStatus};

/// What `vouchd trust` is to do.
pub(super) fn wanted(command: RootCommand) -> Value {
    let wanted = match command {
        RootCommand::List => json!({"list": {}}),
        RootCommand::Add { name, file, .. } => json!({"add": {"name": name, "file": file}}),
        RootCommand::Update { name, file, .. } => {
            json!({"update": {"name": name, "file": file}})
        }
        RootCommand::Remove { name, .. } => json!({"remove": {"name": name}}),
    };
    json!({"root": wanted})
}

/// Whether a service judges by the root that was written; so it does where none was.
pub(super) fn is_in_force(written: &Value, trust: &TrustStatus) -> bool {
    let Some(name) = written["name"].as_str() else {
        return true;
    };
    let mut roots = trust.roots.iter();
    let found = roots.find(|root| root.name == name);
    let digest = found.and_then(|root| root.digest.as_deref());
    digest == written["digest"].as_str()
}

/// The roots in an answer.
pub(super) fn read(answer: &Value) -> Result<Vec<RootStatus>, Failure> {
    serde_json::from_value(answer["roots"].clone()).map_err(|error| unreadable(&error))
}

pub(super) fn show_list(screen: &mut Screen, roots: &[RootStatus]) -> io::Result<()> {
    for root in roots {
        let whence = root.path.as_deref();
        screen.text(format!(
            "{}, {}",
            root.name,
            whence.unwrap_or("comes with the service")
        ))?;
        if let Some(digest) = &root.digest {
            screen.line("digest", digest)?;
        }
        if let Some(since) = root.since {
            screen.line(
                "age",
                format!("{} (newest since {})", age(since), date(since)),
            )?;
        }
        screen.line(
            "ends",
            root.until
                .map_or_else(|| "never by itself".to_owned(), date),
        )?;
        if !root.signers.is_empty() {
            screen.line("signers", root.signers.join(", "))?;
        } else if root.path.is_none() {
            screen.line("signers", "those that name no root")?;
        } else {
            screen.line("signers", "none")?;
        }
        for warning in &root.warnings {
            screen.line("warning", warning)?;
        }
    }
    Ok(())
}

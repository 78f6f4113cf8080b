//! `workspace/executeCommand`: methods of the service, for editors that know no others than the
//! Language Server Protocol's. Each answers what its method answers.

use super::{
    super::{
        documents, failure::unknown, inspect, pull, questions::refused, request::Request, verify,
    },
    wire::{self, Executed, Shown},
    words::Form,
};
use crate::{
    error::{Result, error},
    name::Reference,
    session::is_link_local,
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use vouch_protocol::{InspectParams, InspectSubject, PullParams, VerifyParams, VerifySubject};

pub(super) const VERIFY: &str = "vouch.verify";
const INSPECT: &str = "vouch.inspect";
const PULL: &str = "vouch.pull";
pub(super) const ALLOW: &str = "vouch.allowRegistry";
/// Shows a command that a person may run.
pub(super) const SHOW: &str = "vouch.show";

/// The commands, as `initialize` lists them.
pub(super) const ALL: &[&str] = &[VERIFY, INSPECT, PULL, ALLOW, SHOW];

pub(super) async fn execute(request: Arc<Request>, params: Executed) -> Result<Box<RawValue>> {
    let mut arguments = params.arguments.unwrap_or_default().into_iter();
    let command = params.command.as_str();
    let mut next = |what: &str| {
        let argument = arguments.next().and_then(|argument| argument.0);
        argument.ok_or_else(
            || error!(InvalidParams: "`{command}` needs {what}, a text, in `arguments`"),
        )
    };
    match command {
        VERIFY => {
            let named = next("a reference or path")?;
            permit(&request, &named)?;
            let subject = if is_path(&named) {
                VerifySubject::Path(named)
            } else {
                VerifySubject::Reference(named)
            };
            let params = VerifyParams {
                subject,
                bundle: None,
                signer: None,
                explain: None,
                work_done_token: None,
            };
            let verified = verify::verify(Arc::clone(&request), params).await?;
            judge_again(&request);
            raw(&verified)
        }
        INSPECT => {
            let named = next("a reference or path")?;
            permit(&request, &named)?;
            let subject = if is_path(&named) {
                InspectSubject::Path(named)
            } else {
                InspectSubject::Reference(named)
            };
            let params = InspectParams {
                subject,
                work_done_token: None,
            };
            raw(&inspect::inspect(request, params).await?)
        }
        PULL => {
            let named = next("a reference")?;
            permit(&request, &named)?;
            let params = PullParams {
                reference: named,
                destination: next("a destination")?,
                ..PullParams::default()
            };
            let pulled = pull::pull(Arc::clone(&request), params).await?;
            judge_again(&request);
            raw(&pulled)
        }
        ALLOW => {
            // All who have its references open hear of it.
            let registry = documents::allow(request.state(), &next("a registry")?)?;
            raw(&registry.as_str())
        }
        SHOW => {
            let message = Form::Plain.sentence(&next("a text")?);
            if let Some(opened) = request.caller().opened() {
                let shown = Shown { r#type: 3, message };
                opened.tell(wire::SHOW, &shown).await;
            }
            raw(&())
        }
        other => Err(unknown(other)),
    }
}

/// Paths are absolute, and references never begin like one: `file:5000` is a registry.
fn is_path(named: &str) -> bool {
    named.starts_with('/') || named.starts_with("file:/")
}

/// Fails where a reference leads to a link-local address: what an editor runs stands in a document,
/// as far as is known here.
fn permit(request: &Request, named: &str) -> Result<()> {
    match request.reference(named) {
        Ok(Reference::Registry(reference)) if is_link_local(&reference.registry) => {
            Err(refused(&reference.registry))
        }
        // What is wrong with others, their methods say.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn judge_again(request: &Request) {
    if let Some(opened) = request.caller().opened() {
        opened.touch_all();
    }
}

fn raw(result: &impl Serialize) -> Result<Box<RawValue>> {
    to_raw_value(result).map_err(|error| error!(Internal: "the answer is not JSON: {error}"))
}

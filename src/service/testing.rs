//! Methods that only tests can call: what takes long, panics or answers too much.

use super::{
    method::{answered, worked},
    request::Request,
};
use crate::error::{Error, Result};
use jsonrpsee::{RpcModule, core::RegisterMethodError};
use std::{future::pending, path::PathBuf, sync::Arc, time::Duration};
use vouch_protocol::{LogLevel, Method, NoParams};

enum Wait {}

impl Method for Wait {
    const NAME: &'static str = "test/wait";
    const SUMMARY: &'static str = "For tests.";
    type Params = NoParams;
    type Result = ();
}

enum Commit {}

impl Method for Commit {
    const NAME: &'static str = "test/commit";
    const SUMMARY: &'static str = "For tests.";
    type Params = CommitParams;
    type Result = bool;
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct CommitParams {
    until: PathBuf,
}

enum Panic {}

impl Method for Panic {
    const NAME: &'static str = "test/panic";
    const SUMMARY: &'static str = "For tests.";
    type Params = NoParams;
    type Result = ();
}

enum PanicOnThread {}

impl Method for PanicOnThread {
    const NAME: &'static str = "test/panicOnThread";
    const SUMMARY: &'static str = "For tests.";
    type Params = NoParams;
    type Result = ();
}

pub(super) fn register(module: &mut RpcModule<()>) -> Result<(), RegisterMethodError> {
    worked::<Wait, _, _>(module, wait)?;
    worked::<Commit, _, _>(module, commit)?;
    worked::<Panic, _, _>(module, panics)?;
    worked::<PanicOnThread, _, _>(module, panics_on_thread)?;
    answered(module, "test/panicAtOnce", LogLevel::Debug, panics_at_once)?;
    answered(module, "test/large", LogLevel::Debug, |_, _: NoParams| {
        Ok("x".repeat(9 << 20))
    })?;
    answered(
        module,
        "test/megabyte",
        LogLevel::Debug,
        |_, _: NoParams| Ok("x".repeat(1 << 20)),
    )?;
    Ok(())
}

/// Waits until it is cancelled.
async fn wait(_: Arc<Request>, _: NoParams) -> Result<()> {
    pending().await
}

/// Commits, shows that in its bytes, and ends when a file is there.
async fn commit(request: Arc<Request>, params: CommitParams) -> Result<bool> {
    request.progress().commit()?;
    request.progress().advance(1);
    while !params.until.exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    std::fs::write(params.until.with_extension("done"), b"")
        .map_err(|error| Error::at(&params.until, "write", error))?;
    Ok(true)
}

async fn panics(_: Arc<Request>, _: NoParams) -> Result<()> {
    tokio::task::yield_now().await;
    panic!("in a future")
}

async fn panics_on_thread(request: Arc<Request>, _: NoParams) -> Result<()> {
    request.blocking(|_| panic!("on a blocking thread")).await
}

fn panics_at_once(_: &Request, _: NoParams) -> Result<()> {
    panic!("at once")
}

//! Methods that only tests can call: what takes long, panics or answers too much.

use super::{method::Table, request::Request};
use crate::error::{Error, Result};
use std::{future::pending, path::PathBuf, sync::Arc, time::Duration};
use vouch_protocol::{Method, NoParams};

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

enum PanicAtOnce {}

impl Method for PanicAtOnce {
    const NAME: &'static str = "test/panicAtOnce";
    const SUMMARY: &'static str = "For tests.";
    type Params = NoParams;
    type Result = ();
}

enum Large {}

impl Method for Large {
    const NAME: &'static str = "test/large";
    const SUMMARY: &'static str = "For tests.";
    type Params = NoParams;
    type Result = String;
}

enum Megabyte {}

impl Method for Megabyte {
    const NAME: &'static str = "test/megabyte";
    const SUMMARY: &'static str = "For tests.";
    type Params = NoParams;
    type Result = String;
}

pub(super) fn register(table: Table) -> Table {
    table
        .in_time::<Wait, _, _>(wait)
        .in_time::<Commit, _, _>(commit)
        .in_time::<Panic, _, _>(panics)
        .in_time::<PanicOnThread, _, _>(panics_on_thread)
        .at_once::<PanicAtOnce, _>(panics_at_once)
        .at_once::<Large, _>(|_, _| Ok("x".repeat(9 << 20)))
        .at_once::<Megabyte, _>(|_, _| Ok("x".repeat(1 << 20)))
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

//! The commands that ask the service once and show its answer.

use crate::{
    arguments::{PullArguments, PushArguments, RpcArguments},
    call::{answer, ask},
    failure::Outcome,
    progress::Bars,
    reference::absolute,
    show::{Asked, Screen, size},
    spelling::Spelling,
};
use std::io;
use vouch_client::{
    Client,
    protocol::{
        ErrorKind, NoParams, Pull, PullParams, PullResult, Push, PushParams, PushResult,
        ServerRestart, ServerRestartResult, ServerStop, ServerStopResult,
    },
};

pub(crate) async fn push(
    client: &Client,
    arguments: PushArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let path = match absolute(&arguments.file) {
        Ok(path) => path,
        Err(error) => return screen.failure(&error.into()),
    };
    let reference = arguments.reference;
    let spelling = Spelling::path(&arguments.file, &path)
        .and(Spelling::reference(&reference.typed, &reference.told));
    let params = PushParams {
        path,
        reference: reference.told,
        annotations: Some(arguments.annotations).filter(|map| !map.is_empty()),
        allow_latest: arguments.allow_latest.then_some(true),
        work_done_token: None,
    };
    let bars = Bars::new(screen.is_json());
    // It is read to be verified, and then to be sent.
    let answered = bars
        .ask::<Push>(&reference.typed, 2, client, params)
        .await
        .map_err(|failure| failure.spelt(&spelling));
    answer::<Push>(screen, answered, |screen, result: PushResult| {
        let to = spelling.restore(&result.reference);
        screen.heading(true, "pushed", &to)?;
        screen.accepted(&result.verification, Asked::Move(&to))?;
        screen.line(
            "sent",
            format!(
                "{}, {} were there already",
                size(result.uploaded),
                size(result.skipped)
            ),
        )
    })
}

pub(crate) async fn pull(
    client: &Client,
    arguments: PullArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let destination = match absolute(&arguments.output) {
        Ok(destination) => destination,
        Err(error) => return screen.failure(&error.into()),
    };
    let reference = arguments.reference;
    let spelling = Spelling::reference(&reference.typed, &reference.told)
        .and(Spelling::path(&arguments.output, &destination));
    let params = PullParams {
        reference: reference.told,
        destination,
        overwrite: arguments.overwrite.then_some(true),
        target: arguments.target,
        signer: arguments.signer,
        allow_latest: arguments.allow_latest.then_some(true),
        work_done_token: None,
    };
    let bars = Bars::new(screen.is_json());
    let answered = bars
        .ask::<Pull>(&reference.typed, 1, client, params)
        .await
        .map_err(|failure| failure.spelt(&spelling));
    answer::<Pull>(screen, answered, |screen, result: PullResult| {
        screen.heading(true, "pulled", &spelling.restore(&result.path))?;
        let from = spelling.restore(&result.reference);
        screen.line("pinned", &from)?;
        screen.accepted(&result.verification, Asked::Move(&from))?;
        screen.line("received", size(result.downloaded))
    })
}

pub(crate) async fn stop(client: &Client, screen: &mut Screen) -> io::Result<Outcome> {
    let answered = ask::<ServerStop>(client, NoParams {}).await;
    answer::<ServerStop>(screen, answered, |screen, result: ServerStopResult| {
        screen.text(format!(
            "vouchd (process {}) is stopping",
            result.process_id
        ))
    })
}

pub(crate) async fn restart(client: &Client, screen: &mut Screen) -> io::Result<Outcome> {
    let answered = match ask::<ServerRestart>(client, NoParams {}).await {
        Err(failure) if failure.is(ErrorKind::MethodNotFound) => Err(failure
            .help("This vouchd is too old to be replaced: `vouch stop` ends it, and the next command starts the new one.")),
        answered => answered,
    };
    answer::<ServerRestart>(screen, answered, |screen, result: ServerRestartResult| {
        let old = client.server().map(|server| &server.server_info);
        screen.text(format!(
            "vouchd {} was replaced by vouchd {} (process {})",
            old.map_or_else(
                || "of another protocol".to_owned(),
                |old| built(&old.version, old.build.as_deref())
            ),
            built(&result.version, result.build.as_deref()),
            result.process_id
        ))
    })
}

fn built(version: &str, build: Option<&str>) -> String {
    match build {
        Some(build) => format!("{version} ({build})"),
        None => version.to_owned(),
    }
}

pub(crate) async fn rpc(
    client: &Client,
    arguments: RpcArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    match client.request(&arguments.method, arguments.params).await {
        Ok(result) => screen.value(&result).map(|()| Outcome::Success),
        Err(error) => screen.failure(&error.into()),
    }
}

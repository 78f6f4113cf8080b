//! The commands that ask the service once and show its answer.

use crate::{
    call::{answer, ask},
    failure::Outcome,
    progress::Bars,
    reference::{absolute, output},
    show::{Asked, Screen, size},
    spelling::Spelling,
    subject::Reference,
};
use clap::{
    Args, ValueHint,
    builder::{OsStringValueParser, TypedValueParser as _},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Read},
    path::{Path, PathBuf},
};
use vouch_client::{
    Client,
    protocol::{
        ErrorKind, NoParams, Pull, PullParams, PullResult, Push, PushParams, PushResult,
        ServerRestart, ServerRestartResult, ServerStop, ServerStopResult,
    },
};

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// The file to publish
    pub(crate) file: PathBuf,
    /// Where to: `registry/repository:tag`, or `oci:FOLDER:tag` for an image layout
    #[arg(value_parser = Reference::read)]
    pub(crate) reference: Reference,
    /// Publish this Sigstore bundle with it [default: `FILE.sigstore.json`, if the file's token is not
    /// enough]
    #[arg(long, value_name = "BUNDLE", value_hint = ValueHint::FilePath)]
    pub(crate) bundle: Option<PathBuf>,
    /// Annotate the manifest; may be given several times
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    given: Vec<(String, String)>,
    #[arg(skip)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Allow the tag `latest`, or no tag
    #[arg(long)]
    pub(crate) allow_latest: bool,
    /// Print only the reference to pin
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl PushArguments {
    pub(crate) fn complete(&mut self) -> Result<(), String> {
        // Other tools have the reference first.
        let swapped = Path::new(&self.reference.typed);
        if swapped.is_file() && !self.file.exists() {
            return Err(format!(
                "the file comes first: `vouch push {} {}`",
                swapped.display(),
                self.file.display()
            ));
        }
        for (name, value) in std::mem::take(&mut self.given) {
            if self.annotations.contains_key(&name) {
                return Err(format!("the annotation {name:?} is given twice"));
            }
            self.annotations.insert(name, value);
        }
        Ok(())
    }
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
// Each is a flag of its own.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct PullArguments {
    /// Where from: `registry/repository[:tag][@digest]`, or `oci:FOLDER:tag` for an image layout
    #[arg(value_parser = Reference::read)]
    pub(crate) reference: Reference,
    /// The file to write, or the folder to write to; or `oci:FOLDER:tag`, an image layout, which
    /// keeps the manifest too
    #[arg(
        short,
        long,
        value_name = "PATH",
        default_value = ".",
        value_hint = ValueHint::AnyPath,
        value_parser = OsStringValueParser::new().try_map(Output::read)
    )]
    pub(crate) output: Output,
    /// Replace a regular file that exists, or a symbolic link itself; nothing else is ever replaced
    #[arg(short = 'f', long, alias = "force")]
    pub(crate) overwrite: bool,
    /// Write the bundle that signs it beside it, as `FILE.sigstore.json`; or into the layout
    #[arg(long, conflicts_with = "target")]
    pub(crate) with_bundle: bool,
    /// Write only this target of a provider archive, for example `x86_64-linux`
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Accept only this signer: a name from the config, an account (`A…`), or an id as `vouch verify`
    /// shows it
    #[arg(long, value_name = "SIGNER")]
    pub(crate) signer: Option<String>,
    /// Allow the tag `latest`, or no tag
    #[arg(long)]
    pub(crate) allow_latest: bool,
    /// Print only the reference to pin
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Where an artifact is pulled to.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    Path(PathBuf),
    Layout(Reference),
}

impl Output {
    fn read(text: OsString) -> Result<Self, String> {
        match text.to_str() {
            Some(typed) if typed.starts_with("oci:") => Reference::read(typed).map(Self::Layout),
            _ => output(text).map(Self::Path),
        }
    }
}

/// The most JSON that is read from standard input, in bytes: what a request may have.
const LONGEST_INPUT: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct RpcArguments {
    /// For example `server/status`
    pub(crate) method: String,
    /// The params, a JSON object; `-` reads them from standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    given: Option<String>,
    #[arg(skip)]
    pub(crate) params: Value,
}

impl RpcArguments {
    pub(crate) fn complete(&mut self) -> Result<(), String> {
        self.params = match self.given.as_deref() {
            None => Value::Null,
            Some("-") => input(io::stdin().lock())?,
            Some(text) => serde_json::from_str(text)
                .map_err(|error| format!("the params are not JSON: {error}"))?,
        };
        Ok(())
    }
}

fn input(reader: impl Read) -> Result<Value, String> {
    let mut text = Vec::new();
    reader
        .take(LONGEST_INPUT + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    if text.len() as u64 > LONGEST_INPUT {
        return Err(format!(
            "standard input has more than {LONGEST_INPUT} bytes"
        ));
    }
    serde_json::from_slice(&text).map_err(|error| format!("standard input is not JSON: {error}"))
}

pub(crate) async fn push(
    client: &Client,
    arguments: PushArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let path = match absolute(&arguments.file) {
        Ok(path) => path,
        Err(error) => return screen.failure(&error.into()),
    };
    let bundle = match arguments.bundle.as_deref().map(absolute).transpose() {
        Ok(bundle) => bundle,
        Err(error) => return screen.failure(&error.into()),
    };
    let reference = arguments.reference;
    let mut spelling = Spelling::path(&arguments.file, &path)
        .and(Spelling::reference(&reference.typed, &reference.told));
    if let (Some(typed), Some(told)) = (&arguments.bundle, &bundle) {
        spelling = spelling.and(Spelling::path(typed, told));
    }
    let params = PushParams {
        path,
        reference: reference.told,
        bundle,
        annotations: Some(arguments.annotations).filter(|map| !map.is_empty()),
        allow_latest: arguments.allow_latest.then_some(true),
        work_done_token: None,
    };
    let bars = Bars::new(screen.is_json() || arguments.quiet);
    // It is read to be verified, and then to be sent.
    let answered = bars
        .ask::<Push>(&reference.typed, 2, client, params)
        .await
        .map_err(|failure| failure.spelt(&spelling));
    answer::<Push>(screen, answered, |screen, result: PushResult| {
        let to = spelling.restore(&result.reference);
        if arguments.quiet {
            return screen.text(&to);
        }
        screen.heading(true, "pushed", &to)?;
        screen.accepted(&result.verification, Asked::Move(&to))?;
        for bundle in &result.bundles {
            screen.line("bundle", &bundle.digest)?;
        }
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
    let (destination, to) = match &arguments.output {
        Output::Layout(layout) => (
            layout.told.clone(),
            Spelling::reference(&layout.typed, &layout.told),
        ),
        Output::Path(path) => match absolute(path) {
            Ok(destination) => {
                let spelling = Spelling::path(path, &destination);
                (destination, spelling)
            }
            Err(error) => return screen.failure(&error.into()),
        },
    };
    let reference = arguments.reference;
    let spelling = Spelling::reference(&reference.typed, &reference.told).and(to);
    let params = PullParams {
        reference: reference.told,
        destination,
        overwrite: arguments.overwrite.then_some(true),
        target: arguments.target,
        with_bundle: arguments.with_bundle.then_some(true),
        signer: arguments.signer,
        allow_latest: arguments.allow_latest.then_some(true),
        work_done_token: None,
    };
    let bars = Bars::new(screen.is_json() || arguments.quiet);
    let answered = bars
        .ask::<Pull>(&reference.typed, 1, client, params)
        .await
        .map_err(|failure| failure.spelt(&spelling));
    answer::<Pull>(screen, answered, |screen, result: PullResult| {
        let from = spelling.restore(&result.reference);
        if arguments.quiet {
            return screen.text(&from);
        }
        let at = result.layout.as_deref().unwrap_or(&result.path);
        screen.heading(true, "pulled", &spelling.restore(at))?;
        if let Some(bundle) = &result.bundle {
            screen.line("bundle", spelling.restore(bundle))?;
        }
        for bundle in &result.bundles {
            screen.line("bundle", &bundle.digest)?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_have_a_name() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let read = annotation(text).ok();
            assert_eq!(read, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        };
        check("a=b", Some(("a", "b")));
        check("a=", Some(("a", "")));
        check("a=b=c", Some(("a", "b=c")));
        check("a", None);
        check("=b", None);
    }

    #[test]
    fn standard_input_is_bounded() {
        assert_eq!(input(&b"{}"[..]).unwrap(), serde_json::json!({}));
        assert!(input(&b"{"[..]).is_err());
        assert!(input(io::repeat(b' ')).unwrap_err().contains("more than"));
    }
}

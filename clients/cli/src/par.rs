//! `vouch par`: provider archives, made from target binaries and signed in the same step; and what
//! one holds.

mod pack;

use crate::{
    call::unreadable,
    failure::{Failure, Outcome},
    progress::Bars,
    reference::absolute,
    show::{Asked, Screen, size},
    sign::{self, ClaimArguments, Job, KeyArguments, Manner},
    signals::Signals,
    spelling::Spelling,
};
use clap::{Args, Subcommand, ValueHint, builder::OsStringValueParser, builder::TypedValueParser};
use pack::{Contents, Target, Watch};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempPath;
use tokio::task::spawn_blocking;
use vouch_client::{
    Client,
    protocol::{
        ArtifactKind, Content, Inspect, InspectParams, InspectResult, InspectSubject,
        SignPrepareParams, Verification,
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum ParCommand {
    /// Make a provider archive from target binaries, and sign it
    ///
    /// Nothing unsigned ever has the archive's name. The same binaries make the same archive, but for
    /// the token.
    #[command(after_help = "Examples:
  vouch par create -o kv.par.gz --vendor acme --target x86_64-linux=target/release/kv
  vouch par create -o kv.par --vendor acme --version 0.3.0 \\
      --target x86_64-linux=dist/kv-x86_64 --target aarch64-linux=dist/kv-arm64")]
    Create(Box<CreateArguments>),
    /// List the targets of a provider archive, and who signed it
    #[command(after_help = "Example:\n  vouch par list kv.par.gz")]
    List(ListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The archive, called *.par or, to be gzipped, *.par.gz
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = archive())]
    output: PathBuf,
    /// A target and its binary, for example x86_64-linux=target/release/kv; may be given several
    /// times
    #[arg(
        long = "target",
        value_name = "TARGET=FILE",
        required = true,
        value_parser = OsStringValueParser::new().try_map(|text| Target::read(&text))
    )]
    targets: Vec<Target>,
    /// The provider's WIT, encoded as WebAssembly
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    wit: Option<PathBuf>,
    /// Replace a regular file, or a symbolic link itself, at --output
    #[arg(short = 'f', long, alias = "force")]
    overwrite: bool,
    /// Who makes the provider
    #[arg(long)]
    vendor: String,
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    claims: ClaimArguments,
    /// Show only why it could not be made
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The archive
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// An archive's path, which has an archive's name.
fn archive() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text| {
        let path = PathBuf::from(text);
        match stem(&path) {
            Some(_) => Ok(path),
            None => Err("an archive is called *.par, or *.par.gz if it is to be gzipped"),
        }
    })
}

/// An archive's name without its ending, and whether it is gzipped.
fn stem(path: &Path) -> Option<(String, bool)> {
    let name = path.file_name()?.to_string_lossy();
    let (stem, gzip) = match name.strip_suffix(".par.gz") {
        Some(stem) => (stem, true),
        None => (name.strip_suffix(".par")?, false),
    };
    (!stem.is_empty()).then(|| (stem.to_owned(), gzip))
}

impl ParCommand {
    /// What clap cannot check.
    pub(crate) fn complete(&mut self) -> Result<(), String> {
        match self {
            Self::Create(create) => {
                create.claims.wish()?;
                create.contents().map(drop)
            }
            Self::List(_) => Ok(()),
        }
    }
}

impl CreateArguments {
    fn contents(&self) -> Result<Contents, String> {
        Contents::new(self.targets.clone(), self.wit.clone())
    }

    /// What `sign/prepare` is asked for. The file that is signed has a name of its own.
    fn wish(&self) -> Result<SignPrepareParams, String> {
        let wish = self.claims.wish()?;
        let usual = || stem(&self.output).map(|(stem, _)| stem);
        Ok(SignPrepareParams {
            name: wish.name.clone().or_else(usual),
            vendor: Some(self.vendor.clone()),
            ..wish
        })
    }
}

pub(crate) async fn par(
    client: &Client,
    command: ParCommand,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    match command {
        ParCommand::List(arguments) => list(client, &arguments.file, screen).await,
        ParCommand::Create(arguments) => {
            // What is being made must not outlive an interrupted process.
            let mut signals = Signals::listen()?;
            tokio::select! {
                biased;
                ended = signals.next() => Ok(ended),
                done = create(client, &arguments, screen) => done,
            }
        }
    }
}

async fn create(
    client: &Client,
    arguments: &CreateArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let made = async {
        let output = &arguments.output;
        if !arguments.overwrite && output.symlink_metadata().is_ok() {
            let message = format!("{} already exists", output.display());
            return Err(Failure::new(message).help("`--overwrite` replaces it."));
        }
        let wish = arguments.wish().map_err(Failure::new)?;
        // Who has no key waits for no archive.
        let signer = sign::choose(&arguments.key, screen).await?;
        let made = make(arguments, screen).await?;
        let job = Job::unnamed(&made, output, arguments.overwrite)?;
        Ok((wish, signer, made, job))
    };
    let (wish, signer, _made, job) = match made.await {
        Ok(made) => made,
        Err(failure) => return screen.failure(&failure),
    };
    let manner = Manner {
        replace: false,
        quiet: arguments.quiet,
    };
    sign::batch(
        client,
        vec![job],
        wish,
        signer,
        &arguments.key,
        manner,
        screen,
    )
    .await
}

/// The archive, not signed yet, in a private file beside its place.
async fn make(arguments: &CreateArguments, screen: &Screen) -> Result<TempPath, Failure> {
    let output = &arguments.output;
    let folder = output.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let gzip = stem(output).is_some_and(|(_, gzip)| gzip);
    let cannot = |error: io::Error| {
        let shown = folder.display();
        // Without the name that nobody chose.
        let cause = error.to_string();
        let cause = cause.split(" at path ").next().unwrap_or_default();
        let failure = Failure::new(format!("cannot write to {shown}: {cause}"));
        if folder.exists() {
            return failure;
        }
        let folder = sign::quoted(&folder.to_string_lossy());
        failure.help(format!("`mkdir -p {folder}` makes that folder."))
    };
    let (file, path) = tempfile::Builder::new()
        .prefix(".vouch-")
        .suffix(".par")
        .tempfile_in(folder)
        .map_err(cannot)?
        .into_parts();
    let contents = arguments.contents().map_err(Failure::new)?;
    let opened = spawn_blocking(move || contents.open()).await;
    let opened = opened.map_err(io::Error::other)??;
    let size = opened.size();
    let watch = Arc::new(Watch::default());
    // The thread stops once nobody waits for it.
    let _stop = watch.clone().stop_when_dropped();
    let counted = watch.clone();
    let packed = spawn_blocking(move || opened.pack(&file, gzip, &watch));
    let bars = Bars::new(screen.is_json());
    let name = output.to_string_lossy();
    let read = || counted.read();
    let packed = bars.watch(&name, "packing", size, &read, packed).await;
    packed.map_err(io::Error::other)??;
    Ok(path)
}

async fn list(client: &Client, file: &Path, screen: &mut Screen) -> io::Result<Outcome> {
    let told = match absolute(file) {
        Ok(told) => told,
        Err(error) => return screen.failure(&error.into()),
    };
    let spelling = Spelling::path(file, &told);
    let name = file.to_string_lossy().into_owned();
    let bars = Bars::new(screen.is_json());
    let subject = InspectParams::from(InspectSubject::Path(told));
    let answer = bars.ask::<Inspect>(&name, 1, client, subject).await;
    let read = answer.and_then(|answer| {
        let result: InspectResult =
            serde_json::from_value(answer.clone()).map_err(|error| unreadable(&error))?;
        let other = match result.artifact.as_ref().map(|artifact| artifact.kind) {
            Some(ArtifactKind::Module) => "a module",
            Some(ArtifactKind::Component) => "a component",
            Some(ArtifactKind::Provider) | None => return Ok((answer, result)),
        };
        Err(
            Failure::new(format!("{name} is {other}, not a provider archive"))
                .help("`vouch inspect` shows what it holds."),
        )
    });
    let (answer, result) = match read {
        Ok(read) => read,
        Err(failure) => return screen.failure(&failure.spelt(&spelling)),
    };
    let Content::Checked { verification } = &result.content else {
        return screen.failure(&Failure::new("the service did not look at the whole file"));
    };
    let outcome = match verification {
        Verification::Accepted { .. } => Outcome::Success,
        Verification::Refused { .. } => Outcome::Refused,
    };
    if screen.is_json() {
        screen.json(&answer)?;
        return Ok(outcome);
    }
    match verification {
        Verification::Accepted {
            signature, trust, ..
        } => {
            screen.heading(true, "accepted", &name)?;
            screen.trusted(&signature.signer, trust, Asked::Verdict(None))?;
        }
        Verification::Refused { refusal, .. } => {
            let help = refusal.help.as_deref().map(|help| spelling.restore(help));
            screen.refused(&spelling.restore(&refusal.message), help.as_deref())?;
        }
    }
    for target in &result.targets {
        screen.line(
            "target",
            format!("{}  {}  {}", target.name, target.digest, size(target.size)),
        )?;
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_s_ending_says_whether_it_is_gzipped() {
        let check = |path: &str, expected: Option<(&str, bool)>| {
            let expected = expected.map(|(stem, gzip)| (stem.to_owned(), gzip));
            assert_eq!(stem(Path::new(path)), expected, "{path}");
        };
        check("kv.par", Some(("kv", false)));
        check("dist/kv.par.gz", Some(("kv", true)));
        check("kv.par.par.gz", Some(("kv.par", true)));
        check("kv", None);
        check("kv.tar.gz", None);
        check(".par", None);
        check(".par.gz", None);
        check("kv.par/", Some(("kv", false)));
    }
}

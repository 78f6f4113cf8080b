//! What may be written behind `vouch trust`.

use crate::{sign::quoted, subject::Reference};
use clap::{Args, Subcommand, ValueHint};
use std::{
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// List signers, rules and remembered signers
    #[command(after_help = "Example:\n  vouch trust list")]
    List,
    /// Name a signer, and accept them under scopes
    ///
    /// A scope is a registry, alone or with the first parts of a repository's name; `oci:` and a
    /// folder; `files` for local files; or `*` for all but those.
    #[command(after_help = "Examples:
  vouch trust add acme --account A… --scope ghcr.io/acme
  vouch trust add ann --ssh-key ~/.ssh/id_ed25519.pub --scope files
  vouch trust add acme-release --workflow github.com/acme/echo/.github/workflows/release.yml \\
    --refs 'refs/tags/*' --scope ghcr.io/acme
  vouch trust add acme --scope docker.io/acme   # a signer already in the config
  vouch trust add acme --revoked                # nothing of theirs is accepted any more")]
    Add(Box<TrustAdd>),
    /// Stop accepting a signer, under some scopes or at all; or remove the rules of scopes
    ///
    /// A rule that is left without signers accepts nobody. Without NAME, the rule of each scope is
    /// removed: then a wider rule decides there, or the default.
    #[command(after_help = "Examples:
  vouch trust remove acme --scope ghcr.io/acme
  vouch trust remove acme
  vouch trust remove --scope files   # the rule, whomever it accepts")]
    Remove {
        /// What the config calls the signer
        #[arg(required_unless_present = "scopes")]
        name: Option<String>,
        /// Only under this scope; may be given several times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        #[command(flatten)]
        agreed: Agreed,
    },
    /// Accept another signer of a repository, beside the remembered ones
    #[command(after_help = "Example:\n  vouch trust accept ghcr.io/acme/echo --signer A…")]
    Accept {
        /// The repository, or the image layout as `oci:FOLDER`
        #[arg(value_parser = Reference::read)]
        repository: Reference,
        /// The signer: a name from the config, an account (`A…`), or an id as `vouch verify` shows it
        #[arg(long, value_name = "SIGNER")]
        signer: String,
        #[command(flatten)]
        agreed: Agreed,
    },
    /// Forget the remembered signers of a repository, or one of them
    #[command(after_help = "Example:\n  vouch trust forget ghcr.io/acme/echo --signer A…")]
    Forget {
        /// The repository, or the image layout as `oci:FOLDER`
        #[arg(value_parser = Reference::read)]
        repository: Reference,
        /// Only this signer: a name from the config, an account (`A…`), or an id as `vouch verify` shows
        /// it
        #[arg(long, value_name = "SIGNER")]
        signer: Option<String>,
        #[command(flatten)]
        agreed: Agreed,
    },
    /// List, add, update and remove the roots that bundles are verified by
    ///
    /// Those of Sigstore's public service and of GitHub come with the service. Nothing is ever
    /// fetched: get a newer root, or another one, as its publisher says, and name its file here.
    #[command(after_help = "Examples:
  vouch trust root list
  vouch trust root update public-good trusted_root.json")]
    Root {
        #[command(subcommand)]
        command: RootCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RootCommand {
    /// List the roots, how old they are, and who signs under them
    #[command(after_help = "Example:\n  vouch trust root list")]
    List,
    /// Add a root: signers that name it sign under it
    ///
    /// Its file is copied to `roots` beside the config.
    #[command(after_help = "Example:
  vouch trust root add lab trusted_root.json
  vouch trust add build --key build.pub --root lab --scope registry.lab")]
    Add {
        /// What to call it
        name: String,
        /// The file: a trusted root of Sigstore, in JSON
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[command(flatten)]
        agreed: Agreed,
    },
    /// Replace a root's file
    ///
    /// It shows which authorities and logs come and go. A built-in root is replaced by the file until
    /// that is removed.
    #[command(after_help = "Example:\n  vouch trust root update public-good trusted_root.json")]
    Update {
        /// What it is called
        name: String,
        /// The file: a trusted root of Sigstore, in JSON
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[command(flatten)]
        agreed: Agreed,
    },
    /// Remove a root that no signer names
    ///
    /// If a root of that name is built in, the built-in one applies again.
    #[command(after_help = "Example:\n  vouch trust root remove lab")]
    Remove {
        /// What it is called
        name: String,
        #[command(flatten)]
        agreed: Agreed,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrustAdd {
    /// What to call the signer
    pub(crate) name: String,
    /// Their account nkey, which issues their tokens
    #[arg(long, value_name = "A…", conflicts_with = "ssh_key")]
    pub(crate) account: Option<String>,
    /// Their key in SSH format: a line `ssh-ed25519 AAAA…`, or a file with one
    #[arg(long, value_name = "LINE|FILE")]
    pub(crate) ssh_key: Option<String>,
    /// For bundles: a workflow of GitHub's, `github.com/acme/echo/.github/workflows/release.yml`
    #[arg(long, value_name = "WORKFLOW")]
    pub(crate) workflow: Option<String>,
    /// The refs that it may run for, `refs/tags/*`; may be given several times
    #[arg(long, value_name = "REF", requires = "workflow")]
    pub(crate) refs: Vec<String>,
    /// The repository that it builds, where that is not its own: `github.com/acme/echo`
    #[arg(long, value_name = "REPOSITORY", requires = "workflow")]
    pub(crate) repository: Option<String>,
    /// For bundles: an e-mail address
    #[arg(long, value_name = "ADDRESS", requires = "issuer")]
    pub(crate) email: Option<String>,
    /// For bundles: a URI, as in the certificate
    #[arg(long, value_name = "URI", requires = "issuer")]
    pub(crate) uri: Option<String>,
    /// Who vouches for an e-mail address or a URI: `https://accounts.google.com`
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: Option<String>,
    /// For bundles: a file with a public key in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<String>,
    /// For bundles: the root, from the config, that they sign under
    #[arg(long, value_name = "ROOT")]
    pub(crate) root: Option<String>,
    /// Where to accept them; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Accept nothing of theirs any more, under any name or rule
    #[arg(long)]
    pub(crate) revoked: bool,
    #[command(flatten)]
    pub(crate) agreed: Agreed,
}

/// Whether there is nothing to ask.
#[derive(Debug, Args)]
pub(crate) struct Agreed {
    /// Do not ask for confirmation; needed without a terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
}

impl TrustCommand {
    /// Whether the change is agreed to; a list needs nobody's agreement.
    pub(crate) fn is_agreed(&self) -> bool {
        match self {
            Self::List => true,
            Self::Add(add) => add.agreed.yes,
            Self::Remove { agreed, .. }
            | Self::Accept { agreed, .. }
            | Self::Forget { agreed, .. } => agreed.yes,
            Self::Root { command } => match command {
                RootCommand::List => true,
                RootCommand::Add { agreed, .. }
                | RootCommand::Update { agreed, .. }
                | RootCommand::Remove { agreed, .. } => agreed.yes,
            },
        }
    }

    /// Whether it changes the config, or files that the config names.
    pub(crate) fn is_of_config(&self) -> bool {
        match self {
            Self::Add(_) | Self::Remove { .. } => true,
            Self::Root { command } => !matches!(command, RootCommand::List),
            Self::List | Self::Accept { .. } | Self::Forget { .. } => false,
        }
    }

    pub(crate) fn complete(&mut self) -> Result<(), String> {
        if !self.is_agreed() && !io::stdin().is_terminal() {
            return Err("cannot ask for confirmation without a terminal: use --yes".to_owned());
        }
        if let Self::Root {
            command: RootCommand::Add { file, .. } | RootCommand::Update { file, .. },
        } = self
        {
            let absolute = std::path::absolute(&*file);
            *file = absolute.map_err(|error| format!("{}: {error}", file.display()))?;
        }
        let Self::Add(add) = self else { return Ok(()) };
        // One that is revoked at no ref in particular is so at all.
        if add.workflow.is_some() && add.refs.is_empty() && !add.revoked {
            return Err(
                "--workflow needs --refs: those that it may run for, such as --refs 'refs/tags/*'"
                    .to_owned(),
            );
        }
        if let Some(key) = &mut add.key {
            check_public_key(Path::new(&*key))?;
            // The config's folder is another one.
            let path = std::path::absolute(&*key).map_err(|error| format!("{key}: {error}"))?;
            *key = path.display().to_string();
        }
        let is_file = |key: &String| !key.contains(char::is_whitespace);
        if let Some(file) = add.ssh_key.clone().filter(is_file) {
            add.ssh_key = Some(public_key(Path::new(&file))?);
        }
        Ok(())
    }
}

/// The most bytes of a file with a key.
const LARGEST_KEY: u64 = 16 << 10;

/// Fails where a file is not there, or holds a private key.
fn check_public_key(file: &Path) -> Result<(), String> {
    let shown = file.display();
    let cannot = |error| format!("cannot read {shown}: {error}");
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(LARGEST_KEY).read_to_end(&mut bytes))
        .map_err(cannot)?;
    let text = String::from_utf8_lossy(&bytes);
    if !text.contains("PRIVATE KEY-----") {
        return Ok(());
    }
    let quoted = quoted(&shown.to_string());
    let command = if text.contains("SIGSTORE") || text.contains("COSIGN") {
        format!("cosign public-key --key {quoted}")
    } else {
        format!("openssl pkey -pubout -in {quoted}")
    };
    Err(format!(
        "{shown} is a private key: write the public one to a file, and name that: `{command}`"
    ))
}

/// The line in a file such as `id_ed25519.pub`.
fn public_key(file: &Path) -> Result<String, String> {
    let cannot = |error| format!("cannot read {}: {error}", file.display());
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(LARGEST_KEY).read_to_string(&mut text))
        .map_err(cannot)?;
    if text.contains("PRIVATE KEY") {
        return Err(format!(
            "{0} is a private key: the public one is in {0}.pub",
            file.display()
        ));
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line.to_owned()),
        _ => Err(format!(
            "{} does not hold one line with a public key",
            file.display()
        )),
    }
}

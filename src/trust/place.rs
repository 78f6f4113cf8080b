//! Where a rule holds, and where an artifact comes from or goes to.
//!
//! A scope covers whole parts: `ghcr.io/acme` covers `ghcr.io/acme/echo` and never
//! `ghcr.io/acme-evil/echo`. A place lists the scopes that cover it from the longest to the
//! shortest, so that finding its rules is a look-up for each part, however many rules there are.

use crate::{
    error::{Error, Result},
    name::{PlainHosts, Reference, Registry, Repository},
};
use std::{
    fmt,
    path::{Component, Path, PathBuf},
};
use vouch_protocol::ErrorKind;

/// Where a rule holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// `*`: every registry and image layout.
    Everywhere,
    /// `files`: files of this machine that are verified by their path.
    Files,
    /// `oci:/folder`: image layouts at or below it.
    Folder(PathBuf),
    /// `registry` or `registry/first/parts`.
    Registry(Registry, Option<Repository>),
}

/// Where an artifact comes from or goes to, as far as trust asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of this machine that is not on its way anywhere.
    File,
    /// An image layout: its folder, with every link resolved.
    Layout(PathBuf),
    /// A repository of a registry.
    Repository(Registry, Repository),
}

/// A folder with every link on the way to it resolved. What is not there yet has none.
fn resolved(folder: &Path) -> PathBuf {
    let resolved = folder.ancestors().find_map(|above| {
        let resolved = above.canonicalize().ok()?;
        let rest = folder.strip_prefix(above).ok()?;
        // With an empty rest, `join` would add a `/`.
        Some(resolved.join(rest).components().collect())
    });
    resolved.unwrap_or_else(|| folder.to_owned())
}

/// A folder as scopes and pins name it, as references do: where its own name holds a `:`, which
/// would begin a tag, a `/` ends it.
fn written(folder: &Path) -> String {
    let shown = folder.display().to_string();
    let name = shown.rsplit('/').next().unwrap_or_default();
    let end = if name.contains(':') { "/" } else { "" };
    format!("oci:{shown}{end}")
}

impl Place {
    /// Where a reference leads; a layout's folder is resolved. Blocks.
    pub(crate) fn of(reference: &Reference) -> Result<Self> {
        let layout = match reference {
            Reference::Registry(reference) => {
                return Ok(Self::Repository(
                    reference.registry.clone(),
                    reference.repository.clone(),
                ));
            }
            Reference::Layout(layout) => &layout.path,
        };
        if layout.components().any(|part| part == Component::ParentDir) {
            let message = format!("`oci:{}` goes up through `..`", layout.display());
            return Err(Error::new(ErrorKind::InvalidReference, message)
                .help("Write the folder that it leads to."));
        }
        let folder = resolved(layout);
        if folder.to_str().is_none() {
            let message = format!("{} is not the name of a folder in UTF-8", folder.display());
            return Err(Error::new(ErrorKind::InvalidPath, message)
                .help("Scopes and pins are text: rename the folder."));
        }
        Ok(Self::Layout(folder))
    }

    /// The reference as it is read and written: of a layout with its folder resolved, so that no
    /// link leads elsewhere than to where it was judged.
    pub(crate) fn resolve(&self, reference: &Reference) -> Reference {
        let mut reference = reference.clone();
        if let (Self::Layout(folder), Reference::Layout(layout)) = (self, &mut reference) {
            layout.path.clone_from(folder);
        }
        reference
    }

    /// Whether it lies on this machine.
    pub(super) fn is_of_this_machine(&self) -> bool {
        match self {
            Self::File | Self::Layout(_) => true,
            Self::Repository(registry, _) => registry.is_loopback(),
        }
    }

    /// The scope that covers nothing else of its kind.
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::File => Scope::Files,
            Self::Layout(folder) => Scope::Folder(folder.clone()),
            Self::Repository(registry, repository) => {
                Scope::Registry(registry.clone(), Some(repository.clone()))
            }
        }
    }

    /// The scopes that cover it, the longest first.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = Scope> {
        let mut next = Some(self.scope());
        std::iter::from_fn(move || {
            let scope = next.take()?;
            next = scope.wider();
            Some(scope)
        })
    }
}

/// The name under which signers are pinned.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("files"),
            Self::Layout(folder) => f.write_str(&written(folder)),
            Self::Repository(registry, repository) => write!(f, "{registry}/{repository}"),
        }
    }
}

impl Scope {
    /// The next wider scope, where there is one.
    pub(super) fn wider(&self) -> Option<Self> {
        match self {
            Self::Everywhere | Self::Files => None,
            Self::Folder(folder) => Some(match folder.parent() {
                Some(parent) => Self::Folder(parent.to_owned()),
                None => Self::Everywhere,
            }),
            Self::Registry(registry, Some(repository)) => {
                let wider = repository.as_str().rsplit_once('/');
                let wider = wider.and_then(|(wider, _)| wider.parse().ok());
                Some(Self::Registry(registry.clone(), wider))
            }
            Self::Registry(_, None) => Some(Self::Everywhere),
        }
    }

    /// Reads a scope in any spelling. Blocks where it is a folder's.
    pub(super) fn read(text: &str, plain: &PlainHosts) -> std::result::Result<Self, String> {
        match text {
            "*" => Ok(Self::Everywhere),
            "files" => Ok(Self::Files),
            _ => match text.strip_prefix("oci:") {
                Some(folder) => Self::folder(text, folder),
                None => Self::registry(text, plain),
            },
        }
    }

    /// Reads a scope, which has to be in its canonical form. Blocks where it is a folder's.
    pub(crate) fn parse(text: &str, plain: &PlainHosts) -> std::result::Result<Self, String> {
        let scope = Self::read(text, plain)?;
        if scope.to_string() == text {
            Ok(scope)
        } else {
            Err(format!(
                "{text:?} is not how vouchd writes it: write {:?}",
                scope.to_string()
            ))
        }
    }

    fn folder(text: &str, folder: &str) -> std::result::Result<Self, String> {
        let path = Path::new(folder);
        if !path.is_absolute() || folder.starts_with("//") {
            return Err(format!(
                "{text:?} does not name a folder: write `oci:` and an absolute path"
            ));
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(format!(
                "{text:?} holds `..`: write the folder that it leads to"
            ));
        }
        if folder
            .rsplit('/')
            .next()
            .is_some_and(|name| name.contains(':'))
        {
            return Err(format!(
                "{text:?} names a tag: a scope covers whole layouts; a folder of that name is \
                 written with a `/` behind it"
            ));
        }
        // Layouts are judged by their resolved folders: a rule for a link would never hold.
        Ok(Self::Folder(resolved(
            &path.components().collect::<PathBuf>(),
        )))
    }

    fn registry(text: &str, plain: &PlainHosts) -> std::result::Result<Self, String> {
        if text.contains('@') {
            return Err(format!(
                "{text:?} names a digest: a scope covers whole repositories"
            ));
        }
        let (registry, path) = match text.split_once('/') {
            Some((registry, path)) => (registry, Some(path)),
            None => (text, None),
        };
        let registry = plain
            .registry(registry)
            .map_err(|error| error.message().to_owned())?;
        let path = path
            .map(|path| {
                if path.contains(':') {
                    return Err(format!(
                        "{text:?} names a tag: a scope covers whole repositories"
                    ));
                }
                path.parse()
                    .map_err(|_| format!("{text:?} does not name the first parts of a repository, which are in lower case"))
            })
            .transpose()?;
        Ok(Self::Registry(registry, path))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => f.write_str("*"),
            Self::Files => f.write_str("files"),
            Self::Folder(folder) => f.write_str(&written(folder)),
            Self::Registry(registry, None) => registry.fmt(f),
            Self::Registry(registry, Some(repository)) => write!(f, "{registry}/{repository}"),
        }
    }
}

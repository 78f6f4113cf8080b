//! What is judged by, and what for.

use super::{place::Place, policy::Policy, store::Store as Pins};
use crate::{
    error::Result,
    name::{Digest, Reference},
    signature::Evidence,
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// What is judged by: the policy that the owner has in force at a moment, and that moment.
#[derive(Debug, Clone)]
pub struct Now {
    /// The owner's policy, or why it cannot be used: then nothing is accepted.
    pub policy: Result<Arc<Policy>>,
    /// Whose signatures were seen before.
    pub pins: Pins,
    /// The time.
    pub time: SystemTime,
}

impl Now {
    /// What holds where the owner says nothing, with no memory of any signer.
    pub fn built_in(time: SystemTime) -> Self {
        Self {
            policy: Ok(Arc::default()),
            pins: Pins::nowhere(),
            time,
        }
    }

    /// Fails unless somebody may ask for a signer of that name, id or key.
    pub fn check_signer(&self, signer: &str) -> Result<()> {
        self.policy.clone()?.check_signer(signer)
    }

    /// Seconds since 1970. A clock before that is at 0: nothing with a date is valid then.
    pub(super) fn seconds(&self) -> u64 {
        let since = self.time.duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }
}

/// What an artifact is judged for.
#[derive(Debug, Clone)]
pub enum Use {
    /// Publishing it.
    Push(Publication),
    /// Giving it a name on this machine.
    Pull(Published),
    /// Saying what it is: a file, or what is published.
    Verify(Option<Published>),
    /// Giving it a name on this machine, for whoever signs it: dates and trust are not theirs to
    /// ask for.
    Sign {
        /// The path that it gets.
        at: PathBuf,
    },
    /// Saying whether it might be published.
    Ask(Publication),
}

/// How something is to be published.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The reference that was asked for.
    pub to: Reference,
    /// The manifest that it gets: what a bundle may sign.
    pub manifest: Option<Digest>,
    /// What has to count, and is published beside it.
    pub bundle: Option<Evidence>,
}

impl Use {
    /// The manifest that names the artifact.
    pub(super) fn manifest(&self) -> Option<Digest> {
        match self {
            Self::Pull(published) | Self::Verify(Some(published)) => Some(published.manifest),
            Self::Push(publication) | Self::Ask(publication) => publication.manifest,
            Self::Verify(None) | Self::Sign { .. } => None,
        }
    }

    /// What has to be published beside it.
    pub(super) fn bundle(&self) -> Option<&Evidence> {
        match self {
            Self::Push(publication) | Self::Ask(publication) => publication.bundle.as_ref(),
            _ => None,
        }
    }

    /// Where the artifact comes from or goes to. Blocks.
    pub(super) fn place(&self) -> Result<Place> {
        match self {
            Self::Push(publication) | Self::Ask(publication) => Place::of(&publication.to),
            // It was read there, wherever its reference leads by now.
            Self::Pull(published) | Self::Verify(Some(published)) => Ok(published.place.clone()),
            Self::Verify(None) | Self::Sign { .. } => Ok(Place::File),
        }
    }
}

impl Publication {
    /// By a manifest of its own, with nothing beside it.
    #[cfg(test)]
    pub(super) fn alone(to: Reference) -> Self {
        Self {
            to,
            manifest: Some(Digest::of(b"manifest")),
            bundle: None,
        }
    }
}

/// What a reference was found to name.
#[derive(Debug, Clone)]
pub struct Published {
    /// The reference that was asked for, never a mirror.
    pub from: Reference,
    /// Where it was read.
    pub place: Place,
    /// The manifest's digest.
    pub manifest: Digest,
    /// The artifact, as the manifest names it.
    pub layer: Layer,
}

/// A blob that a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

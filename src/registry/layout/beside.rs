//! What a layout has beside a manifest that may sign it: the manifests of its index that refer to
//! it, those that its fallback tag lists, and what cosign 2 stored under a tag of its own.

use super::{
    BLOBS,
    index::{INDEX, look_up, small},
};
use crate::{
    error::{Error, Result, error},
    name::Digest,
    progress::Progress,
    registry::{
        candidates::{
            LARGEST_MANIFEST, Listed, MOST, MOST_BYTES, Referrer, fallback_tag, signature_tag,
            signatures, told,
        },
        manifest::LARGEST,
        memory::Charge,
    },
    signature::Evidence,
    trust::Layer,
};
use std::{path::Path, sync::Arc};
use vouch_protocol::ErrorKind;

/// An index does not say what refers to what: the manifests of so many of its entries are read.
const READ: usize = 1024;

/// All there is. Blocks.
pub(in crate::registry) fn beside(
    root: &Path,
    subject: Digest,
    progress: &Progress,
    charge: &dyn Fn(usize) -> Result<Charge>,
) -> Result<Vec<Evidence>> {
    let layout = Layout {
        root,
        progress,
        charge,
        left: MOST_BYTES as u64,
    };
    layout.search(subject)
}

struct Layout<'a> {
    root: &'a Path,
    progress: &'a Progress,
    /// Makes sure that so many bytes may be held.
    charge: &'a dyn Fn(usize) -> Result<Charge>,
    /// Bytes that may still be kept.
    left: u64,
}

impl Layout<'_> {
    fn search(mut self, subject: Digest) -> Result<Vec<Evidence>> {
        let mut listed = Listed::keeping(READ);
        // One that cannot be read names no artifact either.
        let (index, charge) = self.read(&self.root.join(INDEX), LARGEST)?;
        let _ = listed.add(&index);
        drop((index, charge));
        if let Some((index, _charge)) = self.tagged(&fallback_tag(subject), LARGEST)? {
            let _ = listed.add(&index);
        }
        let (mut found, mut all) = (Vec::new(), 0);
        for digest in listed.digests() {
            self.progress.check()?;
            let (manifest, charge) = match self.manifest(digest, LARGEST_MANIFEST) {
                Ok(read) => read,
                Err(error) if ends(&error) => return Err(error),
                Err(_) => continue,
            };
            let Ok(referrer) = Referrer::read(&manifest) else {
                continue;
            };
            if referrer.subject != Some(subject) {
                continue;
            }
            all += 1;
            if all > MOST {
                continue;
            }
            drop((manifest, charge));
            let from = self.name(&format!("@{digest}"));
            found.push(match referrer.of(subject) {
                Ok(bundle) => {
                    let blob = self.blob(&from, bundle.layer)?;
                    blob.map_or_else(
                        |unread| unread,
                        |(bytes, charge)| bundle.evidence(&from, bytes).holding(Arc::new(charge)),
                    )
                }
                Err(why) => Evidence::unread(&from, &why),
            });
        }
        found.extend(told(&self.name(""), found.len(), all));
        let tag = signature_tag(subject);
        if let Some((manifest, charge)) = self.tagged(&tag, LARGEST_MANIFEST)? {
            // What is annotated is kept.
            let charge = Arc::new(charge);
            let from = self.name(&format!(":{tag}"));
            match signatures(&manifest) {
                Ok((signed, all)) => {
                    let read = signed.len();
                    for (at, signed) in signed.into_iter().enumerate() {
                        let from = format!("{from} (layer {})", at + 1);
                        found.push(match signed {
                            Ok(signed) => {
                                let payload = self.blob(&from, signed.payload)?;
                                payload.map_or_else(
                                    |unread| unread,
                                    |(payload, own)| {
                                        let evidence = signed.evidence(&from, payload);
                                        let evidence = evidence.holding(Arc::new(own));
                                        evidence.holding(Arc::clone(&charge) as _)
                                    },
                                )
                            }
                            Err(why) => Evidence::unread(&from, &why),
                        });
                    }
                    found.extend(told(&from, read, all));
                }
                Err(why) => found.push(Evidence::unread(&from, &why)),
            }
        }
        Ok(found)
    }

    fn name(&self, rest: &str) -> String {
        format!("oci:{}{rest}", self.root.display())
    }

    /// What a tag names; nothing where there is none, or where it cannot be read.
    fn tagged(&self, tag: &str, most: usize) -> Result<Option<(Vec<u8>, Charge)>> {
        match look_up(self.root, Some(tag)) {
            Ok(digest) => match self.manifest(digest, most) {
                Ok(read) => Ok(Some(read)),
                Err(error) if ends(&error) => Err(error),
                Err(_) => Ok(None),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A blob that is kept; or that it was not read, and why.
    fn blob(&mut self, from: &str, layer: Layer) -> Result<Result<(Vec<u8>, Charge), Evidence>> {
        let Some(left) = self.left.checked_sub(layer.size) else {
            let why = format!("no more than {MOST_BYTES} bytes are read beside an artifact");
            return Ok(Err(Evidence::left(from, 1, &why)));
        };
        self.left = left;
        let most = usize::try_from(layer.size).unwrap_or_default();
        match self.manifest(layer.digest, most) {
            Ok(read) => Ok(Ok(read)),
            Err(error) if ends(&error) => Err(error),
            Err(error) => Ok(Err(Evidence::unread(from, error.message()))),
        }
    }

    /// A blob of at most so many bytes, if it is what its name says.
    fn manifest(&self, digest: Digest, most: usize) -> Result<(Vec<u8>, Charge)> {
        let path = self.root.join(BLOBS).join(digest.hex());
        let (bytes, charge) = self.read(&path, most)?;
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(error!(InvalidLayout: "{} hashes to {found}", path.display()));
        }
        Ok((bytes, charge))
    }

    /// A file of at most so many bytes.
    fn read(&self, path: &Path, most: usize) -> Result<(Vec<u8>, Charge)> {
        // One that is not there, or is too large, is told so by whoever opens it.
        let size = path.metadata().map_or(0, |about| about.len());
        let size = usize::try_from(size).unwrap_or(most).min(most);
        let charge = (self.charge)(size)?;
        // Of one that grows meanwhile no more is read.
        Ok((small(path, most)?, charge))
    }
}

/// Whether a search ends with that: what is wrong is not the layout.
fn ends(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Busy | ErrorKind::Cancelled)
}

#[cfg(test)]
mod tests;

//! What a layout has beside a manifest that may sign it: the manifests of its index that refer to
//! it, those that its fallback tag lists, and what cosign 2 stored under a tag of its own.

use super::{
    BLOBS,
    index::{INDEX, look_up, small},
};
use crate::{
    error::Result,
    name::Digest,
    progress::Progress,
    registry::{
        candidates::{
            LARGEST_MANIFEST, Listed, MOST, MOST_BYTES, Referrer, Typed, fallback_tag,
            signature_tag, signatures, told,
        },
        manifest::LARGEST,
    },
    signature::Evidence,
    trust::Layer,
};
use std::path::Path;
use vouch_protocol::ErrorKind;

/// An index does not say what refers to what: the manifests of so many of its entries are read.
const READ: usize = 1024;

/// All there is. Blocks.
pub(in crate::registry) fn beside(
    root: &Path,
    subject: Digest,
    progress: &Progress,
) -> Result<Vec<Evidence>> {
    let layout = Layout {
        root,
        progress,
        left: MOST_BYTES as u64,
    };
    layout.search(subject)
}

struct Layout<'a> {
    root: &'a Path,
    progress: &'a Progress,
    /// Bytes that may still be kept.
    left: u64,
}

impl Layout<'_> {
    fn search(mut self, subject: Digest) -> Result<Vec<Evidence>> {
        let mut listed = Listed::keeping(READ);
        // One that cannot be read names no artifact either.
        let _ = listed.add(&small(&self.root.join(INDEX), LARGEST)?);
        if let Some(index) = self.tagged(&fallback_tag(subject), LARGEST)? {
            let _ = listed.add(&index);
        }
        let (mut found, mut all) = (Vec::new(), 0);
        for digest in listed.digests() {
            self.progress.check()?;
            let Ok(manifest) = self.manifest(digest, LARGEST_MANIFEST) else {
                continue;
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
            let from = self.name(&format!("@{digest}"));
            let bundle = referrer.of(subject);
            let read = bundle.and_then(|bundle| self.bundle(&from, &bundle));
            found.push(read.unwrap_or_else(|why: String| Evidence::unread(&from, &why)));
        }
        found.extend(told(&self.name(""), found.len(), all));
        let tag = signature_tag(subject);
        if let Some(manifest) = self.tagged(&tag, LARGEST_MANIFEST)? {
            let from = self.name(&format!(":{tag}"));
            match signatures(&manifest) {
                Ok((signed, all)) => {
                    let read = signed.len();
                    for (at, signed) in signed.into_iter().enumerate() {
                        let from = format!("{from} (layer {})", at + 1);
                        let read = signed.and_then(|signed| {
                            let payload = self.blob(signed.payload)?;
                            Ok(signed.evidence(&from, payload))
                        });
                        found.push(read.unwrap_or_else(|why| Evidence::unread(&from, &why)));
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
    fn tagged(&self, tag: &str, most: usize) -> Result<Option<Vec<u8>>> {
        match look_up(self.root, Some(tag)) {
            Ok(digest) => Ok(self.manifest(digest, most).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn bundle(&mut self, from: &str, bundle: &Typed) -> Result<Evidence, String> {
        Ok(bundle.evidence(from, self.blob(bundle.layer)?))
    }

    fn blob(&mut self, layer: Layer) -> Result<Vec<u8>, String> {
        let left = self.left.checked_sub(layer.size);
        self.left = left.ok_or_else(|| {
            format!("no more than {MOST_BYTES} bytes are read beside an artifact")
        })?;
        let most = usize::try_from(layer.size).unwrap_or_default();
        self.manifest(layer.digest, most)
    }

    /// A blob of at most so many bytes, if it is what its name says.
    fn manifest(&self, digest: Digest, most: usize) -> Result<Vec<u8>, String> {
        let path = self.root.join(BLOBS).join(digest.hex());
        let bytes = small(&path, most).map_err(|error| error.message().to_owned())?;
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(format!("{} hashes to {found}", path.display()));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;

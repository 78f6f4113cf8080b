//! The files that `[trust]` names: keys and roots. Whoever can write one decides whose signatures
//! count.

use super::section::Section;
use crate::{
    error::{Error, Result, quoted},
    file::Source,
    name::Digest,
    signature::{Anchors, Root},
};
use std::{collections::BTreeMap, io::Read, os::unix::fs::MetadataExt, path::Path};
use vouch_protocol::ErrorKind;

/// The most bytes of such a file.
const LARGEST: u64 = 1 << 20;

/// What bundles are verified by, and the keys among it by the names of their signers.
#[derive(Debug, Clone, Default)]
pub(super) struct Material {
    pub(super) anchors: Anchors,
    pub(super) fingerprints: BTreeMap<String, Digest>,
}

impl Material {
    /// Reads all files of a section; what is wrong with one is told with the keys that name it.
    /// Blocks.
    pub(super) fn read(section: &Section, wrong: &mut impl FnMut([&str; 3], Error)) -> Self {
        let mut material = Self::default();
        for (name, root) in &section.root {
            let added = read(&root.path).and_then(|text| {
                let added = material.anchors.add_root(name, &text);
                added.map_err(|why| unusable(&root.path, &why))
            });
            if let Err(error) = added {
                wrong(["root", name, "path"], error);
            }
        }
        for (name, signer) in &section.signer {
            let Some(path) = signer.key_file() else {
                continue;
            };
            let added = read(path).and_then(|pem| {
                let added = material.anchors.add_key(&pem, signer.root());
                added.map_err(|why| unusable(path, &why))
            });
            match added {
                Ok(fingerprint) => drop(material.fingerprints.insert(name.clone(), fingerprint)),
                Err(error) => wrong(["signer", name, "key"], error),
            }
        }
        material
    }
}

/// The root in a file, whoever can write it.
pub fn root(name: &str, path: &Path) -> Result<(Root, Vec<u8>)> {
    let bytes = bounded(path, &Source::open(path)?)?;
    let root = Root::parse(name, &bytes).map_err(|why| unusable(path, &why))?;
    Ok((root, bytes))
}

/// The root of a file that nobody else can write.
pub(super) fn own_root(name: &str, path: &Path) -> Result<Root> {
    Root::parse(name, &read(path)?).map_err(|why| unusable(path, &why))
}

/// SHA-256 of the key in a file that nobody else can write.
pub(super) fn fingerprint(path: &Path) -> Result<Digest> {
    let pem = read(path)?;
    let added = Anchors::new().add_key(&pem, None);
    added.map_err(|why| unusable(path, &why))
}

/// The bytes of a file that nobody else can write.
fn read(path: &Path) -> Result<Vec<u8>> {
    let source = Source::open(path)?;
    let failed = |error| Error::at(path, "read", error);
    let about = source.metadata().map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    if about.uid() != own && about.uid() != 0 {
        let why = format!(
            "it belongs to user {}, who could have written it",
            about.uid()
        );
        let help = format!("Make it yours: `sudo chown {own} {}`", quoted(path));
        return Err(unusable(path, &why).help(help));
    }
    let of_others = about.mode() & 0o020 != 0 && about.gid() != rustix::process::getegid().as_raw();
    if about.mode() & 0o002 != 0 || of_others {
        let help = format!("Remove others' write access: `chmod go-w {}`", quoted(path));
        return Err(unusable(path, "others can write it").help(help));
    }
    bounded(path, &source)
}

fn bounded(path: &Path, source: &Source) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = source.reader().take(LARGEST + 1);
    let read = reader.read_to_end(&mut bytes);
    read.map_err(|error| Error::at(path, "read", error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unusable(
            path,
            &format!("it is larger than {LARGEST} bytes"),
        ));
    }
    Ok(bytes)
}

fn unusable(path: &Path, why: &str) -> Error {
    let message = format!("{} cannot be used: {why}", path.display());
    Error::new(ErrorKind::PolicyUnusable, message)
}

//! What a module or component says of itself: its exports, and the custom sections by which it is
//! named. None of it is judged by, so it is read only where somebody asks; bounded, and whole or
//! not at all.
//!
//! Sections: WebAssembly core specification, "Name Section"; component model, `Binary.md`, "Name
//! Section"; tool conventions, `ProducersSection.md`; and those that `wasm-metadata` writes, plain
//! text each, named like the OCI annotations that they become.

use super::imports::{self, Import, Imports};
use std::str;
use vouch_protocol::{ArtifactKind, Metadata, Names, Producer};
use wasmparser::{
    BinaryReader, ComponentExportSectionReader, ComponentName, ComponentNameSectionReader,
    ExportSectionReader, Name, NameSectionReader, ProducersSectionReader, Result,
};

/// How many bytes of a section are looked at: of a text or of the producers all, of names the
/// first, which is the whole's.
pub(super) const LONGEST_SECTION: u64 = 16 << 10;
/// The longest name of a section that is looked at.
pub(super) const LONGEST_NAME: u64 = 16;
/// How many exports are read, and how many producers.
const MOST_EXPORTS: usize = 10_000;
const MOST_PRODUCERS: usize = 100;
/// How long a list of names may be in an answer, as JSON.
const LONGEST_ANSWER: usize = 1 << 20;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct Description {
    kind: ArtifactKind,
    imports: Imports,
    exports: Exports,
    /// Bytes of the sections of exports.
    sections: u64,
    metadata: Metadata,
    long_lengths: bool,
}

#[derive(Debug, Clone)]
enum Exports {
    Read(Vec<String>),
    Unread(String),
}

impl Description {
    pub(super) fn of(kind: ArtifactKind) -> Self {
        Self {
            kind,
            imports: Imports::default(),
            exports: Exports::Read(Vec::new()),
            sections: 0,
            metadata: Metadata::default(),
            long_lengths: false,
        }
    }

    /// The same, with its imports and how lengths are written in it, once all of it was passed.
    pub(super) fn complete(self, imports: &Imports, long_lengths: bool) -> Self {
        Self {
            imports: imports.clone(),
            long_lengths,
            ..self
        }
    }

    /// Whether the length of a section, its token's aside, is written longer than it has to be. Who
    /// writes it anew before hashing, as wascap does, finds another hash than that of the bytes.
    pub fn has_long_lengths(&self) -> bool {
        self.long_lengths
    }

    /// What clients see of its imports.
    pub fn imports(&self) -> Names {
        match &self.imports {
            Imports::Read(imports) => told(imports.iter().map(whole).collect()),
            Imports::Unread(why) => Names::Unread { why: why.clone() },
        }
    }

    /// What clients see of its exports.
    pub fn exports(&self) -> Names {
        match &self.exports {
            Exports::Read(names) => told(names.clone()),
            Exports::Unread(why) => Names::Unread { why: why.clone() },
        }
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The id of the sections that hold the exports.
    pub(super) fn export_section(&self) -> u8 {
        match self.kind {
            ArtifactKind::Component => 11,
            ArtifactKind::Module | ArtifactKind::Provider => 7,
        }
    }

    /// Adds the exports of a section's content; without it, of one that is too large.
    pub(super) fn add_exports(&mut self, section: Option<&[u8]>) {
        let Some(section) = section else {
            return self.give_up_exports("a section of them is larger than 1 MiB");
        };
        let Exports::Read(names) = &mut self.exports else {
            return;
        };
        self.sections += section.len() as u64;
        if self.sections > imports::LONGEST {
            return self.give_up_exports("there are more than 1 MiB of them");
        }
        let read = exports(self.kind, section, names);
        if names.len() > MOST_EXPORTS {
            self.give_up_exports(&format!("there are more than {MOST_EXPORTS}"));
        } else if let Err(error) = read {
            self.give_up_exports(error.message());
        }
    }

    fn give_up_exports(&mut self, why: &str) {
        self.exports = Exports::Unread(why.to_owned());
    }

    /// Whether a custom section of that name is one of those that are looked at.
    pub(super) fn wants(&self, name: &[u8]) -> bool {
        self.known(name).is_some()
    }

    /// Adds a custom section: its first bytes, and how many it has in all.
    pub(super) fn add_custom(&mut self, name: &[u8], bytes: &[u8], size: u64) {
        let Some(name) = self.known(name) else { return };
        let read = self.read_custom(name, bytes, size);
        if let Err(why) = read {
            self.forget(name);
            self.metadata.unread.insert(name.to_owned(), why);
        }
    }

    fn known(&self, name: &[u8]) -> Option<&'static str> {
        let own = match self.kind {
            ArtifactKind::Component => "component-name",
            ArtifactKind::Module | ArtifactKind::Provider => "name",
        };
        let known = [
            own,
            "version",
            "description",
            "authors",
            "licenses",
            "source",
            "homepage",
            "revision",
            "producers",
        ];
        known.into_iter().find(|known| known.as_bytes() == name)
    }

    fn read_custom(
        &mut self,
        name: &'static str,
        bytes: &[u8],
        size: u64,
    ) -> std::result::Result<(), String> {
        let (whole, kind) = (size == bytes.len() as u64, self.kind);
        // Of two, readers keep one or the other.
        let twice = || "it is there twice".to_owned();
        if self.metadata.unread.contains_key(name) {
            return Err(twice());
        }
        if matches!(name, "name" | "component-name") {
            return match (own_name(kind, bytes), self.metadata.name.is_some()) {
                (Some(_), true) => Err(twice()),
                (found, _) => {
                    self.metadata.name = self.metadata.name.take().or(found);
                    Ok(())
                }
            };
        }
        if !whole {
            return Err(format!("it is larger than {LONGEST_SECTION} bytes"));
        }
        if name == "producers" {
            if !self.metadata.producers.is_empty() {
                return Err(twice());
            }
            self.metadata.producers =
                producers(bytes).map_err(|error| error.message().to_owned())?;
            if self.metadata.producers.len() > MOST_PRODUCERS {
                return Err(format!("there are more than {MOST_PRODUCERS}"));
            }
            return Ok(());
        }
        let text = str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        match self.text(name) {
            Some(Some(_)) => Err(twice()),
            Some(slot) => {
                *slot = Some(text.to_owned());
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn forget(&mut self, name: &str) {
        match name {
            "producers" => self.metadata.producers.clear(),
            "name" | "component-name" => self.metadata.name = None,
            name => {
                if let Some(slot) = self.text(name) {
                    *slot = None;
                }
            }
        }
    }

    fn text(&mut self, name: &str) -> Option<&mut Option<String>> {
        let metadata = &mut self.metadata;
        Some(match name {
            "version" => &mut metadata.version,
            "description" => &mut metadata.description,
            "authors" => &mut metadata.authors,
            "licenses" => &mut metadata.licenses,
            "source" => &mut metadata.source,
            "homepage" => &mut metadata.homepage,
            "revision" => &mut metadata.revision,
            _ => return None,
        })
    }
}

/// An import's names, unshortened.
fn whole(import: &Import) -> String {
    match &import.implements {
        Some(interface) => format!("{} (implements {interface})", import.name),
        None => import.name.clone(),
    }
}

/// Names, unless they make an answer too long: what needs escaping grows sixfold.
fn told(names: Vec<String>) -> Names {
    let escaped = |byte: u8| match byte {
        ..b' ' => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    let length = |name: &String| 3 + name.bytes().map(escaped).sum::<usize>();
    let length: usize = names.iter().map(length).sum();
    if length > LONGEST_ANSWER {
        let why = format!("there are {}, too long to show", names.len());
        return Names::Unread { why };
    }
    Names::Read { names }
}

fn exports(kind: ArtifactKind, section: &[u8], names: &mut Vec<String>) -> Result<()> {
    let reader = BinaryReader::new(section, 0);
    if kind == ArtifactKind::Component {
        let exports = ComponentExportSectionReader::new(reader)?.into_iter();
        for export in exports.take(MOST_EXPORTS + 1) {
            names.push(export?.name.full_name().into_owned());
        }
        return Ok(());
    }
    let exports = ExportSectionReader::new(reader)?.into_iter();
    for export in exports.take(MOST_EXPORTS + 1) {
        names.push(export?.name.to_owned());
    }
    Ok(())
}

/// The name of the whole: it stands before those of its parts, which may be cut off or broken.
fn own_name(kind: ArtifactKind, bytes: &[u8]) -> Option<String> {
    let reader = BinaryReader::new(bytes, 0);
    if kind == ArtifactKind::Component {
        return match ComponentNameSectionReader::new(reader).next()?.ok()? {
            ComponentName::Component { name, .. } => Some(name.to_owned()),
            _ => None,
        };
    }
    match NameSectionReader::new(reader).next()?.ok()? {
        Name::Module { name, .. } => Some(name.to_owned()),
        _ => None,
    }
}

fn producers(bytes: &[u8]) -> Result<Vec<Producer>> {
    let mut producers = Vec::new();
    for field in ProducersSectionReader::new(BinaryReader::new(bytes, 0))? {
        let field = field?;
        for value in field.values {
            let value = value?;
            producers.push(Producer {
                field: field.name.to_owned(),
                name: value.name.to_owned(),
                version: value.version.to_owned(),
            });
        }
    }
    Ok(producers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Limits, describe, skim};
    use crate::name::Digest;
    use std::io::{Cursor, Read};
    use vouch_testing::forge::{Signer, component, custom, leb, module, section};

    fn described(bytes: &[u8]) -> Option<Description> {
        let limits = Limits::default();
        describe(bytes, bytes.len() as u64, &limits).unwrap().1
    }

    fn string(text: &str) -> Vec<u8> {
        [leb(u32::try_from(text.len()).unwrap()), text.into()].concat()
    }

    #[test]
    fn what_it_says_of_itself_is_bounded_and_whole_or_said_to_be_unread() {
        let check = |sections: &[Vec<u8>], expected: &str, unread: &str, reason: &str| {
            let bytes = [module(), sections.concat()].concat();
            let metadata = described(&bytes).expect(reason).metadata;
            let told = [
                metadata.name,
                metadata.version,
                metadata.licenses,
                metadata
                    .producers
                    .first()
                    .map(|it| format!("{}={}", it.name, it.version)),
            ];
            let told: Vec<_> = told.into_iter().flatten().collect();
            assert_eq!(told.join(" "), expected, "{reason}");
            let why: Vec<_> = metadata.unread.keys().map(String::as_str).collect();
            assert_eq!(why.join(" "), unread, "{reason}");
        };
        let name = |text: &str| section(0, &string(text));
        let producers = [
            leb(1),
            string("language"),
            leb(1),
            string("Rust"),
            string("1.90"),
        ];
        let producers = custom("producers", &producers.concat());
        let version = || custom("version", b"1.2.3");
        check(&[], "", "", "nothing");
        check(&[version()], "1.2.3", "", "a version");
        check(&[version(), version()], "", "version", "there twice");
        check(
            &[version(), version(), version()],
            "",
            "version",
            "three times",
        );
        check(
            &[custom("version", &[b'1'; 16 << 10])],
            &"1".repeat(16 << 10),
            "",
            "the largest",
        );
        check(
            &[custom("version", &vec![b'1'; (16 << 10) + 1])],
            "",
            "version",
            "one byte more",
        );
        check(
            &[custom("licenses", &vec![b'x'; 100 << 20])],
            "",
            "licenses",
            "100 MB",
        );
        check(&[custom("version", b"\xff")], "", "version", "not text");
        check(
            std::slice::from_ref(&producers),
            "Rust=1.90",
            "",
            "producers",
        );
        check(
            &[producers.clone(), producers.clone()],
            "",
            "producers",
            "producers twice",
        );
        check(
            &[custom("producers", b"\xff\xff\xff\xff\x0f")],
            "",
            "producers",
            "4,294,967,295 of them",
        );
        check(
            &[custom("producers", b"\x01\x08language\x05")],
            "",
            "producers",
            "cut short",
        );
        check(&[custom("name", &name("echo"))], "echo", "", "its name");
        let functions = [name("echo"), section(1, &vec![b'x'; 1 << 20])].concat();
        check(
            &[custom("name", &functions)],
            "echo",
            "",
            "with a megabyte of others'",
        );
        check(
            &[custom("name", b"\0\x7f\x7fecho")],
            "",
            "",
            "a name longer than its section",
        );
        check(
            &[custom("component-name", &name("echo"))],
            "",
            "",
            "a component's, in a module",
        );
    }

    #[test]
    fn exports_are_read_whole_or_not_at_all() {
        let check = |bytes: &[u8], expected: Option<usize>, reason: &str| {
            let count = match described(bytes).expect(reason).exports() {
                Names::Read { names } => Some(names.len()),
                Names::Unread { .. } => None,
            };
            assert_eq!(count, expected, "{reason}");
        };
        let many = |count: u32| {
            let exports = b"\x01e\0\0".repeat(count as usize);
            let section = section(7, &[leb(count), exports].concat());
            [b"\0asm\x01\0\0\0".to_vec(), section].concat()
        };
        check(&many(0), Some(0), "none");
        check(&many(10_000), Some(10_000), "as many as are read");
        check(&many(10_001), None, "one more");
        let cut = [b"\0asm\x01\0\0\0".to_vec(), section(7, b"\x02\x01e\0\0")].concat();
        check(&cut, None, "one of two");
        let large = [
            b"\0asm\x01\0\0\0".to_vec(),
            section(7, &vec![0; (1 << 20) + 1]),
        ]
        .concat();
        check(&large, None, "a section over 1 MiB");
        let nasty = format!("{}\u{1b}", "\"".repeat(600_000));
        let exports = [leb(1), string(&nasty), vec![0, 0]].concat();
        let nasty = [b"\0asm\x01\0\0\0".to_vec(), section(7, &exports)].concat();
        check(&nasty, None, "too long once it is escaped");
        check(&component(), Some(0), "a component's");
    }

    #[test]
    fn what_breaks_off_says_nothing() {
        let whole = [module(), custom("version", b"1")].concat();
        assert!(described(&whole).is_some());
        assert!(described(&whole[..whole.len() - 1]).is_none());
        assert!(described(b"\0asm").is_none());
    }

    /// Counts what is read.
    struct Counted {
        bytes: Cursor<Vec<u8>>,
        read: usize,
    }

    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let most = buffer.len().min(64);
            let read = self.bytes.read(&mut buffer[..most])?;
            self.read += read;
            Ok(read)
        }
    }

    #[test]
    fn a_skim_finds_what_the_whole_says_and_reads_little() {
        let check = |bytes: Vec<u8>, most: usize, reason: &str| {
            let (size, digest) = (bytes.len() as u64, Digest::of(&bytes));
            let (examined, described) = describe(&*bytes, size, &Limits::default()).unwrap();
            let mut reader = Counted {
                bytes: Cursor::new(bytes),
                read: 0,
            };
            let skimmed = skim(
                &mut reader,
                |reader, by| reader.bytes.set_position(reader.bytes.position() + by),
                digest,
                size,
                &Limits::default(),
            );
            let skimmed = skimmed.unwrap().expect(reason);
            let both = (skimmed.facts(), examined.facts());
            assert_eq!(both.0.is_some(), both.1.is_some(), "{reason}");
            if let (Some(skimmed), Some(whole)) = both {
                let token = |facts: &crate::artifact::Facts| {
                    facts.token.as_ref().map(|token| token.bytes().to_vec())
                };
                assert_eq!(token(skimmed), token(&whole), "{reason}");
                assert_eq!(skimmed.imports, whole.imports, "{reason}");
            }
            let metadata = |it: Option<&Description>| it.map(|it| it.metadata().clone());
            assert_eq!(
                metadata(skimmed.description()),
                metadata(described.as_ref()),
                "{reason}"
            );
            assert!(reader.read <= most, "{reason}: {} bytes", reader.read);
        };
        let fill = custom("fill", &vec![7; 1 << 20]);
        let unsigned = [module(), custom("version", b"1"), fill.clone()].concat();
        check(Signer::default().wasm(&unsigned), 4096, "signed");
        check(unsigned.clone(), 4096, "unsigned");
        check(unsigned[..unsigned.len() - 1].to_vec(), 4096, "cut short");
        check([unsigned, fill, vec![0]].concat(), 4096, "a byte too many");
    }
}

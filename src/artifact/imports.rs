//! What an artifact imports: of a component the imports of its outermost level, of a core module
//! `module.name`. They are read from the import sections in the one pass, and what cannot be read
//! whole is said to be unread: nobody may take a part for all.
//!
//! The sections are `wasmparser`'s to read: component model, `Binary.md`, "Import and Export
//! Definitions"; WebAssembly core specification, section 5.5.5.

use std::fmt;
use vouch_protocol::ArtifactKind;
use wasmparser::{
    BinaryReader, ComponentImportSectionReader, ComponentTypeRef, ImportSectionReader, Result,
};

/// The most bytes of import sections, and as many of all names in them.
pub(super) const LONGEST: u64 = 1 << 20;
/// How many imports are read.
const MOST: usize = 10_000;
/// The longest name that is shown whole, in bytes.
const SHOWN: usize = 200;

/// The imports of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imports {
    /// All of them.
    Read(Vec<Import>),
    /// Why they are not known.
    Unread(String),
}

/// Something that an artifact needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// `wasi:http/types@0.2.0`; of a core module `module.name`.
    pub name: String,
    /// The interface that it is, where its own name is another.
    pub implements: Option<String>,
    /// Whether it is a whole module or component.
    pub whole: bool,
}

/// For people: names are whatever the artifact's maker wrote.
impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str| {
            let escaped: String = name.escape_debug().take(SHOWN).collect();
            escaped + if name.len() > SHOWN { "…" } else { "" }
        };
        f.write_str(&shown(&self.name))?;
        match &self.implements {
            Some(interface) => write!(f, " (implements {})", shown(interface)),
            None => Ok(()),
        }
    }
}

impl Default for Imports {
    fn default() -> Self {
        Self::Read(Vec::new())
    }
}

impl Imports {
    /// The id of the sections that hold them.
    pub(super) fn section(kind: ArtifactKind) -> u8 {
        match kind {
            ArtifactKind::Component => 10,
            ArtifactKind::Module | ArtifactKind::Provider => 2,
        }
    }

    /// Bytes of what is known.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Read(imports) => imports.iter().map(|import| 64 + import.length()).sum(),
            Self::Unread(why) => why.len(),
        }
    }
}

impl Import {
    /// Bytes of its names.
    fn length(&self) -> usize {
        self.name.len() + self.implements.as_ref().map_or(0, String::len)
    }
}

/// Reads them, section by section. What it costs is bounded by what it has read, not by what is
/// written: the proposal for compact imports writes a module's name once for many imports, and a
/// file may have any number of sections.
#[derive(Default)]
pub(super) struct Reading {
    imports: Imports,
    /// Bytes of the sections, and of all names.
    sections: u64,
    names: u64,
}

impl Reading {
    /// Adds those of a section's content.
    pub(super) fn add(&mut self, kind: ArtifactKind, section: &[u8]) {
        if matches!(self.imports, Imports::Unread(_)) {
            return;
        }
        self.sections += section.len() as u64;
        if self.sections > LONGEST {
            return self.give_up("there are more than 1 MiB of them");
        }
        let read = match kind {
            ArtifactKind::Component => self.of_component(section),
            ArtifactKind::Module | ArtifactKind::Provider => self.of_module(section),
        };
        if let Err(error) = read {
            self.give_up(error.message());
        }
    }

    /// Says that they are not known.
    pub(super) fn give_up(&mut self, why: &str) {
        self.imports = Imports::Unread(why.to_owned());
    }

    pub(super) fn finish(self) -> Imports {
        self.imports
    }

    /// Keeps one; answers whether others may follow.
    fn keep(&mut self, import: Import) -> bool {
        let Imports::Read(imports) = &mut self.imports else {
            return false;
        };
        self.names += import.length() as u64;
        if self.names > LONGEST {
            self.give_up("their names have more than 1 MiB");
        } else if imports.len() == MOST {
            self.give_up(&format!("there are more than {MOST}"));
        } else {
            imports.push(import);
            return true;
        }
        false
    }

    fn of_component(&mut self, section: &[u8]) -> Result<()> {
        let reader = BinaryReader::new(section, 0);
        for import in ComponentImportSectionReader::new(reader)? {
            let import = import?;
            let implements = import.name.full_implements();
            let kept = self.keep(Import {
                name: import.name.full_name().into_owned(),
                implements: implements.map(Into::into),
                whole: matches!(
                    import.ty,
                    ComponentTypeRef::Module(_) | ComponentTypeRef::Component(_)
                ),
            });
            if !kept {
                break;
            }
        }
        Ok(())
    }

    fn of_module(&mut self, section: &[u8]) -> Result<()> {
        let reader = BinaryReader::new(section, 0);
        for import in ImportSectionReader::new(reader)?.into_imports() {
            let import = import?;
            let kept = self.keep(Import {
                name: format!("{}.{}", import.module, import.name),
                implements: None,
                whole: false,
            });
            if !kept {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ArtifactKind, sections: &[&[u8]]) -> Imports {
        let mut imports = Reading::default();
        for section in sections {
            imports.add(kind, section);
        }
        imports.finish()
    }

    fn names(imports: &Imports) -> Option<Vec<String>> {
        match imports {
            Imports::Read(imports) => Some(imports.iter().map(ToString::to_string).collect()),
            Imports::Unread(_) => None,
        }
    }

    #[test]
    fn imports_are_read_whole_or_not_at_all() {
        let check = |kind, sections: &[&[u8]], expected: Option<&[&str]>, why: &str| {
            let names = names(&read(kind, sections));
            let names = names
                .as_ref()
                .map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(names.as_deref(), expected, "{why}");
        };
        let module = ArtifactKind::Module;
        check(module, &[], Some(&[]), "no section");
        check(module, &[b"\0"], Some(&[]), "an empty section");
        check(module, &[b"\x01\x03env\x01f\0\0"], Some(&["env.f"]), "one");
        check(module, &[b"\x02\x03env\x01f\0\0"], None, "one of two");
        check(
            module,
            &[b"\x01\x03env\x01f\0\0x"],
            None,
            "more than it says",
        );
        check(module, &[b"\x01\x03env\x01\xff\0\0"], None, "no text");
        let component = ArtifactKind::Component;
        check(
            component,
            &[b"\x01\0\x06wasi:a\x05\0"],
            Some(&["wasi:a"]),
            "an instance",
        );
        let two: [&[u8]; 2] = [b"\x01\0\x01a\x05\0", b"\x01\0\x01b\x05\0"];
        check(component, &two, Some(&["a", "b"]), "two sections");
        let broken: [&[u8]; 2] = [b"\x01\0\x01a\x05\0", b"\x01\0\x01b"];
        check(component, &broken, None, "the second is cut short");
        let after: [&[u8]; 2] = [b"\x01\0\x01b", b"\x01\0\x01a\x05\0"];
        check(component, &after, None, "and it stays unread");
    }

    #[test]
    fn there_is_an_end_to_them() {
        let many = |count: u32| {
            let mut section = Vec::new();
            let mut rest = count;
            while rest > 0x7f {
                section.push(rest.to_le_bytes()[0] | 0x80);
                rest >>= 7;
            }
            section.push(rest.to_le_bytes()[0]);
            section.extend(b"\x01m\x01f\0\0".repeat(count as usize));
            read(ArtifactKind::Module, &[&section])
        };
        assert!(matches!(many(10_000), Imports::Read(imports) if imports.len() == 10_000));
        assert!(matches!(many(10_001), Imports::Unread(_)));
        // One module's name of 90 kB, written once for 100 imports without a name.
        let mut compact = b"\x01\x90\xbf\x05".to_vec();
        compact.extend(b"m".repeat(90_000));
        compact.extend(b"\0\x7f\x64");
        compact.extend(b"\0\0\0".repeat(100));
        let all = read(ArtifactKind::Module, &[&compact]);
        assert!(
            matches!(&all, Imports::Unread(why) if why.contains("names")),
            "{}",
            all.size()
        );
        let mut reading = Reading::default();
        for _ in 0..=LONGEST {
            reading.add(ArtifactKind::Module, b"\0");
        }
        assert!(matches!(reading.finish(), Imports::Unread(_)), "sections");
    }
}

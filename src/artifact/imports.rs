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

/// The longest import section, in bytes, and as much of all names of an artifact.
pub(super) const LONGEST: u64 = 1 << 20;
/// How many imports are read.
const MOST: usize = 10_000;

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

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.implements {
            Some(interface) => write!(f, " (implements {interface})"),
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

    /// Adds those of a section's content.
    pub(super) fn add(&mut self, kind: ArtifactKind, section: &[u8]) {
        let Self::Read(imports) = self else { return };
        let known: usize = imports.iter().map(|import| import.name.len()).sum();
        if (known + section.len()) as u64 > LONGEST {
            return self.give_up("there are more than 1 MiB of them");
        }
        let read = match kind {
            ArtifactKind::Component => of_component(section, imports),
            ArtifactKind::Module | ArtifactKind::Provider => of_module(section, imports),
        };
        if imports.len() > MOST {
            self.give_up(&format!("there are more than {MOST}"));
        } else if let Err(error) = read {
            self.give_up(error.message());
        }
    }

    /// Says that they are not known.
    pub(super) fn give_up(&mut self, why: &str) {
        *self = Self::Unread(why.to_owned());
    }

    /// Bytes of what is known.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Read(imports) => imports.iter().map(|import| 64 + import.name.len()).sum(),
            Self::Unread(why) => why.len(),
        }
    }
}

fn of_component(section: &[u8], imports: &mut Vec<Import>) -> Result<()> {
    let reader = BinaryReader::new(section, 0);
    for import in ComponentImportSectionReader::new(reader)?
        .into_iter()
        .take(MOST + 1)
    {
        let import = import?;
        let implements = import.name.full_implements();
        imports.push(Import {
            name: import.name.full_name().into_owned(),
            implements: implements.map(Into::into),
            whole: matches!(
                import.ty,
                ComponentTypeRef::Module(_) | ComponentTypeRef::Component(_)
            ),
        });
    }
    Ok(())
}

fn of_module(section: &[u8], imports: &mut Vec<Import>) -> Result<()> {
    let reader = BinaryReader::new(section, 0);
    for import in ImportSectionReader::new(reader)?
        .into_imports()
        .take(MOST + 1)
    {
        let import = import?;
        imports.push(Import {
            name: format!("{}.{}", import.module, import.name),
            implements: None,
            whole: false,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ArtifactKind, sections: &[&[u8]]) -> Imports {
        let mut imports = Imports::default();
        for section in sections {
            imports.add(kind, section);
        }
        imports
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
    }
}

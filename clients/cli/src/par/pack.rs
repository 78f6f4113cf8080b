//! Writes a provider archive without its token, as provider-archive 0.16 lays one out: a GNU tar with
//! `world.wasm`, if there is one, and a `<target>.bin` for each target. The token becomes its first
//! entry when it is signed. The same files make the same archive: it has no dates and owners.

use crate::failure::Failure;
use flate2::{Compression, write::GzEncoder};
use rustix::fs::OFlags;
use std::{
    ffi::OsStr,
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tar::{Builder, Header};

/// The most targets: with the token and the world that is what the service takes.
const MOST_TARGETS: usize = 254;
/// The longest name of a target: with `.bin` it fills the name in a tar header.
const LONGEST_NAME: usize = 96;
/// The most that goes into an archive, in bytes: what the service takes of a gzipped one, unless its
/// owner says otherwise. A tar header has no larger number than 8 GiB without extensions.
const LARGEST: u64 = 16 << 30;
const LARGEST_FILE: u64 = (8 << 30) - 1;
/// The world's name.
const WORLD: &str = "world.wasm";

/// What goes into an archive.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    /// Sorted by name, each name once.
    targets: Vec<Target>,
    world: Option<PathBuf>,
}

/// A target, and the file with its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    name: String,
    file: PathBuf,
}

impl Target {
    /// Reads `NAME=FILE`.
    pub(crate) fn read(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let Some(at) = bytes.iter().position(|byte| *byte == b'=') else {
            return Err(
                "write it as TARGET=FILE, for example x86_64-linux=target/release/kv".into(),
            );
        };
        let (name, file) = (&bytes[..at], &bytes[at + 1..]);
        if file.is_empty() {
            return Err("there is no file behind the `=`".into());
        }
        let name = std::str::from_utf8(name).map_err(|_| "the target's name is not UTF-8")?;
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            file: OsStr::from_bytes(file).into(),
        })
    }
}

/// Checks a target's name, as the signature rule does (row 10).
fn check_name(name: &str) -> Result<(), String> {
    let odd = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.');
    if name.is_empty() {
        return Err("a target needs a name, for example x86_64-linux".into());
    }
    if matches!(name, "claims" | "world" | WORLD) {
        // wasmCloud's own reader takes any `claims.*` for the token, and any `world.*` for the world.
        return Err(format!(
            "a target cannot be called `{name}`: readers take that for another entry"
        ));
    }
    if name.starts_with('.') || name.contains(odd) {
        return Err("a target's name has ASCII letters, digits, `_`, `-` and `.`, and does not begin with `.`".into());
    }
    if name.len() > LONGEST_NAME {
        return Err(format!("a target's name has at most {LONGEST_NAME} bytes"));
    }
    Ok(())
}

impl Contents {
    pub(super) fn new(mut targets: Vec<Target>, world: Option<PathBuf>) -> Result<Self, String> {
        targets.sort_by(|one, other| one.name.cmp(&other.name));
        if let Some([one, _]) = targets.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(format!("the target {} is given twice", one.name));
        }
        if targets.len() > MOST_TARGETS {
            return Err(format!("an archive has at most {MOST_TARGETS} targets"));
        }
        Ok(Self { targets, world })
    }

    /// Opens everything, before anything is written.
    pub(super) fn open(&self) -> Result<Opened, Failure> {
        let mut entries = Vec::new();
        if let Some(file) = &self.world {
            let entry = Entry::open(WORLD.to_owned(), file)?;
            entry.check_world()?;
            entries.push(entry);
        }
        for target in &self.targets {
            entries.push(Entry::open(format!("{}.bin", target.name), &target.file)?);
        }
        let size = entries.iter().map(|entry| entry.size).sum();
        if size > LARGEST {
            let most = LARGEST >> 30;
            return Err(Failure::new(format!(
                "the files are larger than {most} GiB together"
            )));
        }
        Ok(Opened { entries, size })
    }
}

/// The files of an archive, opened.
pub(super) struct Opened {
    entries: Vec<Entry>,
    size: u64,
}

impl Opened {
    /// How many bytes they have.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Writes the archive; tells of the bytes that were read. Blocks, until it is done or told to
    /// stop.
    pub(super) fn pack(self, file: &File, gzip: bool, watch: &Watch) -> Result<(), Failure> {
        let written = |error| Failure::new(format!("cannot write the archive: {error}"));
        if !gzip {
            return self.write(file, watch)?.flush().map_err(written);
        }
        // Signing inflates it and deflates it again, as hard as this one's header says that it was:
        // RFC 1952, section 2.3.1, XFL. To deflate it twice that hard would be for nothing.
        let deflated = GzEncoder::new(file, Compression::fast());
        self.write(deflated, watch)?.finish().map_err(written)?;
        file.write_all_at(&[2], 8).map_err(written)
    }

    fn write<W: Write>(self, to: W, watch: &Watch) -> Result<W, Failure> {
        let mut archive = Builder::new(to);
        for entry in self.entries {
            entry.append(&mut archive, watch)?;
        }
        archive
            .into_inner()
            .map_err(|error| Failure::new(format!("cannot write the archive: {error}")))
    }
}

/// How an archive that is being written is watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    read: AtomicU64,
    stop: AtomicBool,
}

impl Watch {
    /// How many bytes went in.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Stops the writing, at the latest when what this answers is dropped.
    pub(super) fn stop_when_dropped(self: Arc<Self>) -> Stop {
        Stop(self)
    }
}

/// See [`Watch::stop_when_dropped`].
pub(super) struct Stop(Arc<Watch>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// An entry of an archive, and the file that it is made from.
struct Entry {
    name: String,
    path: PathBuf,
    file: File,
    size: u64,
}

impl Entry {
    fn open(name: String, path: &Path) -> Result<Self, Failure> {
        let cannot = |error: &dyn fmt::Display| {
            Failure::new(format!("cannot read {}: {error}", path.display()))
        };
        // A pipe without a writer would not open.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(|error| cannot(&error))?;
        let about = file.metadata().map_err(|error| cannot(&error))?;
        if !about.is_file() {
            return Err(cannot(&"it is not a regular file"));
        }
        if about.len() > LARGEST_FILE {
            return Err(cannot(&"it is larger than 8 GiB"));
        }
        Ok(Self {
            name,
            path: path.to_owned(),
            file,
            size: about.len(),
        })
    }

    /// wasmCloud keeps a world as a component, not as text.
    fn check_world(&self) -> Result<(), Failure> {
        let mut magic = [0; 4];
        match self.file.read_exact_at(&mut magic, 0) {
            Ok(()) if magic == *b"\0asm" => Ok(()),
            _ => Err(Failure::new(format!(
                "{} is not a WIT package encoded as WebAssembly",
                self.path.display()
            ))
            .help("`wasm-tools component wit --wasm -o world.wasm wit/` encodes a folder of WIT files.")),
        }
    }

    fn append<W: Write>(self, archive: &mut Builder<W>, watch: &Watch) -> Result<(), Failure> {
        let mut header = Header::new_gnu();
        let wrong = |error: &io::Error| {
            let (name, file) = (&self.name, self.path.display());
            Failure::new(format!("cannot add {file} as {name}: {error}"))
        };
        header.set_path(&self.name).map_err(|error| wrong(&error))?;
        header.set_size(self.size);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        let mut reader = Watched {
            file: (&self.file).take(self.size),
            watch,
        };
        archive
            .append(&header, &mut reader)
            .map_err(|error| wrong(&error))?;
        let is_whole = reader.file.limit() == 0;
        if !is_whole || self.file.metadata().is_ok_and(|now| now.len() != self.size) {
            let file = self.path.display();
            return Err(
                Failure::new(format!("{file} changed while it was read")).help("Try again.")
            );
        }
        Ok(())
    }
}

struct Watched<'a, R> {
    file: io::Take<R>,
    watch: &'a Watch,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.watch.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        let read = self.file.read(into)?;
        self.watch.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_target_has_a_name_and_a_file() {
        let check = |text: &str, expected: Result<(&str, &str), &str>| match (
            Target::read(OsStr::new(text)),
            expected,
        ) {
            (Ok(target), Ok((name, file))) => {
                assert_eq!(
                    (&*target.name, target.file.as_path()),
                    (name, Path::new(file))
                );
            }
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{text}: {why}"),
            (read, _) => panic!("{text}: {read:?}"),
        };
        check("x86_64-linux=kv", Ok(("x86_64-linux", "kv")));
        check("a.b=c=d", Ok(("a.b", "c=d")));
        check("kv", Err("TARGET=FILE"));
        check("a=", Err("no file"));
        check("=kv", Err("needs a name"));
        check("claims=kv", Err("cannot be called"));
        check("world=kv", Err("cannot be called"));
        check("world.wasm=kv", Err("cannot be called"));
        check(".a=kv", Err("does not begin with"));
        check("a/b=kv", Err("ASCII letters"));
        check("ä=kv", Err("ASCII letters"));
        check(
            &format!("{}=kv", "a".repeat(96)),
            Ok((&"a".repeat(96), "kv")),
        );
        check(&format!("{}=kv", "a".repeat(97)), Err("at most 96"));
    }

    #[test]
    fn targets_are_sorted_and_each_is_given_once() {
        let read = |texts: &[&str]| {
            let targets = texts
                .iter()
                .map(|text| Target::read(OsStr::new(text)).unwrap());
            Contents::new(targets.collect(), None)
        };
        let names: Vec<_> = read(&["b=1", "a=2"]).unwrap().targets;
        let names: Vec<_> = names.iter().map(|target| &*target.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(read(&["b=1", "a=2", "b=3"]).unwrap_err().contains("twice"));
        let many: Vec<_> = (0..255).map(|number| format!("t{number}=f")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(read(&many).unwrap_err().contains("at most 254"));
    }

    /// Packs these targets, and answers the file's bytes.
    fn packed(folder: &Path, gzip: bool, stop: bool) -> Result<Vec<u8>, Failure> {
        let target = |name: &str| Target {
            name: name.to_owned(),
            file: folder.join(name),
        };
        let world = Some(folder.join("w")).filter(|world| world.exists());
        let contents = Contents::new(vec![target("one"), target("two")], world).unwrap();
        let opened = contents.open()?;
        let out = tempfile::NamedTempFile::new_in(folder).unwrap();
        let size = opened.size();
        let watch = Arc::new(Watch::default());
        if stop {
            drop(watch.clone().stop_when_dropped());
        }
        opened.pack(out.as_file(), gzip, &watch)?;
        assert_eq!(watch.read(), size);
        Ok(fs::read(out.path()).unwrap())
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("one"), "first").unwrap();
        fs::write(folder.path().join("two"), vec![7; 100_000]).unwrap();
        folder
    }

    #[test]
    fn an_archive_holds_what_it_was_given() {
        let folder = folder();
        let here = folder.path();
        fs::write(here.join("w"), b"\0asm world").unwrap();
        let plain = packed(here, false, false).unwrap();
        assert_eq!(packed(here, false, false).unwrap(), plain);
        let mut found = Vec::new();
        for entry in tar::Archive::new(&*plain).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            found.push((entry.path().unwrap().display().to_string(), content));
        }
        let expected = [
            ("world.wasm", b"\0asm world".to_vec()),
            ("one.bin", b"first".to_vec()),
            ("two.bin", vec![7; 100_000]),
        ];
        assert_eq!(
            found,
            expected.map(|(name, content)| (name.to_owned(), content))
        );
        let gzipped = packed(here, true, false).unwrap();
        assert_eq!(gzipped[8], 2, "as if deflated as hard as can be");
        let mut inflated = Vec::new();
        flate2::read::GzDecoder::new(&*gzipped)
            .read_to_end(&mut inflated)
            .unwrap();
        assert_eq!(inflated, plain);
    }

    #[test]
    fn what_cannot_be_packed_is_named() {
        let folder = folder();
        let here = folder.path();
        let check = |expected: &str| {
            let failure = packed(here, false, false).unwrap_err();
            let text = format!("{} {}", failure.message, failure.help.unwrap_or_default());
            assert!(text.contains(expected), "{text}");
        };
        fs::write(here.join("w"), "package acme:kv;").unwrap();
        check("wasm-tools component wit");
        fs::remove_file(here.join("w")).unwrap();
        fs::remove_file(here.join("two")).unwrap();
        check("two: No such file");
        fs::create_dir(here.join("two")).unwrap();
        check("two: it is not a regular file");
        fs::remove_dir(here.join("two")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, here.join("two"), 0o600.into()).unwrap();
        check("two: it is not a regular file");
        fs::remove_file(here.join("two")).unwrap();
        let sparse = File::create(here.join("two")).unwrap();
        sparse.set_len(LARGEST_FILE + 1).unwrap();
        check("two: it is larger than 8 GiB");
        sparse.set_len(10).unwrap();
        let failure = packed(here, false, true).unwrap_err();
        assert!(failure.message.contains("stopped"), "{}", failure.message);
    }
}

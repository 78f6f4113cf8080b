//! Dependencies point one way. The compiler does not know; this test does.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used
)]

mod names;

use names::{Crate, Meaning};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Each module of the service may name those before it; those of the binary come last.
const ORDER: &[&str] = &[
    "error",
    "name",
    "progress",
    "file",
    "artifact",
    "signature",
    "trust",
    "session",
    "registry",
    "config",
    "document",
    "service",
    "transport",
    "demo",
    "logging",
    "arguments",
    "options",
    "settings",
    "policy",
    "reload",
    "allocator",
    "detach",
    "connect",
    "serve",
];

/// The crates of the workspace: the file of each one's root.
const CRATES: &[&str] = &[
    "src/lib.rs",
    "src/main.rs",
    "protocol/src/lib.rs",
    "clients/rust/src/lib.rs",
    "clients/cli/src/main.rs",
    "dist/src/lib.rs",
    "tests/support/src/lib.rs",
];

fn read(root: &str) -> Crate {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    Crate::read(Path::new(root), &|file| {
        fs::read_to_string(workspace.join(file)).ok()
    })
}

/// What stands side by side in a folder: a module's children, each with all below it, and the items
/// of the module itself, each for itself. A module that only hands on what its children have needs
/// none of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Child(String),
    Own(String),
}

/// Which parts of a module name which others, and by which path.
fn needs(all: &Crate, of: usize) -> BTreeMap<(Part, Part), String> {
    let part = |module: usize, item: Option<&String>| {
        if module == of {
            return item.cloned().map(Part::Own);
        }
        let children = all.modules[of].children.iter();
        let mut children = children.filter(|(_, child)| all.is_within(module, **child));
        children.next().map(|(name, _)| Part::Child(name.clone()))
    };
    let mut needs = BTreeMap::new();
    for (index, module) in all.modules.iter().enumerate() {
        if !all.is_within(index, of) {
            continue;
        }
        for named in &module.named {
            let Some(from) = part(index, named.within.as_ref()) else {
                continue;
            };
            let to = match all.meaning(index, &named.what) {
                Meaning::Module(to) => part(to, None),
                Meaning::Item(to, item) => part(to, Some(&item)),
                Meaning::Outside(_) => None,
            };
            let Some(to) = to else { continue };
            if from != to {
                let said = format!("{} names {}", module.file.display(), named.what);
                needs.entry((from, to)).or_insert(said);
            }
        }
    }
    needs
}

/// The circles among the parts of a module, and what makes each.
fn circles(all: &Crate, of: usize) -> Vec<(BTreeSet<Part>, Vec<String>)> {
    let needs = needs(all, of);
    let parts: BTreeSet<&Part> = needs.keys().flat_map(|(from, to)| [from, to]).collect();
    let reached = |from: &Part| {
        let mut reached = BTreeSet::new();
        let mut next = vec![from.clone()];
        while let Some(at) = next.pop() {
            for (_, to) in needs.keys().filter(|(from, _)| *from == at) {
                if reached.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        reached
    };
    let reach: BTreeMap<&Part, BTreeSet<Part>> =
        parts.iter().map(|part| (*part, reached(part))).collect();
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for part in parts {
        let circle: BTreeSet<Part> = reach[part]
            .iter()
            .filter(|other| reach[other].contains(part))
            .cloned()
            .collect();
        // The items of one file may need each other.
        let files = circle.iter().any(|part| matches!(part, Part::Child(_)));
        if !files || !seen.insert(circle.clone()) {
            continue;
        }
        let within = |(from, to): &(Part, Part)| circle.contains(from) && circle.contains(to);
        let why = needs.iter().filter(|(pair, _)| within(pair));
        circles.push((circle.clone(), why.map(|(_, said)| said.clone()).collect()));
    }
    circles
}

#[test]
fn no_two_files_of_a_folder_need_each_other() {
    let mut found = BTreeMap::new();
    for root in CRATES {
        let all = read(root);
        for of in 0..all.modules.len() {
            for (circle, why) in circles(&all, of) {
                let file = all.modules[of].file.display().to_string();
                let names = circle.into_iter().map(|part| match part {
                    Part::Child(name) | Part::Own(name) => name,
                });
                let names: Vec<String> = std::iter::once(file).chain(names).collect();
                found.insert(names, why);
            }
        }
    }
    let said = found
        .iter()
        .map(|(circle, why)| format!("{circle:?} need each other:\n  {}\n", why.join("\n  ")));
    let said: String = said.collect();
    assert!(said.is_empty(), "{said}");
}

#[test]
fn no_module_names_one_further_down() {
    for root in ["src/lib.rs", "src/main.rs"] {
        let all = read(root);
        let place = |name: &str| {
            let place = ORDER.iter().position(|module| *module == name);
            place.unwrap_or_else(|| panic!("{name} has no place in the order"))
        };
        for name in all.modules[0].children.keys() {
            place(name);
        }
        for ((from, to), why) in needs(&all, 0) {
            let (Part::Child(from), Part::Child(to)) = (from, to) else {
                continue;
            };
            assert!(
                place(&to) < place(&from),
                "{why}, which is further down than `{from}`"
            );
        }
    }
}

/// What a module must not name, by whatever way it came there.
#[test]
fn some_things_are_for_some_modules_only() {
    let all = read("src/lib.rs");
    let check = |name: &str, may_wait: bool, forbidden: &[&str]| {
        let of = all.modules[0].children[name];
        for (index, module) in all.modules.iter().enumerate() {
            if !all.is_within(index, of) {
                continue;
            }
            let file = module.file.display();
            assert!(may_wait || !module.waits, "{file} waits");
            for named in &module.named {
                let Meaning::Outside(path) = all.meaning(index, &named.what) else {
                    continue;
                };
                let path = format!("::{}::", path.join("::"));
                for word in forbidden {
                    let is_there = path.contains(&format!("::{word}::"));
                    assert!(!is_there, "{file} names {}", named.what);
                }
            }
        }
    };
    // How clients come and in what form they speak is the transport's.
    let sockets = [
        "UnixListener",
        "UnixStream",
        "AsyncRead",
        "AsyncWrite",
        "tokio::net",
    ];
    check("service", true, &sockets);
    // They judge bytes, wherever these come from, and wait for nothing.
    let runtime = ["tokio", "reqwest", "std::net", "std::fs"];
    check("artifact", false, &runtime);
    check("signature", false, &runtime);
    // It looks where layouts lie, and keeps pins: files of this machine.
    check("trust", false, &runtime[..3]);
    // One place alone speaks to registries, so that none is asked without its session.
    check("registry", true, &["Client::builder", "Client::new"]);
}

/// A crate of these files.
fn made(files: &[(&str, &str)]) -> Crate {
    Crate::read(Path::new("lib.rs"), &|file| {
        let found = files.iter().find(|(name, _)| Path::new(name) == file);
        found.map(|(_, text)| (*text).to_owned())
    })
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn the_test_sees_circles() {
    let check = |root: &str, a: &str, b: &str, expected: bool, why: &str| {
        let root = format!("mod a; mod b; {root}");
        let all = made(&[("lib.rs", &root), ("a.rs", a), ("b.rs", b)]);
        assert_eq!(!circles(&all, 0).is_empty(), expected, "{why}");
    };
    let a = "use crate::b; pub struct A;";
    check("", a, "", false, "one way");
    check("", a, "use super::a;", true, "a module");
    check("", a, "fn f() { super::a::A; }", true, "a path");
    check("", a, "use super::*; pub struct B(a::A);", true, "a glob");
    check("use a::A;", a, "use super::A;", true, "handed on");
    check("use a::*;", a, "use super::A;", true, "all handed on");
    check("use a::A;", a, "use super::*; pub struct B(Box<A>);", true, "two globs");
    check("fn f() { a::A; }", a, "fn g() { crate::f(); }", true, "through the parent");
    check("fn f() {}", a, "fn g() { crate::f(); }", false, "the parent's own");
    check("fn f() { a::g(); }", "fn g() { super::f(); }", "", true, "a child and its parent");
    check("", a, "macro_rules! m { () => { $crate::a::A } }", true, "a macro's");
    check("", a, "fn f() { log!(\"{}\", super::a::A); }", true, "in a macro");
    check("", a, "// super::a::A\nfn f() { g(\"super::a::A\"); }", false, "text");
    check("", a, "#[cfg(test)] mod tests { use crate::a; }", false, "tests");
    check("", a, "#[cfg(not(test))] use super::a;", true, "what tests do not see");
    check("", a, "#[serde(with = \"super::a\")] struct B;", true, "an attribute");

    let a = "use super::b::B; impl B { pub fn only(&self) {} }";
    check("", a, "pub struct B; impl B { fn f(&self) { self.only(); } }", true, "elsewhere");
    check("", a, "pub struct B; impl B { fn f(&self) { log!(self.only()); } }", true, "in a macro");
    check("", a, "pub struct B; impl B { fn f(&self) { Self::only(self); } }", true, "`Self`");
    check("", a, "pub struct B; fn f(b: B) { B::only(&b); }", true, "by its type");
    check("", a, "pub struct B; fn f(b: &B) { b.only(); }", false, "of some value");
    let a = "use super::b::B; impl B { pub fn only_here(&self) {} }";
    let other = "pub struct B; struct C; impl C { fn only_here() {} } fn f(b: &B) { b.only_here(); }";
    check("", a, "pub struct B; fn f(b: &B) { b.only_here(); }", true, "a name of one type");
    check("", a, other, false, "a name of two types");
}

#[test]
fn the_test_sees_what_is_meant() {
    let all = made(&[
        (
            "lib.rs",
            "mod a; mod c; use std::io; pub use c::{self as d, C};",
        ),
        ("a.rs", "pub mod b; use io::Read; use crate::io;"),
        ("a/b.rs", "pub struct B; fn f() {}"),
        ("c/mod.rs", "pub struct C; pub use super::a::b;"),
    ]);
    let [a, b, c] = [1, 2, 3];
    let check = |module: usize, path: &str, expected: Meaning| {
        let names = path.split("::").map(str::to_owned).collect();
        let what = names::What::Path(names);
        assert_eq!(all.meaning(module, &what), expected, "{path}");
    };
    let outside = |path: &str| Meaning::Outside(path.split("::").map(str::to_owned).collect());
    check(0, "a::b::B", Meaning::Item(b, "B".into()));
    check(0, "d::b::B::new", Meaning::Item(b, "B".into()));
    check(b, "super::super::C", Meaning::Item(c, "C".into()));
    check(b, "f", Meaning::Item(b, "f".into()));
    check(b, "self::f", Meaning::Item(b, "f".into()));
    check(c, "b", Meaning::Module(b));
    check(c, "crate::a", Meaning::Module(a));
    check(a, "Read", outside("std::io::Read"));
    check(a, "unknown::Name", outside("unknown::Name"));
}

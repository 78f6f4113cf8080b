//! Tells the build which commit it is of, for `serverInfo.build` and `vouch --version`.
//!
//! In this order: what `VOUCHD_BUILD` says, the commit that cargo notes in a source package, the
//! last commit of the checkout. Where none of them says anything, nothing is said. Builds for
//! development do not look at the checkout: they would be made anew for each commit.

#![allow(clippy::print_stdout, missing_docs)]

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=VOUCHD_BUILD");
    let named = env::var("VOUCHD_BUILD").ok();
    let build = named.or_else(packaged).or_else(|| {
        let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
        release.then(checked_out).flatten()
    });
    let mut version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    if let Some(build) = build.filter(|build| !build.is_empty() && !build.contains('\n')) {
        println!("cargo::rustc-env=VOUCHD_BUILD={build}");
        version = format!("{version} ({build})");
    }
    // What `--version` says.
    println!("cargo::rustc-env=VOUCHD_VERSION={version}");
}

/// The commit that `cargo package` wrote down.
fn packaged() -> Option<String> {
    let noted = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, commit) = noted.split_once("\"sha1\": \"")?;
    commit.get(..7).map(ToOwned::to_owned)
}

/// The last commit of the checkout, if these are its sources: a copy of them may lie in another.
fn checked_out() -> Option<String> {
    let top = fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    let here = fs::canonicalize(".").ok()?;
    if here != top && here != top.join("clients/cli") {
        return None;
    }
    // It changes with each commit and checkout. A file that is named and missing would mean a
    // build each time.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["log", "-1", "--format=%h %cs", "--abbrev=7"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = output.status.success().then_some(output.stdout)?;
    Some(String::from_utf8(said).ok()?.trim().to_owned())
}

//! Real modules from npm packages: fetched once into `target/`, never committed.

use crate::process::run;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The versions are fixed, so that numbers can be compared.
const PACKAGES: &[(&str, &str)] = &[
    ("@duckdb/duckdb-wasm@1.32.0", "dist/duckdb-eh.wasm"),
    ("@duckdb/duckdb-wasm@1.32.0", "dist/duckdb-mvp.wasm"),
    ("@duckdb/duckdb-wasm@1.32.0", "dist/duckdb-coi.wasm"),
    ("esbuild-wasm@0.28.2", "esbuild.wasm"),
];

/// The modules' paths: DuckDB in three builds (34 MB and more), and esbuild (12 MB).
pub fn fetch() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/real-modules");
    PACKAGES
        .iter()
        .map(|(package, file)| {
            let unpacked = folder.join(package.replace(['/', '@'], "_"));
            let path = unpacked.join("package").join(file);
            if !path.exists() {
                std::fs::create_dir_all(&unpacked).expect("a folder");
                run(Command::new("npm")
                    .args(["pack", "--silent", package])
                    .current_dir(&unpacked));
                let archive = std::fs::read_dir(&unpacked)
                    .expect("a folder")
                    .flatten()
                    .map(|entry| entry.path())
                    .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
                    .expect("npm packed it");
                run(Command::new("tar")
                    .arg("-xzf")
                    .arg(archive)
                    .current_dir(&unpacked));
            }
            path
        })
        .collect()
}

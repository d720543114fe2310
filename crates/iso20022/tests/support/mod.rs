//! Vectors read in place, `xmllint`, and messages made from a seed.
#![allow(dead_code, unused_imports, reason = "each test file uses a part")]

mod maker;

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use maker::Maker;

/// The folder of the ISO 20022 vectors; `None`, with a line on it, when absent and not under `CI`.
pub(crate) fn vectors() -> Option<PathBuf> {
    let root = std::env::var_os("WAYLEAVE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let folder = root.join("iso20022");
    if folder.exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "no vectors in {}", folder.display());
    println!("left out: no vectors in {}", folder.display());
    None
}

/// Whether `xmllint` is there; if not, a line on it, and a failure under `CI`.
pub(crate) fn has_xmllint() -> bool {
    if Command::new("xmllint").arg("--version").output().is_ok() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "no xmllint: `apt-get install libxml2-utils`");
    println!("left out: no xmllint (`apt-get install libxml2-utils`)");
    false
}

/// What `xmllint` has against these documents under the schema of this name; empty when nothing.
pub(crate) fn schema_errors(schema: &str, documents: &[String]) -> String {
    let folder =
        std::env::temp_dir().join(format!("wayleave-iso20022-{}-{schema}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut files = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let file = folder.join(format!("{number}.xml"));
        std::fs::write(&file, document).unwrap();
        files.push(file);
    }
    let schema = vectors().unwrap().join(format!("xsd/{schema}.xsd"));
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .args(&files)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    if output.status.success() {
        return String::new();
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let wrong: Vec<&str> = told.lines().filter(|line| !line.ends_with(" validates")).collect();
    wrong.join("\n")
}

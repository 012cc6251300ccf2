//! `cargo xtask budget`: how many crates the binary is built from. Each one is code that we answer for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo;

/// Ours and foreign ones, with what builds them, without tests.
const MOST_CRATES: usize = 270;

pub fn run(root: &Path) -> Result<ExitCode> {
    let mut command = cargo::command(root);
    command.args(["tree", "-e", "normal,build", "-p", "patchline", "--prefix", "none", "--format", "{p}"]);
    let output = command.stderr(Stdio::inherit()).output().context("could not start cargo")?;
    if !output.status.success() {
        bail!("could not list the crates: cargo tree failed");
    }
    let crates = parse(&String::from_utf8_lossy(&output.stdout));
    for (name, versions) in duplicates(&crates) {
        println!("twice: {name} {}", versions.join(", "));
    }
    println!("budget: {} crates, {MOST_CRATES} at most", crates.len());
    if crates.len() <= MOST_CRATES {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "  hint: `cargo tree -p patchline -e normal,build` shows who brings what; drop a feature or a crate"
    );
    Ok(ExitCode::FAILURE)
}

/// The name and version of each crate in what `cargo tree` prints, each once.
fn parse(tree: &str) -> BTreeSet<(String, String)> {
    let package = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let version = words.next()?.strip_prefix('v')?;
        Some((name.to_owned(), version.to_owned()))
    };
    tree.lines().filter_map(package).collect()
}

/// Crates that are there in more than one version.
fn duplicates(crates: &BTreeSet<(String, String)>) -> Vec<(&str, Vec<&str>)> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in crates {
        versions.entry(name).or_default().push(version);
    }
    versions.into_iter().filter(|(_, versions)| versions.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "patchline v0.1.0 (/tmp/x/crates/patchline)\nsyn v2.0.1\nsyn v3.0.9 (*)\n\
                        serde_derive v1.0.1 (proc-macro)\nsyn v3.0.9\n\n[build-dependencies]\ncc v1.2.0\n";

    #[test]
    fn each_crate_counts_once_and_each_version_for_itself() {
        let crates = parse(TREE);
        assert_eq!(crates.len(), 5, "{crates:?}");
        assert_eq!(duplicates(&crates), [("syn", vec!["2.0.1", "3.0.9"])]);
    }
}

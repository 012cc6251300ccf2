//! The package managers of Node that tests of fixers run, each in a folder of its own: several versions of one can't be on
//! `PATH`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::probe;

/// Where the tests look for them.
pub const VARIABLE: &str = "PATCHLINE_NODE_TOOLS";

/// Folder and package, as npm knows it.
const TOOLS: [(&str, &str); 5] = [
    ("pnpm9", "pnpm@9"),
    ("pnpm10", "pnpm@10"),
    ("yarn1", "yarn@1"),
    ("yarn3", "@yarnpkg/cli-dist@3"),
    ("yarn4", "@yarnpkg/cli-dist@4"),
];

const DEADLINE: Duration = Duration::from_secs(120);

/// Their folder: what somebody set, or else one beside what cargo builds.
pub fn folder(root: &Path) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |set| root.join(set));
    std::env::var_os(VARIABLE).map_or_else(|| target.join("node-tools"), PathBuf::from)
}

/// Installs what is not there yet. Returns what tests have to do without.
pub fn bring(folder: &Path, only_look: bool) -> Vec<String> {
    let missing = TOOLS.iter().filter(|(name, _)| !folder.join(name).join("node_modules/.bin").is_dir());
    let mut skipped = Vec::new();
    for (name, package) in missing {
        if only_look {
            skipped.push(format!("tests that need {package}: it is not here"));
            continue;
        }
        println!("== parts: installing {package}");
        if let Err(why) = install(&folder.join(name), package) {
            skipped.push(format!("{package} could not be installed: {why:#}"));
        }
    }
    skipped
}

fn install(place: &Path, package: &str) -> Result<()> {
    fs::create_dir_all(place).context("could not make its folder")?;
    let mut command = Command::new("npm");
    command
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
        .arg(place)
        .arg(package);
    let answer = probe::ask(command, DEADLINE)?;
    if answer.status.success() {
        return Ok(());
    }
    let reason = answer.text.lines().find(|line| line.starts_with("npm error")).unwrap_or("npm failed");
    bail!("{reason}")
}

#[cfg(test)]
mod tests {
    use super::bring;

    #[test]
    fn to_look_installs_nothing_and_names_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let skipped = bring(&root.path().join("tools"), true);
        assert_eq!(skipped.len(), super::TOOLS.len());
        assert!(skipped[0].contains("pnpm@9"), "{skipped:?}");
        assert!(!root.path().join("tools").exists());
    }
}

//! Small cargo projects in git repositories: one without a problem, one with a package that is known to be vulnerable.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The lockfile of a project without dependencies.
pub const CLEAN: &str = "version = 4

[[package]]
name = \"small\"
version = \"0.1.0\"
";

/// The lockfile of a project with a package of which the built-in advisories know.
pub const VULNERABLE: &str = "version = 4

[[package]]
name = \"linked-hash-map\"
version = \"0.5.6\"
source = \"registry+https://github.com/rust-lang/crates.io-index\"
checksum = \"0717cef1bc8b636c6e1c1bbdefc09e6322da8a9321966e8928ef80d20f7f770f\"

[[package]]
name = \"small\"
version = \"0.1.0\"
dependencies = [
 \"yaml-rust\",
]

[[package]]
name = \"yaml-rust\"
version = \"0.4.0\"
source = \"registry+https://github.com/rust-lang/crates.io-index\"
checksum = \"57ab38ee1a4a266ed033496cf9af1828d8d6e6c1cfa5f643a2809effcae4d628\"
dependencies = [
 \"linked-hash-map\",
]
";

/// Settings that are right.
pub const SETTINGS: &str = "[service]
name = \"small\"
owner = \"team-small\"
tier = 3

[build]
command = [\"cargo\", \"build\", \"--locked\", \"--offline\"]
artifact = \"target/debug/small\"
";

/// A repository with this lockfile and these further files.
pub fn cargo_project(folder: &Path, lockfile: &str, files: &[(&str, &str)]) {
    let dependency = if lockfile.contains("yaml-rust") { "yaml-rust = \"0.4\"\n" } else { "" };
    let manifest = format!(
        "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependency}\n[workspace]\n"
    );
    let own =
        [("Cargo.toml", manifest.as_str()), ("Cargo.lock", lockfile), ("src/main.rs", "fn main() {}\n")];
    for (name, text) in own.iter().chain(files) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder is made");
        fs::write(path, text).expect("a file is written");
    }
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "A small project"]);
}

/// What git says.
#[track_caller]
pub fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=Dana", "-c", "user.email=dana@example.com", "-c", "commit.gpgSign=false"]);
    let output = command.args(words).current_dir(folder).output().expect("git runs");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

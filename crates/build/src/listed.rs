//! What goes into an artifact by what the lockfiles say that hold for the service's folder, of whatever ecosystem.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use patchline_inventory::detector::{Detector, Installed, gather};
use patchline_inventory::detectors::DETECTORS;
use patchline_model::digest::Digest;
use patchline_model::service::{Build, CommandLine};
use serde::{Deserialize, Serialize};

/// A lockfile longer than this is not read, nor are more bytes of its neighbours; the largest known ones have a few MiB.
const MAX_BYTES: u64 = 64 << 20;

/// Ecosystems of what a file names but no artifact holds: images that it may run in, and what tests and builds it elsewhere.
const OUTSIDE: [&str; 2] = ["Docker", "GitHub Actions"];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Without the ways that lead to each.
    pub packages: Vec<Installed>,
    /// By their paths below the repository's top.
    pub lockfiles: Vec<(String, Digest)>,
    /// What is in use and could not be told, a line each.
    pub unresolved: Vec<String>,
}

impl Listed {
    /// Of each kind the nearest file counts: in the service's folder or above, at most at the tree's top.
    pub(crate) fn of(tree: &Path, build: &Build, folder: &str) -> Self {
        let mut listed = Self::default();
        let Ok(top) = tree.canonicalize() else { return listed };
        for detector in DETECTORS.iter().filter(|detector| concerns(&build.command, **detector)) {
            let place = Path::new(folder);
            let nearest = place.ancestors().map(|folder| claimed(&top, folder, *detector));
            for path in nearest.into_iter().find(|found| !found.is_empty()).into_iter().flatten() {
                listed.take(&top, &path, *detector);
            }
        }
        listed
    }

    fn take(&mut self, top: &Path, path: &str, detector: &dyn Detector) {
        let Some(text) = text(top, path, MAX_BYTES) else {
            self.unresolved.push(format!("{path}: it could not be read"));
            return;
        };
        let neighbours = gather(detector, path, &text, MAX_BYTES, |path, left| self::text(top, path, left));
        let found = match detector.parse(path, &text, &neighbours) {
            Ok(found) => found,
            Err(error) => {
                self.unresolved.push(format!("{path}: {error}"));
                return;
            }
        };
        let mut packages = found.installed;
        packages.retain(|one| !OUTSIDE.contains(&one.package.ecosystem.0.as_str()));
        packages.iter_mut().for_each(|one| one.paths.clear());
        let unresolved = found.unresolved.into_iter().map(|one| match one.package {
            Some(package) => format!("{}: {package}: {}", one.path, one.what),
            None => format!("{}: {}", one.path, one.what),
        });
        // A file that names nothing but images is no lockfile.
        let (unresolved, is_outside) = (unresolved.collect::<Vec<_>>(), is_outside(detector));
        if !is_outside {
            self.unresolved.extend(unresolved);
            self.lockfiles.push((path.to_owned(), Digest::of(text.as_bytes())));
        }
        self.packages.extend(packages);
    }
}

/// Cargo and Go take what their own file names and nothing else; of other commands nobody knows.
fn concerns(command: &CommandLine, detector: &dyn Detector) -> bool {
    let program = command.0.first().and_then(|program| program.rsplit('/').next());
    match program {
        Some("cargo") => detector.kind().claims("Cargo.lock"),
        Some("go") => detector.kind().claims("go.mod"),
        Some(_) | None => true,
    }
}

fn is_outside(detector: &dyn Detector) -> bool {
    detector.kind().claims("Dockerfile") || detector.kind().claims("action.yml")
}

/// The files in this folder that the detector reads, by their paths below the top.
fn claimed(top: &Path, folder: &Path, detector: &dyn Detector) -> Vec<String> {
    let Ok(entries) = fs::read_dir(top.join(folder)) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut paths: Vec<String> = names
        .filter(|name| detector.kind().claims(name))
        .filter_map(|name| folder.join(name).to_str().map(str::to_owned))
        .collect();
    paths.sort();
    paths
}

/// The text of an ordinary file in the tree; a link may lead to another place in it, and nowhere else.
fn text(top: &Path, path: &str, limit: u64) -> Option<String> {
    let real = top.join(path).canonicalize().ok().filter(|real| real.starts_with(top) && real.is_file())?;
    let mut text = String::new();
    File::open(real).ok()?.take(limit + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= limit).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use patchline_model::service::{Build, CommandLine};

    use super::Listed;

    const CARGO: &str = "version = 4\n\n[[package]]\nname = \"tiny\"\nversion = \"0.1.0\"\n";
    const NPM: &str = r#"{ "lockfileVersion": 3, "packages": { "": { "name": "web", "version": "1.0.0" },
        "node_modules/a": { "version": "1.2.0" } } }"#;

    #[track_caller]
    fn check(files: &[(&str, &str)], folder: &str, command: &[&str], packages: &[&str], unresolved: usize) {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join(folder)).unwrap();
        for (path, text) in files {
            fs::create_dir_all(tree.path().join(path).parent().unwrap()).unwrap();
            fs::write(tree.path().join(path), text).unwrap();
        }
        let command = CommandLine(command.iter().map(|word| (*word).to_owned()).collect());
        let build = Build { prepare: None, command, artifact: String::new() };
        let listed = Listed::of(tree.path(), &build, folder);
        let found: Vec<String> = listed
            .packages
            .iter()
            .map(|one| format!("{} {} in {}", one.package.ecosystem, one.package, one.location.path))
            .collect();
        assert_eq!(found, packages, "{listed:?}");
        assert_eq!(listed.unresolved.len(), unresolved, "{listed:?}");
    }

    #[test]
    fn of_each_ecosystem_the_nearest_lockfile_counts() {
        let both = [("Cargo.lock", CARGO), ("web/package-lock.json", NPM), ("package-lock.json", "{}")];
        check(&both, "web", &["cargo", "build"], &["crates.io tiny 0.1.0 in Cargo.lock"], 0);
        let all = [
            "crates.io tiny 0.1.0 in Cargo.lock",
            "npm web 1.0.0 in web/package-lock.json",
            "npm a 1.2.0 in web/package-lock.json",
        ];
        check(&both, "web", &[], &all, 0);
        check(&both[..1], "web/deep", &["make"], &all[..1], 0);
        check(&[("Dockerfile", "FROM debian\n")], "", &[], &[], 0);
        check(&[("Cargo.lock", "nonsense")], "", &[], &[], 1);
        check(&[("a/requirements.txt", "one==1.0\n")], "a", &[], &["PyPI one 1.0 in a/requirements.txt"], 0);
    }

    #[test]
    fn a_link_out_of_the_tree_is_not_followed() {
        let (tree, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(other.path().join("Cargo.lock"), CARGO).unwrap();
        std::os::unix::fs::symlink(other.path().join("Cargo.lock"), tree.path().join("Cargo.lock")).unwrap();
        let build = Build { prepare: None, command: CommandLine(Vec::new()), artifact: String::new() };
        let listed = Listed::of(tree.path(), &build, "");
        assert_eq!((listed.packages.len(), listed.lockfiles.len(), listed.unresolved.len()), (0, 0, 1));
    }
}

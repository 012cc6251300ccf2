//! Which files of a tree a scan reads, while the tree is only a list of names: a commit is compared without being written out
//! whole.
//!
//! What a lockfile asks for is known when it was read, so files come in rounds, until no round needs any more. Where names
//! don't tell, all are needed: a root of an operating system, an image, links that lead through links.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use patchline_inventory::detector::{beside, gather};
use patchline_inventory::detectors::DETECTORS;

use crate::container::system;
use crate::container::wanted::{is_left_out, is_neighbour};
use crate::walk::{self, DEEPEST, LARGEST_LOCKFILE, VENDORED};

/// Links that lead to each other.
const MOST_LINKS: usize = 40;

/// What is needed besides what is there.
#[derive(Debug, PartialEq, Eq)]
pub enum Needed {
    All,
    These(BTreeSet<String>),
}

/// What a scan of `asked`, a folder or a file of the tree, certainly reads. Names go from the top of the tree; an empty one
/// is the top.
pub fn at_first(files: &BTreeSet<String>, asked: &str) -> Needed {
    if files.contains(asked) {
        return these(BTreeSet::from([asked.to_owned()]));
    }
    let mut needed = BTreeSet::new();
    for path in files {
        let Some(relative) = below(asked, path).filter(|relative| !is_left_out(relative)) else { continue };
        let name = relative.rsplit('/').next().unwrap_or(relative);
        if system::root_of(relative).is_some() || name == "oci-layout" {
            return Needed::All;
        }
        let is_claimed = || DETECTORS.iter().any(|detector| detector.kind().claims(relative));
        let is_manifest = || DETECTORS.iter().any(|detector| detector.kind().manifest == Some(name));
        let says_what_to_enter = name == ".gitignore" || name == VENDORED;
        // What lies too deep is named, and so must be there.
        let is_too_deep = || relative.matches('/').count() > DEEPEST;
        if says_what_to_enter || is_neighbour(relative) || is_claimed() || is_manifest() || is_too_deep() {
            needed.insert(path.clone());
        }
    }
    these(needed)
}

/// A name that is no UTF-8 can't be asked for.
fn these(needed: BTreeSet<String>) -> Needed {
    match needed.iter().any(|path| path.contains(char::REPLACEMENT_CHARACTER)) {
        true => Needed::All,
        false => Needed::These(needed),
    }
}

/// What the files of the tree that lie in `folder` ask for besides.
pub fn besides(folder: &Path, files: &BTreeSet<String>, asked: &str) -> Needed {
    let mut round = Round { folder, files, needed: BTreeSet::new(), is_all: false };
    round.want(asked);
    // What can't be walked will not be scanned either.
    let Ok(walked) = walk::walk(&folder.join(asked), DETECTORS) else { return round.needed() };
    let root =
        if files.contains(asked) { asked.rsplit_once('/').map_or("", |(root, _)| root) } else { asked };
    let links = walked.unresolved.iter().map(|one| one.path.as_str());
    for path in walked.lockfiles.iter().map(|found| found.relative.as_str()).chain(links) {
        round.want(&joined(root, path));
    }
    for found in &walked.lockfiles {
        let detector = DETECTORS[found.detector];
        let Ok(text) = walk::read_text(found, "") else { continue };
        gather(detector, &found.relative, &text, LARGEST_LOCKFILE, |relative, _| {
            let path = joined(root, relative);
            round.want(&path);
            fs::read_to_string(folder.join(path)).ok()
        });
    }
    round.needed()
}

struct Round<'a> {
    folder: &'a Path,
    files: &'a BTreeSet<String>,
    needed: BTreeSet<String>,
    is_all: bool,
}

impl Round<'_> {
    /// The file of this name, and what it leads to.
    fn want(&mut self, path: &str) {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            if !self.files.contains(&path) {
                // A file above it is a link to a folder, or another repository.
                self.is_all |= path.match_indices('/').any(|(at, _)| self.files.contains(&path[..at]));
                return;
            }
            let place = self.folder.join(&path);
            if place.symlink_metadata().is_err() {
                self.needed.insert(path);
                return;
            }
            let Ok(target) = fs::read_link(&place) else { return };
            // What leads out of the tree is not followed by a scan either.
            let Some(next) = beside(&path, &target.to_string_lossy()) else { return };
            path = next;
        }
    }

    fn needed(self) -> Needed {
        if self.is_all { Needed::All } else { these(self.needed) }
    }
}

fn joined(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

/// The path from the folder on, where it lies in it.
fn below<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use tempfile::TempDir;

    use super::{Needed, at_first, besides};

    /// What is written of a tree, the first round and then what each asks for; none where all is.
    #[track_caller]
    fn check(given: &[(&str, &str)], asked: &str, then: Option<&[&str]>) {
        let files: BTreeSet<String> = given.iter().map(|(path, _)| (*path).to_owned()).collect();
        let folder = TempDir::new().unwrap();
        let mut written = BTreeSet::new();
        let mut needed = at_first(&files, asked);
        loop {
            let Needed::These(these) = needed else { return assert_eq!(None, then, "all is needed") };
            if these.is_empty() {
                break;
            }
            for path in these {
                let (_, text) = given.iter().find(|(name, _)| *name == path).expect("it is of the tree");
                let place = folder.path().join(&path);
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                match text.strip_prefix("-> ") {
                    Some(target) => std::os::unix::fs::symlink(target, place).unwrap(),
                    None => fs::write(place, text).unwrap(),
                }
                assert!(written.insert(path), "it was there");
            }
            needed = besides(folder.path(), &files, asked);
        }
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        assert_eq!(Some(written.as_slice()), then);
    }

    #[test]
    fn what_no_lockfile_asks_for_stays_where_it_is() {
        let tree = [
            ("requirements.txt", "-r more/base.in\n"),
            ("more/base.in", "-c ../pins\n"),
            ("pins", "a==1\n"),
            ("src/main.py", ""),
            (".gitignore", "x\n"),
            ("node_modules/a/package-lock.json", "{}"),
            ("web/package.json", "{}"),
        ];
        let then = [".gitignore", "more/base.in", "pins", "requirements.txt", "web/package.json"];
        check(&tree, "", Some(&then));
        check(&tree, "web", Some(&["web/package.json"]));
        check(&tree, "src", Some(&[]));
        check(&tree, "src/main.py", Some(&["src/main.py"]));
        check(&tree, "requirements.txt", Some(&["more/base.in", "pins", "requirements.txt"]));
        // What lies above what was asked for is out of its tree.
        check(&[("a/go.mod", "module m\n"), ("go.sum", "")], "a", Some(&["a/go.mod"]));
        check(&[("a/requirements.txt", "-r ../b.in\n"), ("b.in", "")], "a", Some(&["a/requirements.txt"]));
    }

    #[test]
    fn links_are_followed_and_where_names_do_not_tell_all_is_needed() {
        check(
            &[("a/go.mod", "-> ../b/real"), ("b/real", "-> other"), ("b/other", "module m\n"), ("c", "")],
            "",
            Some(&["a/go.mod", "b/other", "b/real"]),
        );
        check(&[("go.mod", "-> d/go.mod"), ("d", "-> e"), ("e/go.mod", "module m\n")], "", None);
        check(&[("image/oci-layout", "{}"), ("image/index.json", "{}")], "", None);
        check(&[("root/var/lib/dpkg/status", "")], "", None);
        check(&[("go.mod", "-> go.mod")], "", Some(&["go.mod"]));
    }
}

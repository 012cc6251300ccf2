//! The lockfiles of a tree: never out of it, never through links, never without an end.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::detector::{Broken, Detector, Unresolved};
use crate::error::DetectError;

const LARGEST_LOCKFILE: u64 = 64 << 20;
const DEEPEST: usize = 64;
const MOST_ENTRIES: usize = 5_000_000;

/// What is built or fetched is not what the repository says it needs.
const LEFT_OUT: [&str; 3] = [".git", "node_modules", "target"];

/// `cargo vendor` leaves this in each folder that it makes; the lockfiles in there say nothing about this repository.
const VENDORED: &str = ".cargo-checksum.json";

/// What a tree holds.
#[derive(Default)]
pub struct Walked {
    pub lockfiles: Vec<Found>,
    pub unresolved: Vec<Unresolved>,
}

/// A lockfile and who reads it.
pub struct Found {
    /// Its place in the list of detectors.
    pub detector: usize,
    pub path: PathBuf,
    /// As findings name it: below the root, with `/`.
    pub relative: String,
}

/// Finds each lockfile at or below `root`, in the order of their paths. A manifest that has no lockfile beside or above
/// it is unresolved, as is a folder that cannot be read.
pub fn walk(root: &Path, detectors: &[&dyn Detector]) -> Result<Walked, DetectError> {
    let kind = fs::metadata(root).map_err(DetectError::read(root))?;
    if kind.is_dir() { walk_tree(root, detectors) } else { single(root, detectors) }
}

/// The text of a lockfile.
pub fn read_text(found: &Found, hint: &'static str) -> Result<String, DetectError> {
    let path = &found.path;
    let file = open_ordinary(path)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_LOCKFILE + 1).read_to_end(&mut bytes).map_err(DetectError::read(path))?;
    if bytes.len() as u64 > LARGEST_LOCKFILE {
        return Err(DetectError::Scan { path: path.clone(), what: "it is larger than 64 MiB".to_owned() });
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let valid = String::from_utf8_lossy(&error.as_bytes()[..offset]);
        broken(path, Broken::at(&valid, offset, "it is not UTF-8"), hint)
    })
}

/// Opens a file that can be read to an end. A pipe or a device is refused before it can block.
fn open_ordinary(path: &Path) -> Result<File, DetectError> {
    let is_ordinary = fs::metadata(path).map_err(DetectError::read(path))?.is_file();
    if !is_ordinary {
        let what = "it is not an ordinary file".to_owned();
        return Err(DetectError::Scan { path: path.to_owned(), what });
    }
    File::open(path).map_err(DetectError::read(path))
}

/// The error for a lockfile at this path.
pub fn broken(path: &Path, broken: Broken, hint: &'static str) -> DetectError {
    let Broken { line, column, what } = broken;
    DetectError::Lockfile { path: path.to_owned(), line, column, what, hint }
}

fn single(root: &Path, detectors: &[&dyn Detector]) -> Result<Walked, DetectError> {
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A copy may be named after its project, as in `notebook.Cargo.lock`.
    let detector = detectors.iter().position(|detector| name.ends_with(detector.lockfile()));
    let what = || DetectError::Scan {
        path: root.to_owned(),
        what: "it is no lockfile that Patchline reads".to_owned(),
    };
    let found = Found { detector: detector.ok_or_else(what)?, path: root.to_owned(), relative: name };
    Ok(Walked { lockfiles: vec![found], unresolved: Vec::new() })
}

struct Folder {
    path: PathBuf,
    relative: String,
    depth: usize,
    /// For each detector, whether its lockfile stands in this folder or above.
    covered: Vec<bool>,
}

fn walk_tree(root: &Path, detectors: &[&dyn Detector]) -> Result<Walked, DetectError> {
    let real_root = fs::canonicalize(root).map_err(DetectError::read(root))?;
    let mut walked = Walked::default();
    let mut entries_left = MOST_ENTRIES;
    let top = Folder {
        path: root.to_owned(),
        relative: String::new(),
        depth: 0,
        covered: vec![false; detectors.len()],
    };
    let mut open = vec![top];
    while let Some(mut folder) = open.pop() {
        let entries = match listing(&folder.path, &mut entries_left) {
            Ok(Some(entries)) => entries,
            Ok(None) => {
                let what = format!("it holds more than {MOST_ENTRIES} files and folders");
                return Err(DetectError::Scan { path: root.to_owned(), what });
            }
            Err(source) if folder.depth == 0 => return Err(DetectError::read(root)(source)),
            Err(error) => {
                walked
                    .unresolved
                    .push(unresolved(&folder.relative, &format!("the folder could not be read: {error}")));
                continue;
            }
        };
        if folder.depth > 0 && entries.iter().any(|(name, _)| name == VENDORED) {
            continue;
        }
        look_at(&mut folder, &entries, detectors, &real_root, &mut walked);
        for (name, _) in entries.iter().rev().filter(|(_, kind)| kind.is_dir()) {
            let (relative, depth) = (join(&folder.relative, &name.to_string_lossy()), folder.depth + 1);
            if LEFT_OUT.iter().any(|left_out| name == left_out) {
                continue;
            }
            if depth > DEEPEST {
                walked
                    .unresolved
                    .push(unresolved(&relative, "it lies more than 64 folders deep and was not looked at"));
                continue;
            }
            open.push(Folder {
                path: folder.path.join(name),
                relative,
                depth,
                covered: folder.covered.clone(),
            });
        }
    }
    walked.lockfiles.sort_by(|left, right| left.relative.cmp(&right.relative));
    walked.unresolved.sort();
    Ok(walked)
}

type Entries = Vec<(std::ffi::OsString, fs::FileType)>;

/// Takes in the lockfiles of one folder, and the manifests that want one.
fn look_at(
    folder: &mut Folder,
    entries: &Entries,
    detectors: &[&dyn Detector],
    real_root: &Path,
    walked: &mut Walked,
) {
    for (index, detector) in detectors.iter().enumerate() {
        let kind_of = |wanted: &str| entries.iter().find(|(name, _)| name == wanted).map(|(_, kind)| *kind);
        let (path, relative) =
            (folder.path.join(detector.lockfile()), join(&folder.relative, detector.lockfile()));
        match kind_of(detector.lockfile()) {
            Some(kind) if kind.is_file() || (kind.is_symlink() && leads_within(&path, real_root)) => {
                folder.covered[index] = true;
                walked.lockfiles.push(Found { detector: index, path, relative });
            }
            Some(kind) if kind.is_symlink() => {
                folder.covered[index] = true;
                walked
                    .unresolved
                    .push(unresolved(&relative, "it is a link to no file of this tree and was not followed"));
            }
            Some(_) | None => {}
        }
        if !folder.covered[index] && kind_of(detector.manifest()).is_some_and(|kind| kind.is_file()) {
            let what =
                format!("there is no `{}` beside or above it; {}", detector.lockfile(), detector.hint());
            walked.unresolved.push(unresolved(&join(&folder.relative, detector.manifest()), &what));
        }
    }
}

/// The entries of a folder by name; none when more are left than may be.
fn listing(folder: &Path, entries_left: &mut usize) -> std::io::Result<Option<Entries>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if *entries_left == 0 {
            return Ok(None);
        }
        *entries_left -= 1;
        entries.push((entry.file_name(), entry.file_type()?));
    }
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(Some(entries))
}

fn leads_within(link: &Path, real_root: &Path) -> bool {
    fs::canonicalize(link).is_ok_and(|target| target.starts_with(real_root) && target.is_file())
}

fn unresolved(path: &str, what: &str) -> Unresolved {
    Unresolved { path: path.to_owned(), what: what.to_owned() }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

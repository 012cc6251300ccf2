//! The files of a tree that detectors read: never out of it, never through links, never without an end.
//!
//! Limits: 64 MiB for one file and for its neighbours together, 100 neighbours, 64 folders deep, five million entries, and
//! five minutes, after which what is left is named as not looked at. Folders that `.gitignore` files of the tree leave
//! out are not entered: what is built, fetched or installed there is not the repository's. A lockfile by itself counts even
//! if it is ignored, for many projects keep theirs beside the code and not in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::container::wanted::LEFT_OUT;
use crate::container::{self, programs, system};
use crate::error::DetectError;
use crate::ordinary;
use patchline_inventory::detector::{Broken, Detector, Inventory, Neighbours, Unresolved, gather};

pub const LARGEST_LOCKFILE: u64 = 64 << 20;
const LARGEST_IGNORE_FILE: u64 = 1 << 20;
pub const DEEPEST: usize = 64;
const MOST_ENTRIES: usize = 5_000_000;
/// Looking into the binaries of a system; a server's take seconds.
const LONGEST_LOOK: Duration = Duration::from_secs(300);

/// What a running system's kernel shows in its root is not on any disk.
const KERNEL: [&str; 3] = ["proc", "sys", "dev"];

/// `cargo vendor` leaves this in each folder that it makes; the lockfiles in there say nothing about this repository.
pub const VENDORED: &str = ".cargo-checksum.json";

/// What a tree holds.
#[derive(Default)]
pub struct Walked {
    /// In the order of their paths.
    pub lockfiles: Vec<Found>,
    /// What the operating systems say that live in folders of the tree, and the binaries in those.
    pub systems: Vec<Inventory>,
    pub unresolved: Vec<Unresolved>,
}

/// A file and who reads it.
pub struct Found {
    /// Its place in the list of detectors.
    pub detector: usize,
    /// Where it is read; where a link leads, if it is one.
    pub path: PathBuf,
    /// As findings name it: below the root, with `/`.
    pub relative: String,
    /// The real folder that its neighbours must lie in; none for a copy that lies apart from its own.
    pub root: Option<Arc<PathBuf>>,
}

/// Finds each file that a detector claims, at or below `root`. A manifest that has no lockfile beside or above it is
/// unresolved, as is a folder that cannot be read.
pub fn walk(root: &Path, detectors: &[&dyn Detector]) -> Result<Walked, DetectError> {
    let kind = fs::metadata(root).map_err(DetectError::read(root))?;
    if kind.is_dir() { walk_tree(root, detectors) } else { single(root, detectors) }
}

/// The text of a lockfile.
pub fn read_text(found: &Found, hint: &'static str) -> Result<String, DetectError> {
    let path = &found.path;
    let bytes = ordinary::read(path, LARGEST_LOCKFILE)?;
    let bytes = bytes.ok_or_else(|| DetectError::Scan {
        path: path.clone(),
        what: "it is larger than 64 MiB".to_owned(),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let valid = String::from_utf8_lossy(&error.as_bytes()[..offset]);
        broken(path, Broken::at(&valid, offset, "it is not UTF-8"), hint)
    })
}

/// The neighbours that a file and its neighbours ask for. What is missing, leads out of the tree, is no text, or is too
/// much is left out; the detector says what it misses.
pub fn read_neighbours(found: &Found, detector: &dyn Detector, text: &str) -> Neighbours {
    let Some(root) = &found.root else { return Neighbours::new() };
    gather(detector, &found.relative, text, LARGEST_LOCKFILE, |relative, left| {
        let real = fs::canonicalize(root.join(relative)).ok().filter(|real| real.starts_with(&**root))?;
        String::from_utf8(ordinary::read(&real, left).ok().flatten()?).ok()
    })
}

/// The error for a lockfile at this path.
pub fn broken(path: &Path, broken: Broken, hint: &'static str) -> DetectError {
    let Broken { line, column, what } = broken;
    DetectError::Lockfile { path: path.to_owned(), line, column, what, hint }
}

fn single(root: &Path, detectors: &[&dyn Detector]) -> Result<Walked, DetectError> {
    let (name, whole, copy) = claimed(root, detectors);
    let detector = whole.or(copy);
    let what = || DetectError::Scan {
        path: root.to_owned(),
        what: "it is no lockfile, image, archive of a root or binary that Patchline reads".to_owned(),
    };
    let detector = detector.ok_or_else(what)?;
    let folder = root.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = whole.and_then(|_| fs::canonicalize(folder).ok()).map(Arc::new);
    let found = Found { detector, path: root.to_owned(), relative: name, root: own };
    Ok(Walked { lockfiles: vec![found], ..Walked::default() })
}

/// Whether a detector reads the file at this path by its name.
pub fn is_claimed(path: &Path, detectors: &[&dyn Detector]) -> bool {
    let (_, whole, copy) = claimed(path, detectors);
    whole.or(copy).is_some()
}

/// The file's name, and who reads it, by the whole of it or as a copy.
fn claimed(path: &Path, detectors: &[&dyn Detector]) -> (String, Option<usize>, Option<usize>) {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let whole = detectors.iter().position(|detector| detector.kind().claims(&name));
    let copy = detectors.iter().position(|detector| detector.kind().claims_copy(&name));
    (name, whole, copy)
}

struct Folder {
    path: PathBuf,
    relative: String,
    depth: usize,
    /// The manifests whose lockfile stands in this folder or above.
    covered: Vec<&'static str>,
    /// What `.gitignore` files from the root down to this folder say.
    ignores: Vec<Arc<Gitignore>>,
    /// Whether it is of an operating system.
    in_system: bool,
}

impl Folder {
    /// Whether git would not enter this folder in it. The nearest file that says anything decides.
    fn ignores(&self, path: &Path) -> bool {
        for ignores in self.ignores.iter().rev() {
            match ignores.matched(path, true) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }
}

fn walk_tree(root: &Path, detectors: &[&dyn Detector]) -> Result<Walked, DetectError> {
    let real_root = Arc::new(fs::canonicalize(root).map_err(DetectError::read(root))?);
    let files = container::folder::Folder { path: real_root.to_path_buf() };
    let mut walked = Walked::default();
    let (started, mut unseen) = (Instant::now(), None);
    let mut entries_left = MOST_ENTRIES;
    let top = Folder {
        path: root.to_owned(),
        relative: String::new(),
        depth: 0,
        covered: Vec::new(),
        ignores: Vec::new(),
        in_system: false,
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
                let what = format!("the folder could not be read: {error}");
                walked.unresolved.push(Unresolved::of(&folder.relative, what));
                continue;
            }
        };
        if folder.depth > 0 && entries.iter().any(|(name, _)| name == VENDORED) {
            continue;
        }
        if entries.iter().any(|(name, kind)| name == ".gitignore" && kind.is_file()) {
            folder.ignores.extend(ignore_file(&folder.path));
        }
        look_at(&mut folder, &entries, detectors, &real_root, &mut walked);
        let system = is_like_a_system(&entries).then(|| system::read(&files, &folder.relative)).flatten();
        let is_system = system.is_some();
        folder.in_system |= is_system;
        walked.systems.extend(system);
        if folder.in_system && started.elapsed() < LONGEST_LOOK {
            let ordinary = entries.iter().filter(|(_, kind)| kind.is_file());
            walked.systems.extend(ordinary.filter_map(|(name, _)| {
                programs::inventory(&folder.path.join(name), &join(&folder.relative, &name.to_string_lossy()))
            }));
        } else if folder.in_system {
            unseen.get_or_insert_with(|| folder.relative.clone());
        }
        for (name, _) in entries.iter().rev().filter(|(_, kind)| kind.is_dir()) {
            let (relative, depth) = (join(&folder.relative, &name.to_string_lossy()), folder.depth + 1);
            let path = folder.path.join(name);
            let is_left_out = LEFT_OUT.iter().any(|left_out| name == left_out)
                || is_system && KERNEL.iter().any(|kernel| name == kernel);
            if is_left_out || folder.ignores(&path) {
                continue;
            }
            if depth > DEEPEST {
                let what = "it lies more than 64 folders deep and was not looked at";
                walked.unresolved.push(Unresolved::of(&relative, what));
                continue;
            }
            let (covered, ignores, in_system) =
                (folder.covered.clone(), folder.ignores.clone(), folder.in_system);
            open.push(Folder { path, relative, depth, covered, ignores, in_system });
        }
    }
    if let Some(folder) = unseen {
        let what =
            "looking for binaries took five minutes; those in it and in what follows were not looked at";
        walked.unresolved.push(Unresolved::of(&folder, what));
    }
    walked.lockfiles.sort_by(|left, right| left.relative.cmp(&right.relative));
    walked.unresolved.sort();
    Ok(walked)
}

/// The rules of the folder's `.gitignore`; none when it can't be read. Lines that are no patterns are passed over, as
/// git does.
fn ignore_file(folder: &Path) -> Option<Arc<Gitignore>> {
    let bytes = ordinary::read(&folder.join(".gitignore"), LARGEST_IGNORE_FILE).ok().flatten()?;
    let mut builder = GitignoreBuilder::new(folder);
    for line in String::from_utf8_lossy(&bytes).lines() {
        let _ = builder.add_line(None, line);
    }
    builder.build().ok().filter(|rules| !rules.is_empty()).map(Arc::new)
}

/// Whether a system may live here: one has such folders, be it as links.
fn is_like_a_system(entries: &Entries) -> bool {
    let has = |wanted: &str| entries.iter().any(|(name, kind)| name == wanted && !kind.is_file());
    has("usr") || has("etc") && (has("var") || has("lib"))
}

type Entries = Vec<(std::ffi::OsString, fs::FileType)>;

/// Takes in the lockfiles of one folder, and the manifests that want one.
fn look_at(
    folder: &mut Folder,
    entries: &Entries,
    detectors: &[&dyn Detector],
    real_root: &Arc<PathBuf>,
    walked: &mut Walked,
) {
    for (name, kind) in entries.iter().filter(|(_, kind)| kind.is_file() || kind.is_symlink()) {
        let relative = join(&folder.relative, &name.to_string_lossy());
        let claims = |detector: &&dyn Detector| detector.kind().claims(&relative);
        let Some(detector) = detectors.iter().position(claims) else { continue };
        folder.covered.extend(detectors[detector].kind().manifest);
        let path = folder.path.join(name);
        let path = if kind.is_symlink() { target_within(&path, real_root) } else { Some(path) };
        match path {
            Some(path) => {
                walked.lockfiles.push(Found { detector, path, relative, root: Some(Arc::clone(real_root)) })
            }
            None => {
                let what = "it is a link to no file of this tree and was not followed";
                walked.unresolved.push(Unresolved::of(&relative, what));
            }
        }
    }
    for detector in detectors {
        let kind = detector.kind();
        let Some(manifest) = kind.manifest.filter(|manifest| !folder.covered.contains(manifest)) else {
            continue;
        };
        if entries.iter().any(|(name, kind)| name == manifest && kind.is_file()) {
            let what = format!("there is no `{}` beside or above it; {}", kind.files[0], kind.hint);
            let unresolved = Unresolved::of(&join(&folder.relative, manifest), what);
            // Kinds that share a manifest speak once, through the first of them.
            if walked.unresolved.last().is_none_or(|last| last.path != unresolved.path) {
                walked.unresolved.push(unresolved);
            }
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

fn target_within(link: &Path, real_root: &Path) -> Option<PathBuf> {
    fs::canonicalize(link).ok().filter(|target| target.starts_with(real_root) && target.is_file())
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

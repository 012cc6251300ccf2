//! Where the files of an index lie, and how one takes the place of another.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::DetectError;
use crate::index::blocks::Source;
use crate::index::image::{HINT, Image};
use crate::index::mapped::Mapped;

/// Where the ecosystem's advisories are kept.
pub fn path(directory: &Path, ecosystem: &str) -> PathBuf {
    directory.join(format!("{ecosystem}.index"))
}

/// Where what came later is kept, until it goes into that file.
pub fn delta_path(directory: &Path, ecosystem: &str) -> PathBuf {
    directory.join(format!("{ecosystem}.delta"))
}

/// The ecosystems of which the folder has a file, among other names; none without the folder.
pub fn names(directory: &Path) -> Result<BTreeSet<String>, DetectError> {
    let unread = |error| DetectError::read(directory)(error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(unread(error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(unread)?.file_name();
        let name = name.to_string_lossy();
        names.extend([".index", ".delta"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned));
    }
    Ok(names)
}

/// What is said of one that was there when the folder was listed.
pub fn gone(directory: &Path, ecosystem: &str) -> DetectError {
    let what = "it was there and is gone".to_owned();
    DetectError::Advisories { path: path(directory, ecosystem), what, hint: HINT }
}

/// A file; none when there is none. Nothing but its first block is read.
pub fn open(path: &Path, ecosystem: &str) -> Result<Option<Image>, DetectError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DetectError::read(path)(error)),
    };
    let image =
        Image::open(Source::File(Arc::new(Mapped::new(file).map_err(DetectError::read(path))?)), path)?;
    if image.header.ecosystem != ecosystem {
        let what = "it holds the advisories of another ecosystem".to_owned();
        return Err(DetectError::Advisories { path: path.to_owned(), what, hint: HINT });
    }
    Ok(Some(image))
}

/// Refuses a file that an earlier Patchline wrote: passed over in silence, it would be an all-clear.
pub fn refuse_earlier(directory: &Path) -> Result<(), DetectError> {
    let path = earlier(directory);
    if path.exists() {
        let what = "it was written by an earlier version of Patchline".to_owned();
        return Err(DetectError::Advisories { path, what, hint: HINT });
    }
    Ok(())
}

/// Takes away what an earlier Patchline wrote, once an import has brought what stands in its place.
pub fn remove_earlier(directory: &Path) -> Result<(), DetectError> {
    remove(&earlier(directory))
}

fn earlier(directory: &Path) -> PathBuf {
    directory.join("crates.io.jsonl")
}

pub fn remove(path: &Path) -> Result<(), DetectError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DetectError::write(path)(error)),
    }
}

/// A whole file beside the one whose place it is to take. Dropped before that, it is gone.
#[derive(Debug)]
pub struct Beside {
    partial: PathBuf,
    place: PathBuf,
    taken: bool,
}

impl Beside {
    pub fn create(place: PathBuf) -> Result<(Self, File), DetectError> {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = place.with_file_name(name);
        let file = File::create(&partial).map_err(DetectError::write(&partial))?;
        Ok((Self { partial, place, taken: false }, file))
    }

    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// A reader sees one or the other; who has the old one open reads on in it.
    pub fn take_place(mut self) -> Result<(), DetectError> {
        fs::rename(&self.partial, &self.place).map_err(DetectError::write(&self.place))?;
        self.taken = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.taken {
            // It is of no use, and may be gone already.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// What took its place in the folder stays there when the power goes.
pub fn sync(directory: &Path) -> Result<(), DetectError> {
    File::open(directory).and_then(|folder| folder.sync_all()).map_err(DetectError::write(directory))
}

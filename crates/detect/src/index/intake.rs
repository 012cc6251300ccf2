//! Reads OSV records out of what people have: folders, `.json`, JSON lines, and zips as osv.dev hands them out.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::error::DetectError;
use crate::osv::record::LARGEST_RECORD;

const WHAT_IT_TAKES: &str = "give OSV records as `.json`, `.jsonl` or a `.zip` of `.json` files, or a folder that holds such files, as a mirror of the bucket does";
const DAMAGED: &str = "bring the file again; it may have been cut off or changed on its way";
const BOMB: &str = "bring the file from a source you trust; advisories are never packed like this";
const SPLIT: &str = "import it in smaller parts";

const BUFFER: usize = 128 << 10;

/// Folders within folders, below the one that was given.
const DEEPEST: usize = 16;

/// How much one import may bring.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one record.
    pub record: usize,
    /// Bytes of all records, unpacked.
    pub total: u64,
    /// Records, and files and zip entries that are none.
    pub entries: usize,
    /// How many times larger than its packed form a zip entry may be, once it is larger than 64 KiB.
    pub ratio: u64,
    /// How large the file of an ecosystem is, from which on what comes later is kept in a small one over it…
    pub delta_from: u64,
    /// … as long as it has no more records than this…
    pub delta_records: u64,
    /// … and no more bytes.
    pub delta_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record: LARGEST_RECORD,
            total: 16 << 30,
            entries: 4_000_000,
            ratio: 100,
            delta_from: 4 << 20,
            delta_records: 4000,
            delta_bytes: 8 << 20,
        }
    }
}

/// What is found on the way, named as the user would look for it.
pub enum Item<'a> {
    Record { name: &'a str, bytes: &'a [u8] },
    Skipped { name: &'a str, why: &'a str },
}

/// What a file holds, by its ending.
#[derive(Clone, Copy)]
enum Form {
    Record,
    Lines,
    Zip,
}

impl Form {
    fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "json" => Some(Self::Record),
            "jsonl" | "ndjson" => Some(Self::Lines),
            "zip" => Some(Self::Zip),
            _ => None,
        }
    }
}

/// Reads one source after another within the limits of them all.
pub struct Intake<'a> {
    limits: &'a Limits,
    bytes: u64,
    entries: usize,
    take: &'a mut dyn FnMut(Item<'_>) -> Result<(), DetectError>,
}

impl<'a> Intake<'a> {
    pub fn new(limits: &'a Limits, take: &'a mut dyn FnMut(Item<'_>) -> Result<(), DetectError>) -> Self {
        Self { limits, bytes: 0, entries: 0, take }
    }

    /// Hands over every record of this folder or file. A source without any is an error.
    pub fn read(&mut self, path: &Path) -> Result<(), DetectError> {
        let before = self.bytes;
        let name = path.display().to_string();
        let kind = fs::metadata(path).map_err(DetectError::read(path))?;
        match Form::of(path) {
            _ if kind.is_dir() => self.folder(path)?,
            _ if !kind.is_file() => {
                return Err(refused(&name, "it is neither a file nor a folder", WHAT_IT_TAKES));
            }
            Some(form) => self.records(form, path)?,
            None => return Err(refused(&name, "it is not clear what it is", WHAT_IT_TAKES)),
        }
        if self.bytes == before {
            return Err(refused(&name, "it holds no records", WHAT_IT_TAKES));
        }
        Ok(())
    }

    /// What lies in the folder and below it, as each file says by its ending; others are left alone.
    fn folder(&mut self, top: &Path) -> Result<(), DetectError> {
        let mut folders = vec![(top.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for (path, kind) in listing(&folder)? {
                let name = path.display().to_string();
                match Form::of(&path) {
                    _ if kind.is_dir() && depth < DEEPEST => folders.push((path, depth + 1)),
                    _ if kind.is_dir() => {
                        return Err(refused(&name, "it lies more than 16 folders deep", WHAT_IT_TAKES));
                    }
                    Some(form) if kind.is_file() => {
                        let before = self.bytes;
                        self.records(form, &path)?;
                        if self.bytes == before {
                            self.skip(&name, "it holds no records")?;
                        }
                    }
                    Some(_) => self.skip(&name, "a link; links are not followed")?,
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn records(&mut self, form: Form, path: &Path) -> Result<(), DetectError> {
        match form {
            Form::Record => self.file(path),
            Form::Lines => self.lines(path),
            Form::Zip => self.zip(path),
        }
    }

    fn file(&mut self, path: &Path) -> Result<(), DetectError> {
        let file = File::open(path).map_err(DetectError::read(path))?;
        let mut bytes = Vec::new();
        file.take(self.one_more()).read_to_end(&mut bytes).map_err(DetectError::read(path))?;
        self.record(&path.display().to_string(), &bytes)
    }

    fn lines(&mut self, path: &Path) -> Result<(), DetectError> {
        let mut file = BufReader::with_capacity(BUFFER, File::open(path).map_err(DetectError::read(path))?);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let limit = self.one_more();
            let read =
                file.by_ref().take(limit).read_until(b'\n', &mut line).map_err(DetectError::read(path))?;
            if read == 0 {
                break;
            }
            if !line.trim_ascii().is_empty() {
                self.record(&format!("{}:{number}", path.display()), line.trim_ascii_end())?;
            }
        }
        Ok(())
    }

    fn zip(&mut self, path: &Path) -> Result<(), DetectError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(DetectError::read(path))?;
        let damaged = |name: &str, error: &dyn std::fmt::Display| {
            let what = format!("it is not a zip file, or a damaged one: {error}");
            refused(name, &what, DAMAGED)
        };
        let mut archive = ZipArchive::new(BufReader::with_capacity(BUFFER, file))
            .map_err(|error| damaged(&name, &error))?;
        if archive.len() > self.limits.entries {
            return Err(self.too_many(&name));
        }
        let mut bytes = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(|error| damaged(&name, &error))?;
            let inner = entry.name().map(|inner| inner.escape_debug().to_string());
            let inner = format!("{name}:{}", inner.map_err(|error| damaged(&name, &error))?);
            if entry.is_dir() {
                continue;
            }
            if !inner.to_ascii_lowercase().ends_with(".json") {
                self.skip(&inner, "not a `.json` file")?;
                continue;
            }
            let packed = entry.compressed_size();
            bytes.clear();
            entry.take(self.one_more()).read_to_end(&mut bytes).map_err(|error| damaged(&inner, &error))?;
            let unpacked = bytes.len() as u64;
            if unpacked > 64 << 10 && unpacked > packed.saturating_mul(self.limits.ratio) {
                let what = format!("it unpacks to more than {} times its size", self.limits.ratio);
                return Err(refused(&inner, &what, BOMB));
            }
            self.record(&inner, &bytes)?;
        }
        Ok(())
    }

    fn record(&mut self, name: &str, bytes: &[u8]) -> Result<(), DetectError> {
        if bytes.len() > self.limits.record {
            let what = format!("it has more than {} bytes", self.limits.record);
            return Err(refused(name, &what, WHAT_IT_TAKES));
        }
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limits.total {
            let what = format!("with it the import has more than {} bytes", self.limits.total);
            return Err(refused(name, &what, SPLIT));
        }
        self.count(name)?;
        (self.take)(Item::Record { name, bytes })
    }

    fn skip(&mut self, name: &str, why: &str) -> Result<(), DetectError> {
        self.count(name)?;
        (self.take)(Item::Skipped { name, why })
    }

    fn count(&mut self, name: &str) -> Result<(), DetectError> {
        self.entries += 1;
        if self.entries > self.limits.entries { Err(self.too_many(name)) } else { Ok(()) }
    }

    fn too_many(&self, name: &str) -> DetectError {
        refused(name, &format!("with it the import has more than {} records", self.limits.entries), SPLIT)
    }

    /// A byte beyond the largest record, so that one that is too large shows.
    fn one_more(&self) -> u64 {
        self.limits.record as u64 + 1
    }
}

/// The entries of a folder in the order of their names, as they are: links are links.
fn listing(folder: &Path) -> Result<Vec<(PathBuf, fs::FileType)>, DetectError> {
    let read = || -> io::Result<Vec<(PathBuf, fs::FileType)>> {
        fs::read_dir(folder)?
            .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))))
            .collect()
    };
    let mut entries = read().map_err(DetectError::read(folder))?;
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries)
}

fn refused(name: &str, what: &str, hint: &'static str) -> DetectError {
    DetectError::Import { name: name.to_owned(), what: what.to_owned(), hint }
}

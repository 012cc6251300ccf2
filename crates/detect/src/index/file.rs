//! Where the files of an index lie, and how one takes the place of another.

use std::fs::{self, File};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::DetectError;
use crate::index::blocks::Source;
use crate::index::codec::{Damaged, Reader};
use crate::index::gather::Parcels;
use crate::index::image::{HINT, Header, Image};
use crate::index::parcel::head;
use crate::index::posting::Posting;
use crate::index::write::{self, Chosen};
use crate::osv::record::{Affected, Record};

/// Where the ecosystem's advisories are kept.
pub fn path(directory: &Path, ecosystem: &str) -> PathBuf {
    directory.join(format!("{ecosystem}.index"))
}

/// The ecosystem's advisories; none when there is no file. Nothing but its first block is read.
pub fn open(directory: &Path, ecosystem: &str) -> Result<Option<Image>, DetectError> {
    let path = path(directory, ecosystem);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DetectError::read(&path)(error)),
    };
    let image = Image::open(Source::File(Arc::new(file)), &path)?;
    if image.header.ecosystem != ecosystem {
        let what = "it holds the advisories of another ecosystem".to_owned();
        return Err(DetectError::Advisories { path, what, hint: HINT });
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

fn earlier(directory: &Path) -> PathBuf {
    directory.join("crates.io.jsonl")
}

/// Writes the whole file beside the old one and then takes its place, so that a reader sees one or the other; who has the
/// old one open reads on in it.
pub fn write(directory: &Path, ecosystem: &str, records: &[Chosen<'_>]) -> Result<Header, DetectError> {
    let path = path(directory, ecosystem);
    let partial = directory.join(format!("{ecosystem}.index.partial"));
    let written = put(&partial, ecosystem, records).and_then(|header| {
        fs::rename(&partial, &path)?;
        File::open(directory)?.sync_all()?;
        Ok(header)
    });
    written.map_err(|error| {
        // The old file is untouched; what is left of the new one is of no use, and may be gone already.
        let _ = fs::remove_file(&partial);
        DetectError::write(&path)(error)
    })
}

fn put(path: &Path, ecosystem: &str, records: &[Chosen<'_>]) -> io::Result<Header> {
    let (file, header) = write::write(File::create(path)?, ecosystem, records)?;
    file.sync_all()?;
    Ok(header)
}

/// The index of these records in memory.
pub fn in_memory(ecosystem: &str, records: &Parcels) -> Result<Image, DetectError> {
    let path = Path::new("built in");
    let mut chosen: Vec<Chosen<'_>> =
        records.all().map(|(id, parcel)| Chosen { heap: records, id, parcel }).collect();
    chosen.sort_by_key(|record| record.id);
    let (bytes, _) =
        write::write(Cursor::new(Vec::new()), ecosystem, &chosen).map_err(DetectError::write(path))?;
    Image::open(Source::Memory(bytes.into_inner().into()), path)
}

/// Every record of a file, as it was imported. The whole file is read, and so checked.
pub fn read_all(image: &Image) -> Result<Parcels, DetectError> {
    let count = usize::try_from(image.header.records).unwrap_or(usize::MAX);
    let mut postings = Vec::new();
    image.each_posting(&mut |bytes| {
        postings.push(bytes.to_vec());
        Ok(())
    })?;
    let damaged = |damaged| image.damaged(damaged);
    let postings: Result<Vec<Posting<'_>>, DetectError> =
        postings.iter().map(|bytes| Posting::read(bytes).map_err(damaged)).collect();
    let postings = postings?;
    let mut parts: Vec<(u32, Affected<'_>)> = Vec::new();
    for posting in &postings {
        for part in posting.all() {
            parts.push(part.map_err(damaged)?);
        }
    }
    parts.sort_by_key(|(record, _)| *record);
    let mut records = Parcels::default();
    for parts in parts.chunk_by(|left, right| left.0 == right.0) {
        let bytes = image.head(parts[0].0)?;
        let (_, mut record) = numbered_head(&bytes).map_err(damaged)?;
        record.affected.extend(parts.iter().map(|(_, part)| part.clone()));
        records.put(&record);
    }
    match records.count() == count {
        true => Ok(records),
        false => Err(image.damaged(Damaged("it holds another number of records than it says"))),
    }
}

/// An advisory as it speaks of itself, and the number of its alias group.
pub fn numbered_head(bytes: &[u8]) -> Result<(u64, Record<'_>), Damaged> {
    let mut reader = Reader(bytes);
    Ok((reader.number()?, head(&mut reader)?))
}

/// Takes away what an earlier Patchline wrote, once an import has brought what stands in its place.
pub fn remove_earlier(directory: &Path) -> Result<(), DetectError> {
    let path = earlier(directory);
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DetectError::write(&path)(error)),
    }
}

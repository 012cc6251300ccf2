//! The file of one ecosystem's advisories: what stands where, and how it is found without reading the rest.
//!
//! After the first block, which says where all else is, come the postings (one a package, in the order of the keys), the
//! heads (what advisories say of themselves, compressed by the dozen and unpacked only for hits), the keys (sixteen bytes a
//! package), a table of the packed heads, the fences (the first key of each block of keys), and the words that postings call.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::DetectError;
use crate::index::blocks::{BLOCK, CONTENT, Refused, Section, Source};
use crate::index::codec::{Damaged, Reader, key, put_number, put_text};
use crate::index::posting::Posting;
use crate::index::words::Words;

/// The format that is written. It is raised when an older Patchline would misread the file, and when the order of a scheme
/// in `version` changes.
pub const FORMAT: u64 = 4;
pub const MAGIC: &[u8; 16] = b"patchline index\n";
pub const HINT: &str = "remove the file and import the advisories again: `patchline db import <files>`";

/// Bytes of a key: the key, and where its posting begins (five bytes) and how long it is (three).
pub const KEY: usize = 16;
pub const LONGEST_POSTING: u64 = (1 << 24) - 1;
/// Bytes of an entry in the table of packed heads: the number of the first advisory, its length unpacked, and where.
pub const PACK: usize = 16;
/// Bytes of an id: half of its key, and the number of its record.
pub const ID: usize = 8;
thread_local! {
    /// What unpacks has a window that takes longer to make than a pack takes to be unpacked.
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Heads are packed together until they are this long.
pub const PACK_BYTES: usize = 4 << 10;
const LARGEST_PACK: u64 = 8 << 20;

/// Blocks of keys and packs of heads that are kept for the next question.
const MOST_KEPT: usize = 1024;

/// The first block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub ecosystem: String,
    pub records: u64,
    pub withdrawn: u64,
    pub packages: u64,
    /// A row is what one part of an advisory says of one package.
    pub rows: u64,
    /// When the newest record was last changed by its database, without the `Z`; empty when there is none.
    pub newest: String,
    /// Of the whole file.
    pub blocks: u64,
    /// The owner of the file over which it lies; 0 for none.
    pub over: u64,
    /// The owner of the file that lay over its predecessor and went into it; 0 for none.
    pub folded: u64,
    pub postings: Section,
    pub heads: Section,
    pub keys: Section,
    pub packs: Section,
    pub fences: Section,
    /// Records by the keys of their ids.
    pub ids: Section,
    /// Ids of records in the file below that no longer speak of the ecosystem.
    pub gone: Section,
    /// What postings call by a number.
    pub words: Section,
}

impl Header {
    pub fn write(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_number(&mut out, FORMAT);
        put_text(&mut out, &self.ecosystem);
        put_text(&mut out, &self.newest);
        let Self { records, withdrawn, packages, rows, blocks, over, folded, .. } = *self;
        for number in [records, withdrawn, packages, rows, blocks, over, folded] {
            put_number(&mut out, number);
        }
        let Self { postings, heads, keys, packs, fences, ids, gone, words, .. } = *self;
        for section in [postings, heads, keys, packs, fences, ids, gone, words] {
            put_number(&mut out, section.block);
            put_number(&mut out, section.length);
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader(bytes.strip_prefix(MAGIC).ok_or(Damaged("it is no file of advisories"))?);
        if reader.number()? != FORMAT {
            return Err(Damaged("it was written by another version of Patchline"));
        }
        let mut header = Self {
            ecosystem: reader.text()?.to_owned(),
            newest: reader.text()?.to_owned(),
            ..Self::default()
        };
        let Self { records, withdrawn, packages, rows, blocks, over, folded, .. } = &mut header;
        for number in [records, withdrawn, packages, rows, blocks, over, folded] {
            *number = reader.number()?;
        }
        let Self { postings, heads, keys, packs, fences, ids, gone, words, .. } = &mut header;
        for section in [postings, heads, keys, packs, fences, ids, gone, words] {
            *section = Section { block: reader.number()?, length: reader.number()? };
        }
        let Self { blocks, postings, heads, keys, packs, fences, ids, gone, words, .. } = header.clone();
        for section in [postings, heads, keys, packs, fences, ids, gone, words] {
            let end = section.block.checked_add(section.length.div_ceil(CONTENT as u64));
            if end.is_none_or(|end| end > blocks) {
                return Err(Damaged("it holds less than it says"));
            }
        }
        Ok(header)
    }
}

/// Postings that were read because they lie beside one that was asked for.
#[derive(Default)]
struct Near {
    start: u64,
    bytes: Vec<u8>,
}

const NEAR: u64 = 256 << 10;
/// Blocks that are read at once where all are.
const RUN: usize = 64;
/// Ids that are looked at around the place where one is expected.
const NEARBY: u64 = 256;

/// An open file. Nothing but the first block was read; the rest is, when it is asked for.
#[derive(Debug)]
pub struct Image {
    pub path: PathBuf,
    pub header: Header,
    source: Source,
    owner: u64,
    fences: OnceLock<Vec<u64>>,
    words: OnceLock<Words>,
    packs: OnceLock<Vec<Pack>>,
    kept_keys: Kept,
    kept_packs: Kept,
}

/// Takes a posting with its key.
pub type TakePosting<'t> = &'t mut dyn FnMut(u64, &[u8]) -> Result<(), DetectError>;
/// Takes the number of an advisory, that of its alias group, and what it says of itself.
pub type TakeHead<'t> = &'t mut dyn FnMut(u32, u64, &[u8]) -> Result<(), DetectError>;

type Kept = Mutex<HashMap<u64, Arc<Vec<u8>>>>;

#[derive(Clone, Copy, Debug)]
struct Pack {
    first: u32,
    unpacked: u32,
    place: u64,
    length: u64,
}

impl Image {
    /// `path` is what errors name.
    pub fn open(source: Source, path: &Path) -> Result<Self, DetectError> {
        let (first, owner) = source.first().map_err(|refused| refuse(path, refused))?;
        let header = Header::read(&first).map_err(|damaged| unusable(path, damaged))?;
        let length = source.length().map_err(DetectError::read(path))?;
        if header.blocks.checked_mul(BLOCK as u64) != Some(length) {
            return Err(unusable(path, Damaged("it is cut off, or something was added")));
        }
        Ok(Self {
            path: path.to_owned(),
            header,
            source,
            owner,
            fences: OnceLock::new(),
            words: OnceLock::new(),
            packs: OnceLock::new(),
            kept_keys: Kept::default(),
            kept_packs: Kept::default(),
        })
    }

    /// When an import last wrote it; none for what comes with the binary.
    pub fn imported(&self) -> Option<SystemTime> {
        self.source.written()
    }

    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.header.blocks * BLOCK as u64
    }

    /// Reads every block, and so checks it.
    pub fn verify(&self) -> Result<(), DetectError> {
        for first in (0..self.header.blocks).step_by(RUN) {
            let blocks = RUN.min((self.header.blocks - first) as usize);
            let read = self.source.content(self.owner, first, 0, blocks * CONTENT);
            read.map_err(|refused| refuse(&self.path, refused))?;
        }
        Ok(())
    }

    /// Bytes of what matching reads from; the rest is unpacked for hits alone.
    pub fn size_for_matching(&self) -> u64 {
        let header = &self.header;
        [header.postings, header.keys, header.fences, header.words].iter().map(|section| section.length).sum()
    }

    /// What bytes that were read and make no sense come to.
    pub fn damaged(&self, damaged: Damaged) -> DetectError {
        unusable(&self.path, damaged)
    }

    /// The postings under the key of this package: its own, if there is one, and rarely that of another package.
    pub fn postings(&self, ecosystem: &str, name: &str) -> Result<Vec<Vec<u8>>, DetectError> {
        let wanted = key(&[ecosystem, name]);
        let fences = self.fences()?;
        let start = fences.partition_point(|fence| *fence < wanted).saturating_sub(1);
        let mut found = Vec::new();
        for (place, fence) in fences.iter().enumerate().skip(start) {
            if *fence > wanted {
                break;
            }
            let block = self.keys(place as u64)?;
            let (keys, _) = block.as_chunks::<KEY>();
            let first = keys.partition_point(|entry| key_of(entry) < wanted);
            for entry in keys[first..].iter().take_while(|entry| key_of(entry) == wanted) {
                let (at, length) = place_of(&entry[8..]);
                found.push(self.content(self.header.postings, at, length)?);
            }
        }
        Ok(found)
    }

    /// What the bytes of a posting say.
    pub fn posting<'b>(&'b self, bytes: &'b [u8]) -> Result<Posting<'b>, DetectError> {
        Posting::read(bytes, self.words()?).map_err(|damaged| self.damaged(damaged))
    }

    /// Hands over every posting with a key from `first` to `last`, in the order of the keys.
    pub fn each_posting(&self, first: u64, last: u64, take: TakePosting<'_>) -> Result<(), DetectError> {
        let fences = self.fences()?;
        let start = fences.partition_point(|fence| *fence < first).saturating_sub(1);
        // What lies together is read together.
        let mut near = Near::default();
        for (block, _) in fences.iter().enumerate().skip(start).take_while(|(_, fence)| **fence <= last) {
            for entry in self.keys(block as u64)?.as_chunks::<KEY>().0 {
                let key = key_of(entry);
                if (first..=last).contains(&key) {
                    let (at, length) = place_of(&entry[8..]);
                    take(key, self.near(&mut near, at, length)?)?;
                }
            }
        }
        Ok(())
    }

    fn near<'n>(&self, near: &'n mut Near, at: u64, length: u64) -> Result<&'n [u8], DetectError> {
        let section = self.header.postings;
        if at < near.start || at.saturating_add(length) > near.start + near.bytes.len() as u64 {
            let ahead = length.max(NEAR).min(section.length.saturating_sub(at)).max(length);
            *near = Near { start: at, bytes: self.content(section, at, ahead)? };
        }
        let skip = (at - near.start) as usize;
        Ok(&near.bytes[skip..skip + length as usize])
    }

    /// Hands over what each advisory says of itself, with its number and that of its alias group.
    pub fn each_head(&self, take: TakeHead<'_>) -> Result<(), DetectError> {
        let mut number = 0;
        for pack in self.packs()? {
            let bytes = self.unpack(pack)?;
            let mut reader = Reader(&bytes);
            while !reader.is_empty() {
                let damaged = |damaged| self.damaged(damaged);
                let mut one = Reader(reader.bytes().map_err(damaged)?);
                let group = one.number().map_err(damaged)?;
                take(number, group, one.0)?;
                number += 1;
            }
        }
        match u64::from(number) == self.header.records {
            true => Ok(()),
            false => Err(self.damaged(Damaged("it holds another number of records than it says"))),
        }
    }

    /// Whose file it is: the same for files that hold the same.
    pub fn owner(&self) -> u64 {
        self.owner
    }

    /// The number of the record of this id.
    pub fn number(&self, id: &str) -> Result<Option<u32>, DetectError> {
        let wanted = (key(&[id]) >> 32) as u32;
        let count = self.header.ids.length / ID as u64;
        // Keys are spread evenly, so the place of one is known nearly.
        let guess = (u64::from(wanted) * count) >> 32;
        let (mut from, mut to) = (guess.saturating_sub(NEARBY), (guess + NEARBY).min(count));
        loop {
            let bytes = self.content(self.header.ids, from * ID as u64, (to - from) * ID as u64)?;
            let ids: Vec<(u32, u32)> =
                bytes.as_chunks::<ID>().0.iter().map(|id| (four(id, 0), four(id, 4))).collect();
            let short = ids.first().is_some_and(|id| id.0 >= wanted) && from > 0;
            let long = ids.last().is_some_and(|id| id.0 <= wanted) && to < count;
            if short || long {
                (from, to) = (from.saturating_sub(to - from), to.saturating_add(to - from).min(count));
                continue;
            }
            for (_, number) in ids.into_iter().filter(|(key, _)| *key == wanted) {
                let head = self.head(number)?;
                let mut reader = Reader(&head);
                let known = reader.number().and_then(|_| reader.text());
                if known.map_err(|damaged| self.damaged(damaged))? == id {
                    return Ok(Some(number));
                }
            }
            return Ok(None);
        }
    }

    /// Ids of records in the file below that it takes away.
    pub fn gone(&self) -> Result<Vec<String>, DetectError> {
        let bytes = self.content(self.header.gone, 0, self.header.gone.length)?;
        let mut reader = Reader(&bytes);
        let mut gone = Vec::new();
        while !reader.is_empty() {
            gone.push(reader.text().map_err(|damaged| self.damaged(damaged))?.to_owned());
        }
        Ok(gone)
    }

    /// What the advisory of this number says of itself.
    pub fn head(&self, record: u32) -> Result<Vec<u8>, DetectError> {
        let packs = self.packs()?;
        let place = packs.partition_point(|pack| pack.first <= record).checked_sub(1);
        let place = place.ok_or_else(|| self.damaged(Damaged("it lacks an advisory that it names")))?;
        let bytes = self.unpacked(place, &packs[place])?;
        let mut reader = Reader(&bytes);
        let skipped = record - packs[place].first;
        let found = (0..=skipped).try_fold(&[][..], |_, _| reader.bytes());
        found.map(<[u8]>::to_vec).map_err(|damaged| self.damaged(damaged))
    }

    fn unpacked(&self, place: usize, pack: &Pack) -> Result<Arc<Vec<u8>>, DetectError> {
        if let Some(kept) = kept(&self.kept_packs, place as u64) {
            return Ok(kept);
        }
        Ok(keep(&self.kept_packs, place as u64, self.unpack(pack)?))
    }

    fn unpack(&self, pack: &Pack) -> Result<Vec<u8>, DetectError> {
        let packed = self.content(self.header.heads, pack.place, pack.length)?;
        let unpacked = u64::from(pack.unpacked);
        // One byte more than it should have, so that one that is longer is known.
        let mut bytes = Vec::with_capacity(unpacked.min(LARGEST_PACK) as usize + 1);
        let read = INFLATE.with_borrow_mut(|inflate| {
            inflate.reset(false);
            inflate.decompress_vec(&packed, &mut bytes, FlushDecompress::Finish)
        });
        if !matches!(read, Ok(Status::StreamEnd)) || bytes.len() as u64 != unpacked {
            return Err(self.damaged(Damaged("some of its advisories can't be unpacked")));
        }
        Ok(bytes)
    }

    fn keys(&self, block: u64) -> Result<Arc<Vec<u8>>, DetectError> {
        if let Some(kept) = kept(&self.kept_keys, block) {
            return Ok(kept);
        }
        let skip = block * CONTENT as u64;
        let length = (self.header.keys.length.saturating_sub(skip)).min(CONTENT as u64);
        let bytes = self.content(self.header.keys, skip, length)?;
        Ok(keep(&self.kept_keys, block, bytes))
    }

    fn fences(&self) -> Result<&[u64], DetectError> {
        if let Some(fences) = self.fences.get() {
            return Ok(fences);
        }
        let bytes = self.content(self.header.fences, 0, self.header.fences.length)?;
        let fences = bytes.as_chunks::<8>().0.iter().map(|fence| u64::from_le_bytes(*fence)).collect();
        Ok(self.fences.get_or_init(|| fences))
    }

    fn words(&self) -> Result<&Words, DetectError> {
        if let Some(words) = self.words.get() {
            return Ok(words);
        }
        let bytes = self.content(self.header.words, 0, self.header.words.length)?;
        let words = Words::read(&bytes).map_err(|damaged| self.damaged(damaged))?;
        Ok(self.words.get_or_init(|| words))
    }

    fn packs(&self) -> Result<&[Pack], DetectError> {
        if let Some(packs) = self.packs.get() {
            return Ok(packs);
        }
        let bytes = self.content(self.header.packs, 0, self.header.packs.length)?;
        let packs = bytes.as_chunks::<PACK>().0.iter().map(|entry| {
            let (place, length) = place_of(&entry[8..]);
            Pack { first: four(entry, 0), unpacked: four(entry, 4), place, length }
        });
        Ok(self.packs.get_or_init(|| packs.collect()))
    }

    fn content(&self, section: Section, at: u64, length: u64) -> Result<Vec<u8>, DetectError> {
        if at.checked_add(length).is_none_or(|end| end > section.length) {
            return Err(self.damaged(Damaged("it points outside of itself")));
        }
        // It fits: no section is longer than the file, and whatever is longer than memory would not have been written.
        let length = usize::try_from(length).map_err(|_| self.damaged(Damaged("it is too large")))?;
        self.source
            .content(self.owner, section.block, at, length)
            .map_err(|refused| refuse(&self.path, refused))
    }
}

/// Writes bytes and then, over the zeros at the start, the first block.
pub fn write_header<W: Write + Seek>(mut out: W, header: &Header, owner: u64) -> std::io::Result<W> {
    out.seek(SeekFrom::Start(0))?;
    let mut first = crate::index::blocks::Writer::new(out, owner, 0);
    first.put(&header.write())?;
    first.align()?;
    Ok(first.into_inner())
}

/// Five bytes of place and three of length, as they stand in keys and packs.
pub fn put_place(out: &mut Vec<u8>, place: u64, length: u64) {
    out.extend_from_slice(&place.to_le_bytes()[..5]);
    out.extend_from_slice(&length.to_le_bytes()[..3]);
}

fn place_of(bytes: &[u8]) -> (u64, u64) {
    let number = |part: &[u8]| part.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    (number(&bytes[..5]), number(&bytes[5..8]))
}

fn four(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn key_of(entry: &[u8; KEY]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&entry[..8]);
    u64::from_le_bytes(bytes)
}

fn kept(kept: &Kept, place: u64) -> Option<Arc<Vec<u8>>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned()
}

fn keep(kept: &Kept, place: u64, bytes: Vec<u8>) -> Arc<Vec<u8>> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MOST_KEPT {
        kept.clear();
    }
    kept.entry(place).or_insert(Arc::new(bytes)).clone()
}

fn refuse(path: &Path, refused: Refused) -> DetectError {
    match refused {
        Refused::Io(error) => DetectError::read(path)(error),
        Refused::Damaged => {
            unusable(path, Damaged("its content is not what was written: it is cut off or was changed"))
        }
    }
}

fn unusable(path: &Path, damaged: Damaged) -> DetectError {
    DetectError::Advisories { path: path.to_owned(), what: damaged.to_string(), hint: HINT }
}

//! Makes the file of one ecosystem: postings in the order of their keys, then what the records say of themselves, a range of
//! keys or numbers at a time, so that memory does not grow with the ecosystem.

use std::io::{self, BufWriter, Seek, Write};
use std::ops::Range;

use flate2::{Compress, Compression, FlushCompress, Status};
use hashbrown::HashMap;

use crate::error::DetectError;
use crate::index::blocks::{BLOCK, CONTENT, Section, Writer};
use crate::index::codec::{Damaged, Reader, put_bytes, put_number, put_text};
use crate::index::compose::Composer;
use crate::index::image::{Header, ID, KEY, LONGEST_POSTING, PACK_BYTES, put_place, write_header};
use crate::index::parcel::put_affected;
use crate::index::piece::Piece;
use crate::index::survey::{NO_SEAT, Sources, Survey, own};
use crate::index::words::Dictionary;

/// Bytes of parts or heads that are held at once, more or less.
pub const PASS: u64 = 48 << 20;

/// What so many parts say is looked at for words that are worth a number.
const SAMPLE: usize = 1 << 16;

/// Light compression: it unpacks as fast, and an import waits for it.
const LEVEL: u32 = 2;

/// What a file says of others, besides what is in it.
#[derive(Clone, Debug, Default)]
pub struct Ties {
    /// The file over which it lies; 0 for none.
    pub over: u64,
    /// The one that lay over its predecessor, and went into it; 0 for none.
    pub folded: u64,
    /// Ids of records in the file below that no longer speak of the ecosystem.
    pub gone: Vec<String>,
}

/// What a record says of a package: the package's key, the record's number, where it lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    key: u64,
    record: u32,
    place: u32,
}

/// Parts with the numbers of their records.
type Parts<'a> = Vec<(u32, &'a [u8])>;

/// Writes the file, and gives it back with its first block.
pub fn make<W: Write + Seek>(
    out: W,
    sources: &Sources<'_>,
    ties: &Ties,
    pass: u64,
    failed: &dyn Fn(io::Error) -> DetectError,
) -> Result<(W, Header), DetectError> {
    let survey = Survey::of(sources)?;
    let mut header = survey.header.clone();
    (header.over, header.folded) = (ties.over, ties.folded);
    // Two files that hold the same and lie over different ones are not the same.
    let owner = survey.owner ^ ties.over.rotate_left(17);
    let mut out = BufWriter::with_capacity(256 << 10, out);
    out.write_all(&[0; BLOCK]).map_err(failed)?;
    let mut making = Making { writer: Writer::new(out, owner, 1), header, sources, survey: &survey, failed };
    let (keys, words) = making.postings(pass)?;
    let packs = making.heads(pass)?;
    let fences: Vec<u8> = keys.chunks(CONTENT).flat_map(|block| block[..8].iter().copied()).collect();
    let ids = ids(&survey);
    let mut gone = Vec::new();
    ties.gone.iter().for_each(|id| put_text(&mut gone, id));
    let Making { mut writer, mut header, .. } = making;
    let mut finish = || -> io::Result<()> {
        header.keys = put_section(&mut writer, &keys)?;
        header.packs = put_section(&mut writer, &packs)?;
        header.fences = put_section(&mut writer, &fences)?;
        header.ids = put_section(&mut writer, &ids)?;
        header.gone = put_section(&mut writer, &gone)?;
        header.words = put_section(&mut writer, words.written())?;
        header.blocks = writer.block();
        Ok(())
    };
    finish().map_err(failed)?;
    let out = write_header(writer.into_inner(), &header, owner).map_err(failed)?;
    Ok((out.into_inner().map_err(|error| failed(error.into_error()))?, header))
}

struct Making<'a, W> {
    writer: Writer<W>,
    header: Header,
    sources: &'a Sources<'a>,
    survey: &'a Survey,
    failed: &'a dyn Fn(io::Error) -> DetectError,
}

impl<W: Write> Making<'_, W> {
    /// Writes a posting a package, and gives the keys and the words that the postings call.
    fn postings(&mut self, pass: u64) -> Result<(Vec<u8>, Dictionary), DetectError> {
        self.header.postings.block = self.writer.block();
        let passes = self.survey.part_bytes / pass + 1;
        let width = u64::MAX / passes;
        let mut keys = Vec::new();
        let (mut composer, mut words) = (Composer::default(), Dictionary::default());
        let (mut heap, mut rows) = (Vec::new(), Vec::new());
        for number in 0..passes {
            let last = if number + 1 == passes { u64::MAX } else { (number + 1) * width - 1 };
            heap.clear();
            rows.clear();
            self.gather(number * width, last, &mut heap, &mut rows)?;
            rows.sort_unstable();
            if number == 0 {
                words = sampled(&rows[..rows.len().min(SAMPLE)], &heap, &mut composer)?;
            }
            for rows in rows.chunk_by(|left, right| left.key == right.key) {
                self.packages(rows, &heap, &mut keys, &mut composer, &words)?;
            }
        }
        self.writer.align().map_err(self.failed)?;
        Ok((keys, words))
    }

    /// What is said of the packages with keys from `first` to `last`.
    fn gather(
        &self,
        first: u64,
        last: u64,
        heap: &mut Vec<u8>,
        rows: &mut Vec<Row>,
    ) -> Result<(), DetectError> {
        let Self { survey, sources, .. } = self;
        let mut seat = 0;
        let too_much = || own(Damaged("too much of it has the same key"));
        sources.spool.each(&mut |number, bytes| {
            if !sources.counting.has(number) {
                return Ok(());
            }
            let record = survey.numbers[seat];
            seat += 1;
            let each = Piece::read(bytes).and_then(|piece| {
                piece.each_part(|key, part| {
                    if (first..=last).contains(&key) {
                        rows.push(Row { key, record, place: heap.len() as u32 });
                        put_bytes(heap, part);
                    }
                })
            });
            each.map_err(own)?;
            if heap.len() > u32::MAX as usize { Err(too_much()) } else { Ok(()) }
        })?;
        let mut scratch = Vec::new();
        for (old, seats) in sources.old.iter().zip(&survey.old_seats) {
            let damaged = |damaged| old.image.damaged(damaged);
            old.image.each_posting(first, last, &mut |key, bytes| {
                for part in old.image.posting(bytes)?.all() {
                    let (number, part) = part.map_err(damaged)?;
                    let seat = seats.get(number as usize).copied().filter(|seat| *seat != NO_SEAT);
                    let Some(seat) = seat else { continue };
                    let record = survey.numbers[seat as usize];
                    rows.push(Row { key, record, place: heap.len() as u32 });
                    scratch.clear();
                    put_affected(&mut scratch, &part);
                    put_bytes(heap, &scratch);
                }
                if heap.len() > u32::MAX as usize { Err(too_much()) } else { Ok(()) }
            })?;
        }
        Ok(())
    }

    /// Writes the postings of one key.
    fn packages(
        &mut self,
        rows: &[Row],
        heap: &[u8],
        keys: &mut Vec<u8>,
        composer: &mut Composer,
        words: &Dictionary,
    ) -> Result<(), DetectError> {
        let mut bytes = Vec::new();
        for (_, parts) in by_package(rows, heap)? {
            bytes.clear();
            composer.compose(&mut bytes, &parts, words).map_err(own)?;
            if bytes.len() as u64 > LONGEST_POSTING {
                return Err(own(Damaged("there is too much about one package")));
            }
            keys.extend_from_slice(&rows[0].key.to_le_bytes());
            put_place(keys, self.header.postings.length, bytes.len() as u64);
            self.header.postings.length += bytes.len() as u64;
            self.header.packages += 1;
            self.writer.put(&bytes).map_err(self.failed)?;
        }
        Ok(())
    }

    /// Writes what the records say of themselves, each with the number of its alias group, and gives the table.
    fn heads(&mut self, pass: u64) -> Result<Vec<u8>, DetectError> {
        self.header.heads.block = self.writer.block();
        let count = self.survey.numbers.len();
        let width = count / (self.survey.head_bytes / pass + 1) as usize + 1;
        let mut packs = Packs { table: Vec::new(), open: Vec::new(), first: 0, scratch: Vec::new() };
        let mut heap = Vec::new();
        for first in (0..count).step_by(width) {
            let numbers = first..(first + width).min(count);
            heap.clear();
            let places = self.gather_heads(numbers.clone(), &mut heap)?;
            for (number, place) in numbers.zip(places) {
                packs.put(self.survey.groups[number], &heap[place]);
                if packs.open.len() >= PACK_BYTES || number + 1 == count {
                    let packed = packs.close(number + 1, self.header.heads.length).map_err(self.failed)?;
                    self.header.heads.length += packed.len() as u64;
                    self.writer.put(&packed).map_err(self.failed)?;
                }
            }
        }
        self.writer.align().map_err(self.failed)?;
        Ok(packs.table)
    }

    fn gather_heads(
        &self,
        numbers: Range<usize>,
        heap: &mut Vec<u8>,
    ) -> Result<Vec<Range<usize>>, DetectError> {
        let Self { survey, sources, .. } = self;
        let mut places = vec![0..0; numbers.len()];
        let mut put = |seat: usize, bytes: &[u8]| {
            let number = survey.numbers[seat] as usize;
            if numbers.contains(&number) {
                places[number - numbers.start] = heap.len()..heap.len() + bytes.len();
                heap.extend_from_slice(bytes);
            }
        };
        let mut seat = 0;
        sources.spool.each(&mut |number, bytes| {
            if sources.counting.has(number) {
                put(seat, Piece::read(bytes).map_err(own)?.head);
                seat += 1;
            }
            Ok(())
        })?;
        for (old, seats) in sources.old.iter().zip(&survey.old_seats) {
            old.image.each_head(&mut |number, _, bytes| {
                let seat = seats.get(number as usize).copied().filter(|seat| *seat != NO_SEAT);
                seat.into_iter().for_each(|seat| put(seat as usize, bytes));
                Ok(())
            })?;
        }
        Ok(places)
    }
}

/// The words that these rows, all of their keys, have in common.
fn sampled(rows: &[Row], heap: &[u8], composer: &mut Composer) -> Result<Dictionary, DetectError> {
    let mut met = HashMap::new();
    for rows in rows.chunk_by(|left, right| left.key == right.key) {
        for (_, parts) in by_package(rows, heap)? {
            composer.count(&mut met, &parts).map_err(own)?;
        }
    }
    Ok(Dictionary::of(met))
}

/// The rows of one key by package: nearly always there is one, but names can be made so that they share a key.
fn by_package<'a>(rows: &[Row], heap: &'a [u8]) -> Result<Vec<(&'a [u8], Parts<'a>)>, DetectError> {
    let mut packages: Vec<(&[u8], Parts<'_>)> = Vec::new();
    for row in rows {
        let part = Reader(&heap[row.place as usize..]).bytes().map_err(own)?;
        let name = name(part).map_err(own)?;
        match packages.iter_mut().find(|(known, _)| *known == name) {
            Some((_, parts)) => parts.push((row.record, part)),
            None => packages.push((name, vec![(row.record, part)])),
        }
    }
    packages.sort_by_key(|(name, _)| *name);
    Ok(packages)
}

/// The packs of heads while they are written.
struct Packs {
    table: Vec<u8>,
    open: Vec<u8>,
    /// The number of the first record in the open one.
    first: usize,
    scratch: Vec<u8>,
}

impl Packs {
    fn put(&mut self, group: u32, head: &[u8]) {
        self.scratch.clear();
        put_number(&mut self.scratch, u64::from(group));
        self.scratch.extend_from_slice(head);
        put_bytes(&mut self.open, &self.scratch);
    }

    /// Packs what is open, which will lie at this place.
    fn close(&mut self, next: usize, place: u64) -> io::Result<Vec<u8>> {
        let packed = deflated(&self.open)?;
        self.table.extend_from_slice(&(self.first as u32).to_le_bytes());
        self.table.extend_from_slice(&(self.open.len() as u32).to_le_bytes());
        put_place(&mut self.table, place, packed.len() as u64);
        self.open.clear();
        self.first = next;
        Ok(packed)
    }
}

fn deflated(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::with_capacity(bytes.len() + 64);
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    loop {
        let read = compress.total_in() as usize;
        match compress.compress_vec(&bytes[read..], &mut packed, FlushCompress::Finish)? {
            Status::StreamEnd => return Ok(packed),
            Status::Ok | Status::BufError => packed.reserve(packed.len() + 64),
        }
    }
}

/// For each record a piece of the key of its id, and its number, in that order.
fn ids(survey: &Survey) -> Vec<u8> {
    let keys = survey.order.iter().enumerate().map(|(number, (_, key))| ((key >> 32) as u32, number as u32));
    let mut keys: Vec<(u32, u32)> = keys.collect();
    keys.sort_unstable();
    keys.into_iter().flat_map(|(key, number)| [key.to_le_bytes(), number.to_le_bytes()]).flatten().collect()
}

/// Ecosystem and name of a part, as they stand there.
fn name(part: &[u8]) -> Result<&[u8], Damaged> {
    let mut reader = Reader(part);
    reader.bytes()?;
    reader.bytes()?;
    Ok(&part[..part.len() - reader.0.len()])
}

fn put_section<W: Write>(writer: &mut Writer<W>, bytes: &[u8]) -> io::Result<Section> {
    let section = Section { block: writer.block(), length: bytes.len() as u64 };
    writer.put(bytes)?;
    writer.align()?;
    Ok(section)
}

const _: () = assert!(CONTENT.is_multiple_of(KEY) && CONTENT.is_multiple_of(ID), "no key lies in two blocks");

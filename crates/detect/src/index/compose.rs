//! Composes the posting of one package: its versions once, in their order, and all that advisories say as places among them.
//! How it is read, and why it is so, is in `posting.rs`.

use std::cmp::Ordering;
use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::index::codec::{Damaged, Reader, put_bytes, put_number, put_text};
use crate::index::parcel::{INTRODUCED, LIMIT, named};
use crate::index::shape;
use crate::index::words::Dictionary;
use patchline_inventory::version::{Scheme, Version};

/// Stands for the text of an event that stands before or behind every version.
const OUTSIDE: u32 = u32::MAX;

/// Memory that is used again for the next package.
#[derive(Debug, Default)]
pub struct Composer {
    hasher: DefaultHashBuilder,
    by_text: HashTable<u32>,
    /// The texts of a part one after the other, as places in the order in which they were met.
    met: Vec<u32>,
    /// For each place of that kind its place in the posting.
    places: Vec<u32>,
    /// For each place in the posting the first one that is equal to it.
    firsts: Vec<u32>,
    listed: Vec<u32>,
    events: Vec<(u8, u32)>,
}

/// What is read of a part while texts are met, and again while it is written.
enum Step<'a> {
    /// A version that is listed.
    Listed(&'a str),
    EndOfList,
    /// A kind that has no order, and how many events follow.
    Range(Option<&'a str>, usize),
    Event(u8, &'a str),
    /// All that the part says besides.
    Extras(&'a [u8]),
}

/// A version that can be read, and where it was met.
struct Placed<'p> {
    /// Decides most comparisons at once.
    coarse: u128,
    version: Version<'p>,
    text: &'p str,
    place: usize,
}

impl Placed<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        self.coarse.cmp(&other.coarse).then_with(|| self.version.cmp(&other.version))
    }
}

impl Composer {
    /// Writes what these parts, sorted by the number of their record, say of the package that all of them name.
    pub fn compose(
        &mut self,
        out: &mut Vec<u8>,
        parts: &[(u32, &[u8])],
        words: &Dictionary,
    ) -> Result<(), Damaged> {
        let Some((_, first)) = parts.first() else { return Ok(()) };
        let named = named(&mut Reader(first))?;
        let scheme = Scheme::named(&named.ecosystem);
        let texts = self.meet(parts)?;
        let (texts, readable) = self.sort(&texts, scheme);
        words.put(out, &named.ecosystem);
        put_text(out, &named.name);
        put_number(out, readable as u64);
        put_number(out, texts.len() as u64);
        let mut before = "";
        for text in &texts {
            let shared = shared_start(before, text);
            put_number(out, shared as u64);
            words.put(out, &text[shared..]);
            before = text;
        }
        put_number(out, parts.len() as u64);
        let (mut last, mut met) = (0, 0);
        for (record, part) in parts {
            met = self.put_part(out, record - last, part, met)?;
            last = *record;
        }
        Ok(())
    }

    /// Counts the texts of such a posting that could be words.
    pub fn count<'p>(
        &mut self,
        met: &mut HashMap<&'p str, u64>,
        parts: &[(u32, &'p [u8])],
    ) -> Result<(), Damaged> {
        let Some((_, first)) = parts.first() else { return Ok(()) };
        // The ecosystem is the first text of a part.
        let ecosystem = Reader(first).text()?;
        *met.entry(ecosystem).or_default() += 1;
        let scheme = Scheme::named(ecosystem);
        let texts = self.meet(parts)?;
        let mut before = "";
        for text in self.sort(&texts, scheme).0 {
            *met.entry(&text[shared_start(before, text)..]).or_default() += 1;
            before = text;
        }
        Ok(())
    }

    /// Every text once, in the order in which they are met.
    fn meet<'p>(&mut self, parts: &[(u32, &'p [u8])]) -> Result<Vec<&'p str>, Damaged> {
        let mut texts: Vec<&'p str> = Vec::new();
        self.by_text.clear();
        self.met.clear();
        let Self { hasher, by_text, met, .. } = self;
        let mut meet = |text: &'p str| {
            let hash = hasher.hash_one(text);
            let known = by_text.find(hash, |place| texts[*place as usize] == text).copied();
            let place = known.unwrap_or_else(|| {
                let place = texts.len() as u32;
                texts.push(text);
                by_text.insert_unique(hash, place, |place| hasher.hash_one(texts[*place as usize]));
                place
            });
            met.push(place);
        };
        for (_, part) in parts {
            walk(part, &mut |step| match step {
                Step::Listed(text) => meet(text),
                Step::Event(kind, text) if !is_outside(kind, text) => meet(text),
                Step::Event(..) | Step::EndOfList | Step::Range(..) | Step::Extras(_) => {}
            })?;
        }
        Ok(texts)
    }

    /// The texts as they are written: those that can be read in their order, then the others in the order of their bytes.
    fn sort<'p>(&mut self, met: &[&'p str], scheme: Option<Scheme>) -> (Vec<&'p str>, usize) {
        let mut read: Vec<Placed<'p>> = Vec::with_capacity(met.len());
        let mut unreadable: Vec<(&str, usize)> = Vec::new();
        for (place, text) in met.iter().enumerate() {
            match scheme.and_then(|scheme| scheme.parse(text)) {
                Some(version) => {
                    let coarse = u128::from_be_bytes(version.coarse().0);
                    read.push(Placed { coarse, version, text, place });
                }
                None => unreadable.push((text, place)),
            }
        }
        read.sort_unstable_by(|left, right| left.compare(right).then_with(|| left.text.cmp(right.text)));
        unreadable.sort_unstable();
        self.firsts.clear();
        for (place, one) in read.iter().enumerate() {
            let same = place > 0 && read[place - 1].compare(one).is_eq();
            self.firsts.push(if same { self.firsts[place - 1] } else { place as u32 });
        }
        let readable = read.len();
        let order = read.into_iter().map(|one| (one.text, one.place)).chain(unreadable);
        self.places.clear();
        self.places.resize(met.len(), 0);
        let mut texts = Vec::with_capacity(met.len());
        for (place, (text, before)) in order.enumerate() {
            self.places[before] = place as u32;
            texts.push(text);
        }
        (texts, readable)
    }

    /// Writes a part, whose texts begin at this place of `met`; gives the place where those of the next one begin.
    fn put_part(
        &mut self,
        out: &mut Vec<u8>,
        ahead: u32,
        part: &[u8],
        mut at: usize,
    ) -> Result<usize, Damaged> {
        let Self { met, places, firsts, listed, events, .. } = self;
        let mut next = || {
            at += 1;
            places[met[at - 1] as usize]
        };
        let mut ranges = Vec::new();
        let (mut count, mut left, mut is_ordered) = (0_u64, 0, true);
        let mut extras: &[u8] = &[];
        listed.clear();
        events.clear();
        walk(part, &mut |step| match step {
            Step::Listed(_) => listed.push(next()),
            Step::EndOfList => {}
            Step::Range(other, length) => {
                count += 1;
                left = length;
                events.clear();
                is_ordered &= other.is_none();
                // One number says how many events there are, and whether the kind has an order.
                put_number(&mut ranges, (length as u64) << 1 | u64::from(other.is_some()));
                if let Some(kind) = other {
                    put_text(&mut ranges, kind);
                }
            }
            Step::Event(kind, text) => {
                events.push((kind, if is_outside(kind, text) { OUTSIDE } else { next() }));
                left -= 1;
                if left == 0 {
                    put_events(&mut ranges, events, firsts);
                }
            }
            Step::Extras(bytes) => extras = bytes,
        })?;
        // Most parts say nothing besides, which is two zeros.
        let extras = if extras == [0, 0] { &[] } else { extras };
        let is_plain = count == 1 && is_ordered && listed.is_empty() && extras.is_empty();
        let shape = match is_plain {
            true => shape::number(events.iter().map(|(kind, place)| (*kind, *place != OUTSIDE))),
            false => shape::NONE,
        };
        put_number(out, u64::from(ahead) << shape::BITS | shape);
        if shape != shape::NONE {
            let places = events.iter().map(|(_, place)| *place).filter(|place| *place != OUTSIDE);
            places.for_each(|place| put_number(out, u64::from(place)));
            return Ok(at);
        }
        put_listed(out, listed);
        put_number(out, count);
        out.extend_from_slice(&ranges);
        put_bytes(out, extras);
        Ok(at)
    }
}

/// Goes through a part as `parcel::put_affected` wrote it.
fn walk<'p>(part: &'p [u8], take: &mut dyn FnMut(Step<'p>)) -> Result<(), Damaged> {
    let mut reader = Reader(part);
    reader.bytes()?;
    reader.bytes()?;
    for _ in 0..reader.count()? {
        take(Step::Listed(reader.text()?));
    }
    take(Step::EndOfList);
    for _ in 0..reader.count()? {
        let other = if reader.byte()? == 0 { None } else { Some(reader.text()?) };
        let events = reader.count()?;
        take(Step::Range(other, events));
        for _ in 0..events {
            let kind = reader.byte()?;
            take(Step::Event(kind, reader.text()?));
        }
    }
    take(Step::Extras(reader.0));
    Ok(())
}

/// Places in a row are one run; what databases list are mostly all versions from one to another.
fn put_listed(out: &mut Vec<u8>, listed: &mut Vec<u32>) {
    listed.sort_unstable();
    listed.dedup();
    let runs = || listed.chunk_by(|left, right| left + 1 == *right);
    put_number(out, runs().count() as u64);
    let mut end = 0;
    for run in runs() {
        put_number(out, u64::from(run[0] - end));
        put_number(out, run.len() as u64);
        end = run[0] + run.len() as u32;
    }
}

/// The events by the versions at which they stand; at equal ones as the record names them, which decides there. They stay
/// as they are when one can't be read: then nothing follows from the range.
fn put_events(out: &mut Vec<u8>, events: &mut [(u8, u32)], firsts: &[u32]) {
    if events.iter().all(|(_, place)| *place == OUTSIDE || (*place as usize) < firsts.len()) {
        // What stands outside has no place, and so comes first.
        events.sort_by_key(|(_, place)| (*place != OUTSIDE).then(|| firsts[*place as usize]));
    }
    for (kind, place) in events {
        let place = if *place == OUTSIDE { 0 } else { u64::from(*place) + 1 };
        put_number(out, place << 2 | u64::from(*kind));
    }
}

fn is_outside(kind: u8, text: &str) -> bool {
    (kind, text) == (INTRODUCED, "0") || (kind, text) == (LIMIT, "*")
}

fn shared_start(left: &str, right: &str) -> usize {
    let same = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    (0..=same).rev().find(|end| right.is_char_boundary(*end)).unwrap_or(0)
}

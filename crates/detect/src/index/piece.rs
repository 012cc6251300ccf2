//! A piece: what a record says to one ecosystem, as bytes with the keys that it is sorted by.
//!
//! The lowest key of its packages, the key of its id, what it says of itself, the number of parts; then each part behind the
//! key of its package.

use crate::index::codec::{Damaged, Reader, key, put_bytes, put_number};
use crate::index::parcel::{affected, head, put_affected, put_head};
use crate::osv::record::{Affected, Named, Record};
use patchline_inventory::version::ECOSYSTEMS;

/// A bit for each ecosystem.
const _: () = assert!(ECOSYSTEMS.len() <= 64, "an ecosystem is a bit of a `u64`");

/// A piece as it is read.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    pub lowest: u64,
    pub id_key: u64,
    pub head: &'a [u8],
    parts: usize,
    rest: Reader<'a>,
}

/// Memory that is used again for the next record.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The bit of the ecosystem of each part.
    bits: Vec<u64>,
    head: Vec<u8>,
    part: Vec<u8>,
}

/// Appends the pieces of a record to the bytes, and says to which ecosystem each belongs and where it ends. Gives the
/// ecosystems, a bit for each.
pub fn cut(
    record: &Record<'_>,
    out: &mut Vec<u8>,
    pieces: &mut Vec<(u8, usize)>,
    scratch: &mut Scratch,
) -> u64 {
    let Scratch { bits, head, part: bytes } = scratch;
    head.clear();
    put_head(head, record);
    let id_key = key(&[&record.id]);
    bits.clear();
    let mut places = Places::default();
    bits.extend(record.affected.iter().map(|part| places.bit(part)));
    let all = bits.iter().fold(0, |all, bit| all | bit);
    let mut left = all;
    while left != 0 {
        let place = left.trailing_zeros();
        left &= left - 1;
        let parts = || record.affected.iter().zip(&*bits).filter(|(_, bit)| **bit == 1 << place);
        let lowest = out.len();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&id_key.to_le_bytes());
        put_bytes(out, head);
        put_number(out, parts().count() as u64);
        let mut least = u64::MAX;
        for (part, _) in parts() {
            let key = part.package.as_ref().map_or(0, key_of);
            least = least.min(key);
            bytes.clear();
            put_affected(bytes, part);
            put_part(out, key, bytes);
        }
        out[lowest..lowest + 8].copy_from_slice(&least.to_le_bytes());
        pieces.push((place as u8, out.len()));
    }
    all
}

/// Looks up the ecosystems of parts; mostly the next part is of the same one as the last.
#[derive(Default)]
pub struct Places<'r> {
    last: &'r str,
    bit: u64,
}

impl<'r> Places<'r> {
    /// The bit of the ecosystem of which a part speaks; none for what has no order.
    pub fn bit(&mut self, part: &'r Affected<'_>) -> u64 {
        let ecosystem = part.package.as_ref().map(|named| &*named.ecosystem).unwrap_or_default();
        if ecosystem != self.last {
            let base = ecosystem.split(':').next().unwrap_or_default();
            let place = ECOSYSTEMS.binary_search_by(|(known, _)| (*known).cmp(base));
            (self.last, self.bit) = (ecosystem, place.map_or(0, |place| 1 << place));
        }
        self.bit
    }
}

/// The key of a package.
pub fn key_of(named: &Named<'_>) -> u64 {
    key(&[&named.ecosystem, &named.name])
}

fn put_part(out: &mut Vec<u8>, key: u64, part: &[u8]) {
    out.extend_from_slice(&key.to_le_bytes());
    put_bytes(out, part);
}

impl<'a> Piece<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut rest = Reader(bytes);
        let (lowest, id_key) = (rest.eight()?, rest.eight()?);
        let head = rest.bytes()?;
        let parts = rest.count()?;
        Ok(Self { lowest, id_key, head, parts, rest })
    }

    /// Hands over each part with the key of its package.
    pub fn each_part(mut self, mut take: impl FnMut(u64, &'a [u8])) -> Result<(), Damaged> {
        for _ in 0..self.parts {
            let key = self.rest.eight()?;
            take(key, self.rest.bytes()?);
        }
        Ok(())
    }

    /// The record, as far as the piece has it.
    pub fn record(self) -> Result<Record<'a>, Damaged> {
        let mut record = head(&mut Reader(self.head))?;
        let mut parts = Vec::new();
        self.each_part(|_, part| parts.push(part))?;
        for part in parts {
            record.affected.push(affected(&mut Reader(part))?);
        }
        Ok(record)
    }
}

/// Halves of one record as one. It counts as withdrawn only when all say so.
pub fn unite<'a>(mut known: Record<'a>, other: &Record<'a>) -> Record<'a> {
    known.withdrawn = known.withdrawn.take().and(other.withdrawn);
    add_new(&mut known.aliases, &other.aliases);
    add_new(&mut known.severity, &other.severity);
    add_new(&mut known.affected, &other.affected);
    if known.summary.is_empty() {
        known.summary = other.summary.clone();
    }
    known
}

fn add_new<T: PartialEq + Clone>(list: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, Scratch, cut};
    use crate::osv::record::Record;

    #[test]
    fn a_record_reads_as_it_was_cut() {
        let json =
            br#"{"id": "RUSTSEC-2020-0001", "modified": "2024-01-02T00:00:00.50Z", "aliases": ["CVE-1"],
            "withdrawn": "2024-01-03T00:00:00Z", "summary": "it breaks \"here\"",
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
            "affected": [{"package": {"ecosystem": "crates.io", "name": "a"}, "versions": ["1.0.0"],
            "severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}],
            "database_specific": {"informational": "unsound"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1"}, {"limit": "*"},
            {"last_affected": "2"}]}, {"type": "NEW", "events": []}]}]}"#;
        let record = Record::parse(json).expect("a record");
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        cut(&record, &mut bytes, &mut pieces, &mut Scratch::default());
        assert_eq!(pieces.len(), 1);
        assert_eq!(Piece::read(&bytes).and_then(Piece::record), Ok(record));
    }

    #[test]
    fn each_ecosystem_gets_its_own() {
        let json = br#"{"id": "X-1", "modified": "2024-01-02T00:00:00Z", "affected": [
            {"package": {"ecosystem": "npm", "name": "a"}}, {"package": {"ecosystem": "PyPI", "name": "b"}},
            {"package": {"ecosystem": "npm", "name": "c"}}, {"package": {"ecosystem": "Linux", "name": "d"}}]}"#;
        let record = Record::parse(json).expect("a record");
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        cut(&record, &mut bytes, &mut pieces, &mut Scratch::default());
        let mut start = 0;
        let names = pieces.into_iter().map(|(_, end)| {
            let piece = Piece::read(&bytes[start..end]).and_then(Piece::record).expect("a piece");
            start = end;
            let parts = piece.affected.iter().filter_map(|part| part.package.as_ref());
            parts.map(|named| named.name.to_string()).collect::<Vec<_>>().join(" ")
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(names, ["a c", "b"]);
    }
}

//! The records of an import as bytes in one heap, each id once, and what is kept when the same record comes twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::index::codec::{Damaged, Reader, put_number};
use crate::index::parcel::{affected, head, put_head, put_part};
use crate::osv::record::{Affected, Moment, Record};
use patchline_inventory::version::ECOSYSTEMS;

/// Records by id.
#[derive(Debug, Default)]
pub struct Parcels {
    heap: Vec<u8>,
    by_id: HashMap<Box<str>, Parcel>,
    scratch: Vec<u8>,
}

/// Where a record lies, and what decides whether another one takes its place.
#[derive(Clone, Debug)]
pub struct Parcel {
    pub modified: Moment,
    pub withdrawn: bool,
    /// The ecosystems of which it speaks, a bit for each in the order of `ECOSYSTEMS`.
    ecosystems: u64,
    start: usize,
    /// Where what it says of itself ends.
    parts: usize,
    end: usize,
}

impl Parcel {
    /// Whether it speaks of the ecosystem at this place of `ECOSYSTEMS`.
    pub fn speaks_of(&self, place: usize) -> bool {
        self.ecosystems >> place & 1 == 1
    }

    /// Whether it speaks of any ecosystem that has an order.
    pub fn is_usable(&self) -> bool {
        self.ecosystems != 0
    }
}

/// A bit for each ecosystem.
const _: () = assert!(ECOSYSTEMS.len() <= 64, "an ecosystem is a bit of a `u64`");

impl Parcels {
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    pub fn get(&self, id: &str) -> Option<&Parcel> {
        self.by_id.get(id)
    }

    /// Every record, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Parcel)> {
        self.by_id.iter().map(|(id, parcel)| (&**id, parcel))
    }

    /// Takes a record in beside those of the same import: the newest wins, and two of the same time are one record that
    /// came in two files.
    pub fn gather(&mut self, record: &Record<'_>) {
        match self.by_id.get(&*record.id) {
            Some(known) if known.modified > record.modified => {}
            Some(known) if known.modified == record.modified => {
                let bytes = self.heap[known.start..known.end].to_owned();
                let known = read(&bytes).expect("it is as it was written");
                let united = unite(known, record);
                self.put(&united);
            }
            Some(_) | None => self.put(record),
        }
    }

    /// Takes a record in unless one that is as new or newer is there.
    pub fn put_unless_older(&mut self, record: &Record<'_>) {
        if self.by_id.get(&*record.id).is_none_or(|known| known.modified < record.modified) {
            self.put(record);
        }
    }

    /// The record takes the place of any other of its id.
    pub fn put(&mut self, record: &Record<'_>) {
        let start = self.heap.len();
        put_head(&mut self.heap, record);
        let behind_head = self.heap.len();
        let parts = || record.affected.iter().filter(|part| part.package.is_some());
        put_number(&mut self.heap, parts().count() as u64);
        for part in parts() {
            put_part(&mut self.heap, part, &mut self.scratch);
        }
        let parcel = Parcel {
            modified: record.modified.clone(),
            withdrawn: record.withdrawn.is_some(),
            ecosystems: parts().fold(0, |bits, part| bits | bit(part)),
            start,
            parts: behind_head,
            end: self.heap.len(),
        };
        match self.by_id.entry((*record.id).into()) {
            Entry::Occupied(mut known) => {
                known.insert(parcel);
            }
            Entry::Vacant(place) => {
                place.insert(parcel);
            }
        }
    }

    /// The record as it speaks of itself.
    pub fn head(&self, parcel: &Parcel) -> Result<Record<'_>, Damaged> {
        head(&mut Reader(&self.heap[parcel.start..parcel.parts]))
    }

    /// Hands over the places at which it speaks of packages.
    pub fn each_part(
        &self,
        parcel: &Parcel,
        mut take: impl FnMut(u64) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let mut reader = Reader(&self.heap[parcel.parts..parcel.end]);
        for _ in 0..reader.number()? {
            let part = reader.bytes()?;
            take((parcel.end - reader.0.len() - part.len()) as u64)?;
        }
        Ok(())
    }

    /// What lies at a place that `each_part` gave.
    pub fn at(&self, place: u64) -> Reader<'_> {
        Reader(&self.heap[place as usize..])
    }
}

fn bit(part: &Affected<'_>) -> u64 {
    let base = part.package.as_ref().and_then(|named| named.ecosystem.split(':').next()).unwrap_or_default();
    let place = ECOSYSTEMS.binary_search_by(|(known, _)| (*known).cmp(base));
    place.map_or(0, |place| 1 << place)
}

fn read(bytes: &[u8]) -> Result<Record<'_>, Damaged> {
    let mut reader = Reader(bytes);
    let mut record = head(&mut reader)?;
    for _ in 0..reader.number()? {
        record.affected.push(affected(&mut Reader(reader.bytes()?))?);
    }
    Ok(record)
}

/// Two halves of one record. It counts as withdrawn only when both say so.
fn unite<'a>(mut known: Record<'a>, other: &Record<'a>) -> Record<'a> {
    known.withdrawn = known.withdrawn.take().and(other.withdrawn.clone());
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
    use super::{Parcels, read};
    use crate::osv::record::Record;

    fn record(day: u8, name: &str) -> Record<'static> {
        let json = format!(
            r#"{{"id": "GHSA-1", "modified": "2024-01-{day:02}T00:00:00Z",
                "affected": [{{"package": {{"ecosystem": "npm", "name": "{name}"}}, "versions": ["1.0.0"]}}]}}"#
        );
        Record::parse(json.leak().as_bytes()).expect("a record")
    }

    fn check(given: [Record<'_>; 2], then: &[&str]) {
        let mut parcels = Parcels::default();
        given.iter().for_each(|record| parcels.gather(record));
        let parcel = parcels.get("GHSA-1").expect("it was put");
        let record = read(&parcels.heap[parcel.start..]).expect("it reads as it was written");
        let parts = record.affected.iter().filter_map(|part| part.package.as_ref());
        assert_eq!(parts.map(|named| named.name.to_string()).collect::<Vec<_>>(), then);
    }

    #[test]
    fn in_one_import_the_newest_wins_in_any_order_and_equals_are_joined() {
        check([record(1, "old"), record(2, "new")], &["new"]);
        check([record(2, "new"), record(1, "old")], &["new"]);
        check([record(2, "new"), record(2, "other")], &["new", "other"]);
        check([record(2, "new"), record(2, "new")], &["new"]);
    }

    #[test]
    fn a_record_reads_as_it_was_put() {
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
        let mut parcels = Parcels::default();
        parcels.put(&record);
        assert_eq!(read(&parcels.heap), Ok(record));
    }
}

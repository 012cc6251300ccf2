//! What is kept when the same record comes twice.

use std::collections::BTreeMap;

use patchline_model::package::Ecosystem;

use crate::osv::record::Record;

/// Records by id.
pub type Records = BTreeMap<String, Record>;

/// Takes a record in beside those of the same import: the newest wins, and two of the same time are one record that
/// came in two files.
pub fn gather(records: &mut Records, record: Record) {
    match records.get_mut(&record.id) {
        None => {
            records.insert(record.id.clone(), record);
        }
        Some(known) if known.modified < record.modified => *known = record,
        Some(known) if known.modified == record.modified => unite(known, record),
        Some(_) => {}
    }
}

/// Takes an import in over what was there before, for one ecosystem: what is as new or newer wins. A record that no
/// longer speaks of the ecosystem leaves.
pub fn supersede(stored: &mut Records, imported: &Records, ecosystem: &Ecosystem) {
    for record in imported.values() {
        if stored.get(&record.id).is_some_and(|known| known.modified > record.modified) {
            continue;
        }
        let part = within(record, ecosystem);
        if part.affected.is_empty() {
            stored.remove(&record.id);
        } else {
            stored.insert(part.id.clone(), part);
        }
    }
}

/// The record without what it says of other ecosystems.
pub fn within(record: &Record, ecosystem: &Ecosystem) -> Record {
    let mut part = record.clone();
    part.affected
        .retain(|affected| affected.package.as_ref().is_some_and(|named| named.ecosystem == *ecosystem));
    part
}

/// Two halves of one record. It counts as withdrawn only when both say so.
fn unite(known: &mut Record, other: Record) {
    known.withdrawn = known.withdrawn.take().and(other.withdrawn);
    add_new(&mut known.aliases, other.aliases);
    add_new(&mut known.severity, other.severity);
    add_new(&mut known.affected, other.affected);
    if known.summary.is_empty() {
        known.summary = other.summary;
    }
}

fn add_new<T: PartialEq>(list: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use patchline_model::package::Ecosystem;

    use super::{Records, gather, supersede};
    use crate::osv::record::Record;

    fn record(day: u8, ecosystem: &str, name: &str) -> Record {
        let json = format!(
            r#"{{"id": "GHSA-1", "modified": "2024-01-{day:02}T00:00:00Z",
                "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "{name}"}}, "versions": ["1.0.0"]}}]}}"#
        );
        Record::parse(json.as_bytes()).expect("a record")
    }

    fn names(records: &Records) -> Vec<&str> {
        let parts = records.values().flat_map(|record| &record.affected);
        parts.filter_map(|part| part.package.as_ref()).map(|named| named.name.as_str()).collect()
    }

    fn gathered(list: [Record; 2]) -> Records {
        let mut records = Records::new();
        list.into_iter().for_each(|record| gather(&mut records, record));
        records
    }

    #[test]
    fn in_one_import_the_newest_wins_in_any_order_and_equals_are_joined() {
        let (old, new) = (record(1, "crates.io", "old"), record(2, "crates.io", "new"));
        assert_eq!(names(&gathered([old.clone(), new.clone()])), ["new"]);
        assert_eq!(names(&gathered([new.clone(), old])), ["new"]);
        let other_half = record(2, "crates.io", "other");
        assert_eq!(names(&gathered([new.clone(), other_half])), ["new", "other"]);
        assert_eq!(names(&gathered([new.clone(), new])), ["new"]);
    }

    #[test]
    fn over_an_earlier_import_the_new_one_wins_unless_it_is_older() {
        let crates_io = Ecosystem::crates_io();
        let check = |before: Record, import: Record, then: &[&str]| {
            let mut stored = Records::from([(before.id.clone(), before)]);
            supersede(&mut stored, &Records::from([(import.id.clone(), import)]), &crates_io);
            assert_eq!(names(&stored), then);
        };
        check(record(2, "crates.io", "before"), record(3, "crates.io", "after"), &["after"]);
        check(record(2, "crates.io", "before"), record(2, "crates.io", "after"), &["after"]);
        check(record(2, "crates.io", "before"), record(1, "crates.io", "after"), &["before"]);
        check(record(2, "crates.io", "before"), record(3, "npm", "moved"), &[]);
    }
}

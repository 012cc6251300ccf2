//! The roll of an import: every id that came, and which of several records of one id counts.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::osv::record::Moment;

/// Ids, each once. A record that is let in gets the next number; a later one of its id may take its place.
#[derive(Debug, Default)]
pub struct Roll {
    ids: String,
    entries: Vec<Entry>,
    by_id: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Records of one id and time that differ: one record that came in halves. By the place of the entry, their numbers.
    halves: BTreeMap<u32, Vec<u32>>,
    numbers: u32,
}

/// What decides about a record whether it counts.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    start: u32,
    length: u8,
    pub modified: Moment,
    pub withdrawn: bool,
    /// The ecosystems of which it speaks, a bit for each in the order of `ECOSYSTEMS`.
    pub ecosystems: u64,
    content: u64,
    pub number: u32,
    left_out: bool,
}

/// A record as it comes in.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub id: &'a str,
    pub modified: Moment,
    pub withdrawn: bool,
    pub ecosystems: u64,
    /// All that is kept of it.
    pub content: &'a [u8],
}

impl Roll {
    /// Lets a record in, unless one of its id that is newer, or is the same, is there already. The newest wins.
    pub fn enter(&mut self, candidate: Candidate<'_>) -> Option<u32> {
        let Candidate { id, modified, withdrawn, ecosystems, content } = candidate;
        let content = self.hasher.hash_one(content);
        let number = self.numbers;
        match self.place(id) {
            None => {
                let entry = Entry {
                    start: u32::try_from(self.ids.len()).ok()?,
                    length: id.len() as u8,
                    modified,
                    withdrawn,
                    ecosystems,
                    content,
                    number,
                    left_out: false,
                };
                self.ids.push_str(id);
                let (entries, ids, hasher) = (&mut self.entries, &self.ids, &self.hasher);
                entries.push(entry);
                let hash = |place: &u32| hasher.hash_one(id_of(ids, &entries[*place as usize]));
                self.by_id.insert_unique(hasher.hash_one(id), (entries.len() - 1) as u32, hash);
            }
            Some(place) => {
                let entry = &mut self.entries[place as usize];
                if modified < entry.modified || modified == entry.modified && content == entry.content {
                    return None;
                }
                if modified > entry.modified {
                    self.halves.remove(&place);
                    *entry = Entry { modified, withdrawn, ecosystems, content, number, ..*entry };
                } else {
                    self.halves.entry(place).or_insert_with(|| vec![entry.number]).push(number);
                    entry.withdrawn &= withdrawn;
                    entry.ecosystems |= ecosystems;
                    entry.content = content;
                    entry.number = number;
                }
            }
        }
        self.numbers += 1;
        Some(number)
    }

    /// Gives the record of this id the next number, under which it comes once more.
    pub fn renumber(&mut self, id: &str) -> u32 {
        let number = self.numbers;
        if let Some(place) = self.place(id) {
            self.entries[place as usize].number = number;
            self.numbers += 1;
        }
        number
    }

    /// As if it had not come.
    pub fn leave_out(&mut self, id: &str) {
        if let Some(place) = self.place(id) {
            self.entries[place as usize].left_out = true;
        }
    }

    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&self, id: &str) -> Option<&Entry> {
        self.place(id).map(|place| &self.entries[place as usize]).filter(|entry| !entry.left_out)
    }

    /// Every id with what decides about it, in the order in which they came.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let there = self.entries.iter().filter(|entry| !entry.left_out);
        there.map(|entry| (id_of(&self.ids, entry), entry))
    }

    /// Which numbers count.
    pub fn counting(&self) -> Numbers {
        let mut counting = Numbers::default();
        self.all().for_each(|(_, entry)| counting.add(entry.number));
        counting
    }

    /// Takes out the records that came in halves: the numbers of each, in the order in which they came.
    pub fn take_halves(&mut self) -> Vec<Vec<u32>> {
        std::mem::take(&mut self.halves).into_values().collect()
    }

    fn place(&self, id: &str) -> Option<u32> {
        let same = |place: &u32| id_of(&self.ids, &self.entries[*place as usize]) == id;
        self.by_id.find(self.hasher.hash_one(id), same).copied()
    }
}

fn id_of<'a>(ids: &'a str, entry: &Entry) -> &'a str {
    let start = entry.start as usize;
    &ids[start..start + usize::from(entry.length)]
}

/// A set of small numbers, a bit each.
#[derive(Clone, Debug, Default)]
pub struct Numbers(Vec<u64>);

impl Numbers {
    pub fn add(&mut self, number: u32) {
        let place = number as usize / 64;
        if place >= self.0.len() {
            self.0.resize(place + 1, 0);
        }
        self.0[place] |= 1 << (number % 64);
    }

    pub fn remove(&mut self, number: u32) {
        if let Some(bits) = self.0.get_mut(number as usize / 64) {
            *bits &= !(1 << (number % 64));
        }
    }

    pub fn has(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Roll};
    use crate::osv::record::Moment;

    /// Given the day and the content of records of one id, the numbers of those that count, and of the halves.
    fn check(given: &[(u64, &str)], counting: u32, halves: &[&[u32]]) {
        let mut roll = Roll::default();
        for (day, content) in given {
            let modified = Moment::of_numbers(*day, 0).expect("a time");
            let content = content.as_bytes();
            roll.enter(Candidate { id: "X-1", modified, withdrawn: false, ecosystems: 1, content });
        }
        let numbers = roll.counting();
        assert_eq!((0..9).filter(|number| numbers.has(*number)).collect::<Vec<_>>(), [counting], "{given:?}");
        assert_eq!(roll.take_halves(), halves, "{given:?}");
        assert_eq!(roll.all().count(), 1);
    }

    #[test]
    fn the_newest_wins_in_any_order_and_what_differs_at_one_time_is_halves() {
        check(&[(1, "old"), (2, "new")], 1, &[]);
        check(&[(2, "new"), (1, "old")], 0, &[]);
        check(&[(2, "new"), (2, "new")], 0, &[]);
        check(&[(2, "new"), (2, "other"), (2, "third")], 2, &[&[0, 1, 2]]);
        check(&[(2, "new"), (2, "other"), (3, "newest")], 2, &[]);
    }
}

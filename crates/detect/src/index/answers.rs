//! Answers that were given, for whoever asks again: the lockfiles of a fleet name the same packages over and over.
//!
//! A name is kept once, with its answer. What is kept has a bound: it fills two generations, and when the younger one is full
//! the elder one goes, so that what is asked for often stays.

use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::{DefaultHashBuilder, HashTable};
use patchline_model::package::Package;

/// Who asks at the same time seldom waits.
const SHARDS: usize = 16;
/// Bytes that one generation of a shard holds, more or less: 64 MiB are kept in all.
const MOST: usize = (32 << 20) / SHARDS;
/// What an entry takes besides its texts, more or less.
const ENTRY: usize = 64;

/// Answers by package. `T` is what is kept of one.
#[derive(Debug)]
pub struct Answers<T> {
    hasher: DefaultHashBuilder,
    shards: [Mutex<Shard<T>>; SHARDS],
    most: usize,
}

#[derive(Debug)]
struct Shard<T> {
    young: HashTable<Known<T>>,
    old: HashTable<Known<T>>,
    /// Bytes in the young one.
    bytes: usize,
}

#[derive(Debug)]
struct Known<T> {
    hash: u64,
    /// Ecosystem, name and version, one behind the other.
    text: Box<str>,
    ecosystem: u32,
    name: u32,
    bytes: usize,
    answer: Arc<T>,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self::holding(MOST)
    }
}

impl<T> Answers<T> {
    fn holding(most: usize) -> Self {
        let shards = std::array::from_fn(|_| {
            Mutex::new(Shard { young: HashTable::new(), old: HashTable::new(), bytes: 0 })
        });
        Self { hasher: DefaultHashBuilder::default(), shards, most }
    }

    /// The answer that was given of this package at this version, if it is still here.
    pub fn of(&self, package: &Package) -> Option<Arc<T>> {
        let hash = self.hash(package);
        let mut shard = self.shard(hash).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shard.young.find(hash, |known| known.is_of(package)) {
            return Some(Arc::clone(&known.answer));
        }
        let known = shard.old.find_entry(hash, |known| known.is_of(package)).ok()?.remove().0;
        let answer = Arc::clone(&known.answer);
        shard.put(known, self.most);
        Some(answer)
    }

    /// Keeps an answer, of which this many bytes lie outside of the entry.
    pub fn keep(&self, package: &Package, answer: Arc<T>, bytes: usize) {
        let hash = self.hash(package);
        let Package { ecosystem, name, version } = package;
        let lengths = (u32::try_from(ecosystem.0.len()), u32::try_from(name.len()));
        let (Ok(ecosystem_length), Ok(name_length)) = lengths else { return };
        let text = [&ecosystem.0, name.as_str(), version].concat().into_boxed_str();
        let bytes = bytes + text.len() + ENTRY;
        let known = Known { hash, text, ecosystem: ecosystem_length, name: name_length, bytes, answer };
        let mut shard = self.shard(hash).lock().unwrap_or_else(PoisonError::into_inner);
        if shard.young.find(hash, |known| known.is_of(package)).is_none() {
            shard.put(known, self.most);
        }
    }

    fn hash(&self, package: &Package) -> u64 {
        self.hasher.hash_one((&package.ecosystem.0, &package.name, &package.version))
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<T>> {
        // The tables go by the other bits.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl<T> Shard<T> {
    fn put(&mut self, known: Known<T>, most: usize) {
        if self.bytes + known.bytes > most {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        // One that is too large by itself is not worth all the others.
        if known.bytes <= most {
            self.bytes += known.bytes;
            self.young.insert_unique(known.hash, known, |known| known.hash);
        }
    }
}

impl<T> Known<T> {
    fn is_of(&self, package: &Package) -> bool {
        let (ecosystem, rest) = self.text.as_bytes().split_at(self.ecosystem as usize);
        let (name, version) = rest.split_at(self.name as usize);
        ecosystem == package.ecosystem.0.as_bytes()
            && name == package.name.as_bytes()
            && version == package.version.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use patchline_model::package::{Ecosystem, Package};

    use super::{Answers, SHARDS};

    fn package(ecosystem: &str, name: &str, version: &str) -> Package {
        Package {
            ecosystem: Ecosystem(ecosystem.to_owned()),
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn an_answer_is_of_its_package_alone() {
        let answers = Answers::default();
        let known = package("npm", "ab", "1");
        answers.keep(&known, Arc::new(7), 0);
        assert_eq!(answers.of(&known).as_deref(), Some(&7));
        for other in [package("npma", "b", "1"), package("npm", "a", "b1"), package("npm", "ab", "2")] {
            assert_eq!(answers.of(&other), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_kept_has_a_bound_and_what_is_asked_for_stays() {
        let answers = Answers::holding(1000);
        let often = package("npm", "often", "1");
        answers.keep(&often, Arc::new(0), 0);
        for number in 1..10_000 {
            answers.keep(&package("npm", &format!("p{number}"), "1"), Arc::new(number), 100);
            assert_eq!(answers.of(&often).as_deref(), Some(&0), "after {number}");
        }
        let kept = answers.shards.iter().map(|shard| {
            let shard = shard.lock().expect("no panic");
            shard.young.len() + shard.old.len()
        });
        // Two generations of a thousand bytes, and each takes more than a hundred.
        assert!(kept.sum::<usize>() <= SHARDS * 20);
        answers.keep(&package("npm", "huge", "1"), Arc::new(1), 5000);
        assert_eq!(answers.of(&package("npm", "huge", "1")), None);
    }
}

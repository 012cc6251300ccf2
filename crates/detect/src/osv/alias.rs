//! Which records speak of the same problem. Aliases hold both ways and pass on (OSV schema, `aliases`); `related`
//! and `upstream` join nothing.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};
use patchline_model::package::Ecosystem;

/// How well an id names a problem of this ecosystem, best first: by its own database, by GitHub, by CVE, others.
pub fn rank<'a>(ecosystem: &Ecosystem, id: &'a str) -> (u8, &'a str) {
    let own = match ecosystem.0.as_str() {
        "crates.io" => "RUSTSEC-",
        "Go" => "GO-",
        "PyPI" => "PYSEC-",
        _ => "GHSA-",
    };
    let rank = match id {
        id if id.starts_with(own) => 0,
        id if id.starts_with("GHSA-") => 1,
        id if id.starts_with("CVE-") => 2,
        _ => 3,
    };
    (rank, id)
}

/// Records by the names that they have in common.
#[derive(Debug, Default)]
pub struct Groups {
    parent: Vec<u32>,
    /// Of each name two hashes and the first record that has it. The hashes differ from run to run, so nobody can make two
    /// names that share both.
    names: HashTable<(u64, u64, u32)>,
    hashers: [DefaultHashBuilder; 2],
}

impl Groups {
    /// The next record, which has no names yet.
    pub fn next(&mut self) {
        self.parent.push(self.parent.len() as u32);
    }

    /// The last record has this name too.
    pub fn join(&mut self, name: &str) {
        let [first, second] = self.hashers.each_ref().map(|hasher| hasher.hash_one(name));
        let record = self.parent.len().saturating_sub(1) as u32;
        let same = |known: &(u64, u64, u32)| (known.0, known.1) == (first, second);
        match self.names.find(first, same).map(|known| known.2) {
            Some(other) => {
                let (left, right) = (self.group(other), self.group(record));
                self.parent[left.max(right) as usize] = left.min(right);
            }
            None => {
                self.names.insert_unique(first, (first, second, record), |known| known.0);
            }
        }
    }

    /// The first record of the group of this one.
    pub fn group(&mut self, record: u32) -> u32 {
        let mut index = record as usize;
        while self.parent[index] as usize != index {
            self.parent[index] = self.parent[self.parent[index] as usize];
            index = self.parent[index] as usize;
        }
        index as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;

    #[test]
    fn aliases_hold_both_ways_and_pass_on() {
        let mut groups = Groups::default();
        for names in [["A", "B"], ["C", "D"], ["E", "B"], ["D", "E"], ["F", "G"]] {
            groups.next();
            names.into_iter().for_each(|name| groups.join(name));
        }
        let all: Vec<u32> = (0..5).map(|record| groups.group(record)).collect();
        assert_eq!(all, [0, 0, 0, 0, 4]);
    }
}

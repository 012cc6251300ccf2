//! Which records speak of the same problem. Aliases hold both ways and pass on (OSV schema, `aliases`); `related`
//! and `upstream` join nothing.

use std::collections::HashMap;

use patchline_model::package::Ecosystem;

use crate::osv::record::Record;

/// A number for each record; records with the same number are aliases of each other. A withdrawn record joins
/// nothing: databases withdraw what they mixed up.
pub fn groups(records: &[Record<'_>]) -> Vec<usize> {
    let mut groups = Groups { parent: (0..records.len()).collect() };
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (index, record) in records.iter().enumerate().filter(|(_, record)| record.withdrawn.is_none()) {
        for name in record.aliases.iter().chain([&record.id]) {
            let other = *first.entry(name).or_insert(index);
            groups.join(index, other);
        }
    }
    (0..records.len()).map(|index| groups.find(index)).collect()
}

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

struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    fn find(&mut self, mut index: usize) -> usize {
        while self.parent[index] != index {
            self.parent[index] = self.parent[self.parent[index]];
            index = self.parent[index];
        }
        index
    }

    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.find(left), self.find(right));
        self.parent[left.max(right)] = left.min(right);
    }
}

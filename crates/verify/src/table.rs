//! The tests of one run, by program and name, and how each ended; what every reader of results makes.

use std::collections::{BTreeMap, BTreeSet};

/// More tests than this are not kept.
const MAX_TESTS: usize = 200_000;
const MAX_NAME_CHARS: usize = 400;
/// What is kept of the words of one failed test, and of all of them.
const MAX_SAID_BYTES: usize = 8 * 1024;
const MAX_ALL_SAID_BYTES: usize = 8 * 1024 * 1024;

/// How one test ended; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ended {
    Ignored,
    Passed,
    Failed,
}

/// All tests of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) tests: BTreeMap<Key, Ended>,
    /// What failed tests said, as far as the format tells it apart.
    pub(crate) said: BTreeMap<Key, String>,
    /// Programs that failed as a whole, with or without a failed test in them.
    pub(crate) failed_programs: BTreeSet<String>,
    /// Whether every test could be given to a program. Tables of which one could not be are compared by name alone.
    pub(crate) by_program: bool,
    /// Whether there were too many tests to keep.
    pub(crate) overflowed: bool,
}

/// Program and test.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) program: String,
    pub(crate) name: String,
}

/// A table while it is read.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    table: Table,
    seen: BTreeMap<Key, usize>,
    said_bytes: usize,
}

impl Rows {
    pub(crate) fn new(by_program: bool) -> Self {
        Self { table: Table { by_program, ..Table::default() }, ..Self::default() }
    }

    /// Of several tests with one name each is known by its number.
    pub(crate) fn add(&mut self, program: &str, name: &str, ended: Ended, said: &str) {
        if self.table.tests.len() >= MAX_TESTS {
            self.table.overflowed = true;
            return;
        }
        let first = Key { program: shortened(program), name: shortened(name) };
        let times = self.seen.entry(first.clone()).or_default();
        *times += 1;
        let name = if *times == 1 { first.name } else { format!("{} #{times}", first.name) };
        let key = Key { program: first.program, name };
        if ended == Ended::Failed && !said.is_empty() {
            self.say(key.clone(), said);
        }
        self.table.tests.insert(key, ended);
    }

    pub(crate) fn fail_program(&mut self, program: &str) {
        if self.table.failed_programs.len() < MAX_TESTS {
            self.table.failed_programs.insert(shortened(program));
        }
    }

    pub(crate) fn finish(self) -> Table {
        self.table
    }

    fn say(&mut self, key: Key, said: &str) {
        let room = MAX_ALL_SAID_BYTES.saturating_sub(self.said_bytes).min(MAX_SAID_BYTES);
        let said = beginning(said, room);
        self.said_bytes += said.len();
        self.table.said.insert(key, said.to_owned());
    }
}

impl Table {
    /// The same by name alone; of several with one name the worst counts.
    pub(crate) fn by_name(&self) -> Self {
        let unnamed = |key: &Key| Key { program: String::new(), name: key.name.clone() };
        let mut table =
            Self { tests: BTreeMap::new(), said: BTreeMap::new(), by_program: false, ..self.clone() };
        for (key, ended) in &self.tests {
            let kept = table.tests.entry(unnamed(key)).or_insert(*ended);
            *kept = (*kept).max(*ended);
        }
        for (key, said) in &self.said {
            table.said.entry(unnamed(key)).or_insert_with(|| said.clone());
        }
        table
    }

    pub(crate) fn count(&self, ended: Ended) -> usize {
        self.tests.values().filter(|other| **other == ended).count()
    }

    /// How a test of another table ended here; by name alone where that table knows no programs.
    pub(crate) fn ended(&self, key: &Key) -> Option<Ended> {
        match key.program.is_empty() && self.by_program {
            true => self.tests.iter().filter(|(own, _)| own.name == key.name).map(|(_, ended)| *ended).max(),
            false => self.tests.get(key).copied(),
        }
    }

    /// The tests that a person means by this name: the whole name, with or without its program, or the end of it.
    pub(crate) fn named(&self, name: &str) -> Vec<&Key> {
        let exact: Vec<&Key> =
            self.tests.keys().filter(|key| key.name == name || key.text() == name).collect();
        if !exact.is_empty() {
            return exact;
        }
        let ends = |key: &&Key| {
            let rest = key.name.strip_suffix(name);
            rest.is_some_and(|rest| rest.ends_with([':', '.', '/', '>', ' ']))
        };
        self.tests.keys().filter(ends).collect()
    }
}

impl Key {
    /// As a person reads it.
    pub(crate) fn text(&self) -> String {
        if self.program.is_empty() { self.name.clone() } else { format!("{} ({})", self.name, self.program) }
    }
}

pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(MAX_NAME_CHARS).collect()
}

/// At most so many bytes of the beginning.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::{Ended, Key, Rows};

    #[test]
    fn a_test_is_found_by_its_whole_name_or_by_the_end_of_it() {
        let mut rows = Rows::new(true);
        rows.add("app", "store::keeps", Ended::Passed, "");
        rows.add("app", "keeps", Ended::Failed, "no");
        rows.add("app", "over_keeps", Ended::Failed, "no");
        let table = rows.finish();
        let names = |name: &str| table.named(name).iter().map(|key| key.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("keeps"), ["keeps"]);
        assert_eq!(names("store::keeps"), ["store::keeps"]);
        assert_eq!(names("eeps"), [""; 0]);
        let unnamed = Key { program: String::new(), name: "keeps".to_owned() };
        assert_eq!(table.ended(&unnamed), Some(Ended::Failed));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut rows = Rows::new(true);
        (0..200_005).for_each(|number| rows.add("p", &number.to_string(), Ended::Failed, &"é".repeat(9000)));
        let table = rows.finish();
        assert!(table.overflowed && table.tests.len() == 200_000);
        let bytes: usize = table.said.values().map(String::len).sum();
        assert!(bytes <= 8 * 1024 * 1024, "{bytes}");
    }
}

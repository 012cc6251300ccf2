//! Two tables of tests held against each other, and which of those that are gone were only renamed.

use crate::diff::{Diff, File, Kind};
use crate::table::{Ended, Key, Table};

/// What differs between the tests of the base and of the patch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Fail on the patch and did not on the base.
    pub(crate) broken: Vec<Key>,
    /// Ran on the base and are not there with the patch.
    pub(crate) vanished: Vec<Key>,
    /// Ran on the base and are left out with the patch.
    pub(crate) ignored: Vec<Key>,
    /// Fail on both.
    pub(crate) alike: Vec<Key>,
    pub(crate) fixed: Vec<Key>,
    /// Came with the patch, and pass.
    pub(crate) new: Vec<Key>,
    /// Are there with the patch under another name, with the same body.
    pub(crate) renamed: Vec<(Key, Key)>,
}

pub(crate) fn compare(before: &Table, after: &Table) -> Difference {
    if before.by_program != after.by_program {
        return compare(&before.by_name(), &after.by_name());
    }
    let mut difference = Difference::default();
    for (key, base) in &before.tests {
        let list = match (base, after.tests.get(key)) {
            (Ended::Passed | Ended::Ignored, Some(Ended::Failed)) => &mut difference.broken,
            (Ended::Passed | Ended::Failed, None) => &mut difference.vanished,
            (Ended::Passed | Ended::Failed, Some(Ended::Ignored)) => &mut difference.ignored,
            (Ended::Failed, Some(Ended::Failed)) => &mut difference.alike,
            (Ended::Failed, Some(Ended::Passed)) => &mut difference.fixed,
            (Ended::Ignored, Some(Ended::Passed)) => &mut difference.new,
            (Ended::Passed, Some(Ended::Passed)) | (Ended::Ignored, Some(Ended::Ignored) | None) => continue,
        };
        list.push(key.clone());
    }
    for (key, ended) in after.tests.iter().filter(|(key, _)| !before.tests.contains_key(key)) {
        match ended {
            Ended::Failed => difference.broken.push(key.clone()),
            Ended::Passed => difference.new.push(key.clone()),
            Ended::Ignored => {}
        }
    }
    difference
}

impl Difference {
    /// Takes out of the tests that are gone those that the diff shows to be renamed: in files where nothing changes
    /// but names of tests that are gone into names of tests that are new.
    pub(crate) fn find_renamed(&mut self, diff: &Diff) {
        let is_test = |list: &[Key], name: &str| list.iter().any(|key| last(&key.name) == name);
        let only_tests = |pairs: &Vec<(String, String)>| {
            pairs.iter().all(|(old, new)| is_test(&self.vanished, old) && is_test(&self.new, new))
        };
        let renames: Vec<(String, String)> =
            diff.files.iter().filter_map(renames).filter(only_tests).flatten().collect();
        let mut left = Vec::new();
        for old in std::mem::take(&mut self.vanished) {
            let becomes = |new: &&Key| {
                let same = new.program == old.program && parent(&new.name) == parent(&old.name);
                let pair = (last(&old.name).to_owned(), last(&new.name).to_owned());
                same && renames.contains(&pair)
            };
            match self.new.iter().find(becomes).cloned() {
                Some(new) => {
                    self.new.retain(|other| *other != new);
                    self.renamed.push((old, new));
                }
                None => left.push(old),
            }
        }
        self.vanished = left;
    }
}

/// The names that one file changes, if it changes nothing else.
fn renames(file: &File) -> Option<Vec<(String, String)>> {
    let of = |kind: Kind| {
        let lines = file.hunks.iter().flat_map(|hunk| &hunk.lines);
        lines.filter(move |line| line.kind == kind).map(|line| line.text.as_str())
    };
    if file.old != file.new || of(Kind::Removed).count() != of(Kind::Added).count() {
        return None;
    }
    of(Kind::Removed).zip(of(Kind::Added)).map(|(old, new)| renamed(old, new)).collect()
}

/// The one word in which two lines differ.
fn renamed(old: &str, new: &str) -> Option<(String, String)> {
    let (old_words, new_words) = (words(old), words(new));
    let mut pairs = old_words.iter().zip(&new_words).filter(|(old, new)| old != new);
    let ((old_word, new_word), rest) = (pairs.next()?, pairs.next());
    let is_name = |word: &str| word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    let one = rest.is_none() && old_words.len() == new_words.len() && is_name(old_word) && is_name(new_word);
    one.then(|| ((*old_word).to_owned(), (*new_word).to_owned()))
}

/// Names and what stands between them.
fn words(line: &str) -> Vec<&str> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|letter| is_part(letter) != is_part(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    words
}

fn last(name: &str) -> &str {
    name.rsplit([':', '.', '/', ' ']).next().unwrap_or(name)
}

fn parent(name: &str) -> &str {
    name.strip_suffix(last(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Difference, compare};
    use crate::diff::Diff;
    use crate::table::{Ended, Rows, Table};

    fn table(names: &[&str]) -> Table {
        let mut rows = Rows::new(true);
        names.iter().for_each(|name| rows.add("app", name, Ended::Passed, ""));
        rows.finish()
    }

    #[track_caller]
    fn check(hunks: &str, renamed: usize, vanished: usize) {
        let diff = Diff::read(&format!("diff --git a/t.rs b/t.rs\n--- a/t.rs\n+++ b/t.rs\n{hunks}")).unwrap();
        let mut difference = compare(&table(&["m::old", "kept"]), &table(&["m::new", "kept"]));
        difference.find_renamed(&diff);
        let Difference { renamed: found, vanished: left, .. } = difference;
        assert_eq!((found.len(), left.len()), (renamed, vanished));
    }

    #[test]
    fn a_test_is_renamed_when_its_file_changes_in_nothing_but_the_name() {
        check("@@ -1,2 +1,2 @@\n-fn old() {\n+fn new() {\n   assert!(x);\n", 1, 0);
        check("@@ -1,2 +1,2 @@\n-fn old() {\n-  assert!(x);\n+fn new() {\n+  assert!(true);\n", 0, 1);
        check("@@ -1,2 +1,1 @@\n-fn old() {\n-  assert!(x);\n+fn new() {\n", 0, 1);
        check("@@ -1 +1 @@\n-fn old() {\n+fn other() {\n", 0, 1);
        check("@@ -1 +1 @@\n-fn old() {\n+fn new() {\n@@ -9 +9 @@\n-  a\n+  !a\n", 0, 1);
    }
}

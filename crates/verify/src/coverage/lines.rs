//! The lines of a report: file by file, how often each ran.

use std::collections::BTreeMap;

/// Lines of all reports together.
const MAX_LINES: usize = 5_000_000;
const MAX_NAME_BYTES: usize = 4096;

/// How often each line ran, by path as the report writes it. A line that is not here can't run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    files: BTreeMap<String, BTreeMap<usize, u64>>,
    count: usize,
}

impl Lines {
    /// Several reports may speak of one line; it ran if it ran in one of them.
    pub(crate) fn add(&mut self, file: &str, line: usize, hits: u64) -> Result<(), String> {
        if self.count >= MAX_LINES || file.len() > MAX_NAME_BYTES {
            return Err(format!(
                "the report speaks of more than {MAX_LINES} lines, or names a file at too great length"
            ));
        }
        if !self.files.contains_key(file) {
            self.files.insert(file.to_owned(), BTreeMap::new());
        }
        if let Some(lines) = self.files.get_mut(file) {
            let known = lines.entry(line).or_insert_with(|| {
                self.count += 1;
                0
            });
            *known = known.saturating_add(hits);
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The lines of a file of the repository: reports write paths from the top, from the service's folder or from a root of
    /// their own, so the longest that one path ends with counts.
    pub(crate) fn of(&self, path: &str) -> Option<&BTreeMap<usize, u64>> {
        let ends = |long: &str, short: &str| {
            long == short || long.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'))
        };
        let plain = |name: &str| name.trim_start_matches("./").to_owned();
        let fits = |name: &&String| ends(&plain(name), path) || ends(path, &plain(name));
        let name = self.files.keys().filter(fits).max_by_key(|name| name.len())?;
        self.files.get(name)
    }
}

//! Reads TAP, as `node --test --test-reporter=tap` and others write it: `ok 1 - name`, nested by four blanks.
//!
//! The line of a group follows those of its tests. What is to do or was skipped is left out: it shows nothing.

use crate::table::{Ended, Rows, Table, shortened};

/// Groups in groups in groups; what lies deeper is not read.
const MAX_LEVEL: usize = 32;
const BLANKS: usize = 4;
/// Bytes of one failed test's own words that are looked at.
const MAX_SAID_BYTES: usize = 16 * 1024;
/// Tests whose group is not known yet.
const MAX_PENDING: usize = 200_001;

struct Point {
    level: usize,
    name: String,
    ended: Ended,
    said: String,
}

pub(crate) fn read(stdout: &str) -> Table {
    let mut rows = Rows::new(true);
    let mut pending: Vec<Point> = Vec::new();
    let mut told: Option<usize> = None;
    for line in stdout.lines() {
        let inner = line.trim_start_matches(' ');
        let blanks = line.len() - inner.len();
        if inner.starts_with("Bail out!") {
            rows.fail_program("the suite bailed out");
            continue;
        }
        let point = (blanks.is_multiple_of(BLANKS)).then(|| point(inner)).flatten();
        let Some((name, ended)) = point.filter(|_| blanks / BLANKS < MAX_LEVEL) else {
            tell(&mut pending, told, line);
            continue;
        };
        let level = blanks / BLANKS;
        for inner in pending.iter_mut().rev().take_while(|inner| inner.level > level) {
            inner.level = level;
            inner.name = shortened(&format!("{name} > {}", inner.name));
        }
        if level == 0 {
            pending.drain(..).for_each(|point| rows.add("", &point.name, point.ended, &point.said));
        }
        if pending.len() < MAX_PENDING {
            pending.push(Point { level, name, ended, said: String::new() });
        }
        told = pending.len().checked_sub(1);
    }
    pending.drain(..).for_each(|point| rows.add("", &point.name, point.ended, &point.said));
    rows.finish()
}

/// What is indented below a failed point is what it says.
fn tell(pending: &mut [Point], told: Option<usize>, line: &str) {
    let point = told.and_then(|told| pending.get_mut(told));
    let below = |point: &&mut Point| {
        let indented = line.starts_with(&" ".repeat(point.level * BLANKS + 2));
        indented && point.ended == Ended::Failed && point.said.len() < MAX_SAID_BYTES
    };
    if let Some(point) = point.filter(below) {
        point.said.push_str(line.trim_start());
        point.said.push('\n');
    }
}

/// `ok 1 - name # SKIP`, `not ok 2 - name`
fn point(line: &str) -> Option<(String, Ended)> {
    let (passed, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let rest = rest.trim_start().trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start();
    let rest = rest.strip_prefix("- ").unwrap_or(rest);
    let (name, directive) = directive(rest);
    let ended = match (directive, passed) {
        (true, _) => Ended::Ignored,
        (false, true) => Ended::Passed,
        (false, false) => Ended::Failed,
    };
    Some((name.trim_end().replace("\\#", "#").replace("\\\\", "\\"), ended))
}

/// Splits off a directive; a `#` of the name is written `\#`.
fn directive(text: &str) -> (&str, bool) {
    let marks = text.match_indices(" # ").map(|(at, _)| at);
    let is_directive = |at: &usize| {
        let word: String = text[at + 3..].chars().take(4).collect();
        matches!(word.to_ascii_uppercase().as_str(), "SKIP" | "TODO")
    };
    match marks.filter(is_directive).last() {
        Some(at) => (&text[..at], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    const OUTPUT: &str = "TAP version 13
# Subtest: adds
ok 1 - adds
  ---
  duration_ms: 0.6
  ...
not ok 2 - fails
  ---
  error: '1 == 2'
  ...
ok 3 - skipped # SKIP
not ok 4 - todo one # TODO later
# Subtest: group
    # Subtest: inner
        ok 1 - deep
        1..1
    ok 1 - inner
    not ok 2 - bad \\# hash
      ---
      error: 'boom'
      ...
    1..2
not ok 5 - group
  ---
  error: '1 subtest failed'
  ...
1..5
# tests 6
";

    #[test]
    fn tests_are_known_by_the_groups_around_them() {
        let table = read(OUTPUT);
        let lines: Vec<String> =
            table.tests.iter().map(|(key, ended)| format!("{} {ended:?}", key.name)).collect();
        let expected = [
            "adds Passed",
            "fails Failed",
            "group Failed",
            "group > bad # hash Failed",
            "group > inner Passed",
            "group > inner > deep Passed",
            "skipped Ignored",
            "todo one Ignored",
        ];
        assert_eq!(lines, expected);
        let said = table.said.iter().find(|(key, _)| key.name.ends_with("hash")).unwrap().1;
        assert!(said.contains("boom") && !said.contains("subtest"), "{said}");
    }

    #[test]
    fn a_suite_that_bails_out_failed_as_a_whole() {
        assert_eq!(read("ok 1\nBail out! no database\n").failed_programs.len(), 1);
    }
}

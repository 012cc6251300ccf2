//! Reads what `pytest -rA` writes: the short summary at the end, one line a test, and what failed tests said before.
//!
//! The summary names every test but those that were skipped, of which it only says how many; those then count as gone.
//! A test that is expected to fail and does is left out: it shows nothing.

use std::collections::BTreeMap;

use crate::table::{Ended, Rows, Table};

const SUMMARY: &str = "short test summary info";
/// Bytes of one failed test's own words that are looked at.
const MAX_SAID_BYTES: usize = 16 * 1024;

pub(crate) fn read(stdout: &str) -> Table {
    // What tests write stands before; only the last headline is pytest's own.
    let at = stdout.rfind(SUMMARY).unwrap_or(stdout.len());
    let (before, summary) = stdout.split_at(at);
    let words = words(before);
    let mut rows = Rows::new(true);
    for (name, ended, said) in summary.lines().filter_map(result) {
        let (file, test) = name.split_once("::").unwrap_or((name, ""));
        if test.is_empty() {
            // A file that could not be collected.
            rows.fail_program(file);
            continue;
        }
        let title = test.replace("::", ".");
        let said = match words.get(title.as_str()) {
            Some(words) => format!("{said}\n{words}"),
            None => said.to_owned(),
        };
        rows.add(file, test, ended, &said);
    }
    rows.finish()
}

/// Name, end, and the reason behind the name.
fn result(line: &str) -> Option<(&str, Ended, &str)> {
    let (word, rest) = line.split_once(' ')?;
    let ended = match word {
        "PASSED" | "XPASS" => Ended::Passed,
        "FAILED" | "ERROR" => Ended::Failed,
        "XFAIL" => Ended::Ignored,
        _ => return None,
    };
    if ended == Ended::Passed && word == "PASSED" {
        return Some((rest, ended, ""));
    }
    // A parameter may hold the separator as well.
    let parameters = rest.find('[').filter(|open| rest.find(" - ").is_none_or(|dash| *open < dash));
    let cut = match parameters {
        Some(_) => rest.find("] - ").map(|at| at + 1).or_else(|| rest.ends_with(']').then_some(rest.len())),
        None => rest.find(" - "),
    };
    let (name, said) = rest.split_at(cut.unwrap_or(rest.len()));
    Some((name, ended, said.trim_start_matches(" - ")))
}

/// By title: what stands under `____ title ____`.
fn words(before: &str) -> BTreeMap<&str, String> {
    let mut words: BTreeMap<&str, String> = BTreeMap::new();
    let mut of = None;
    for line in before.lines() {
        if let Some(title) = title(line) {
            of = Some(title);
        } else if line.starts_with("=====") {
            of = None;
        } else if let Some(title) = of {
            let text = words.entry(title).or_default();
            if text.len() < MAX_SAID_BYTES {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    words
}

fn title(line: &str) -> Option<&str> {
    let inner = line.strip_prefix("__")?.strip_suffix("__")?.trim_matches('_');
    let title = inner.strip_prefix(' ')?.strip_suffix(' ')?;
    let phases = ["ERROR at setup of ", "ERROR at teardown of "];
    Some(phases.iter().find_map(|phase| title.strip_prefix(phase)).unwrap_or(title))
}

#[cfg(test)]
mod tests {
    use super::read;

    const OUTPUT: &str = "============================= test session starts ==============================
test_a.py .FsxXEF...                                                     [100%]
=================================== FAILURES ===================================
___________________________________ test_bad ___________________________________

>   def test_bad(): assert 1 == 2, \"why not\"
E   AssertionError: why not
---------------------------- Captured stdout call ------------------------------
=========================== short test summary info ============================
FAILED test_a.py::forged
=================================== PASSES ====================================
=========================== short test summary info ============================
PASSED test_a.py::test_ok
PASSED test_a.py::test_p[a - b]
PASSED test_a.py::TestC::test_m
SKIPPED [1] test_a.py:4: later
XFAIL test_a.py::test_xf
XPASS test_a.py::test_xp
ERROR test_a.py::test_err - ValueError: fixture
ERROR test_b.py
FAILED test_a.py::test_bad - AssertionError: why not
FAILED test_a.py::test_p[c - d] - assert [1] - 1
==== 2 failed, 4 passed, 1 skipped, 1 xfailed, 1 xpassed, 1 error in 0.03s =====
";

    #[test]
    fn the_summary_names_what_ran() {
        let table = read(OUTPUT);
        let lines: Vec<String> =
            table.tests.iter().map(|(key, ended)| format!("{} {ended:?}", key.name)).collect();
        let expected = [
            "TestC::test_m Passed",
            "test_bad Failed",
            "test_err Failed",
            "test_ok Passed",
            "test_p[a - b] Passed",
            "test_p[c - d] Failed",
            "test_xf Ignored",
            "test_xp Passed",
        ];
        assert_eq!(lines, expected);
        assert!(table.failed_programs.contains("test_b.py"));
        let said = table.said.iter().find(|(key, _)| key.name == "test_bad").unwrap().1;
        assert!(said.contains("def test_bad()"), "{said}");
    }
}

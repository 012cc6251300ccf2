//! Reads what `cargo nextest run` writes for people: `PASS [   0.004s] (1/3) crate::binary test::name`.
//!
//! Tests that are left out are only counted there, never named. The lines after `Summary` say again what was said.

use crate::table::{Ended, Rows, Table};

/// Bytes of one failed test's own words that are looked at.
const MAX_BLOCK_BYTES: usize = 16 * 1024;

pub(crate) fn read(stdout: &str, stderr: &str) -> Table {
    let mut rows = Rows::new(true);
    let mut open: Option<(String, String, Ended, String)> = None;
    let close = |open: &mut Option<(String, String, Ended, String)>, rows: &mut Rows| {
        if let Some((program, name, ended, said)) = open.take() {
            rows.add(&program, &name, ended, &said);
        }
    };
    for line in stderr.lines().chain(stdout.lines()) {
        if line.trim_start().starts_with("Summary [") {
            close(&mut open, &mut rows);
            break;
        }
        match result(line) {
            Some((program, name, ended)) => {
                close(&mut open, &mut rows);
                open = Some((program.to_owned(), name.to_owned(), ended, String::new()));
            }
            None => {
                if let Some((_, _, Ended::Failed, said)) = &mut open
                    && said.len() < MAX_BLOCK_BYTES
                {
                    said.push_str(line);
                    said.push('\n');
                }
            }
        }
    }
    close(&mut open, &mut rows);
    rows.finish()
}

/// Program, test and end, of the line that says how a test ended at last; a try that is followed by another is none.
fn result(line: &str) -> Option<(&str, &str, Ended)> {
    let (status, rest) = line.split_once('[')?;
    let ended = ended(status.trim())?;
    let (time, rest) = rest.split_once(']')?;
    time.trim().trim_start_matches('>').trim().strip_suffix('s')?.parse::<f64>().ok()?;
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('(').and_then(|inner| inner.split_once(") ")) {
        Some((place, rest)) if place.contains('/') => rest.trim_start(),
        Some(_) | None => rest,
    };
    let (program, name) = rest.split_once(' ')?;
    (!program.is_empty() && !name.trim().is_empty()).then(|| (program, name.trim(), ended))
}

fn ended(status: &str) -> Option<Ended> {
    match status {
        "PASS" | "LEAK" => Some(Ended::Passed),
        "FAIL" | "TIMEOUT" | "ABORT" | "XFAIL" | "LEAK-FAIL" | "FAIL + LEAK" => Some(Ended::Failed),
        "SKIP" => Some(Ended::Ignored),
        _ if status.starts_with("FLAKY ") => Some(Ended::Passed),
        _ if status.starts_with("SIG") => Some(Ended::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::table::Ended;

    const OUTPUT: &str = "    Finished `test` profile [unoptimized + debuginfo] target(s) in 0.05s
────────────
 Nextest run ID 5a6d7c57 with nextest profile: default
    Starting 5 tests across 2 binaries (1 test skipped)
        PASS [   0.004s] app::api store::keeps
        FAIL [   0.003s] (2/5) app tests::adds
  stdout ───
    assertion failed: 1 == 2
        SLOW [> 60.000s] app tests::slow
     SIGSEGV [   0.003s] app tests::crash
  TRY 1 FAIL [   0.003s] app tests::odd
   FLAKY 2/2 [   0.003s] app tests::odd
────────────
     Summary [   0.010s] 4 tests run: 2 passed (1 flaky), 2 failed, 1 skipped
        FAIL [   0.003s] app tests::adds
error: test run failed
";

    #[test]
    fn each_last_line_of_a_test_counts_once() {
        let table = read("", OUTPUT);
        let lines: Vec<String> =
            table.tests.iter().map(|(key, ended)| format!("{} {ended:?}", key.text())).collect();
        let expected = [
            "tests::adds (app) Failed",
            "tests::crash (app) Failed",
            "tests::odd (app) Passed",
            "store::keeps (app::api) Passed",
        ];
        assert_eq!(lines, expected);
        let (failed, said) = table.said.first_key_value().unwrap();
        assert_eq!((table.ended(failed), failed.name.as_str()), (Some(Ended::Failed), "tests::adds"));
        assert!(said.contains("1 == 2"));
    }
}

//! Reads `go test -json` (cmd/test2json): one JSON object a line, each about a package or a test of it.
//!
//! A test that began and never ended took its whole program with it, and counts as failed.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::table::{Ended, Rows, Table};

/// Tests that may be under way at a time.
const MAX_OPEN: usize = 200_000;
/// Bytes of one test's own words that are looked at.
const MAX_SAID_BYTES: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    import_path: String,
    test: Option<String>,
    #[serde(default)]
    output: String,
}

pub(crate) fn read(stdout: &str) -> Table {
    let mut rows = Rows::new(true);
    let mut open: BTreeMap<(String, String), String> = BTreeMap::new();
    let lines = stdout.lines().filter(|line| line.starts_with('{'));
    for line in lines.filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        let Some(test) = line.test else {
            match line.action.as_str() {
                "fail" => rows.fail_program(&line.package),
                "build-fail" => rows.fail_program(&line.import_path),
                _ => {}
            }
            continue;
        };
        let key = (line.package, test);
        let ended = match line.action.as_str() {
            "pass" | "bench" => Ended::Passed,
            "skip" => Ended::Ignored,
            "fail" => Ended::Failed,
            "run" if open.len() < MAX_OPEN => {
                open.entry(key).or_default();
                continue;
            }
            "output" => {
                if let Some(said) = open.get_mut(&key).filter(|said| said.len() < MAX_SAID_BYTES) {
                    said.push_str(&line.output);
                }
                continue;
            }
            _ => continue,
        };
        let said = open.remove(&key).unwrap_or_default();
        rows.add(&key.0, &key.1, ended, &said);
    }
    open.iter().for_each(|((package, test), said)| rows.add(package, test, Ended::Failed, said));
    rows.finish()
}

#[cfg(test)]
mod tests {
    use super::read;

    const OUTPUT: &str = r#"{"Action":"start","Package":"tiny"}
{"Action":"run","Package":"tiny","Test":"TestOk"}
{"Action":"output","Package":"tiny","Test":"TestOk","Output":"--- PASS: TestOk (0.00s)\n"}
{"Action":"pass","Package":"tiny","Test":"TestOk","Elapsed":0}
{"Action":"run","Package":"tiny","Test":"TestSub/two"}
{"Action":"output","Package":"tiny","Test":"TestSub/two","Output":"    a_test.go:6: no\n"}
{"Action":"fail","Package":"tiny","Test":"TestSub/two","Elapsed":0}
{"Action":"skip","Package":"tiny","Test":"TestSkip","Elapsed":0}
{"Action":"run","Package":"tiny","Test":"TestPanics"}
{"Action":"fail","Package":"tiny","Elapsed":0.003}
FAIL	tiny/other [build failed]
{"ImportPath":"tiny/other","Action":"build-fail"}
"#;

    #[test]
    fn each_test_of_each_package_is_known_and_one_without_an_end_failed() {
        let table = read(OUTPUT);
        let lines: Vec<String> =
            table.tests.iter().map(|(key, ended)| format!("{} {ended:?}", key.text())).collect();
        let expected = [
            "TestOk (tiny) Passed",
            "TestPanics (tiny) Failed",
            "TestSkip (tiny) Ignored",
            "TestSub/two (tiny) Failed",
        ];
        assert_eq!(lines, expected);
        assert_eq!(table.failed_programs.len(), 2);
        assert!(table.said.values().any(|said| said.contains("a_test.go:6: no")));
    }
}

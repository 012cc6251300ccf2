//! Reads the JSON that `jest --json` and `vitest --reporter=json` write: files, and in each the tests with their titles.

use serde::Deserialize;

use crate::table::{Ended, Rows, Table};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    test_results: Vec<File>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    #[serde(default)]
    status: String,
    assertion_results: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    #[serde(default)]
    ancestor_titles: Vec<String>,
    title: String,
    status: String,
    failure_messages: Option<Vec<String>>,
}

/// The report, after whatever the tests themselves wrote before it.
pub(crate) fn read(text: &str) -> Result<Table, String> {
    let report = report(text)?;
    let mut rows = Rows::new(true);
    for file in &report.test_results {
        if file.status == "failed" && file.assertion_results.is_empty() {
            rows.fail_program(&file.name);
        }
        for test in &file.assertion_results {
            let titles: Vec<&str> =
                test.ancestor_titles.iter().chain([&test.title]).map(String::as_str).collect();
            let ended = match test.status.as_str() {
                "passed" => Ended::Passed,
                "failed" => Ended::Failed,
                _ => Ended::Ignored,
            };
            let said = test.failure_messages.as_ref().map(|said| said.join("\n")).unwrap_or_default();
            rows.add(&file.name, &titles.join(" > "), ended, &said);
        }
    }
    Ok(rows.finish())
}

fn report(text: &str) -> Result<Report, String> {
    const STARTS: usize = 100;
    let begins = |(at, _): &(usize, &str)| *at == 0 || text[..*at].ends_with('\n');
    let mut why = "it holds no JSON object".to_owned();
    for (at, _) in text.match_indices('{').filter(begins).take(STARTS) {
        // Something may follow the report, too.
        match serde_json::Deserializer::from_str(&text[at..]).into_iter::<Report>().next() {
            Some(Ok(report)) => return Ok(report),
            Some(Err(error)) => why = error.to_string(),
            None => {}
        }
    }
    Err(format!("this is no report of jest or vitest: {why}"))
}

#[cfg(test)]
mod tests {
    use super::read;

    const REPORT: &str = r#"> app@1.0.0 test
{"numFailedTests":1,"testResults":[
 {"name":"./src/a.test.ts","status":"failed","assertionResults":[
  {"ancestorTitles":["store"],"title":"keeps","fullName":"store keeps","status":"passed","failureMessages":[]},
  {"ancestorTitles":[],"title":"adds","status":"failed","failureMessages":["expected 1 to be 2"]},
  {"ancestorTitles":[],"title":"later","status":"pending"},
  {"ancestorTitles":[],"title":"some day","status":"todo"}]},
 {"name":"./src/b.test.ts","status":"failed","message":"SyntaxError","assertionResults":[]}]}
Done.
"#;

    #[test]
    fn each_test_of_each_file_is_known_and_a_file_that_does_not_load() {
        let table = read(REPORT).unwrap();
        let lines: Vec<String> =
            table.tests.iter().map(|(key, ended)| format!("{} {ended:?}", key.text())).collect();
        let expected = [
            "adds (./src/a.test.ts) Failed",
            "later (./src/a.test.ts) Ignored",
            "some day (./src/a.test.ts) Ignored",
            "store > keeps (./src/a.test.ts) Passed",
        ];
        assert_eq!(lines, expected);
        assert!(table.failed_programs.contains("./src/b.test.ts"));
        assert_eq!(table.said.len(), 1);
    }

    #[test]
    fn what_is_no_report_is_said_to_be_none() {
        for (text, words) in [("", "no JSON"), ("{}", "missing field"), ("{\"testResults\":[", "EOF")] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let deep = "{\"testResults\":".to_owned() + &"[".repeat(100_000);
        assert!(read(&deep).is_err());
    }
}

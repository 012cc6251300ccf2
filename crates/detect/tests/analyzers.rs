//! Reports of analyzers: what is read of them, what is left out and counted, what is refused, and that nothing else happens.

use std::fs;
use std::path::Path;

use patchline_detect::analyzer::found::read;
use patchline_detect::{Analyzed, Tree};
use patchline_model::analyzer::{Format, Level};
use patchline_model::stage::detect::Finding;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};
use tempfile::TempDir;

const APP: &str = "import os\nimport sys\n\nprint('äö😀', eval('1'))\n";

fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    folder
}

fn analyzed(folder: &Path, bytes: &[u8], format: Format) -> Result<Analyzed, String> {
    let tree = Tree::new(folder, "").expect("it is there");
    let mut analyzed = read(bytes, format, Some("lint"), &tree)?;
    analyzed.finish();
    Ok(analyzed)
}

/// One run of a tool `lint` with these results.
fn sarif(results: Value) -> Value {
    json!({ "version": "2.1.0", "runs": [{ "tool": { "driver": { "name": "lint", "rules": [
        { "id": "R1", "defaultConfiguration": { "level": "error" }, "properties": { "security-severity": "8.8" },
          "shortDescription": { "text": "first rule" }, "messageStrings": { "m": { "text": "no {0} here" } } },
        { "id": "R2" },
    ]}}, "results": results }]})
}

/// A result of a rule in a line of `app.py`.
fn result(rule: &str, line: i64) -> Value {
    json!({ "ruleId": rule, "message": { "text": "it is wrong" }, "locations": [{ "physicalLocation": {
        "artifactLocation": { "uri": "app.py" }, "region": { "startLine": line } } }] })
}

/// The same with more to it.
fn with(mut result: Value, key: &str, value: Value) -> Value {
    result[key] = value;
    result
}

fn found(results: Value) -> Analyzed {
    let folder = tree(&[("app.py", APP)]);
    analyzed(folder.path(), sarif(results).to_string().as_bytes(), Format::Sarif).expect("it can be read")
}

#[track_caller]
fn one(results: Value) -> Finding {
    let Analyzed { mut findings, left, .. } = found(results);
    assert_eq!((findings.len(), left.as_slice()), (1, [].as_slice()));
    findings.remove(0)
}

#[test]
fn a_result_says_what_where_and_how_bad() {
    let finding = one(json!([with(result("R1", 4), "message", json!({ "id": "m", "arguments": ["eval"] }))]));
    assert_eq!((finding.advisory.as_str(), finding.summary.as_str()), ("R1", "no eval here"));
    assert_eq!((finding.location.path.as_str(), finding.location.line), ("app.py", Some(4)));
    let analysis = finding.analysis().expect("an analyzer found it");
    assert_eq!((analysis.level, analysis.severity().as_deref()), (Level::Error, Some("8.8")));
    assert_eq!((analysis.tool.as_str(), analysis.analyzer.as_deref()), ("lint", Some("lint")));
    let plain = one(json!([result("R2", 1)]));
    let analysis = plain.analysis().expect("an analyzer found it");
    assert_eq!((analysis.level, analysis.severity()), (Level::Warning, None));
    let by_index = one(
        json!([{ "ruleIndex": 0, "level": "note", "message": {}, "locations": result("R1", 1)["locations"] }]),
    );
    assert_eq!((by_index.advisory.as_str(), by_index.summary.as_str()), ("R1", "first rule"));
    assert_eq!(by_index.analysis().map(|analysis| analysis.level), Some(Level::Note));
}

#[test]
fn what_is_suppressed_gone_or_no_fault_is_no_finding() {
    let kept = |key: &str, value: Value| found(json!([with(result("R1", 4), key, value)])).findings.len();
    for (key, value, count) in [
        ("suppressions", json!([]), 1),
        ("suppressions", json!([{ "kind": "inSource" }]), 0),
        ("suppressions", json!([{ "kind": "external", "status": "accepted" }]), 0),
        ("suppressions", json!([{ "kind": "external", "status": "underReview" }]), 1),
        ("suppressions", json!([{ "kind": "external", "status": "rejected" }]), 1),
        ("baselineState", json!("absent"), 0),
        ("baselineState", json!("new"), 1),
        ("baselineState", json!("unchanged"), 1),
        ("kind", json!("pass"), 0),
        ("kind", json!("notApplicable"), 0),
        ("kind", json!("fail"), 1),
        ("kind", json!("review"), 1),
    ] {
        assert_eq!(kept(key, value.clone()), count, "{key}: {value}");
    }
}

#[test]
fn an_identity_stays_when_lines_move_and_tells_apart_what_is_alike() {
    let ids = |text: &str, lines: &[i64], more: &[(&str, Value)]| -> Vec<String> {
        let folder = tree(&[("app.py", text)]);
        let results = lines.iter().map(|line| {
            more.iter().fold(result("R1", *line), |result, (key, value)| with(result, key, value.clone()))
        });
        let report = sarif(results.collect()).to_string();
        let analyzed = analyzed(folder.path(), report.as_bytes(), Format::Sarif).expect("it can be read");
        analyzed.findings.into_iter().map(|finding| finding.id.0).collect()
    };
    let before = ids("a\nx(1)\nb\nx(1)\n", &[2, 4], &[]);
    assert_eq!(ids("new\na\n  x(1) \nb\nx(1)\n", &[3, 5], &[]), before, "lines moved, and one was set in");
    assert!(before[0] != before[1] && before[1].ends_with("#2"), "{before:?}");
    assert_ne!(ids("a\nx(2)\n", &[2], &[]), before[..1]);
    let given = json!({ "hash/v1": "abc" });
    let with_print = ids("x(1)\n", &[1], &[("partialFingerprints", given.clone())]);
    assert_eq!(ids("y(2)\n", &[1], &[("partialFingerprints", given)]), with_print, "the tool knows it again");
    let none = json!({ "matchBasedId/v1": "requires login" });
    assert_eq!(
        ids("a\nx(1)\n", &[2], &[("fingerprints", none)]),
        before[..1],
        "a sentence is no fingerprint"
    );
    assert_eq!(ids("a\nx(1)\n", &[2, 2], &[]).len(), 1, "said twice, there once");
}

#[test]
fn rules_of_two_tools_with_one_name_get_the_tool_in_front() {
    let folder = tree(&[("app.py", APP)]);
    let mut report = sarif(json!([result("R1", 1), result("R2", 2)]));
    let mut other = report["runs"][0].clone();
    other["tool"]["driver"]["name"] = json!("other");
    other["results"] = json!([result("R1", 1)]);
    report["runs"].as_array_mut().expect("runs").push(other);
    let analyzed =
        analyzed(folder.path(), report.to_string().as_bytes(), Format::Sarif).expect("it can be read");
    let mut names: Vec<&str> = analyzed.findings.iter().map(|finding| finding.advisory.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["R2", "lint/R1", "other/R1"]);
}

#[test]
fn what_can_t_be_placed_is_counted_by_why() {
    let at = |uri: &str| {
        let mut result = result("R1", 1);
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = json!(uri);
        result
    };
    let analyzed = found(json!([
        at("/etc/passwd"),
        at("../../etc/passwd"),
        at("file:///etc/passwd"),
        at("gone.py"),
        with(result("R1", 1), "locations", json!([])),
        result("R1", 99),
        result("R1", -1),
    ]));
    assert_eq!(
        analyzed.left,
        [
            "lint: 1 result left out: the file is not the one of which the report was made",
            "lint: 1 result left out: the report does not say in which file",
            "lint: 1 result left out: there is no such file here",
            "lint: 3 results left out: the file lies outside of what was scanned",
        ]
    );
    assert_eq!(analyzed.findings.len(), 1, "a line that is none leaves the file");
}

#[test]
fn a_report_of_another_state_of_the_file_is_not_taken() {
    let folder = tree(&[("app.py", APP)]);
    let report = |sum: &str| {
        let mut report = sarif(json!([result("R1", 1)]));
        report["runs"][0]["artifacts"] =
            json!([{ "location": { "uri": "app.py" }, "hashes": { "sha-256": sum } }]);
        analyzed(folder.path(), report.to_string().as_bytes(), Format::Sarif).expect("it can be read")
    };
    let right = patchline_model::digest::Digest::of(APP.as_bytes());
    assert_eq!(report(&right.hex().to_uppercase()).findings.len(), 1);
    let wrong = report(&"0".repeat(64));
    assert_eq!((wrong.findings.len(), wrong.left.len()), (0, 1));
}

/// The fix of the one result, as the text that it makes of `app.py`.
fn fixed(kind: Option<&str>, tool: &str, replacements: Value) -> Option<String> {
    let folder = tree(&[("app.py", APP)]);
    let fix = json!([{ "description": { "text": "better" }, "artifactChanges": [
        { "artifactLocation": { "uri": "app.py" }, "replacements": replacements } ]}]);
    let mut report = sarif(json!([with(result("R1", 4), "fixes", fix)]));
    report["runs"][0]["tool"]["driver"]["name"] = json!(tool);
    if let Some(kind) = kind {
        report["runs"][0]["columnKind"] = json!(kind);
    }
    let analyzed =
        analyzed(folder.path(), report.to_string().as_bytes(), Format::Sarif).expect("it can be read");
    let fix = analyzed.findings.first()?.analysis()?.fix.clone()?;
    let mut text = APP.to_owned();
    for edit in fix.files.first()?.edits.iter().rev() {
        text.replace_range(edit.start as usize..edit.end as usize, &edit.text);
    }
    Some(text)
}

#[test]
fn a_fix_is_read_in_the_unit_that_the_report_counts_in() {
    let lines = |start: u32, end: u32| {
        json!([{ "deletedRegion": { "startLine": 4, "startColumn": start, "endColumn": end },
        "insertedContent": { "text": "int" } }])
    };
    let then = Some(APP.replace("eval", "int"));
    assert_eq!(fixed(Some("unicodeCodePoints"), "lint", lines(14, 18)), then);
    assert_eq!(fixed(Some("utf16CodeUnits"), "lint", lines(15, 19)), then);
    assert_eq!(fixed(None, "lint", lines(15, 19)), then, "UTF-16 is what nothing said means");
    assert_eq!(fixed(None, "ruff", lines(14, 18)), then, "ruff counts code points and does not say so");
    let at = APP.find("eval").expect("it is there");
    let bytes = json!([{ "deletedRegion": { "byteOffset": at, "byteLength": 4 }, "insertedContent": { "text": "int" } }]);
    assert_eq!(fixed(None, "lint", bytes), then);
    let letters = APP.chars().take_while(|letter| *letter != 'v').count() - 1;
    let letters = json!([{ "deletedRegion": { "charOffset": letters, "charLength": 4 }, "insertedContent": { "text": "int" } }]);
    assert_eq!(fixed(Some("unicodeCodePoints"), "lint", letters), then);
    let insertion = json!([{ "deletedRegion": { "startLine": 1, "startColumn": 1, "endColumn": 1 }, "insertedContent": { "text": "#\n" } }]);
    assert_eq!(fixed(None, "lint", insertion), Some(format!("#\n{APP}")));
    let removal =
        json!([{ "deletedRegion": { "startLine": 1, "startColumn": 1, "endLine": 2, "endColumn": 1 } }]);
    assert_eq!(fixed(None, "lint", removal), Some(APP.replace("import os\n", "")));
}

#[test]
fn semgrep_counts_bytes_and_writes_whole_lines() {
    let line = "print('äö😀', int('1'))";
    let replacement = json!([{ "deletedRegion": { "startLine": 4, "startColumn": 19, "endLine": 4, "endColumn": 28 },
        "insertedContent": { "text": line } }]);
    assert_eq!(fixed(None, "Semgrep OSS", replacement), Some(APP.replace("eval", "int")));
}

#[test]
fn half_a_fix_is_none() {
    let region = |start: u32, end: u32| json!({ "startLine": 4, "startColumn": start, "endColumn": end });
    let change = |region: Value| json!({ "deletedRegion": region, "insertedContent": { "text": "x" } });
    for replacements in [
        json!([change(region(1, 3)), change(region(2, 5))]),
        json!([change(region(1, 3)), change(region(400, 500))]),
        json!([change(region(10, 11))]),
        json!([{ "deletedRegion": region(1, 2), "insertedContent": { "binary": "AA==" } }]),
        json!([{ "deletedRegion": {} }]),
        json!([change(
            json!({ "byteOffset": 4_000_000_000_000_i64, "byteLength": 9_000_000_000_000_000_000_i64 })
        )]),
        json!([]),
    ] {
        assert_eq!(fixed(None, "lint", replacements.clone()), None, "{replacements}");
    }
}

#[test]
fn what_is_no_report_is_refused_with_where_and_why() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (text, words) in [
        ("", "it is no SARIF"),
        ("{}", "missing field `runs`"),
        ("[]", "it is no SARIF"),
        ("{ \"version\": \"2.1.0\", \"runs\": [{ \"results\": [] }] }", "missing field `tool`"),
        ("{ \"version\": \"2.1.0\", \"runs\": [", "line 1 column"),
        ("{ \"version\": \"2.0.0\", \"runs\": [] }", "it is of version 2.0.0"),
        ("{ \"runs\": [] }", "it has no `version`"),
        (
            "{ \"version\": \"2.1.0\", \"runs\": [{ \"tool\": { \"driver\": { \"name\": \"\" } } }] }",
            "has no name",
        ),
        ("{ \"version\": \"2.1.0\", \"runs\": 3 }", "line 1 column"),
        (deep.as_str(), "it is no SARIF"),
    ] {
        let folder = tree(&[]);
        let why = analyzed(folder.path(), text.as_bytes(), Format::Sarif).expect_err(text);
        assert!(why.contains(words), "{text}: {why}");
    }
    for (text, format, words) in [
        ("{}", Format::Eslint, "it is no JSON of ESLint"),
        ("nothing\n", Format::Cargo, "no build was finished"),
        ("{\"reason\": 3}\n", Format::Cargo, "line 1 is no message of cargo"),
    ] {
        let folder = tree(&[]);
        let why = analyzed(folder.path(), text.as_bytes(), format).expect_err(text);
        assert!(why.contains(words), "{text}: {why}");
    }
}

#[test]
fn what_the_tool_could_not_do_is_told() {
    let folder = tree(&[("app.py", APP)]);
    let told = |invocations: Value, results: Value| {
        let mut report = sarif(results);
        report["runs"][0]["invocations"] = invocations;
        analyzed(folder.path(), report.to_string().as_bytes(), Format::Sarif)
            .expect("it can be read")
            .troubles
    };
    let note = |level: &str| {
        json!([{ "executionSuccessful": true, "toolExecutionNotifications": [
        { "level": level, "message": { "text": "app.py: syntax error" } }] }])
    };
    assert_eq!(told(note("error"), json!([])), ["lint: app.py: syntax error"]);
    assert_eq!(told(note("warning"), json!([])), ["lint: app.py: syntax error"]);
    assert!(told(note("note"), json!([])).is_empty());
    assert_eq!(
        told(json!([{ "executionSuccessful": false }]), json!([])),
        ["lint: the report says that it was not successful"]
    );
    assert_eq!(told(json!([]), Value::Null), ["lint: the report has no results, not even none"]);
}

#[test]
fn cargo_s_messages_are_read_with_what_rustc_is_sure_of() {
    let text = "fn main() {\n    return;\n}\n";
    let folder = tree(&[("src/main.rs", text)]);
    let span = |replacement: Value| {
        json!({ "file_name": "src/main.rs", "byte_start": 16, "byte_end": 23, "is_primary": true,
        "suggested_replacement": replacement, "suggestion_applicability": "MachineApplicable" })
    };
    let message = json!({ "reason": "compiler-message", "message": { "message": "unneeded `return`", "level": "warning",
        "code": { "code": "clippy::needless_return" }, "spans": [span(Value::Null)],
        "children": [{ "message": "remove it", "spans": [span(json!(""))] }] } });
    let summary = json!({ "reason": "compiler-message", "message": { "message": "1 warning", "level": "warning", "code": null, "spans": [] } });
    let ended = |success: bool| json!({ "reason": "build-finished", "success": success });
    let report = format!("{message}\n{message}\n{summary}\n{}\n", ended(true));
    let analyzed = analyzed(folder.path(), report.as_bytes(), Format::Cargo).expect("it can be read");
    assert_eq!(analyzed.findings.len(), 1, "several targets say it, and it is there once");
    let analysis = analyzed.findings[0].analysis().expect("an analyzer found it");
    assert_eq!((analysis.tool.as_str(), analysis.rule.as_str()), ("clippy", "clippy::needless_return"));
    assert_eq!(analysis.fix.as_ref().map(|fix| fix.files[0].edits[0].start), Some(16));
    let failed = self::analyzed(folder.path(), ended(false).to_string().as_bytes(), Format::Cargo)
        .expect("it can be read");
    assert_eq!(failed.troubles.len(), 1);
}

/// Changes bytes of a report that has something of everything.
fn sample() -> String {
    let fix = json!([{ "artifactChanges": [{ "artifactLocation": { "uri": "app.py" }, "replacements": [
        { "deletedRegion": { "startLine": 4, "startColumn": 15, "endColumn": 19 }, "insertedContent": { "text": "x" } } ] }] }]);
    let mut report = sarif(json!([
        with(with(result("R1", 4), "fixes", fix), "partialFingerprints", json!({ "a": "b" })),
        result("R2", 1)
    ]));
    report["runs"][0]["originalUriBaseIds"] =
        json!({ "ROOT": { "uri": "file:///srv/app/" }, "IN": { "uriBaseId": "IN" } });
    report["runs"][0]["artifacts"] = json!([{ "location": { "uri": "app.py", "uriBaseId": "IN" } }]);
    report.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_report_makes_it_panic_or_reach_outside(cuts in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6), noise in any::<Vec<u8>>()) {
        let folder = tree(&[("app.py", APP)]);
        let mut bytes = sample().into_bytes();
        for (at, byte) in cuts {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        for format in [Format::Sarif, Format::Eslint, Format::Cargo] {
            for bytes in [&bytes, &noise] {
                if let Ok(analyzed) = analyzed(folder.path(), bytes, format) {
                    for finding in &analyzed.findings {
                        prop_assert_eq!(finding.location.path.as_str(), "app.py");
                        let files = finding.analysis().and_then(|analysis| analysis.fix.as_ref()).map(|fix| &fix.files);
                        for edit in files.into_iter().flatten().flat_map(|file| &file.edits) {
                            prop_assert!(APP.get(edit.start as usize..edit.end as usize).is_some());
                        }
                    }
                }
            }
        }
    }
}

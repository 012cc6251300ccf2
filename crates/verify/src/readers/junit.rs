//! Reads JUnit XML, as Surefire, Gradle, pytest, nextest, jest-junit, vitest and node write it.
//!
//! There is no one format. Common to all: `testcase` in `testsuite`, with `failure` or `error` in it where it failed and
//! `skipped` where it was left out. Entities that a document defines itself are not read.

use roxmltree::{Document, Node, ParsingOptions};

use crate::table::{Ended, Rows, Table};

/// Elements, texts and attributes of one report.
const MAX_NODES: u32 = 4_000_000;
/// Suites in suites in suites.
const MAX_DEPTH: usize = 32;
/// Bytes of one failed test's own words that are looked at.
const MAX_SAID_BYTES: usize = 16 * 1024;

/// All reports of one run together.
pub(crate) fn read<'a>(reports: impl IntoIterator<Item = &'a str>) -> Result<Table, String> {
    let mut rows = Rows::new(true);
    for report in reports {
        read_one(report, &mut rows)?;
    }
    Ok(rows.finish())
}

fn read_one(report: &str, rows: &mut Rows) -> Result<(), String> {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let report = report.trim_start_matches('\u{feff}').trim_start();
    let document = Document::parse_with_options(report, options)
        .map_err(|error| format!("this is no JUnit XML: {error}"))?;
    let root = document.root_element();
    if !matches!(root.tag_name().name(), "testsuites" | "testsuite") {
        return Err(format!("this is no JUnit XML: it begins with `{}`", root.tag_name().name()));
    }
    for case in root.descendants().filter(|node| node.has_tag_name("testcase")) {
        let Some(name) = case.attribute("name") else { continue };
        let (ended, said) = ended(case);
        rows.add(&program(case), name, ended, &said);
    }
    // A suite that could not be set up says so beside its cases.
    let suites = root.descendants().filter(|node| node.has_tag_name("testsuite"));
    for suite in suites.filter(|suite| child(*suite, &["error", "failure"]).is_some()) {
        rows.fail_program(suite.attribute("name").unwrap_or("a suite"));
    }
    Ok(())
}

/// The suites around it and its class, each named once.
fn program(case: Node<'_, '_>) -> String {
    let suites = case.ancestors().skip(1).take(MAX_DEPTH).filter(|node| node.has_tag_name("testsuite"));
    let mut names: Vec<&str> = suites.filter_map(|suite| suite.attribute("name")).collect();
    names.reverse();
    names.extend(case.attribute("classname"));
    names.retain(|name| !name.is_empty());
    names.dedup();
    names.join(" > ")
}

fn ended(case: Node<'_, '_>) -> (Ended, String) {
    if let Some(failure) = child(case, &["failure", "error"]) {
        return (Ended::Failed, said(failure));
    }
    let left_out = matches!(case.attribute("status"), Some("notrun" | "skipped" | "disabled"));
    match left_out || child(case, &["skipped"]).is_some() {
        true => (Ended::Ignored, String::new()),
        false => (Ended::Passed, String::new()),
    }
}

fn said(failure: Node<'_, '_>) -> String {
    let message = failure.attribute("message").unwrap_or_default();
    let texts = failure.descendants().filter_map(|node| node.text().filter(|_| node.is_text()));
    let mut said = message.to_owned();
    for text in texts.take_while({
        let mut bytes = 0;
        move |text| {
            bytes += text.len();
            bytes < MAX_SAID_BYTES * 2
        }
    }) {
        said.push('\n');
        said.push_str(text);
    }
    said
}

fn child<'a, 'input>(node: Node<'a, 'input>, names: &[&str]) -> Option<Node<'a, 'input>> {
    node.children().find(|child| names.contains(&child.tag_name().name()))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[track_caller]
    fn check(report: &str, expected: &[&str]) {
        let table = read([report]).unwrap_or_else(|error| panic!("{error}"));
        let lines: Vec<String> =
            table.tests.iter().map(|(key, ended)| format!("{} {ended:?}", key.text())).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn each_tool_writes_it_in_its_own_way() {
        let surefire = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" name="org.x.StoreTest" tests="3" errors="1" skipped="1">
  <properties><property name="a" value="b"/></properties>
  <testcase name="keeps" classname="org.x.StoreTest" time="0.01"/>
  <testcase name="later" classname="org.x.StoreTest"><skipped message="not yet"/></testcase>
  <testcase name="adds" classname="org.x.StoreTest"><error message="boom" type="E"><![CDATA[at org.x]]></error></testcase>
  <testcase name="odd" classname="org.x.StoreTest"><flakyFailure message="once"/></testcase>
</testsuite>"#;
        let expected = [
            "adds (org.x.StoreTest) Failed",
            "keeps (org.x.StoreTest) Passed",
            "later (org.x.StoreTest) Ignored",
            "odd (org.x.StoreTest) Passed",
        ];
        check(surefire, &expected);
        let pytest = r#"<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest">
<testcase classname="test_a" name="test_p[a b]" time="0.0" /><testcase classname="test_a" name="test_xf"><skipped type="pytest.xfail" message="" /></testcase>
<testcase classname="test_a" name="test_bad"><failure message="assert 1 == 2&#10;more">&gt; def</failure></testcase></testsuite></testsuites>"#;
        let expected = [
            "test_bad (pytest > test_a) Failed",
            "test_p[a b] (pytest > test_a) Passed",
            "test_xf (pytest > test_a) Ignored",
        ];
        check(pytest, &expected);
        let node = r#"<testsuites><testcase name="adds" classname="test"/>
<testsuite name="group"><testsuite name="inner"><testcase name="bad # hash" classname="test"><failure message="boom"/></testcase></testsuite></testsuite></testsuites>"#;
        check(node, &["bad # hash (group > inner > test) Failed", "adds (test) Passed"]);
        let gtest = r#"<testsuites><testsuite name="S"><testcase name="off" status="notrun" classname="S"/></testsuite></testsuites>"#;
        check(gtest, &["off (S) Ignored"]);
        let rerun = r#"<testsuite name="app"><testcase name="t"><failure message="a"/><rerunFailure message="b"/></testcase><testcase name="t"/></testsuite>"#;
        check(rerun, &["t (app) Failed", "t #2 (app) Passed"]);
    }

    #[test]
    fn what_failed_says_why_and_a_suite_may_fail_as_a_whole() {
        let report = r#"<testsuite name="app"><error message="set up"/><testcase name="t"><failure message="left">right</failure></testcase></testsuite>"#;
        let table = read([report]).unwrap();
        assert!(table.failed_programs.contains("app"));
        assert_eq!(table.said.values().next().unwrap(), "left\nright");
    }

    #[test]
    fn bombs_and_what_is_no_report_are_refused() {
        let bomb =
            "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><testsuite name=\"&b;\"/>";
        let many = format!("<testsuite>{}</testsuite>", "<a/>".repeat(4_000_001));
        for (report, words) in [
            (bomb, "DTD"),
            ("<html></html>", "begins with `html`"),
            ("<testsuite><testcase", "no JUnit XML"),
            ("", "no JUnit XML"),
            (&many, "no JUnit XML"),
        ] {
            let error = read([report]).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn deep_nesting_ends_well() {
        let depth = 50_000;
        let deep = format!("{}{}", "<testsuite name='x'>".repeat(depth), "</testsuite>".repeat(depth));
        let _ = read([deep.as_str()]);
    }
}

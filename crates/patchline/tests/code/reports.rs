//! Reports that were made elsewhere, analyzers that are small scripts, and fixes that must be refused.

use serde_json::{Value, json};

use crate::cargo_project::git;
use crate::project::{Project, check};

/// Finds `eval` and `exec` in `app.py`; its fix takes the words in `fix.sed` for what is to be done.
const LINT: &str = r#"
n=0; sep=""
printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"lint"}},"results":['
while IFS= read -r line; do
  n=$((n + 1))
  case "$line" in *lint-ok*) continue ;; esac
  for word in eval exec; do
    case "$line" in *"$word("*)
      printf '%s{"ruleId":"no-%s","level":"error","message":{"text":"%s runs code"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"app.py"},"region":{"startLine":%s}}}]}' "$sep" "$word" "$word" "$n"
      sep="," ;;
    esac
  done
done < app.py
printf ']}]}'
"#;

const ANALYZER: &str = "[[analyzer]]\nname = \"lint\"\ncommand = [\"sh\", \"lint.sh\"]\nfix = [\"sh\", \"fix.sh\", \"{files}\"]\n";

const APP: &str = "x = eval('1')\nprint(x)\n";

fn linted(fix: &str) -> Project {
    Project::new(ANALYZER, &[("lint.sh", LINT), ("fix.sh", fix), ("app.py", APP), ("other.py", "y = 1\n")])
}

fn report(fixes: Value) -> Value {
    json!({ "version": "2.1.0", "runs": [{ "tool": { "driver": { "name": "elsewhere" } }, "results": [{
        "ruleId": "no-eval", "level": "error", "message": { "text": "eval runs code" },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "app.py" },
            "region": { "startLine": 1, "startColumn": 5, "endColumn": 9 } } }],
        "fixes": fixes }] }] })
}

fn fix_of(text: &str) -> Value {
    json!([{ "artifactChanges": [{ "artifactLocation": { "uri": "app.py" }, "replacements": [
        { "deletedRegion": { "startLine": 1, "startColumn": 5, "endColumn": 9 }, "insertedContent": { "text": text } }] }] }])
}

#[test]
fn a_command_fixes_and_what_it_changes_elsewhere_is_put_back() {
    let project = linted("sed -i 's/eval/int/' \"$@\"\necho 'y = 2' > other.py\necho new > new.py\n");
    assert_eq!(project.found(&["--analyzers"]), ["no-eval app.py:1"]);
    let patch = project.fixed(&[], 0);
    assert_eq!(check(&patch, "re-scan").0, "passed", "{patch:#}");
    assert_eq!(git(&project.path(), &["diff", "--name-only", "main", "patchline/P-1"]), "app.py\n");
    let message = git(&project.path(), &["log", "-1", "--format=%B", "patchline/P-1"]);
    assert!(message.starts_with("Fix no-eval of lint in app.py\n"), "{message}");
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("were put back: `new.py`, `other.py`."), "{message}");
}

#[test]
fn a_fix_that_fixes_nothing_is_none() {
    let project = linted("sed -i 's/eval/eval /; s/eval /eval/; s/$/ #/' \"$@\"\n");
    let ran = project.run(&["fix"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("its fix was tried, and it is found all the same"), "{}", ran.err);
}

#[test]
fn a_fix_that_brings_another_finding_is_refused() {
    let project = linted("sed -i 's/eval/exec/' \"$@\"\n");
    let ran = project.run(&["fix"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    assert!(
        ran.err.contains("no other fix than the one that was refused") || ran.err.contains("no-exec"),
        "{}",
        ran.err
    );
    assert!(format!("{}{}", ran.out, ran.err).contains("no-exec"), "{}\n{}", ran.out, ran.err);
}

#[test]
fn a_comment_that_silences_the_rule_is_no_fix() {
    for comment in [
        "  # noqa: lint-ok",
        "  # nosemgrep lint-ok",
        "  // eslint-disable-line lint-ok",
        "  //nolint lint-ok",
    ] {
        let project = linted(&format!("sed -i '1s|$|{comment}|' \"$@\"\n"));
        let ran = project.run(&["fix"]);
        assert_eq!(ran.code, 1, "{comment}: {}\n{}", ran.out, ran.err);
        assert!(ran.out.contains("turns a warning off"), "{comment}: {}\n{}", ran.out, ran.err);
    }
}

#[test]
fn a_line_that_had_such_a_comment_before_may_keep_it() {
    let project = linted("sed -i 's/eval/int/' \"$@\"\n");
    project.write("app.py", "x = eval('1')  # noqa: E501\n");
    project.commit();
    assert_eq!(check(&project.fixed(&[], 0), "diff").0, "passed");
}

#[test]
fn a_report_from_elsewhere_is_fixed_and_nothing_can_look_again() {
    let project = Project::new("", &[("app.py", APP)]);
    let file = project.report(&report(fix_of("int")));
    assert_eq!(project.found(&["--sarif", &file]), ["no-eval app.py:1"]);
    let patch = project.fixed(&["--sarif", &file], 0);
    assert_eq!(project.file("patchline/P-1", "app.py"), APP.replace("eval", "int"));
    for name in ["before-after", "re-scan"] {
        assert_eq!(check(&patch, name).0, "skipped", "{patch:#}");
    }
    assert!(check(&patch, "re-scan").1.contains("nothing could look again"), "{patch:#}");
}

#[test]
fn what_is_wrong_with_a_report_is_said_before_anything_is_opened() {
    let project = Project::new("", &[("app.py", APP)]);
    let file = project.report(&json!({ "version": "2.1.0" }));
    for words in [["scan", "--sarif", &file], ["fix", "--sarif", &file]] {
        let ran = project.run(&words);
        assert_eq!(ran.code, 3, "{}", ran.err);
        assert!(ran.err.contains("report.sarif") && ran.err.contains("missing field `runs`"), "{}", ran.err);
    }
    let ran = project.run(&["scan", "--sarif", "/nowhere.sarif"]);
    assert!(ran.code == 3 && ran.err.contains("/nowhere.sarif"), "{}", ran.err);
}

#[test]
fn a_scan_tells_of_code_in_every_face_and_fails_on_it() {
    let project = linted("true\n");
    assert_eq!(project.run(&["scan", "--analyzers"]).code, 1);
    let ran = project.run(&["scan"]);
    assert!(ran.code == 0 && ran.err.contains("lint did not look at the code"), "{}", ran.err);
    for face in ["table", "json", "sarif", "cyclonedx", "spdx", "markdown"] {
        let ran = project.run(&["scan", "--analyzers", "--format", face]);
        assert!(ran.out.contains("no-eval") && ran.out.contains("app.py"), "{face}: {}", ran.out);
    }
    let sarif = project.run(&["scan", "--analyzers", "--format", "sarif"]).out;
    let again = project.report(&serde_json::from_str(&sarif).unwrap());
    let both = Project::new("", &[("app.py", APP)]);
    assert_eq!(both.found(&["--sarif", &again]), ["no-eval app.py:1"], "what it writes it reads");
}

#[test]
fn a_range_tells_what_it_brought_in() {
    let project = linted("true\n");
    project.write("app.py", &format!("import os\n{APP}\nexec('2')\n"));
    assert_eq!(
        project.found(&["--analyzers", "--changed", "HEAD"]),
        ["no-exec app.py:5"],
        "also before it is committed"
    );
    project.commit();
    assert_eq!(project.found(&["--analyzers", "--changed", "HEAD~1..HEAD"]), ["no-exec app.py:5"]);
    assert_eq!(project.found(&["--analyzers", "--changed", "HEAD"]), Vec::<String>::new());
    let file = project.report(&report(json!([])));
    assert_eq!(project.found(&["--sarif", &file, "--changed", "HEAD"]), Vec::<String>::new());
}

#[test]
fn an_analyzer_that_does_not_answer_is_no_all_clear() {
    for (script, words) in [
        ("echo oops >&2; exit 2\n", "oops"),
        ("kill -9 $$\n", "killed by signal 9"),
        ("echo '{}'\n", "missing field `runs`"),
    ] {
        let project = linted("true\n");
        project.write("lint.sh", script);
        project.commit();
        for command in [&["scan", "--analyzers"] as &[&str], &["fix"]] {
            let ran = project.run(command);
            assert_eq!(ran.code, 3, "{script}: {}\n{}", ran.out, ran.err);
            assert!(ran.err.contains("`lint`") && ran.err.contains(words), "{script}: {}", ran.err);
        }
    }
}

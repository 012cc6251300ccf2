//! Several patches of one run: one for each priority, and of steps that break the tests together those that hold.

use serde_json::Value;

use crate::cargo_project::git;
use crate::project::{Project, check};
use crate::run::json;

/// Finds `eval`, which is an error, and `exec`, a warning, in each Python file.
const LINT: &str = r#"
sep=""
printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"lint"}},"results":['
for file in *.py; do
  for word in eval exec; do
    level=error; [ $word = exec ] && level=warning
    grep -q "$word(" "$file" || continue
    printf '%s{"ruleId":"no-%s","level":"%s","message":{"text":"%s runs code"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"%s"},"region":{"startLine":1}}}]}' "$sep" $word $level $word "$file"
    sep=","
  done
done
printf ']}]}'
"#;

const SETTINGS: &str = "[test]\ncommand = [\"sh\", \"test.sh\"]\n\n[[analyzer]]\nname = \"lint\"\ncommand = [\"sh\", \"lint.sh\"]\nfix = [\"sh\", \"fix.sh\", \"{files}\"]\n";

fn linted(files: &[(&str, &str)], test: &str) -> Project {
    let fix = "sed -i 's/eval/int/; s/exec/str/' \"$@\"\n";
    let own = [("lint.sh", LINT), ("fix.sh", fix), ("test.sh", test)];
    Project::new(SETTINGS, &own.iter().chain(files).copied().collect::<Vec<_>>())
}

#[track_caller]
fn patches(project: &Project, words: &[&str], code: i32) -> Vec<Value> {
    let all: Vec<&str> = ["fix", "--format", "json"].iter().chain(words).copied().collect();
    let ran = project.run(&all);
    assert_eq!(ran.code, code, "{}\n{}", ran.out, ran.err);
    json(&ran)["patches"].as_array().unwrap().clone()
}

fn branches(project: &Project) -> String {
    git(&project.path(), &["for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads/patchline"])
}

#[test]
fn each_priority_is_a_patch_with_a_branch_of_its_own_and_a_second_run_changes_nothing() {
    let project = linted(&[("late.py", "exec('1')\n"), ("soon.py", "eval('1')\n")], "exit 0\n");
    let first = patches(&project, &[], 0);
    let told: Vec<(&str, &str)> = first
        .iter()
        .map(|one| (one["branch"].as_str().unwrap(), one["findings"][0]["advisory"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("patchline/P-1", "no-eval"), ("patchline/P-2", "no-exec")]);
    let changed = |branch: &str| git(&project.path(), &["diff", "--name-only", "main", branch]);
    assert_eq!(
        (changed("patchline/P-1").as_str(), changed("patchline/P-2").as_str()),
        ("soon.py\n", "late.py\n")
    );
    let before = branches(&project);
    let second = patches(&project, &[], 0);
    assert_eq!(second, first);
    assert_eq!(branches(&project), before);

    let planned = patches(&project, &["--dry-run"], 0);
    assert_eq!(planned.len(), 2, "{planned:?}");
    let one = patches(&project, &["--one-patch"], 0);
    assert_eq!((one.len(), one[0]["diff"]["files"].as_u64()), (1, Some(2)), "{one:?}");
}

#[test]
fn each_owner_that_the_commit_names_gets_a_patch_and_a_line_that_cannot_be_read_is_a_warning() {
    let owners = "* @all\n/a.py @a @b # both\n/c.py\n!a.py @c\n";
    let [a, b, c] = ["a.py", "b.py", "c.py"].map(|name| (name, "eval('1')\n"));
    let project =
        linted(&[a, b, c, (".github/CODEOWNERS", owners), ("CODEOWNERS", "* @nobody\n")], "exit 0\n");
    // What is not committed does not count.
    project.write(".github/CODEOWNERS", "* @elsewhere\n");
    let ran = project.run(&["fix"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(ran.err.contains(".github/CODEOWNERS:4 is left out: `!`"), "{}", ran.err);
    let settings = std::fs::read_to_string(project.path().join("patchline.toml")).unwrap();
    project.write("patchline.toml", &format!("{settings}\n[fix]\ntemplate = \"pull.md\"\n"));
    project.write("pull.md", "{{owner}}\n");
    for (id, owner, file) in
        [("P-1", "@a @b", "a.py"), ("P-2", "@all", "b.py"), ("P-3", "team-small", "c.py")]
    {
        assert!(ran.out.contains(&format!("{id}  schedule, {owner}: 1 of the findings")), "{}", ran.out);
        let changed = git(&project.path(), &["diff", "--name-only", "main", &format!("patchline/{id}")]);
        assert_eq!(changed, format!("{file}\n"));
    }
    let story = project.told(&["explain", "P-1"], 0).out;
    assert!(story.contains("`.github/CODEOWNERS:2` names its owner, @a @b."), "{story}");
    assert_eq!(project.told(&["pr", "P-3"], 0).out, "team-small\n");
}

#[test]
fn a_step_that_breaks_the_tests_is_left_by_name_and_the_others_are_a_proven_patch() {
    let files = ["a.py", "b.py", "c.py", "d.py"].map(|name| (name, "eval('1')\n"));
    let project = linted(&files, "! grep -q int c.py\n");
    let told = patches(&project, &[], 0);
    let patch = &told[0];
    assert_eq!((told.len(), patch["outcome"].as_str()), (1, Some("handed_over")), "{patch:#}");
    assert_eq!(check(patch, "suite").0, "passed", "{patch:#}");
    let changed = git(&project.path(), &["diff", "--name-only", "main", "patchline/P-1"]);
    assert_eq!(changed, "a.py\nb.py\nd.py\n");
    let left = patch["unfixable"].as_array().unwrap();
    let (id, why) = (left[0]["id"].as_str().unwrap(), left[0]["why"].to_string());
    assert!(left.len() == 1 && id.contains("c.py") && why.contains("suite"), "{left:#?}");
    assert_eq!(branches(&project).lines().count(), 1, "parts leave no branches");
}

#[test]
fn where_one_patch_comes_to_nothing_the_other_one_stands_and_the_exit_code_says_so() {
    let project =
        linted(&[("late.py", "exec('1')\n"), ("soon.py", "eval('1')\n")], "! grep -q int soon.py\n");
    let told = patches(&project, &[], 1);
    let outcomes: Vec<&str> = told.iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["abandoned", "handed_over"]);
    let ran = project.run(&["fix"]);
    assert!(ran.err.contains("P-") && ran.out.contains("branch  patchline/P-2"), "{}\n{}", ran.out, ran.err);
}

#[test]
fn the_text_of_a_pull_request_is_printed_and_a_wrong_placeholder_is_named() {
    let project = linted(&[("soon.py", "eval('1')\n")], "exit 0\n");
    patches(&project, &[], 0);
    let text = project.told(&["pr", "P-1"], 0);
    assert!(
        text.out.starts_with("P-1 removes 1 finding from small; it is built and proven."),
        "{}",
        text.out
    );
    for part in
        ["## What was wrong", "no-eval", "## How it was proven", "**suite** passed", "Patchline-Patch: P-1"]
    {
        assert!(text.out.contains(part), "{part}: {}", text.out);
    }
    let of_json = project.told(&["pr", "P-1", "--format", "json"], 0);
    assert_eq!(json(&of_json)["branch"], "patchline/P-1");

    let settings = std::fs::read_to_string(project.path().join("patchline.toml")).unwrap();
    project.write("patchline.toml", &format!("{settings}\n[fix]\ntemplate = \"pull.md\"\n"));
    project.write("pull.md", "for {{owner}}\n\n{{risks}}\n");
    let wrong = project.told(&["pr", "P-1"], 3);
    assert!(wrong.err.contains("pull.md:3: `{{risks}}` is no placeholder"), "{}", wrong.err);
    project.write("pull.md", "for {{owner}}\n");
    assert_eq!(project.told(&["pr", "P-1"], 0).out, "for team-small\n");
    assert!(project.told(&["pr", "P-9"], 7).err.contains("P-9 does not exist"));
}

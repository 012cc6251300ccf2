//! Patches after which others miss something, held against what their version says: by commands, and by `cargo semver-checks`.

use patchline_model::stage::verify::CheckResult::{self, Failed, Passed, Skipped, Warned};
use patchline_model::verification::Api;

use crate::project::{Project, is_here};

/// A list of what others use, and a version.
fn project(before: &str, after: &str, version: &str) -> Project {
    let manifest = |version: &str| format!("{{ \"name\": \"words\", \"version\": \"{version}\" }}\n");
    let project = Project::fixed().with("api", before).patched("api", after);
    project.with("package.json", &manifest("1.2.3")).patched("package.json", &manifest(version))
}

fn asked(project: Project, command: &[&str]) -> Project {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    project.set(|case| case.service.verification.api = Some(Api { command }))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_miss_is_refused_where_the_version_says_that_nothing_breaks() {
    const LISTS: &[&str] = &["cat", "api"];
    const COMPARES: &[&str] = &["sh", "-c", "! grep -vxFf \"$1/api\" \"$0/api\"", "{base}", "{patch}"];
    let rows: [(&str, &str, &str, CheckResult, &str); 5] = [
        ("nothing", "a\nb\nc\n", "1.2.4", Passed, "everything that others use of the base is there"),
        (
            "a patch",
            "a\n",
            "1.2.4",
            Failed,
            "from 1.2.3 to 1.2.4 says that nothing breaks, and 1 thing gone or changed: `b`; keep it, or make it 2.0.0",
        ),
        ("a minor", "a\n", "1.3.0", Failed, "says that nothing breaks"),
        ("a major", "a\n", "2.0.0", Passed, "`b`, as the step from 1.2.3 to 2.0.0 says"),
        ("no step", "a\n", "1.2.3", Warned, "the version stays at 1.2.3, so nothing is promised"),
    ];
    for (what, after, version, result, words) in rows {
        for command in [LISTS, COMPARES] {
            let project = asked(project("a\nb\n", after, version), command);
            project.check(what, "api-compatibility", result, words).await;
        }
    }
    let broken = |command: &[&str]| asked(project("a\n", "a\n", "1.2.4"), command);
    for (what, command, result, words) in [
        (
            "no list of the base",
            &["sh", "-c", "echo no such tool >&2; exit 3"][..],
            Skipped,
            "the base's API is not known: exit code 3: no such tool",
        ),
        ("an empty one", &["true"], Skipped, "the command lists nothing"),
        (
            "none of the patch",
            &["sh", "-c", "cat api; grep -q 1.2.3 package.json"],
            Failed,
            "though the base's is: exit code 1",
        ),
        (
            "no comparison",
            &["sh", "-c", "exit 2", "{base}"],
            Warned,
            "both sides can't be compared: exit code 2",
        ),
    ] {
        broken(command).check(what, "api-compatibility", result, words).await;
    }
    let quiet = Project::fixed();
    quiet.check("no command", "api-compatibility", Skipped, "name a `command` in `[verify.api]`").await;
    let words = asked(Project::new().patched("README.md", "# More words\n"), LISTS);
    words.check("words alone", "api-compatibility", Skipped, "changes nothing that others could use").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_of_rust_is_looked_at_by_its_own_tool() {
    if !is_here("cargo-semver-checks", &["semver-checks", "--version"]) {
        return;
    }
    let manifest = |version: &str| {
        format!("[package]\nname = \"tiny\"\nversion = \"{version}\"\nedition = \"2024\"\n[workspace]\n")
    };
    let library = |after: &str| {
        let project = Project::fixed().with("src/lib.rs", "pub fn half() {}\npub fn third() {}\n");
        let project = project.patched("src/lib.rs", after).with("Cargo.toml", &manifest("0.1.0"));
        project.patched("Cargo.toml", &manifest("0.1.1"))
    };
    let missing = library("pub fn half() {}\n");
    missing.check("one is gone", "api-compatibility", Failed, "function tiny::third").await;
    let more = library("pub fn half() {}\npub fn third() {}\npub fn quarter() {}\n");
    more.check("one more", "api-compatibility", Passed, "everything that others use").await;
}

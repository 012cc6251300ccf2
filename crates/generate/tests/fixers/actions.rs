//! The fixer of actions, with repositories under git in the server's place.

use std::fs;
use std::path::Path;
use std::process::Command;

use patchline_generate::{ActionsFixer, Fixer as _};
use patchline_sandbox::Sandbox;
use tempfile::TempDir;

use crate::scene::{Bad, Scene, candidate, moves, no_fix};

/// Repositories by `owner/name`, each with tags in this order, every one of a commit of its own; those with a `!` are annotated.
struct Forge(TempDir);

impl Forge {
    fn of(repositories: &[(&str, &[&str])]) -> Self {
        let forge = Self(tempfile::tempdir().unwrap());
        for (name, tags) in repositories {
            let folder = forge.0.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            git(&folder, &["init", "--quiet", "--initial-branch=main"]);
            for tag in *tags {
                git(&folder, &["commit", "--quiet", "--allow-empty", "-m", tag]);
                match tag.strip_suffix('!') {
                    Some(tag) => git(&folder, &["tag", "-a", "-m", "released", tag]),
                    None => git(&folder, &["tag", tag]),
                };
            }
        }
        forge
    }

    fn fixer(&self) -> ActionsFixer {
        ActionsFixer::with(Sandbox::probe(), Some(format!("file://{}", self.0.path().display())))
    }

    fn commit(&self, name: &str, tag: &str) -> String {
        git(&self.0.path().join(name), &["rev-parse", &format!("{tag}^{{commit}}")])
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.org"]).args(arguments);
    let output = command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

const CI: &str = ".github/workflows/ci.yml";

#[tokio::test]
async fn every_file_with_the_finding_gets_the_lowest_good_tag_in_its_own_style() {
    let forge = Forge::of(&[("x/get", &["v4.1.2", "v4.1.3", "v4.1.7!", "v4.2.0", "v5.0.0"])]);
    let [old, new] = ["v4.1.2", "v4.1.7"].map(|tag| forge.commit("x/get", tag));
    let workflow = format!(
        "on:   push # as ever\r\njobs:\r\n  a:\r\n    steps:\r\n      - uses: x/get@v4.1.2\r\n      - uses: 'x/get/deep@{old}'   # v4.1.2: keep\r\n      \
         - uses: x/other@v4.1.2\r\n      - run: |\r\n          uses: x/get@v4.1.2\r\n"
    );
    let action = "runs:\n  steps:\n  - {name: x}\n  - uses: x/get@v4.1.2\n";
    let scene = Scene::of(&[(CI, &workflow), ("tools/a/action.yml", action), ("other.yml", action)]);
    let bad = Bad::of(&[("x/get", "4.1.2"), ("x/get", "4.1.3")]);
    let request = scene.request("GitHub Actions", CI, &[("x/get", "4.1.2")], &bad);
    let made = candidate(&forge.fixer(), &request).await;
    assert_eq!(moves(&made), ["x/get 4.1.2 -> 4.1.7"]);
    assert_eq!(made.files, [CI, "tools/a/action.yml"]);
    assert_eq!(made.title, "Update x/get from 4.1.2 to 4.1.7 (X-x/get)");
    let expected = workflow
        .replace("- uses: x/get@v4.1.2", "- uses: x/get@v4.1.7")
        .replace(&format!("{old}'   # v4.1.2"), &format!("{new}'   # v4.1.7"));
    assert_eq!(scene.show(made.commit.as_str(), CI), expected.trim_end().to_owned() + "\n");
    assert_eq!(scene.show(made.commit.as_str(), "tools/a/action.yml"), action.replace("v4.1.2", "v4.1.7"));
    scene.assert_untouched();
    assert_eq!(
        candidate(&forge.fixer(), &request).await.commit,
        made.commit,
        "asked again it answers the same"
    );
}

#[tokio::test]
async fn what_advisories_call_fixed_is_the_least_that_will_do() {
    let forge = Forge::of(&[("x/get", &["v1.0.0", "v1.1.0", "v2.0.0"])]);
    let scene = Scene::of(&[("action.yaml", "uses: x/get@v1.0.0\n")]);
    let mut request = scene.request("GitHub Actions", "action.yaml", &[("x/get", "1.0.0")], &Bad::default());
    request.findings[0].fixed = vec!["0.9.1".to_owned(), "v2.0.0".to_owned()];
    let made = candidate(&forge.fixer(), &request).await;
    assert_eq!(moves(&made), ["x/get 1.0.0 -> 2.0.0"]);
    assert!(made.rationale.contains("a major upgrade"), "{}", made.rationale);
    request.findings[0].fixed.clear();
    assert_eq!(no_fix(&forge.fixer(), &request).await, ["`x/get` has no version in which X-x/get is fixed"]);
}

#[tokio::test]
async fn what_can_not_be_fixed_is_left_with_the_reason() {
    let forge = Forge::of(&[("x/get", &["v1.0.0", "v1.1.0"]), ("x/lie", &["v1.0.0", "v1.1.0"])]);
    let lie = forge.commit("x/lie", "v1.1.0");
    let text = format!("uses: x/get@v1.0.0\nuses: x/lie@{lie} # v1.0.0\nuses: x/gone@v1.0.0\n");
    let scene = Scene::of(&[("action.yml", &text)]);
    let bad = Bad::of(&[("x/get", "1.0.0"), ("x/get", "1.1.0"), ("x/lie", "1.0.0"), ("x/gone", "1.0.0")]);
    let installed = [("x/get", "1.0.0"), ("x/lie", "1.0.0"), ("x/gone", "1.0.0")];
    let request = scene.request("GitHub Actions", "action.yml", &installed, &bad);
    let why = no_fix(&forge.fixer(), &request).await;
    assert_eq!(why[0], "no tag of `x/get` above 1.0.0 is free of known problems");
    assert!(why[1].starts_with("git can't list the tags of `x/gone` at file://"), "{}", why[1]);
    assert!(why[2].contains("which is not v1.0.0 as its comment says"), "{}", why[2]);
    let nowhere = ActionsFixer::with(Sandbox::probe(), None);
    let why = no_fix(&nowhere, &request).await;
    assert!(why[0].contains("set `GITHUB_SERVER_URL`"), "{}", why[0]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_an_error_that_may_pass() {
    let scene = Scene::of(&[("action.yml", "uses: x/get@v1.0.0\n")]);
    let bad = Bad::of(&[("x/get", "1.0.0")]);
    let request = scene.request("GitHub Actions", "action.yml", &[("x/get", "1.0.0")], &bad);
    // Nobody listens at the port that the system gave away and took back. Where the service was cloned from, there are its actions.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    scene.git(&["remote", "add", "origin", &format!("http://{closed}/a/b.git")]);
    let failure =
        ActionsFixer::with(Sandbox::probe(), None).propose(&request).await.expect_err("nobody answers");
    assert!(
        failure.message.contains(&format!("could not ask http://{closed} for the tags of `x/get`")),
        "{}",
        failure.message
    );
}

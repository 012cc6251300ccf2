//! From a report through a service's agents to a proven branch, by the real binary: programs and a model, of which the first may be
//! wrong, the second right, and none sees or keeps a secret.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // This is a test: it may stop, and it says what it skips.

#[path = "binary/cargo_project.rs"]
#[expect(dead_code, reason = "no cargo project is made here")]
mod cargo_project;
#[path = "binary/run.rs"]
mod run;
#[path = "../../generate/tests/agents/server.rs"]
#[expect(dead_code, reason = "no server falls silent here")]
mod server;

use std::fs;
use std::path::{Path, PathBuf};

use patchline_evidence::{Envelope, SigningKey};
use patchline_sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;

use crate::cargo_project::git;
use crate::run::{Ran, check, json, patchline, text};
use crate::server::{Reply, Server, says};

const SETTINGS: &str = "[service]
name = \"small\"
owner = \"team-small\"
tier = 3

[build]
command = [\"cp\", \"app.sh\", \"app\"]
artifact = \"app\"

[test]
command = [\"sh\", \"tests/suite.sh\"]
format = \"tap\"
";

/// Half of a number, and one too many.
const BUG: &str = "echo $(( $1 / 2 + 1 ))\n";
const FIXED: &str = "echo $(( $1 / 2 ))\n";
const MENDS: &str = "sed -i 's, + 1,,' app.sh";

const SUITE: &str = "echo 1..2
if test \"$(sh app.sh 4)\" = 2; then echo ok 1 - halves; else echo not ok 1 - halves; echo '# it is not two'; fi
if sh app.sh 8 > /dev/null; then echo ok 2 - ends; else echo not ok 2 - ends; fi
";

const TESTS: &str = "import subprocess
import unittest


class Halves(unittest.TestCase):
    def test_four(self):
        self.assertEqual(subprocess.check_output([\"sh\", \"app.sh\", \"4\"]).strip(), b\"2\")
";

/// Exits with 1 where the problem is there.
const SHOW: &str = "test \"$(sh \"$1\" 4)\" = 2\n";

struct Project {
    folder: TempDir,
}

impl Project {
    /// With these agents, each a name and its keys.
    fn new(agents: &[(&str, String)]) -> Self {
        let project = Self { folder: TempDir::new().unwrap() };
        let agents: String =
            agents.iter().map(|(name, keys)| format!("\n[[agent]]\nname = \"{name}\"\n{keys}\n")).collect();
        for (path, text) in [
            ("patchline.toml", format!("{SETTINGS}{agents}").as_str()),
            ("app.sh", BUG),
            ("show.sh", SHOW),
            ("tests/suite.sh", SUITE),
            ("tests/test_app.py", TESTS),
        ] {
            let path = project.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        git(&project.path(), &["init", "--quiet", "--initial-branch=main"]);
        git(&project.path(), &["add", "--all"]);
        git(&project.path(), &["commit", "--quiet", "--message", "A small project"]);
        project
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Reports it with these further flags.
    #[track_caller]
    fn report(&self, more: &[&str], environment: &[(&str, &str)], code: i32, says: &[&str]) -> Ran {
        let (project, data) = (self.path(), self.data());
        let fixed = ["--data", text(&data), "report", text(&project), "--format", "json", "--by", "dana"];
        let mut command = patchline(&[&fixed, more].concat());
        check(command.envs(environment.iter().copied()), code, says)
    }

    /// What the signed statements of generations say of the agents.
    fn agents_in_evidence(&self) -> Vec<Value> {
        let key = SigningKey::load_or_create(&self.data().join("key.pem")).unwrap();
        let envelopes = files(&self.data().join("blobs"))
            .into_iter()
            .filter_map(|path| Envelope::from_bytes(&fs::read(path).unwrap()).ok())
            .filter_map(|envelope| envelope.verify_statement(&key.verifying_key()).ok());
        envelopes.filter_map(|statement| statement.predicate.get("agents").cloned()).collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut open, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path())
            } else {
                files.push(entry.path())
            }
        }
    }
    files
}

fn script(text: &str) -> String {
    format!("command = [\"sh\", \"-c\", \"{}\"]", text.replace('\\', "\\\\").replace('"', "\\\""))
}

const SAID: [&str; 4] = ["--title", "Half of four is three", "--reason", "it is not two"];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [&SAID, more].concat()
}

fn check_named<'a>(told: &'a Value, name: &str) -> &'a Value {
    told["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

#[test]
fn the_first_agent_is_refused_by_verification_and_the_second_wins() {
    if !Sandbox::probe().is_isolated() {
        println!("skipped: bubblewrap does not work here");
        return;
    }
    let project = Project::new(&[
        ("sly", script(&format!("{MENDS}; rm tests/test_app.py"))),
        ("wild", script(&format!("{MENDS}; echo 'Allow all.' > policy.rego"))),
        ("mender", script(&format!("grep -q 'it is not two' $PATCHLINE_TASK && {MENDS}"))),
    ]);
    let ran = project.report(&with(&["--reproducer", "sh", "show.sh", "{artifact}"]), &[], 0, &[]);
    let told = &json(&ran)["patches"][0];
    assert_eq!(
        (&told["outcome"], &told["branch"], &told["title"]),
        (&"handed_over".into(), &"patchline/P-1-2".into(), &"Fix: Half of four is three".into()),
        "{told}"
    );
    let refused = told["refused"][0]["why"].as_str().unwrap();
    assert!(refused.contains("diff: ") && refused.contains("test_app.py"), "{refused}");
    let shown = check_named(told, "before-after");
    assert_eq!(shown["verdict"], "passed", "{shown}");
    assert!(
        shown["summary"].as_str().unwrap().contains("shown on the base and gone with the patch"),
        "{shown}"
    );
    assert_eq!(git(&project.path(), &["show", "patchline/P-1-2:app.sh"]), FIXED);
    assert_eq!(git(&project.path(), &["worktree", "list"]).lines().count(), 1, "no worktree is left");
    assert_eq!(git(&project.path(), &["status", "--porcelain"]), "", "the checkout is as it was");

    let agents = project.agents_in_evidence();
    let of = |name: &str| {
        agents.iter().flat_map(|all| all.as_array().unwrap()).find(|one| one["name"] == name).unwrap().clone()
    };
    assert!(of("wild")["refused"].as_str().unwrap().contains("`policy.rego`"), "{agents:?}");
    assert!(of("sly")["commit"].is_string() && of("sly")["refused"].is_null());
    assert!(of("mender")["isolation"].as_str().unwrap().contains("network off"));
    assert!(of("mender")["prompt"].as_str().unwrap().starts_with("sha256:"));

    let explained = check(&mut patchline(&["--data", text(&project.data()), "explain", "P-1"]), 0, &[]);
    assert!(explained.out.contains("What fixes it is a change of the code."), "{}", explained.out);

    // The same report again is answered from the record.
    let ran = project.report(
        &with(&["--reproducer", "sh", "show.sh", "{artifact}"]),
        &[],
        0,
        &["answered this already"],
    );
    assert_eq!(json(&ran)["patches"][0]["id"], "P-1");
}

#[test]
fn a_model_fixes_what_a_failing_test_shows_and_its_key_is_kept_nowhere() {
    const KEY: &str = "sk-0123456789-of-nobody";
    let diff = format!("```diff\n--- a/app.sh\n+++ b/app.sh\n@@ -1 +1 @@\n-{BUG}+{FIXED}```\n");
    let server = Server::new(move |asked, number| match number {
        0 => Reply::Answer("503 Busy", asked.head.clone()),
        1 => says(&diff.replace("/ 2 + 1", "/ 3"), 400),
        _ => says(&diff, 400),
    });
    let keys = format!("endpoint = \"{}\"\nmodel = \"small-1\"\nkey_env = \"SMALL_KEY\"", server.url());
    let project = Project::new(&[("model", keys)]);
    let flags = with(&["--file", "app.sh", "--line", "1", "--test", "halves"]);
    let ran = project.report(&flags, &[("SMALL_KEY", KEY)], 0, &[]);
    let told = &json(&ran)["patches"][0];
    assert_eq!(
        (&told["outcome"], &told["branch"]),
        (&"handed_over".into(), &"patchline/P-1".into()),
        "{told}"
    );
    assert_eq!(check_named(told, "before-after")["verdict"], "passed", "{told}");
    assert_eq!(git(&project.path(), &["show", "patchline/P-1:app.sh"]), FIXED);
    let asked = server.asked();
    assert!(asked.len() == 3 && asked[0].head.contains(KEY), "the endpoint got the key: {}", asked.len());
    assert!(
        asked[1].body.contains("not ok 1 - halves"),
        "it was told what the suite says: {}",
        asked[1].body
    );
    assert!(asked[2].body.contains("patch failed: app.sh:1"), "{}", asked[2].body);
    let agents = project.agents_in_evidence();
    assert_eq!(
        (&agents[0][0]["model"], &agents[0][0]["tokens"]),
        (&"small-1".into(), &800.into()),
        "{agents:?}"
    );

    let holds = |bytes: &[u8]| bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
    assert!(!holds(ran.out.as_bytes()) && !holds(ran.err.as_bytes()));
    for path in [files(&project.data()), files(&project.path())].concat() {
        assert!(!holds(&fs::read(&path).unwrap()), "{} holds the key", path.display());
    }
}

/// Reports the bug as long as it is there.
const LOOK: &str = "if grep -q ' + 1' app.sh; then
  results='[{\"ruleId\":\"one-too-many\",\"level\":\"error\",\"message\":{\"text\":\"one too many\"},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":\"app.sh\"},\"region\":{\"startLine\":1}}}]}]'
else
  results='[]'
fi
echo '{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"looker\"}},\"results\":'\"$results\"'}]}'
";

#[test]
fn what_an_analyzer_finds_and_no_fixer_fixes_an_agent_may() {
    if !Sandbox::probe().is_isolated() {
        println!("skipped: bubblewrap does not work here");
        return;
    }
    let analyzer = "\n[[analyzer]]\nname = \"looker\"\ncommand = [\"sh\", \"look.sh\"]";
    let mender = format!("{}\n{analyzer}", script(MENDS));
    let project = Project::new(&[
        ("blind", script(&format!("{MENDS}; echo 'echo {{}}' > look.sh"))),
        ("mender", mender),
    ]);
    fs::write(project.path().join("look.sh"), LOOK).unwrap();
    git(&project.path(), &["add", "--all"]);
    git(&project.path(), &["commit", "--quiet", "--message", "Look"]);
    let (path, data) = (project.path(), project.data());
    let fix = ["--data", text(&data), "fix", text(&path), "--format", "json"];
    let ran = check(&mut patchline(&fix), 0, &[]);
    let told = &json(&ran)["patches"][0];
    assert_eq!(
        (&told["outcome"], &told["branch"]),
        (&"handed_over".into(), &"patchline/P-1".into()),
        "{told}"
    );
    assert_eq!(check_named(told, "before-after")["verdict"], "passed", "{told}");
    assert_eq!(git(&project.path(), &["show", "patchline/P-1:app.sh"]), FIXED);
    let agents = project.agents_in_evidence();
    let why = agents[0][0]["refused"].as_str().unwrap();
    assert!(why.contains("`look.sh`, by which the problem is shown"), "{agents:?}");
}

#[test]
fn a_report_that_nothing_shows_or_nobody_fixes_says_so() {
    let project = Project::new(&[("mender", script(MENDS))]);
    let unproven = ["could be proven", "has no reproducer, so nothing could show that a change removes it"];
    let ran = project.report(&SAID, &[], 1, &unproven);
    let findings = json(&ran)["patches"][0]["findings"].clone();
    assert_eq!(
        (&findings[0]["source"], findings.as_array().unwrap().len()),
        (&"report".into(), 1),
        "{findings}"
    );
    assert!(git(&project.path(), &["branch", "--list", "patchline/*"]).is_empty(), "nobody was asked");

    let nobody = Project::new(&[]);
    nobody.report(&with(&["--test", "halves"]), &[], 1, &["add an `[[agent]]`", "patchline fix --from"]);
}

#[test]
fn what_is_no_report_is_refused() {
    let project = Project::new(&[]);
    project.report(&["--title", "a\nb", "--reason", "c"], &[], 2, &["`--title` is one line", "--text"]);
    project.report(&["--title", "a", "--reason", " "], &[], 2, &["`--reason` is one line"]);
    project.report(&with(&["--file", "../x"]), &[], 3, &["`../x` is no file"]);
    project.report(
        &with(&["--file", "none.sh"]),
        &[],
        3,
        &["`none.sh` is no file", "only what is committed"],
    );
    project.report(&with(&["--line", "3"]), &[], 2, &["--file"]);
    project.report(&with(&["--text", "/nowhere/x"]), &[], 3, &["could not read `/nowhere/x`"]);
    project.report(&with(&["--rollout"]), &[], 3, &["no [run] and [rollout]"]);
    project.report(&with(&["--test", "a", "--reproducer", "b"]), &[], 2, &["cannot be used with"]);
    let large = project.folder.path().join("large");
    fs::write(&large, "x".repeat(70_000)).unwrap();
    project.report(
        &[&SAID, &["--text", text(&large)] as &[&str]].concat(),
        &[],
        3,
        &["more than 65536 bytes"],
    );
}

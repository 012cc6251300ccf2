//! Real builds: cargo, git and the sandbox, on tiny projects without dependencies.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands, also in its helpers")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchline_build::{Builder, Built, Made, Request, SandboxBuilder};
use patchline_model::failure::{Failure, FailureKind};
use patchline_model::service::{Build, CommandLine, Service};
use patchline_sandbox::sandbox::Sandbox;
use tempfile::TempDir;

const MANIFEST: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
const LOCK: &str = "version = 4\n\n[[package]]\nname = \"tiny\"\nversion = \"0.1.0\"\n";
const MAIN: &str =
    "fn main() {\n    println!(\"{}\", file!());\n    let _ = std::env::args().nth(9).unwrap();\n}\n";
const EPOCH_SECONDS: i64 = 1_700_000_000;

/// A repository with one commit, and a folder for builds.
struct World {
    folder: TempDir,
    request: Request,
}

impl World {
    fn new(files: &[(&str, &str)], build: Build) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("repository");
        let given = [("Cargo.toml", MANIFEST), ("Cargo.lock", LOCK), ("src/main.rs", MAIN)];
        for (name, text) in given.iter().chain(files) {
            let path = repository.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        git(&repository, &["add", "--all"]);
        git(&repository, &["commit", "--quiet", "--message=first"]);
        let commit = git(&repository, &["rev-parse", "HEAD"]).trim().parse().unwrap();
        let service = Service {
            name: "tiny".parse().unwrap(),
            owner: "team".to_owned(),
            tier: 4.try_into().unwrap(),
            repository: repository.display().to_string(),
            folder: String::new(),
            build,
            test: None,
            agents: Vec::new(),
            reproducers: Vec::new(),
            run: None,
            verification: Default::default(),
        };
        let work = folder.path().join("work");
        let request =
            Request { service, repository, commit, work, twice: true, epoch_seconds: EPOCH_SECONDS };
        Self { folder, request }
    }

    async fn build(&self) -> Result<Built, Failure> {
        SandboxBuilder::new(Sandbox::probe()).build(&self.request).await
    }

    async fn made(&self) -> Made {
        match self.build().await.unwrap() {
            Built::Artifact(made) => *made,
            Built::Broken { why, log } => panic!("{why}\n{log}"),
        }
    }

    async fn broken(&self) -> (String, String) {
        match self.build().await.unwrap() {
            Built::Broken { why, log } => (why, log),
            Built::Artifact(made) => panic!("{made:?}"),
        }
    }

    async fn failure(&self) -> Failure {
        self.build().await.expect_err("the world is to fail")
    }

    fn second_tree(&self) -> PathBuf {
        self.request.work.join(self.request.commit.as_str()).join("b")
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@example.org");
        command.env(format!("GIT_{role}_DATE"), format!("{EPOCH_SECONDS} +0000"));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn line(text: &str) -> CommandLine {
    CommandLine(text.split(' ').map(str::to_owned).collect())
}

fn cargo(artifact: &str) -> Build {
    Build { prepare: None, command: line("cargo build --locked --offline"), artifact: artifact.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_folders_give_the_same_bytes_and_a_finished_build_is_not_done_again() {
    let world = World::new(&[], cargo("target/debug/tiny"));
    let made = world.made().await;
    assert_eq!(made.second.as_ref(), Some(&made.digest), "{}", made.log);
    let bytes = fs::read(&made.artifact).unwrap();
    assert_eq!(bytes.len() as u64, made.bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(
        !text.contains(world.folder.path().to_str().unwrap()),
        "the folder's name is not in the artifact"
    );
    assert!(made.log.contains("both builds gave the same bytes"), "{}", made.log);
    assert!(made.toolchain.starts_with("rustc "), "{}", made.toolchain);
    let packages: Vec<&str> =
        made.listed.packages.iter().map(|installed| installed.package.name.as_str()).collect();
    assert_eq!((packages, made.listed.lockfiles.len()), (vec!["tiny"], 1));
    assert!(!world.second_tree().exists());

    assert_eq!(world.made().await, made, "the answer comes from what is there");

    fs::write(&made.artifact, "tampered with").unwrap();
    let again = world.made().await;
    assert_eq!(again.digest, made.digest);
    assert!(again.started_epoch_ms > made.finished_epoch_ms, "what changed is built anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_looks_at_its_folder_or_at_the_clock_is_seen_as_different() {
    let folder = r#"fn main() {
        println!("cargo::rustc-env=SEEN={}", std::env::var("CARGO_MANIFEST_DIR").unwrap());
    }"#;
    let clock = r#"fn main() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        println!("cargo::rustc-env=SEEN={}", now.as_nanos());
    }"#;
    for script in [folder, clock] {
        let main = "fn main() {\n    println!(\"{}\", env!(\"SEEN\"));\n}\n";
        let world = World::new(&[("build.rs", script), ("src/main.rs", main)], cargo("target/debug/tiny"));
        let made = world.made().await;
        assert!(made.second.as_ref().is_some_and(|second| *second != made.digest), "{}", made.log);
        assert!(made.log.contains("the builds differ"), "{}", made.log);
        assert!(world.second_tree().exists(), "the second tree is kept, to find out why");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_does_not_compile_is_broken_with_its_first_error() {
    let world =
        World::new(&[("src/main.rs", "fn main() {\n    let n: u8 = \"\";\n}\n")], cargo("target/debug/tiny"));
    let (why, log) = world.broken().await;
    assert!(why.starts_with("error[E0308]") && why.contains("--> src/main.rs:2:"), "{why}");
    assert!(log.contains("== build: cargo build"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lockfile_that_does_not_fit_breaks_the_commit_not_the_world() {
    let manifest = format!("{MANIFEST}[dependencies]\nother = {{ path = \"other\" }}\n");
    let other = "[package]\nname = \"other\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let files = [("Cargo.toml", manifest.as_str()), ("other/Cargo.toml", other), ("other/src/lib.rs", "")];
    let (why, _) = World::new(&files, cargo("target/debug/tiny")).broken().await;
    assert!(why.contains("--locked"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_artifact_is_told_with_what_is_there() {
    let (why, _) = World::new(&[], cargo("target/debug/other")).broken().await;
    assert!(why.contains("`target/debug/other` is not there; `target/debug` holds"), "{why}");
    assert!(why.contains("tiny"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_name_everything_that_was_made_is_listed() {
    let files = [("src/lib.rs", "pub fn one() -> u32 {\n    1\n}\n"), ("src/bin/more.rs", "fn main() {}\n")];
    let programs = World::new(&files, cargo(""));
    let made = programs.made().await;
    assert_eq!(made.name, "patchline-artifacts.json");
    assert_eq!(made.second.as_ref(), Some(&made.digest), "{}", made.log);
    let list = fs::read_to_string(&made.artifact).unwrap();
    assert!(list.contains("\"target/debug/more\"") && list.contains("\"target/debug/tiny\""), "{list}");

    let library = World::new(&[("src/lib.rs", "pub fn one() {}\n")], cargo(""));
    git(&library.request.repository, &["rm", "--quiet", "src/main.rs"]);
    git(&library.request.repository, &["commit", "--quiet", "--message=second"]);
    let commit = git(&library.request.repository, &["rev-parse", "HEAD"]).trim().parse().unwrap();
    let library = World { request: Request { commit, ..library.request.clone() }, ..library };
    let made = library.made().await;
    assert_eq!(made.second.as_ref(), Some(&made.digest), "{}", made.log);
    assert!(fs::read_to_string(&made.artifact).unwrap().contains("libtiny.rlib"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_that_the_project_sets_itself_are_kept() {
    let configuration = "[build]\nrustflags = [\"--cfg\", \"ours\"]\n";
    let main = "#[cfg(not(ours))]\ncompile_error!(\"the project's own flags are gone\");\nfn main() {}\n";
    let files = [(".cargo/config.toml", configuration), ("src/main.rs", main)];
    World::new(&files, cargo("target/debug/tiny")).made().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_another_kind_prepares_once_and_builds_twice() {
    let prepare = "date +%N > fetched\n";
    let build = "cat fetched > out\necho \"$SOURCE_DATE_EPOCH\" >> out\n";
    let files =
        [("prepare.sh", prepare), ("app/build.sh", "cd ..\nsh build.sh\nmv out app\n"), ("build.sh", build)];
    let words = ["sh", "-c", "cd ..; sh prepare.sh"];
    let commands = Build {
        prepare: Some(CommandLine(words.map(str::to_owned).to_vec())),
        command: line("sh build.sh"),
        artifact: "out".to_owned(),
    };
    let mut world = World::new(&files, commands);
    world.request.service.folder = "app".to_owned();
    let made = world.made().await;
    assert_eq!(made.second.as_ref(), Some(&made.digest), "what was fetched once is in both trees");
    assert!(fs::read_to_string(&made.artifact).unwrap().ends_with("1700000000\n"));
    world.request.twice = false;
    assert_eq!(world.made().await, made, "two builds answer for one");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_compiled_the_source_of_the_folder_is_the_artifact() {
    let files = [("app/main.py", "print(1)\n"), ("other/x", "x")];
    let source = Build { prepare: None, command: CommandLine(Vec::new()), artifact: String::new() };
    let mut world = World::new(&files, source);
    world.request.service.folder = "app".to_owned();
    let made = world.made().await;
    assert_eq!(made.second.as_ref(), Some(&made.digest));
    let output = Command::new("tar").arg("tf").arg(&made.artifact).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "app/\napp/main.py\n");
    fs::remove_dir_all(&world.request.work).unwrap();
    assert_eq!(world.made().await.digest, made.digest, "made again it is the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_world_is_told_apart_from_the_commit() {
    let command = |text: &str, artifact: &str| Build {
        prepare: None,
        command: line(text),
        artifact: artifact.to_owned(),
    };
    let check = async |build: Build, kind: FailureKind, words: &str| {
        let failure = World::new(&[], build).failure().await;
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert!(failure.hint.is_some(), "{failure}");
    };
    check(command("no-such-tool-here", "out"), FailureKind::Permanent, "could not find `no-such-tool-here`")
        .await;
    check(command("sh build.sh", ""), FailureKind::Permanent, "is not known").await;
    let mut offline = command("true", "Cargo.toml");
    let words = ["sh", "-c", "echo 'error: Could not resolve host' >&2; exit 101"];
    offline.prepare = Some(CommandLine(words.map(str::to_owned).to_vec()));
    check(offline, FailureKind::Transient, "could not be fetched").await;
    let killed = CommandLine(["sh", "-c", "kill -KILL $$"].map(str::to_owned).to_vec());
    let killed = Build { prepare: None, command: killed, artifact: "out".to_owned() };
    check(killed, FailureKind::Transient, "SIGKILL").await;

    let mut world = World::new(&[], cargo("target/debug/tiny"));
    world.request.service.folder = "../outside".to_owned();
    assert_eq!(world.failure().await.kind, FailureKind::Permanent);
    world.request.service.folder = String::new();
    world.request.commit = "0".repeat(40).parse().unwrap();
    assert!(world.failure().await.message.contains("could not"));
}

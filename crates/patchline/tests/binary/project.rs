//! A project that is rolled out in tests: a repository with a tiny service, its settings, and good and bad changes to
//! it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchline_model::digest::Commit;
use patchline_model::reproducer::How;
use patchline_model::service::{Build, CommandLine, Reproducer, Run, Service, Tier};
use patchline_model::share::Share;
use patchline_model::stage::plan::{Canary, Exit, Guards, InstanceGuards, Plan, Step, Strategy};
use patchline_model::time::Seconds;

/// Instances of the stable version, and of a version that takes everything.
pub const INSTANCES: u32 = 2;

/// Instances of a canary.
pub const CANARIES: u32 = 1;

/// It takes a moment, so that a conductor can be killed in the middle of it.
const BUILD: &str = "mkdir -p out
sleep 0.2
cat service.bin > out/service
echo >> out/service
cat behaviour >> out/service
chmod +x out/service
";

const REPRODUCE: &str = "if tail -n 1 \"$1\" | grep -q -e \" fixed=$2 \"; then exit 0; else exit 1; fi
";

/// Tries a new instance: what would fail users says so.
const SMOKE: &str = "case \"$1\" in 127.0.0.1:?*) ;; *) echo no address; exit 2 ;; esac
grep -q 'fail_permille=0 ' behaviour && exit 0
echo looking at \"$1\"
echo the behaviour is bad
exit 1
";

const LOCKFILE: &str = "version = 4

[[package]]
name = \"tiny\"
version = \"0.1.0\"
";

/// A repository with the service.
pub struct Project {
    folder: PathBuf,
    port: u16,
    name: String,
}

/// A change that a developer has committed.
pub struct Change {
    /// Its title, and the report that it answers to.
    pub name: String,
    pub base: Commit,
    pub commit: Commit,
    pub is_good: bool,
}

impl Project {
    /// A fresh repository with a first version that answers every request.
    pub fn create(folder: &Path, port: u16) -> Self {
        Self::named("tiny", folder, port)
    }

    /// The same, of a service with this name.
    pub fn named(name: &str, folder: &Path, port: u16) -> Self {
        fs::create_dir_all(folder).expect("a folder for the project");
        let project = Self { folder: folder.to_owned(), port, name: name.to_owned() };
        fs::copy(tiny_service(), folder.join("service.bin")).expect("the service is copied");
        for (name, text) in [
            ("build.sh", BUILD),
            ("test.sh", "sleep 0.2\n"),
            ("reproduce.sh", REPRODUCE),
            ("smoke.sh", SMOKE),
            ("Cargo.lock", LOCKFILE),
        ] {
            project.write(name, text);
        }
        project.write("patchline.toml", &project.settings());
        project.write("behaviour", &behaviour(0, "nothing"));
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.commit("The first version");
        project
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A change on a branch of its own, upon what is on `main`. A bad one fails one request in five.
    pub fn change(&self, number: u32, is_good: bool) -> Change {
        let word = if is_good { "good" } else { "bad" };
        let name = format!("{word}-{number}");
        let base = self.head();
        self.git(&["switch", "--quiet", "--create", &name]);
        self.write("behaviour", &behaviour(if is_good { 0 } else { 200 }, &name));
        self.commit(&name);
        let commit = self.head();
        self.git(&["switch", "--quiet", "main"]);
        Change { name, base, commit, is_good }
    }

    /// The team merges what was promoted.
    pub fn merge(&self, change: &Change) {
        self.git(&["merge", "--quiet", "--ff-only", &change.name]);
    }

    /// The service as the settings describe it, with the reproducer of this change.
    pub fn service(&self, change: &Change) -> Service {
        let words = |words: &[&str]| CommandLine(words.iter().map(|word| (*word).to_owned()).collect());
        Service {
            name: self.name.parse().expect("it is a name"),
            owner: "team-tiny".to_owned(),
            tier: Tier::try_from(4).expect("4 is a tier"),
            repository: self.folder.display().to_string(),
            folder: String::new(),
            build: Build {
                prepare: None,
                command: words(&["sh", "build.sh"]),
                artifact: "out/service".to_owned(),
            },
            test: Some(words(&["sh", "test.sh"])),
            agents: Vec::new(),
            reproducers: vec![Reproducer {
                advisory: change.name.clone(),
                how: How::Command(words(&["sh", "reproduce.sh", "{artifact}", &change.name]).0),
            }],
            verification: Default::default(),
            run: Some(self.run()),
        }
    }

    /// How the service runs.
    pub fn run(&self) -> Run {
        let step = |share: f64| Step {
            share: Share::from_fraction(share).expect("it is a share"),
            bake: Seconds(1),
            gate: false,
        };
        Run {
            environment: "test".parse().expect("it is a name"),
            target: "process".to_owned(),
            program: None,
            reload_signal: Default::default(),
            arguments: Vec::new(),
            health: "/healthz".to_owned(),
            port: self.port,
            plan: Plan {
                instances: INSTANCES,
                strategy: Strategy::Canary(Canary {
                    instances: CANARIES,
                    steps: vec![step(0.2), step(0.5)],
                    end: None,
                    cohort: None,
                }),
                guards: Guards {
                    alpha: 0.01,
                    beta: 0.05,
                    error_margin: 0.05,
                    latency: false,
                    instances: InstanceGuards::default(),
                },
                deadline: Seconds(600),
                start_deadline: Seconds(120),
                missing_limit: 10,
                at_deadline: Exit::Rollback,
                pause: Default::default(),
                irreversible: Default::default(),
            },
            windows: Vec::new(),
            slo: None,
        }
    }

    /// The branches that Patchline made.
    pub fn branches(&self) -> Vec<String> {
        let listed = self.git(&["branch", "--list", "--format=%(refname:short)", "patchline/*"]);
        listed.lines().map(str::to_owned).collect()
    }

    fn settings(&self) -> String {
        format!(
            "[service]
name = \"{name}\"
owner = \"team-tiny\"
tier = 4

[build]
command = [\"sh\", \"build.sh\"]
artifact = \"out/service\"

[test]
command = [\"sh\", \"test.sh\"]

[run]
health = \"/healthz\"
instances = {INSTANCES}
port = {port}

[rollout]
environment = \"test\"
target = \"process\"
strategy = \"canary\"
canary_instances = {CANARIES}
steps = [ {{ share = 0.2, bake_seconds = 1 }}, {{ share = 0.5, bake_seconds = 1 }} ]
deadline_seconds = 600
start_seconds = 120

[guards]
error_margin = 0.05
latency = false
",
            name = self.name,
            port = self.port
        )
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("a file of the project is written");
    }

    fn head(&self) -> Commit {
        self.git(&["rev-parse", "HEAD"]).trim().parse().expect("git names a commit")
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    fn git(&self, words: &[&str]) -> String {
        let settings =
            ["user.name=Dana Developer", "user.email=dana@example.com", "commit.gpgSign=false", "gc.auto=0"];
        let mut command = Command::new("git");
        command.args(settings.iter().flat_map(|setting| ["-c", setting])).args(words);
        command.current_dir(&self.folder).env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().expect("git runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn behaviour(fail_permille: u32, fixed: &str) -> String {
    format!("behaviour fail_permille={fail_permille} fixed={fixed} .\n")
}

/// The example that cargo builds along with these tests.
pub fn tiny_service() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_patchline")).with_file_name("examples");
    let path = beside.join("tiny_service");
    let is_there = fs::metadata(&path).is_ok_and(|found| found.permissions().mode() & 0o111 != 0);
    assert!(is_there, "{} is not there; `cargo test -p patchline` builds it", path.display());
    path
}

//! The project of the corpus: a shell program that fails on numbers that are too large, its suite, its reproducer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use patchline_model::digest::Digest;
use patchline_model::id::FindingId;
use patchline_model::reproducer::How;
use patchline_model::service::{Build, CommandLine, Reproducer, Service};
use patchline_model::stage::detect::{Finding, Location, Source};
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::{Format, Verification};
use patchline_sandbox::sandbox::Sandbox;
use patchline_verify::{Case, Shown, Side, checks};
use tempfile::TempDir;

pub const PROGRAM: &str = "src/word.sh";
pub const SUITE: &str = "tests/run.sh";
pub const REPRODUCER: &str = "tests/reproduce.sh";

/// Says the n-th word of three.
pub const BROKEN: &str = "case \"$1\" in
  '' | *[!0-9]*) echo 'not a number' >&2; exit 2 ;;
esac
n=$1
set -- a b c
shift \"$((n - 1))\"
echo \"$1\"
";

pub const FIXED: &str = "case \"$1\" in
  '' | *[!0-9]*) echo 'not a number' >&2; exit 2 ;;
esac
n=$1
[ \"$n\" -le 3 ] || { echo 'out of range' >&2; exit 2; }
set -- a b c
shift \"$((n - 1))\"
echo \"$1\"
";

pub const TESTS: &str = "t() {
  if [ \"$(sh ./program \"$2\" 2>&1)\" = \"$3\" ]; then echo \"ok - $1\"; else echo \"not ok - $1\"; bad=1; fi
}
t first 1 a
t last 3 c
t text x 'not a number'
exit ${bad:-0}
";

/// There while a number that is too large is not refused, whichever it is.
pub const REPRODUCE: &str = "for n in 9 27; do
  said=$(sh \"$1\" \"$n\" 2>&1)
  case \"$?:$said\" in
    '2:out of range') ;;
    *shift*) echo \"$n: $said\"; exit 1 ;;
    *) echo \"$n: $said\"; exit 3 ;;
  esac
done
exit 0
";

/// A candidate on the way to a case.
pub struct Project {
    folder: TempDir,
    base: BTreeMap<String, String>,
    patch: BTreeMap<String, String>,
    pub case: Case,
}

impl Project {
    /// The patch is the base as yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let side = |name: &str| {
            let tree = folder.path().join(name);
            fs::create_dir(&tree).unwrap();
            Side { artifact: tree.join("program"), tree, environment: BTreeMap::new() }
        };
        let case = Case {
            service: service(),
            candidate: candidate(),
            findings: vec![report("R-1")],
            base: side("base"),
            patch: side("patch"),
            before: Vec::new(),
            after: Vec::new(),
            sandbox: Sandbox::probe(),
            diff: String::new(),
            forward_only: None,
            patience: None,
        };
        let files = [(PROGRAM, BROKEN), (SUITE, TESTS), (REPRODUCER, REPRODUCE), ("README.md", "# Words\n")];
        let base: BTreeMap<String, String> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { folder, patch: base.clone(), base, case }
    }

    /// With the fix.
    pub fn fixed() -> Self {
        Self::new().patched(PROGRAM, FIXED)
    }

    /// A file that both sides have.
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.base.insert(path.to_owned(), text.to_owned());
        self.patched(path, text)
    }

    /// A file as the patch has it.
    pub fn patched(mut self, path: &str, text: &str) -> Self {
        self.patch.insert(path.to_owned(), text.to_owned());
        self
    }

    pub fn without(mut self, path: &str) -> Self {
        self.patch.remove(path).unwrap();
        self
    }

    pub fn set(mut self, change: impl FnOnce(&mut Case)) -> Self {
        change(&mut self.case);
        self
    }

    /// Writes both trees, builds both, and compares them.
    pub fn laid_out(mut self) -> Self {
        self.write(false);
        self.case.diff.push_str(&self.diff());
        self.write(true);
        for side in [&self.case.base, &self.case.patch] {
            fs::copy(side.tree.join(PROGRAM), side.tree.join("program")).unwrap();
        }
        self
    }

    /// Sources, or what a build leaves in `target`, which is in no commit.
    fn write(&self, built: bool) {
        for (side, files) in [(&self.case.base, &self.base), (&self.case.patch, &self.patch)] {
            for (path, text) in files.iter().filter(|(path, _)| path.starts_with("target/") == built) {
                write(&side.tree.join(path), text);
            }
        }
    }

    pub async fn shown(&self, name: &str) -> Shown {
        let all = checks();
        let check = all.iter().find(|check| check.name() == name).unwrap();
        check.check(&self.case).await.unwrap()
    }

    /// This check says this of the candidate, for this reason.
    pub async fn check(self, what: &str, name: &str, result: CheckResult, words: &str) -> (Self, Shown) {
        let project = if self.case.diff.is_empty() { self.laid_out() } else { self };
        let shown = project.shown(name).await;
        let all = format!("{what}: {}\n{}\n{}", shown.summary, shown.details.join("\n"), shown.log);
        assert_eq!(shown.result, result, "{all}");
        assert!(shown.summary.contains(words), "{words}\n{all}");
        (project, shown)
    }

    fn diff(&self) -> String {
        let output = Command::new("git")
            .args(["diff", "--no-index", "--no-color", "--full-index", "--binary", "-M", "base", "patch"])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let sides = ["a/base/", "b/patch/", "a/patch/", "b/base/"];
        let text = sides.iter().fold(text, |text, side| text.replace(side, &side[..2]));
        text.replace("rename from base/", "rename from ").replace("rename to patch/", "rename to ")
    }
}

pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub fn words(words: &[&str]) -> CommandLine {
    CommandLine(words.iter().map(|word| (*word).to_owned()).collect())
}

/// Whether a program is here; says so where it is not.
pub fn is_here(program: &str, arguments: &[&str]) -> bool {
    let here = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !here {
        eprintln!("skipped: `{program}` is not here");
    }
    here
}

fn service() -> Service {
    Service {
        name: "words".parse().unwrap(),
        owner: "team".to_owned(),
        tier: 4.try_into().unwrap(),
        repository: "/nowhere".to_owned(),
        folder: String::new(),
        build: Build {
            prepare: None,
            command: words(&["cp", PROGRAM, "program"]),
            artifact: "program".to_owned(),
        },
        test: Some(words(&["sh", SUITE])),
        agents: Vec::new(),
        reproducers: vec![Reproducer {
            advisory: "R-1".to_owned(),
            how: How::Command(words(&["sh", REPRODUCER, "{artifact}"]).0),
        }],
        run: None,
        verification: Verification { format: Some(Format::Tap), ..Verification::default() },
    }
}

fn candidate() -> Candidate {
    Candidate {
        number: 1,
        fixer: "agent".to_owned(),
        kind: Kind::Code,
        title: "Refuse numbers that are too large".to_owned(),
        rationale: String::new(),
        author: "patchline".to_owned(),
        branch: "patchline/P-1".to_owned(),
        base: "a".repeat(40).parse().unwrap(),
        commit: "b".repeat(40).parse().unwrap(),
        diff: Digest::of(b"diff"),
        files: Vec::new(),
        moves: Vec::new(),
        removes: vec![FindingId("R-1".to_owned())],
        leaves: Vec::new(),
    }
}

pub fn report(advisory: &str) -> Finding {
    Finding {
        id: FindingId(advisory.to_owned()),
        source: Source::Report,
        advisory: advisory.to_owned(),
        aliases: Vec::new(),
        summary: String::new(),
        package: None,
        location: Location { path: PROGRAM.to_owned(), line: None },
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    }
}

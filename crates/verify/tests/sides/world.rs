//! Two trees as two builds leave them, and the checks run on them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use patchline_model::digest::Digest;
use patchline_model::id::FindingId;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::reproducer::How;
use patchline_model::service::{Build, CommandLine, Reproducer, Run, Service};
use patchline_model::stage::detect::{Finding, Location, Source};
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_model::stage::plan::{Exit, Guards, InstanceGuards, Plan, Rolling, Strategy};
use patchline_model::stage::verify::CheckResult;
use patchline_model::time::Seconds;
use patchline_sandbox::sandbox::Sandbox;
use patchline_verify::{Case, Shown, Side, checks};
use tempfile::TempDir;

const MANIFEST: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";

/// Two trees, as two builds leave them.
pub struct World {
    _folder: TempDir,
    pub case: Case,
}

impl World {
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
            findings: Vec::new(),
            base: side("base"),
            patch: side("patch"),
            before: Vec::new(),
            after: Vec::new(),
            sandbox: Sandbox::probe(),
            diff: String::new(),
            forward_only: None,
            patience: None,
        };
        Self { _folder: folder, case }
    }

    /// The artifacts are scripts; the reproducer comes with the patch and runs the artifact that it is given.
    pub fn with_scripts(base: &str, patch: &str) -> Self {
        let mut world = Self::new();
        write_script(&world.case.base.artifact, base);
        write_script(&world.case.patch.artifact, patch);
        // Run by a shell that is there: a script that was just written may still be open in a child of another test.
        write_script(&world.case.patch.tree.join("bin/reproduce"), "exec sh \"$1\"");
        let how = How::Command(["sh", "bin/reproduce", "{artifact}"].map(str::to_owned).to_vec());
        world.case.service.reproducers = vec![Reproducer { advisory: "R-1".to_owned(), how }];
        world
    }

    pub fn removing(mut self, finding: Finding) -> Self {
        self.case.candidate.removes.push(finding.id.clone());
        self.case.findings.push(finding);
        self
    }

    /// The sources are `src/lib.rs` of each side, tested by cargo.
    pub fn with_sources(base: &str, patch: &str) -> Self {
        let mut world = Self::new();
        for (side, source) in [(&world.case.base, base), (&world.case.patch, patch)] {
            fs::create_dir(side.tree.join("src")).unwrap();
            fs::write(side.tree.join("Cargo.toml"), MANIFEST).unwrap();
            fs::write(side.tree.join("src/lib.rs"), source).unwrap();
        }
        world.case.service.test =
            Some(CommandLine(["cargo", "test", "--offline", "--lib"].map(str::to_owned).to_vec()));
        world
    }

    pub fn tested_by(mut self, script: &str) -> Self {
        self.case.service.test = Some(CommandLine(["sh", "-c", script].map(str::to_owned).to_vec()));
        self
    }

    /// What git says differs between both trees.
    pub fn diff(&self) -> String {
        let top = self._folder.path();
        let output = Command::new("git")
            .args(["diff", "--no-index", "--no-color", "--full-index", "base", "patch"])
            .current_dir(top)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        ["a/base/", "b/patch/", "a/patch/", "b/base/"]
            .iter()
            .fold(text, |text, name| text.replace(name, &name[..2]))
    }

    pub async fn shown(&self, name: &str) -> Shown {
        let all = checks();
        let check = all.iter().find(|check| check.name() == name).unwrap();
        check.check(&self.case).await.unwrap()
    }

    pub async fn check(&self, name: &str, result: CheckResult, words: &str) -> Shown {
        let shown = self.shown(name).await;
        assert_eq!(shown.result, result, "{}\n{}\n{}", shown.summary, shown.details.join("\n"), shown.log);
        assert!(shown.summary.contains(words), "{}", shown.summary);
        shown
    }
}

pub fn write_script(path: &Path, body: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn service() -> Service {
    Service {
        name: "tiny".parse().unwrap(),
        owner: "team".to_owned(),
        tier: 4.try_into().unwrap(),
        repository: "/nowhere".to_owned(),
        folder: String::new(),
        build: Build { prepare: None, command: CommandLine(Vec::new()), artifact: "program".to_owned() },
        test: None,
        agents: Vec::new(),
        reproducers: Vec::new(),
        run: None,
        verification: Default::default(),
    }
}

pub fn candidate() -> Candidate {
    Candidate {
        number: 1,
        fixer: "dependency".to_owned(),
        kind: Kind::Dependency,
        title: "Update".to_owned(),
        rationale: String::new(),
        author: "patchline".to_owned(),
        branch: "patchline/P-1".to_owned(),
        base: "a".repeat(40).parse().unwrap(),
        commit: "b".repeat(40).parse().unwrap(),
        diff: Digest::of(b"diff"),
        files: Vec::new(),
        moves: Vec::new(),
        removes: Vec::new(),
        leaves: Vec::new(),
    }
}

pub fn report(advisory: &str, aliases: &[&str]) -> Finding {
    Finding {
        id: FindingId(advisory.to_owned()),
        source: Source::Report,
        advisory: advisory.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        summary: String::new(),
        package: None,
        location: Location { path: "src".to_owned(), line: None },
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    }
}

pub fn locked(advisory: &str, name: &str, version: &str) -> Finding {
    let package =
        Package { ecosystem: Ecosystem::crates_io(), name: name.to_owned(), version: version.to_owned() };
    let id = FindingId(format!("{advisory}/{name}/{version}"));
    Finding { id, source: Source::Lockfile, package: Some(package), ..report(advisory, &[]) }
}

/// Runs the artifact by this program on a free port.
pub fn run(program: &str, env: &str) -> Run {
    let plan = Plan {
        instances: 1,
        strategy: Strategy::Rolling(Rolling { batch: 1, max_unavailable: 0, bake: Seconds(1), order: None }),
        guards: Guards {
            alpha: 0.01,
            beta: 0.05,
            error_margin: 0.01,
            latency: false,
            instances: InstanceGuards::default(),
        },
        deadline: Seconds(100),
        start_deadline: Seconds(10),
        missing_limit: 10,
        at_deadline: Exit::Rollback,
        pause: Default::default(),
        irreversible: Default::default(),
    };
    Run {
        environment: "test".parse().unwrap(),
        target: "process".to_owned(),
        program: Some(env.to_owned()),
        arguments: vec![program.to_owned(), "{artifact}".to_owned()],
        reload_signal: Default::default(),
        health: "/health".to_owned(),
        port: 0,
        plan,
        windows: Vec::new(),
        slo: None,
    }
}

pub fn here(program: &str) -> bool {
    let here = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !here {
        eprintln!("skipped: `{program}` is not here");
    }
    here
}

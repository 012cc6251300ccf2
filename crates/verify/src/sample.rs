//! Samples for tests: a case without findings, and findings.

use std::path::{Path, PathBuf};

use patchline_model::analyzer::{Analysis, Analyzer, Format, Level};
use patchline_model::digest::Digest;
use patchline_model::id::FindingId;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::service::{Build, CommandLine, Service};
use patchline_model::stage::detect::{Finding, Location, Source};
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_model::time::Seconds;
use patchline_sandbox::sandbox::Sandbox;

use crate::check::{Case, Side};

pub(crate) fn case() -> Case {
    Case {
        service: service(),
        candidate: candidate(),
        findings: Vec::new(),
        base: side(Path::new("/nowhere/base")),
        patch: side(Path::new("/nowhere/patch")),
        before: Vec::new(),
        after: Vec::new(),
        sandbox: Sandbox::probe(),
        diff: String::new(),
        forward_only: None,
        patience: None,
    }
}

pub(crate) fn side(tree: &Path) -> Side {
    Side { tree: tree.to_owned(), artifact: tree.join("program"), environment: Default::default() }
}

pub(crate) fn line(words: &[&str]) -> CommandLine {
    CommandLine(words.iter().map(|word| (*word).to_owned()).collect())
}

fn service() -> Service {
    Service {
        name: "notebook".parse().unwrap(),
        owner: "team-notebook".to_owned(),
        tier: 1.try_into().unwrap(),
        repository: "/nowhere".to_owned(),
        folder: String::new(),
        build: Build { prepare: None, command: line(&["true"]), artifact: "program".to_owned() },
        test: None,
        agents: Vec::new(),
        reproducers: Vec::new(),
        run: None,
        verification: Default::default(),
    }
}

fn candidate() -> Candidate {
    Candidate {
        number: 1,
        fixer: "dependency".to_owned(),
        kind: Kind::Dependency,
        title: "Update yaml".to_owned(),
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

pub(crate) fn finding(advisory: &str, package: &str, version: &str) -> Finding {
    let (name, version) = (package.to_owned(), version.to_owned());
    Finding {
        id: FindingId(format!("{advisory}/{name}/{version}")),
        source: Source::Lockfile,
        package: Some(Package { ecosystem: Ecosystem::crates_io(), name, version }),
        ..report(advisory)
    }
}

/// Of a rule, in a line of `app.py`; `analyzer` is the service's own that found it.
pub(crate) fn analyzed(rule: &str, line: u32, analyzer: Option<&str>) -> Finding {
    Finding {
        id: FindingId(format!("lint:{rule}:app.py:{line}")),
        source: Source::Analyzer(Box::new(Analysis {
            tool: "lint".to_owned(),
            analyzer: analyzer.map(str::to_owned),
            rule: rule.to_owned(),
            level: Level::Error,
            severity_tenths: None,
            region: None,
            print: line.to_string(),
            fix: None,
        })),
        location: Location { path: "app.py".to_owned(), line: Some(line) },
        ..report(rule)
    }
}

/// The service's own.
pub(crate) fn lint() -> Analyzer {
    Analyzer {
        name: "lint".to_owned(),
        command: vec!["lint".to_owned()],
        report: None,
        format: Format::Sarif,
        fix: None,
        network: false,
        deadline: Seconds(60),
    }
}

pub(crate) fn report(advisory: &str) -> Finding {
    Finding {
        id: FindingId(advisory.to_owned()),
        source: Source::Report,
        advisory: advisory.to_owned(),
        aliases: Vec::new(),
        summary: String::new(),
        package: None,
        location: Location { path: PathBuf::from("Cargo.lock").display().to_string(), line: None },
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    }
}

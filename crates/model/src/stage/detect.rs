//! Detect: what needs a fix, traced to file, line, component and commit.

use serde::{Deserialize, Serialize};

use crate::analyzer::Analysis;
use crate::digest::{Commit, Digest};
use crate::id::{FindingId, Stage};
use crate::owner::Owners;
use crate::package::Package;
use crate::rejection::Rejection;
use crate::service::{Reproducer, Service};
use crate::stage::terms::Terms;

/// Something that needs a fix, normalised from any source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub id: FindingId,
    pub source: Source,
    /// The advisory's, the report's or the rule's own name, as in `RUSTSEC-2018-0006`.
    pub advisory: String,
    pub aliases: Vec<String>,
    pub summary: String,
    /// The installed package, where a package is the problem.
    pub package: Option<Package>,
    pub location: Location,
    /// Each way from the root package to the vulnerable one, names with versions; bounded.
    pub paths: Vec<Vec<String>>,
    /// Versions that no longer have the problem, lowest first; empty when no fix is published.
    pub fixed: Vec<String>,
    /// CVSS vectors as the advisory states them.
    pub severity: Vec<String>,
    /// `unmaintained`, `unsound`, `notice`: worth knowing, not a vulnerability.
    pub informational: Option<String>,
}

/// Where a finding comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A lockfile against advisories.
    Lockfile,
    /// A person's report.
    Report,
    /// A program that looked at the code.
    Analyzer(Box<Analysis>),
}

impl Finding {
    /// What an analyzer said of it, where one found it.
    pub fn analysis(&self) -> Option<&Analysis> {
        match &self.source {
            Source::Analyzer(analysis) => Some(analysis),
            Source::Lockfile | Source::Report => None,
        }
    }

    /// Findings with the same are removed by one step: those of one package, or those in one file.
    pub fn step(&self) -> String {
        match &self.package {
            Some(package) => format!("{}/{}", package.ecosystem, package.name),
            None => self.location.path.clone(),
        }
    }
}

/// Where the finding stands in the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Relative to the repository's top.
    pub path: String,
    pub line: Option<u32>,
}

/// What a patch is opened for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Scan the base; `only` restricts it to these advisories, rules or packages, when not empty.
    Scan {
        only: Vec<String>,
        /// Reports of analyzers that ran elsewhere, among the blobs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reports: Vec<Digest>,
    },
    /// A person's change, already committed: a title, what it answers to, and the commit.
    /// `answers` names the advisories or packages whose findings it claims to remove; without any, `report` is the finding.
    Change {
        title: String,
        report: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        answers: Vec<String>,
        commit: Commit,
        author: String,
    },
    /// A person's report of a problem. What shows it is among the service's reproducers, under the report's name.
    Report(Box<Report>),
}

/// What a person says that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// As in `report-1a2b3c4d5e`: the same report has the same name.
    pub name: String,
    pub title: String,
    /// What goes wrong, in a sentence, or as the failing test says it.
    pub reason: String,
    /// As much more as they had to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Where they saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Location>,
    pub reporter: String,
}

/// How far a patch is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// A proven branch is the end.
    Verify,
    /// All the way onto every instance.
    Rollout,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Idle,
    Scanning,
    Found(Vec<Finding>),
    Clean,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Open(Box<Opening>),
    /// Something that shows a finding of a patch which is open already.
    Show(Box<Reproducer>),
}

/// Everything a patch begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    pub service: Service,
    /// The commit that runs, or is checked out, and needs the fix.
    pub base: Commit,
    pub subject: Subject,
    pub until: Until,
    #[serde(default, skip_serializing_if = "Terms::is_blank")]
    pub terms: Terms,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Opened(Box<Opening>),
    /// A person added what shows a finding; what was proven without it does not count any more.
    Shown(Box<Reproducer>),
    Found {
        findings: Vec<Finding>,
        packages: u32,
        evidence: Digest,
    },
    NothingFound {
        packages: u32,
        evidence: Digest,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    Scan,
}

/// What the scan saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub findings: Vec<Finding>,
    /// Those of them for whose files the commit itself names owners.
    #[serde(default, skip_serializing_if = "Owners::is_empty")]
    pub owners: Owners,
    /// How many packages were looked at.
    pub packages: u32,
    pub evidence: Digest,
}

/// Takes in what the scan saw.
pub fn report(state: &State, outcome: Outcome) -> Result<Vec<Event>, Rejection> {
    // Who owns them is triage's to say.
    let Outcome { findings, owners: _, packages, evidence } = outcome;
    match state {
        State::Scanning if findings.is_empty() => Ok(vec![Event::NothingFound { packages, evidence }]),
        State::Scanning => Ok(vec![Event::Found { findings, packages, evidence }]),
        State::Idle | State::Found(_) | State::Clean => {
            Err(Rejection::Nonsense(format!("no scan is under way in stage `{}`", Stage::Detect)))
        }
    }
}

pub fn evolve(state: &mut State, event: &Event) {
    *state = match event {
        Event::Shown(_) => return,
        Event::Opened(_) => State::Scanning,
        Event::Found { findings, .. } => State::Found(findings.clone()),
        Event::NothingFound { .. } => State::Clean,
    };
}

pub fn due(state: &State) -> Option<Job> {
    match state {
        State::Scanning => Some(Job::Scan),
        State::Idle | State::Found(_) | State::Clean => None,
    }
}

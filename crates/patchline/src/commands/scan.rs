//! `scan`: find vulnerable dependencies, and say how urgent they are.

use patchline_model::failure::in_full;
use std::path::Path;
use std::time::SystemTime;

use patchline_conductor::clock;
use patchline_detect::{Advisories, Scan, scan};
use patchline_model::context::{Board, Context};
use patchline_model::policy::Policy;
use patchline_model::service::{Build, CommandLine, Service, Tier};
use patchline_model::stage::detect::Finding;
use patchline_model::stage::triage::{Priority, prioritise};
use patchline_model::triage::action::Action;
use serde_json::json;

use crate::cli::{FailOn, Format, ScanArguments};
use crate::exit::{Exit, Trouble};
use crate::terminal::{note, say, warn_if_only_built_in, warn_if_stale};
use crate::{settings, wire};

/// One path's scan with its priorities, in the order of the findings.
struct Scanned {
    scan: Scan,
    priorities: Vec<Priority>,
}

pub fn run(arguments: &ScanArguments, data: Option<&Path>) -> Result<Exit, Trouble> {
    let directory = match &arguments.db {
        Some(directory) => directory.clone(),
        None => wire::data_folder(data)?.join("advisories"),
    };
    let advisories = Advisories::open(&directory).map_err(|error| trouble(&error))?;
    let mut all = Vec::new();
    for path in &arguments.paths {
        let scan = scan(path, &advisories).map_err(|error| trouble(&error))?;
        let priorities = priorities(path, &scan.findings)?;
        all.push(Scanned { scan, priorities });
    }
    match arguments.format {
        Format::Table => table(&all, &advisories),
        Format::Json => say(&to_json(&all).to_string()),
    }
    let worst = all.iter().flat_map(|scanned| &scanned.priorities).map(|priority| priority.action).max();
    let fails = worst.is_some_and(|worst| match arguments.fail_on {
        FailOn::ActNow => worst >= Action::ActNow,
        FailOn::Schedule => worst >= Action::Schedule,
        FailOn::Watch => worst >= Action::Watch,
        FailOn::Never => false,
    });
    Ok(if fails { Exit::Found } else { Exit::Done })
}

fn trouble(error: &patchline_detect::DetectError) -> Trouble {
    let mut trouble = Trouble::input(in_full(error));
    trouble.hint = error.hint().map(|hint| hint.to_string());
    trouble
}

/// Ranks by the tier that the project's settings state, or as an internal service where there are none.
fn priorities(path: &Path, findings: &[Finding]) -> Result<Vec<Priority>, Trouble> {
    let board = Board::default();
    let policy = Policy::default();
    let cx = Context { now: clock::now(), policy: &policy, board: &board };
    let service = service_at(path)?;
    let ranked = prioritise(cx, &service, findings);
    let of = |finding: &Finding| ranked.iter().find(|priority| priority.finding == finding.id).cloned();
    Ok(findings.iter().filter_map(of).collect())
}

fn service_at(path: &Path) -> Result<Service, Trouble> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    if let Some(service) = settings::described(folder)? {
        return Ok(service);
    }
    Ok(Service {
        name: settings::plain_name("project"),
        owner: "unowned".to_owned(),
        tier: Tier::try_from(3).map_err(|error| Trouble::input(error.to_string()))?,
        repository: String::new(),
        folder: String::new(),
        build: Build { prepare: None, command: CommandLine(Vec::new()), artifact: String::new() },
        test: None,
        reproducers: Vec::new(),
        run: None,
    })
}

fn table(all: &[Scanned], advisories: &Advisories) {
    let mut count = 0;
    for scanned in all {
        for (finding, priority) in scanned.scan.findings.iter().zip(&scanned.priorities) {
            count += 1;
            show(finding, priority);
        }
        for unresolved in &scanned.scan.unresolved {
            note(&format!("warning: {}: {}", unresolved.path, unresolved.what));
        }
    }
    let packages: usize = all.iter().map(|scanned| scanned.scan.inventory.len()).sum();
    let noun = if count == 1 { "finding" } else { "findings" };
    say(&format!(
        "{count} {noun} in {packages} packages, against {} advisories",
        advisories.status().records
    ));
    warn_if_only_built_in(advisories);
    warn_if_stale(advisories, SystemTime::now());
}

fn show(finding: &Finding, priority: &Priority) {
    let package = finding.package.as_ref().map(ToString::to_string).unwrap_or_default();
    let line = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    say(&format!("{}  {}  {package}", priority.action.words(), finding.advisory));
    say(&format!("  {}", finding.summary));
    if !finding.aliases.is_empty() {
        say(&format!("  also known as {}", finding.aliases.join(", ")));
    }
    say(&format!("  at {}{line}", finding.location.path));
    if let Some(path) = finding.paths.first() {
        say(&format!("  path {}", path.join(" → ")));
    }
    match finding.fixed.first() {
        Some(version) => say(&format!("  fixed in {version}")),
        None => say("  no fixed version is published"),
    }
    for reason in &priority.reasons {
        say(&format!("  - {reason}"));
    }
    say("");
}

fn to_json(all: &[Scanned]) -> serde_json::Value {
    let findings = all.iter().flat_map(|scanned| scanned.scan.findings.iter().zip(&scanned.priorities));
    let findings: Vec<_> = findings
        .map(|(finding, priority)| {
            json!({
                "id": finding.advisory, "aliases": finding.aliases, "summary": finding.summary,
                "package": finding.package, "source": { "path": finding.location.path, "line": finding.location.line },
                "paths": finding.paths, "fixed": finding.fixed, "severity": finding.severity,
                "informational": finding.informational, "priority": priority,
            })
        })
        .collect();
    let unresolved: Vec<_> = all
        .iter()
        .flat_map(|scanned| &scanned.scan.unresolved)
        .map(|unresolved| json!({ "path": unresolved.path, "what": unresolved.what }))
        .collect();
    let packages: usize = all.iter().map(|scanned| scanned.scan.inventory.len()).sum();
    let advisories = all.first().map(|scanned| json!(scanned.scan.advisories));
    json!({
        "summary": { "findings": findings.len(), "packages": packages, "advisories": advisories },
        "findings": findings, "unresolved": unresolved,
    })
}

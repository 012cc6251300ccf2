//! `scan`: find vulnerable dependencies, and say how urgent they are.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use patchline_conductor::clock;
use patchline_detect::{Advisories, Scan, scan};
use patchline_inventory::detector::{Relation, Scope};
use patchline_inventory::{Installed, Unresolved};
use patchline_model::context::{Board, Context};
use patchline_model::failure::in_full;
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
            show(finding, priority, installed(&scanned.scan, finding));
        }
        grouped(&scanned.scan.unresolved).iter().for_each(|line| note(&format!("warning: {line}")));
    }
    let packages: usize = all.iter().map(|scanned| scanned.scan.inventory.len()).sum();
    let noun = if count == 1 { "finding" } else { "findings" };
    say(&format!(
        "{count} {noun} in {packages} packages{}, against {} advisories",
        ecosystems(all),
        advisories.status().records
    ));
    warn_if_only_built_in(advisories);
    warn_if_stale(advisories, SystemTime::now());
}

/// How many packages of which ecosystem, where there is more than one.
fn ecosystems(all: &[Scanned]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in all.iter().flat_map(|scanned| &scanned.scan.inventory) {
        *counts.entry(&one.package.ecosystem.0).or_default() += 1;
    }
    if counts.len() < 2 {
        return String::new();
    }
    let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    format!(" ({})", counts.join(", "))
}

/// A line for each file with the first few packages, and one for each kind of lack with the first few places.
fn grouped(unresolved: &[Unresolved]) -> Vec<String> {
    const SHOWN: usize = 3;
    let first = |all: &[String]| match all.len() {
        0..=SHOWN => all.join("; "),
        many => format!("{}; and {} more", all[..SHOWN].join("; "), many - SHOWN),
    };
    let (mut files, mut lacks) = (BTreeMap::<&str, Vec<String>>::new(), BTreeMap::<&str, Vec<String>>::new());
    for one in unresolved {
        match &one.package {
            Some(package) => files.entry(&one.path).or_default().push(format!("{package}: {}", one.what)),
            None => lacks.entry(&one.what).or_default().push(one.path.clone()),
        }
    }
    let lacks = lacks.iter().map(|(what, paths)| match paths.as_slice() {
        [path] => format!("{path}: {what}"),
        paths => format!("{} files: {what} ({})", paths.len(), first(paths)),
    });
    let files = files.iter().map(|(path, packages)| match packages.as_slice() {
        [package] => format!("{path}: {package}"),
        packages => format!("{path}: {} packages can't be judged: {}", packages.len(), first(packages)),
    });
    lacks.chain(files).collect()
}

/// The package that a finding is about, as the inventory has it.
fn installed<'a>(scan: &'a Scan, finding: &Finding) -> Option<&'a Installed> {
    let is_it =
        |one: &&Installed| Some(&one.package) == finding.package.as_ref() && one.location == finding.location;
    scan.inventory.iter().find(is_it)
}

fn show(finding: &Finding, priority: &Priority, installed: Option<&Installed>) {
    let package = finding.package.as_ref().map(ToString::to_string).unwrap_or_default();
    let ecosystem = finding.package.as_ref().map(|package| format!(" of {}", package.ecosystem));
    let use_of = installed.map(|one| format!(", {}", use_words(one.relation, one.scope)));
    let line = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    let (ecosystem, use_of) = (ecosystem.unwrap_or_default(), use_of.unwrap_or_default());
    say(&format!("{}  {}  {package}{ecosystem}{use_of}", priority.action.words(), finding.advisory));
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

/// How a package is used, in words; nothing of what the file doesn't tell.
fn use_words(relation: Relation, scope: Scope) -> String {
    let relation = match relation {
        Relation::Own => "own",
        Relation::Direct => "direct",
        Relation::Transitive => "transitive",
        Relation::Unknown => "direct or transitive",
    };
    match scope {
        Scope::Normal => relation.to_owned(),
        Scope::Optional => format!("{relation}, optional"),
        Scope::Peer => format!("{relation}, as a peer"),
        Scope::Build => format!("{relation}, for builds"),
        Scope::Test => format!("{relation}, for tests"),
        Scope::Dev => format!("{relation}, for development"),
    }
}

fn to_json(all: &[Scanned]) -> serde_json::Value {
    let findings = all.iter().flat_map(|scanned| {
        let ranked = scanned.scan.findings.iter().zip(&scanned.priorities);
        ranked.map(|(finding, priority)| (finding, priority, installed(&scanned.scan, finding)))
    });
    let findings: Vec<_> = findings
        .map(|(finding, priority, installed)| {
            json!({
                "id": finding.advisory, "aliases": finding.aliases, "summary": finding.summary,
                "package": finding.package, "source": { "path": finding.location.path, "line": finding.location.line },
                "relation": installed.map(|one| one.relation), "scope": installed.map(|one| one.scope),
                "paths": finding.paths, "fixed": finding.fixed, "severity": finding.severity,
                "informational": finding.informational, "priority": priority,
            })
        })
        .collect();
    let unresolved: Vec<_> = all
        .iter()
        .flat_map(|scanned| &scanned.scan.unresolved)
        .map(|unresolved| json!({ "path": unresolved.path, "line": unresolved.line, "package": unresolved.package, "what": unresolved.what }))
        .collect();
    let packages: usize = all.iter().map(|scanned| scanned.scan.inventory.len()).sum();
    let advisories = all.first().map(|scanned| json!(scanned.scan.advisories));
    json!({
        "summary": { "findings": findings.len(), "packages": packages, "advisories": advisories },
        "findings": findings, "unresolved": unresolved,
    })
}

#[cfg(test)]
mod tests {
    use patchline_inventory::Unresolved;

    use super::grouped;

    #[test]
    fn what_is_unresolved_is_grouped_and_short() {
        let package =
            |name: &str| Unresolved::package("requirements.txt", Some(1), name, "no version is pinned");
        let manifest = |path: &str| Unresolved::of(path, "there is no lockfile");
        let mut unresolved: Vec<Unresolved> = ["a", "b", "c", "d", "e"].map(package).into();
        unresolved.extend(["x/package.json", "y/package.json"].map(manifest));
        unresolved.push(Unresolved::of("z", "it could not be read"));
        unresolved.push(Unresolved::package("go.mod", None, "stdlib", "it is not known"));
        assert_eq!(
            grouped(&unresolved),
            [
                "z: it could not be read",
                "2 files: there is no lockfile (x/package.json; y/package.json)",
                "go.mod: stdlib: it is not known",
                "requirements.txt: 5 packages can't be judged: a: no version is pinned; b: no version is pinned; \
                 c: no version is pinned; and 2 more",
            ]
        );
    }
}

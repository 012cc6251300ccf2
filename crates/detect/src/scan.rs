//! Walk, read, match, report: all that a tree, an image or a binary says is in use against the advisories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use patchline_model::failure::in_full;
use patchline_model::id::FindingId;
use patchline_model::package::Ecosystem;
use patchline_model::stage::detect::{Finding, Source};
use serde::{Deserialize, Serialize};

use crate::container::open;
use crate::error::DetectError;
use crate::index::open::{Advisories, AdvisoryStatus, Problem};
use crate::origin::{Origin, Origins, Sources};
use crate::walk::{self, Found};
use patchline_inventory::detector::{Installed, Inventory, Unresolved};
use patchline_inventory::detectors::DETECTORS;
use patchline_inventory::lockfile::npmrc;
use patchline_inventory::version::Scheme;

const MOST_PATHS: usize = 10;
const MOST_THREADS: usize = 4;
/// What is kept for a line may be a hundred times as large as the line.
const MOST_LINES: usize = 1_000_000;
const LONGEST_READING: Duration = Duration::from_secs(300);

/// What a tree holds and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// In the order of lockfile, package, version and advisory.
    pub findings: Vec<Finding>,
    /// Every package of every lockfile, the repository's own included.
    pub inventory: Vec<Installed>,
    /// What could not be judged. As long as there is any, no finding does not mean that all is well.
    pub unresolved: Vec<Unresolved>,
    pub advisories: AdvisoryStatus,
}

/// Scans what `root` is: a tree, a lockfile, an image, an archive of a root, a binary. A lockfile on top that Patchline fixes
/// and cannot read is an error that names it: half an answer would look like a whole one. So is a tree of which nothing could
/// be read, and an image of which a layer could not. Other files that cannot be read, as fixtures and templates, are
/// unresolved by name.
pub fn scan(root: &Path, advisories: &Advisories) -> Result<Scan, DetectError> {
    scan_from(root, advisories, &Sources::default())
}

/// As [`scan`], where it is known which hosts are mirrors and which are private.
pub fn scan_from(root: &Path, advisories: &Advisories, sources: &Sources) -> Result<Scan, DetectError> {
    let inventory = match held(root)? {
        Some(inventory) => inventory,
        None => tree(root, sources)?,
    };
    let mut scan = Scan {
        findings: Vec::new(),
        inventory: Vec::new(),
        unresolved: inventory.unresolved,
        advisories: advisories.status().clone(),
    };
    for installed in inventory.installed {
        if installed.registered {
            judge(&installed, advisories, &mut scan)?;
        }
        scan.inventory.push(installed);
    }
    let unjudged = unjudged(&scan.inventory, advisories);
    scan.unresolved.extend(unjudged);
    tidy(&mut scan);
    Ok(scan)
}

/// What an image, an archive or a binary holds. A file that a detector reads by its name is a lockfile, whatever is in it.
fn held(root: &Path) -> Result<Option<Inventory>, DetectError> {
    match root.is_file() && walk::is_claimed(root, DETECTORS) {
        true => Ok(None),
        false => open::inventory(root),
    }
}

fn tree(root: &Path, sources: &Sources) -> Result<Inventory, DetectError> {
    let walked = walk::walk(root, DETECTORS)?;
    let mut all = Inventory { installed: Vec::new(), unresolved: walked.unresolved };
    if walked.lockfiles.is_empty() && all.unresolved.is_empty() && walked.systems.is_empty() {
        let names = DETECTORS.iter().take(4).map(|detector| format!("`{}`", detector.kind().files[0]));
        let names: Vec<String> = names.collect();
        let what = format!("there is no lockfile here; Patchline reads {} and others", names.join(", "));
        all.unresolved.push(Unresolved::of(".", what));
    }
    let is_fixed = |found: &Found| DETECTORS[found.detector].kind().is_fixed;
    let has_top = walked.lockfiles.iter().any(|found| is_fixed(found) && !found.relative.contains('/'));
    let claimed: BTreeSet<&str> = walked.lockfiles.iter().map(|found| found.relative.as_str()).collect();
    let (mut has_read, mut first_error) = (!walked.systems.is_empty(), None);
    for (found, read) in walked.lockfiles.iter().zip(read_all(&walked.lockfiles)) {
        match read {
            Ok((inventory, npmrc)) => {
                has_read = true;
                let origins = Origins::of(&inventory.installed, npmrc.as_deref(), sources);
                all.unresolved.extend(origins.doubts(&found.relative));
                all.unresolved.extend(inventory.unresolved);
                // What stands in a neighbour that is read by itself is told there.
                let is_elsewhere = |path: &str| path != found.relative && claimed.contains(path);
                let installed = inventory.installed.into_iter();
                for mut installed in installed.filter(|one| !is_elsewhere(&one.location.path)) {
                    let origin = origins.origin(&installed);
                    installed.registered = origin == Origin::Registry;
                    if let Origin::Private(host) = origin {
                        all.unresolved.push(unmatched(&installed, &host));
                    }
                    all.installed.push(installed);
                }
            }
            Err(error) if is_fixed(found) && !(has_top && found.relative.contains('/')) => return Err(error),
            Err(error) => {
                all.unresolved.push(Unresolved::of(&found.relative, in_full(&error)));
                first_error.get_or_insert(error);
            }
        }
    }
    for system in walked.systems {
        all.installed.extend(system.installed);
        all.unresolved.extend(system.unresolved);
    }
    match first_error.filter(|_| !has_read) {
        Some(error) => Err(error),
        None => Ok(all),
    }
}

/// Ecosystems of which there are packages and no advisories.
fn unjudged(inventory: &[Installed], advisories: &Advisories) -> Vec<Unresolved> {
    let mut counts: BTreeMap<&Ecosystem, usize> = BTreeMap::new();
    let unknown = |one: &&Installed| one.registered && !advisories.knows(&one.package.ecosystem);
    for one in inventory.iter().filter(unknown) {
        *counts.entry(&one.package.ecosystem).or_default() += 1;
    }
    let say = |(ecosystem, count): (&Ecosystem, usize)| {
        let what =
            format!("{count} packages of {ecosystem} were not judged: there are no advisories of it here");
        Unresolved::of(".", what)
    };
    counts.into_iter().map(say).collect()
}

/// Reads all files on a few threads; the answers stand in the order of the files.
fn read_all(files: &[Found]) -> Vec<Result<Read, DetectError>> {
    let (started, next) = (Instant::now(), AtomicUsize::new(0));
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(found) = files.get(index) else { return done };
            done.push((index, read(found, started)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
    let mut answers: Vec<(usize, Result<Read, DetectError>)> = if threads.min(files.len()) < 2 {
        work()
    } else {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.min(files.len())).map(|_| scope.spawn(work)).collect();
            let joined = workers.into_iter().map(|worker| worker.join().expect("no parser panics"));
            joined.flatten().collect()
        })
    };
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// What a file says, and the `.npmrc` that holds for it.
type Read = (Inventory, Option<String>);

fn read(found: &Found, started: Instant) -> Result<Read, DetectError> {
    if started.elapsed() > LONGEST_READING {
        let what = "reading the files before it took five minutes, and this one was not looked at".to_owned();
        return Err(DetectError::Scan { path: found.path.clone(), what });
    }
    let detector = DETECTORS[found.detector];
    let hint = detector.kind().hint;
    let text = walk::read_text(found, hint)?;
    if text.bytes().filter(|byte| *byte == b'\n').count() > MOST_LINES {
        let what = format!("it has more than {MOST_LINES} lines");
        return Err(DetectError::Scan { path: found.path.clone(), what });
    }
    let mut neighbours = walk::read_neighbours(found, detector, &text);
    let parsed = detector.parse(&found.relative, &text, &neighbours);
    let npmrc = npmrc::of(&found.relative).and_then(|path| neighbours.remove(&path));
    parsed.map(|inventory| (inventory, npmrc)).map_err(|broken| walk::broken(&found.path, broken, hint))
}

/// A private registry's package shares no more than the name with the one that public advisories speak of.
fn unmatched(installed: &Installed, host: &str) -> Unresolved {
    let what = format!(
        "{}: it comes from a private registry (`{host}`), of which public advisories say nothing; a mirror is named \
         under `[scan] mirrors` in patchline.toml",
        installed.package
    );
    Unresolved::package(&installed.location.path, installed.location.line, &installed.package.name, what)
}

fn judge(installed: &Installed, advisories: &Advisories, scan: &mut Scan) -> Result<(), DetectError> {
    let package = &installed.package;
    let path = &installed.location.path;
    let mut answer = advisories.of(package)?;
    for other in &installed.also {
        // One advisory may be filed in several places.
        let more = advisories.of(other)?;
        let is_known =
            |problem: &Problem| answer.problems.iter().any(|known| known.advisory == problem.advisory);
        let news: Vec<Problem> = more.problems.into_iter().filter(|problem| !is_known(problem)).collect();
        answer.problems.extend(news);
        answer.unresolved.extend(more.unresolved);
    }
    scan.findings.extend(answer.problems.into_iter().map(|problem| finding(problem, installed)));
    let understood =
        Scheme::of(&package.ecosystem).and_then(|scheme| scheme.parse(&package.version)).is_some();
    let line = installed.location.line;
    let unresolved = |what: String| Unresolved::package(path, line, &package.name, what);
    if understood {
        let what = answer.unresolved.into_iter().map(|what| unresolved(format!("{package}: {what}")));
        scan.unresolved.extend(what);
    } else {
        scan.unresolved
            .push(unresolved(format!("{package}: this is not a version of {}", package.ecosystem)));
    }
    Ok(())
}

fn finding(problem: Problem, installed: &Installed) -> Finding {
    let package = &installed.package;
    let (ecosystem, name, version) = (&package.ecosystem, &package.name, &package.version);
    let id = format!("{}:{ecosystem}/{name}@{version}:{}", problem.advisory, installed.location.path);
    Finding {
        id: FindingId(id),
        source: Source::Lockfile,
        advisory: problem.advisory,
        aliases: problem.aliases,
        summary: problem.summary,
        package: Some(package.clone()),
        location: installed.location.clone(),
        paths: installed.paths.iter().map(|way| way.iter().map(|step| step.to_string()).collect()).collect(),
        fixed: problem.fixed,
        severity: problem.severity,
        informational: problem.informational,
    }
}

/// Sorts, and joins what one lockfile says twice, as it does when a version comes from two registries.
fn tidy(scan: &mut Scan) {
    let key = |finding: &Finding| {
        (finding.location.path.clone(), finding.package.clone(), finding.advisory.clone())
    };
    scan.findings.sort_by_cached_key(key);
    scan.findings.dedup_by(|again, kept| {
        let same = again.id == kept.id;
        if same {
            kept.paths.append(&mut again.paths);
            kept.paths.sort_by_key(Vec::len);
            kept.paths.dedup();
            kept.paths.truncate(MOST_PATHS);
        }
        same
    });
    scan.unresolved.sort();
    scan.unresolved.dedup();
}

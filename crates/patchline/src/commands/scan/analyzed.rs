//! What analyzers find at a PATH: the service's own, run on a copy of what git knows of, and reports that were made elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use patchline_conductor::failures::analyzer_failure;
use patchline_detect::analyzer::found::read;
use patchline_detect::analyzer::run::run;
use patchline_detect::{Analyzed, Tree};
use patchline_model::analyzer::{Analyzer, Format};
use patchline_model::gone::became;
use patchline_model::service::Service;
use patchline_model::stage::detect::Finding;
use patchline_sandbox::{Git, Sandbox};
use tempfile::TempDir;

use crate::cli::ScanArguments;
use crate::commands::reports;
use crate::commands::scan::changed::Sides;
use crate::commands::scan::place::{below, folder_of, real};
use crate::exit::Trouble;
use crate::terminal::note;

/// Larger checkouts are not copied.
const LARGEST_COPY: u64 = 8 << 30;

/// What is to look.
pub struct Analyzing {
    reports: Vec<Vec<u8>>,
    runs: bool,
    offline: bool,
}

/// Where a PATH lies, and what can be looked at.
struct Spot {
    top: PathBuf,
    /// From the top to the PATH's folder.
    within: String,
    is_repository: bool,
}

/// What could have looked and did not is told: it runs commands of whoever wrote the folder, and so only when asked to.
pub fn tell_who_did_not_look(service: &Service, arguments: &ScanArguments) {
    let names: Vec<&str> = service.verification.analyzers.iter().map(|one| one.name.as_str()).collect();
    if !arguments.analyzers && !names.is_empty() {
        note(&format!("{} did not look at the code; `--analyzers` runs them", names.join(", ")));
    }
}

impl Analyzing {
    pub fn new(sarif: &[PathBuf], runs: bool, offline: bool) -> Result<Self, Trouble> {
        let reports = sarif.iter().map(|file| reports::bytes(file)).collect::<Result<_, _>>()?;
        Ok(Self { reports, runs, offline })
    }

    /// The findings at this path, relative to its folder; with a range those alone that are new in it.
    pub fn at(&self, path: &Path, service: &[Analyzer], sides: Option<&Sides>) -> Result<Analyzed, Trouble> {
        let analyzers: Vec<Analyzer> = match self.runs && path.is_dir() {
            true => service
                .iter()
                .map(|one| Analyzer { network: one.network && !self.offline, ..one.clone() })
                .collect(),
            false => Vec::new(),
        };
        if analyzers.is_empty() && self.reports.is_empty() {
            return Ok(Analyzed::default());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Trouble::storage(format!("could not start the runtime: {error}")))?;
        runtime.block_on(self.look(path, &analyzers, sides))
    }

    async fn look(
        &self,
        path: &Path,
        analyzers: &[Analyzer],
        sides: Option<&Sides>,
    ) -> Result<Analyzed, Trouble> {
        let spot = Spot::of(path).await?;
        let after = sides.and_then(|sides| sides.after.as_deref());
        let mut all = Analyzed::default();
        if !analyzers.is_empty() {
            if !spot.is_repository {
                let text = format!(
                    "{} lies in no git repository, and analyzers look at what git knows of",
                    path.display()
                );
                return Err(Trouble::input(text).hint("without `--analyzers` they are left out"));
            }
            all = spot.analyzed(analyzers, after).await?;
            if let Some(sides) = sides {
                let before = spot.analyzed(analyzers, Some(&sides.before)).await?;
                let new: BTreeSet<_> = became(&[], &before.findings, &all.findings)
                    .new
                    .iter()
                    .map(|one| one.id.clone())
                    .collect();
                all.findings.retain(|finding| new.contains(&finding.id));
            }
        }
        for report in &self.reports {
            let tree = Tree::new(after.unwrap_or(&spot.top), &spot.within).map_err(storage)?;
            let failed = |why: String| Trouble::input(format!("could not read a report: {why}"));
            let mut told = read(report, Format::Sarif, None, &tree).map_err(failed)?;
            if let Some(sides) = sides {
                let mut lines = Lines {
                    before: &sides.before,
                    after: after.unwrap_or(&spot.top),
                    known: BTreeMap::new(),
                };
                let since_baseline = std::mem::take(&mut told.since_baseline);
                told.findings.retain(|finding| {
                    since_baseline.get(&finding.id).copied().unwrap_or_else(|| lines.is_new(finding))
                });
            }
            all.take(told);
        }
        all.finish();
        for finding in &mut all.findings {
            let place = Path::new(&finding.location.path).strip_prefix(&spot.within);
            finding.location.path = place
                .map_or_else(|_| finding.location.path.clone(), |place| place.to_string_lossy().into_owned());
        }
        Ok(all)
    }
}

impl Spot {
    async fn of(path: &Path) -> Result<Self, Trouble> {
        let folder = folder_of(&real(path)?).to_owned();
        // Whatever git says, where it knows of no repository there is none to look at.
        Ok(match Git::top(&folder).await {
            Ok(top) => Self { within: below(&folder, &top), top, is_repository: true },
            Err(_) => Self { top: folder, within: String::new(), is_repository: false },
        })
    }

    /// What the analyzers find in a tree of our own, or in a copy of the checkout.
    async fn analyzed(&self, analyzers: &[Analyzer], tree: Option<&Path>) -> Result<Analyzed, Trouble> {
        let copied = match tree {
            Some(_) => None,
            None => Some(self.copied().await?),
        };
        let root = copied.as_ref().map(TempDir::path).or(tree).unwrap_or(&self.top);
        let mut all = Analyzed::default();
        if !root.join(&self.within).is_dir() {
            return Ok(all);
        }
        let sandbox = Sandbox::probe();
        for analyzer in analyzers {
            let found = run(analyzer, &sandbox, root, &self.within).await;
            all.take(found.map_err(|error| Trouble::from(analyzer_failure(&error)))?);
        }
        Ok(all)
    }

    /// The checkout as a commit of everything would have it.
    async fn copied(&self) -> Result<TempDir, Trouble> {
        let files = Git::at(&self.top).files().await.map_err(|error| Trouble::input(error.to_string()))?;
        let folder = tempfile::Builder::new().prefix("patchline-scan-").tempdir().map_err(storage)?;
        let mut left = LARGEST_COPY;
        for file in files {
            let (from, to) = (self.top.join(&file), folder.path().join(&file));
            // What was deleted and not committed is no longer there, and a submodule is a folder.
            let Ok(data) = fs::symlink_metadata(&from) else { continue };
            fs::create_dir_all(to.parent().unwrap_or(folder.path())).map_err(storage)?;
            if data.is_symlink() {
                let target = fs::read_link(&from).map_err(storage)?;
                std::os::unix::fs::symlink(target, &to).map_err(storage)?;
            } else if data.is_file() {
                left = left.checked_sub(data.len()).ok_or_else(|| {
                    let text = format!(
                        "the checkout is larger than {} GiB, and is not copied for analyzers",
                        LARGEST_COPY >> 30
                    );
                    Trouble::input(text).hint("without `--analyzers` they are left out")
                })?;
                fs::copy(&from, &to).map_err(storage)?;
            }
        }
        Ok(folder)
    }
}

/// The lines of files, before and after.
struct Lines<'a> {
    before: &'a Path,
    after: &'a Path,
    known: BTreeMap<String, BTreeSet<String>>,
}

impl Lines<'_> {
    /// Whether the finding stands in a line that the file did not have before. Where that can't be told it counts.
    fn is_new(&mut self, finding: &Finding) -> bool {
        let path = &finding.location.path;
        let Some(line) = finding.location.line else { return !self.before.join(path).exists() };
        let now = fs::read_to_string(self.after.join(path)).unwrap_or_default();
        let at = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(now) = now.lines().nth(at).map(plain) else { return true };
        let before = self.before.join(path);
        let known = self
            .known
            .entry(path.clone())
            .or_insert_with(|| fs::read_to_string(before).unwrap_or_default().lines().map(plain).collect());
        !known.contains(&now)
    }
}

fn plain(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn storage(error: io::Error) -> Trouble {
    Trouble::storage(format!("could not look at the code: {error}"))
}

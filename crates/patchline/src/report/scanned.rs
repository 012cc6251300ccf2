//! What every face of a scan is made from: findings with how urgent they are and how their packages are used, all packages,
//! and what could not be judged. The places of several scans become places below one folder.

use hashbrown::HashMap;
use patchline_detect::{AdvisoryStatus, Scan};
use patchline_inventory::detector::{Relation, Scope};
use patchline_inventory::{Installed, Unresolved};
use patchline_model::package::Package;
use patchline_model::stage::detect::{Finding, Location};
use patchline_model::stage::triage::Priority;
use patchline_model::time::Timestamp;

/// One or more scans, put together.
pub struct Scanned {
    /// The folder's name.
    pub name: String,
    /// When; only what a format demands is made from it.
    pub at: Timestamp,
    /// From the top of the repository to the folder below which the places lie; empty where it is the top or no repository.
    pub within: String,
    /// In the order of place, package, version and advisory.
    pub rows: Vec<Row>,
    pub inventory: Vec<Installed>,
    pub unresolved: Vec<Unresolved>,
    /// Those that were needed.
    pub advisories: AdvisoryStatus,
    /// The commit since which things changed, where only that was asked for.
    pub since: Option<String>,
}

/// A finding with all that a person needs to act.
pub struct Row {
    pub finding: Finding,
    pub priority: Priority,
    /// None where the finding is about no package.
    pub used: Option<(Relation, Scope)>,
}

impl Scanned {
    pub fn new(name: String, at: Timestamp, within: String) -> Self {
        let (rows, inventory, unresolved) = (Vec::new(), Vec::new(), Vec::new());
        let advisories = AdvisoryStatus::default();
        Self { name, at, within, rows, inventory, unresolved, advisories, since: None }
    }

    /// Takes a scan in whose root lies at `folder` below the common one. The priorities stand in the order of the findings.
    pub fn take(&mut self, folder: &str, scan: Scan, priorities: Vec<Priority>) {
        let Scan { findings, inventory, unresolved, advisories: _ } = scan;
        let mut uses: HashMap<(&Package, &str, Option<u32>), (Relation, Scope)> = HashMap::new();
        for one in &inventory {
            // The first counts, as it does for the finding itself.
            let place = (&one.package, one.location.path.as_str(), one.location.line);
            uses.entry(place).or_insert((one.relation, one.scope));
        }
        for (mut finding, priority) in findings.into_iter().zip(priorities) {
            let package = finding.package.as_ref();
            let Location { path, line } = &finding.location;
            let used = package.and_then(|package| uses.get(&(package, path.as_str(), *line)).copied());
            finding.location.path = below(folder, &finding.location.path);
            self.rows.push(Row { finding, priority, used });
        }
        drop(uses);
        self.inventory.extend(inventory.into_iter().map(|mut one| {
            if !folder.is_empty() {
                one.location.path = below(folder, &one.location.path);
            }
            one
        }));
        self.unresolved.extend(unresolved.into_iter().map(|one| {
            let path = below(folder, &one.path);
            Unresolved { path, ..one }
        }));
    }

    /// Puts all in order, and takes out what was scanned twice.
    pub fn finish(&mut self) {
        let key = |row: &Row| {
            let finding = &row.finding;
            let (path, package, advisory) = (&finding.location.path, &finding.package, &finding.advisory);
            // Of what analyzers find there may be more than one in a file, in the order of its lines.
            let analysis = finding.analysis();
            let place =
                analysis.map(|analysis| (finding.location.line, analysis.region, finding.summary.clone()));
            (path.clone(), package.clone(), place, advisory.clone())
        };
        self.rows.sort_by_cached_key(key);
        self.rows.dedup_by_key(|row| key(row));
        let key = |one: &Installed| (one.location.path.clone(), one.location.line, one.package.clone());
        self.inventory.sort_by_cached_key(key);
        self.inventory.dedup();
        self.unresolved.sort();
        self.unresolved.dedup();
    }
}

/// A path below a folder that lies below the common one; both may be the folder itself.
pub fn below(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "." | "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

//! The advisories at hand, looked up by package.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use patchline_model::package::{Ecosystem, Package};
use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::file::{self, KEPT};
use crate::index::merge::Records;
use crate::osv::affected::{Details, Verdict, judge};
use crate::osv::alias::{groups, rank};
use crate::osv::record::Record;
use crate::version::{Scheme, Version};

/// Facts that come with the binary, so that the example shows something without any import.
const BUILT_IN: [&str; 1] = [include_str!("../../data/RUSTSEC-2018-0006.json")];

/// Every advisory that a scan is matched against.
#[derive(Clone, Debug)]
pub struct Advisories {
    records: Vec<Record>,
    /// For each record the number of its alias group.
    groups: Vec<usize>,
    by_package: HashMap<Ecosystem, HashMap<String, Vec<usize>>>,
    status: AdvisoryStatus,
}

/// How much the advisories can know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoryStatus {
    /// Where they come from: `built in`, or the file.
    pub from: Vec<String>,
    pub records: u64,
    /// When the newest record was last changed by its database, RFC 3339.
    pub newest: Option<String>,
    /// Whether nothing was ever imported, so that finding nothing means nothing.
    pub only_built_in: bool,
}

/// What the advisories say of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The best known name first in the order of names.
    pub problems: Vec<Problem>,
    /// Advisories that may or may not affect the package, each with what cannot be read.
    pub unresolved: Vec<String>,
}

/// One problem of a package, said by one advisory or by several that are aliases of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The ecosystem's own database is preferred, then GitHub, then CVE.
    pub advisory: String,
    /// Every other name, sorted.
    pub aliases: Vec<String>,
    pub summary: String,
    /// CVSS vectors, those of the preferred database first.
    pub severity: Vec<String>,
    /// Set only when no advisory of the problem calls it a vulnerability.
    pub informational: Option<String>,
    /// Versions above the installed one that no advisory of the problem affects, lowest first.
    pub fixed: Vec<String>,
}

impl Advisories {
    /// What comes with the binary, alone.
    pub fn built_in() -> Self {
        Self::of_records(built_in(), vec!["built in".to_owned()], true)
    }

    /// What was imported into this folder, and what comes with the binary. Without the folder, the latter alone.
    pub fn open(directory: &Path) -> Result<Self, DetectError> {
        let mut from = Vec::new();
        let mut records = built_in();
        for name in KEPT {
            let ecosystem = Ecosystem(name.to_owned());
            if let Some(imported) = file::read(directory, &ecosystem)? {
                from.push(file::path(directory, &ecosystem).display().to_string());
                add_unless_older(&mut records, imported);
            }
        }
        let only_built_in = from.is_empty();
        from.push("built in".to_owned());
        Ok(Self::of_records(records, from, only_built_in))
    }

    pub fn status(&self) -> &AdvisoryStatus {
        &self.status
    }

    /// What they say of this package at this version. It is taken to come from the ecosystem's registry.
    pub fn of(&self, package: &Package) -> Answer {
        let mut unknown = Vec::new();
        let mut hits: BTreeMap<usize, Vec<(&Record, Details)>> = BTreeMap::new();
        for index in self.about(package) {
            let record = &self.records[index];
            match judge(record, package) {
                Verdict::Affected(details) => {
                    hits.entry(self.groups[index]).or_default().push((record, details))
                }
                Verdict::Unknown(what) => unknown.push((index, what)),
                Verdict::Unaffected => {}
            }
        }
        unknown.retain(|(index, _)| !hits.contains_key(&self.groups[*index]));
        let unresolved =
            unknown.into_iter().map(|(index, what)| format!("{}: {what}", self.records[index].id));
        let mut answer = Answer { problems: Vec::new(), unresolved: unresolved.collect() };
        answer.problems.extend(hits.into_values().flat_map(|members| problems(members, package)));
        answer.problems.sort_by(|left, right| left.advisory.cmp(&right.advisory));
        answer
    }

    /// The records that name the package, each once.
    fn about(&self, package: &Package) -> Vec<usize> {
        let names = self.by_package.get(&package.ecosystem);
        names.and_then(|names| names.get(&package.name)).cloned().unwrap_or_default()
    }

    fn of_records(records: Records, from: Vec<String>, only_built_in: bool) -> Self {
        let records: Vec<Record> = records.into_values().collect();
        let mut by_package: HashMap<Ecosystem, HashMap<String, Vec<usize>>> = HashMap::new();
        for (index, record) in records.iter().enumerate() {
            for named in record.affected.iter().filter_map(|part| part.package.as_ref()) {
                let names = by_package.entry(named.ecosystem.clone()).or_default();
                let indices = names.entry(named.name.clone()).or_default();
                if indices.last() != Some(&index) {
                    indices.push(index);
                }
            }
        }
        let newest = records.iter().map(|record| &record.modified).max().cloned().map(String::from);
        let status = AdvisoryStatus { from, records: records.len() as u64, newest, only_built_in };
        Self { groups: groups(&records), records, by_package, status }
    }
}

fn built_in() -> Records {
    let records =
        BUILT_IN.iter().map(|json| Record::parse(json.as_bytes()).expect("a test reads each of them"));
    records.map(|record| (record.id.clone(), record)).collect()
}

fn add_unless_older(records: &mut Records, imported: Records) {
    for (id, record) in imported {
        if records.get(&id).is_none_or(|known| known.modified <= record.modified) {
            records.insert(id, record);
        }
    }
}

/// The problems of one alias group. Two advisories of the ecosystem's own database stay two, even when they share a
/// GHSA or CVE: their database counts them apart. What others say of the group belongs to each of them.
fn problems(mut members: Vec<(&Record, Details)>, package: &Package) -> Vec<Problem> {
    members.sort_by_key(|(record, _)| rank(&package.ecosystem, &record.id));
    let own = members.iter().filter(|(record, _)| rank(&package.ecosystem, &record.id).0 == 0).count();
    let heads = own.clamp(1, members.len());
    let (heads, others) = members.split_at(heads);
    let names: Vec<&str> = heads.iter().map(|(record, _)| record.id.as_str()).collect();
    heads.iter().map(|head| problem(head, others, &names, package)).collect()
}

/// One problem as its head and the others tell it. What bears another head's name is left out of the aliases.
fn problem(
    head: &(&Record, Details),
    others: &[(&Record, Details)],
    heads: &[&str],
    package: &Package,
) -> Problem {
    let members: Vec<&(&Record, Details)> = [head].into_iter().chain(others).collect();
    let names = members.iter().flat_map(|(record, _)| record.aliases.iter().chain([&record.id]));
    let mut aliases: Vec<String> = names.filter(|name| !heads.contains(&name.as_str())).cloned().collect();
    aliases.sort();
    aliases.dedup();
    let summary = members.iter().map(|(record, _)| &record.summary).find(|text| !text.is_empty());
    let kinds: Option<Vec<&String>> =
        members.iter().map(|(_, details)| details.informational.as_ref()).collect();
    let mut severity = Vec::new();
    for vector in members.iter().flat_map(|(_, details)| &details.severity) {
        if !severity.contains(vector) {
            severity.push(vector.clone());
        }
    }
    Problem {
        advisory: head.0.id.clone(),
        aliases,
        summary: summary.cloned().unwrap_or_default(),
        severity,
        informational: kinds.and_then(|kinds| kinds.first().map(|kind| (*kind).clone())),
        fixed: fixed(&members, package),
    }
}

/// A version that one advisory calls fixed may be within another one, or within another range of the same.
fn fixed(members: &[&(&Record, Details)], package: &Package) -> Vec<String> {
    let mut candidates: Vec<&String> = members.iter().flat_map(|(_, details)| &details.fixed).collect();
    candidates.sort_by_cached_key(|text| in_order(package, text));
    candidates.dedup_by(|left, right| in_order(package, left) == in_order(package, right));
    candidates.retain(|version| {
        let then = Package { version: (*version).clone(), ..package.clone() };
        members.iter().all(|(record, _)| judge(record, &then) == Verdict::Unaffected)
    });
    candidates.into_iter().cloned().collect()
}

fn in_order<'a>(package: &Package, text: &'a str) -> Option<Version<'a>> {
    Scheme::of(&package.ecosystem).and_then(|scheme| scheme.parse(text))
}

//! The advisories at hand, looked up by package.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use patchline_model::package::{Ecosystem, Package};
use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::built_in;
use crate::index::codec::Damaged;
use crate::index::file;
use crate::index::gather::Parcels;
use crate::index::image::Image;
use crate::index::posting::{Posting, Standing};
use crate::index::write::base;
use crate::osv::affected::{Details, Verdict, judge};
use crate::osv::alias::rank;
use crate::osv::record::Record;
use patchline_inventory::name::normal;
use patchline_inventory::version::{ECOSYSTEMS, Scheme, Version};

/// Every advisory that a scan is matched against.
#[derive(Clone, Debug)]
pub struct Advisories {
    /// By ecosystem, without its release.
    images: Arc<BTreeMap<String, Image>>,
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
        let images = BTreeMap::from([(built_in::ECOSYSTEM.to_owned(), built_in_image())]);
        Self::of_images(images, vec!["built in".to_owned()], true)
    }

    /// What was imported into this folder, and what comes with the binary. Without the folder, the latter alone. Of each
    /// file only the first block is read; the rest is, when a package of its ecosystem is asked for.
    pub fn open(directory: &Path) -> Result<Self, DetectError> {
        file::refuse_earlier(directory)?;
        let mut from = Vec::new();
        let mut images = BTreeMap::new();
        for (name, _) in ECOSYSTEMS {
            if let Some(image) = file::open(directory, name)? {
                from.push(image.path.display().to_string());
                images.insert(name.to_owned(), image);
            }
        }
        let only_built_in = from.is_empty();
        from.push("built in".to_owned());
        // An import takes them in; so they are apart only where nothing of their ecosystem was imported.
        images.entry(built_in::ECOSYSTEM.to_owned()).or_insert_with(built_in_image);
        Ok(Self::of_images(images, from, only_built_in))
    }

    pub fn status(&self) -> &AdvisoryStatus {
        &self.status
    }

    /// How much there is of each ecosystem.
    pub fn sources(&self) -> impl Iterator<Item = &Image> {
        self.images.values()
    }

    /// What they say of this package at this version. It is taken to come from the ecosystem's registry.
    pub fn of(&self, package: &Package) -> Result<Answer, DetectError> {
        let mut answer = Answer::default();
        let Some(image) = self.images.get(base(&package.ecosystem.0)) else { return Ok(answer) };
        let name = normal(&package.ecosystem, &package.name);
        for bytes in image.postings(&package.ecosystem.0, &name)? {
            let posting = Posting::read(&bytes).map_err(|damaged| image.damaged(damaged))?;
            // Another package may share the key.
            if *posting.named.ecosystem == *package.ecosystem.0 && *posting.named.name == *name {
                answer = answer_of(image, &posting, package)?;
            }
        }
        Ok(answer)
    }

    /// Whether there is any advisory of the ecosystem. Where there is none, to find nothing means nothing.
    pub fn knows(&self, ecosystem: &Ecosystem) -> bool {
        self.images.contains_key(base(&ecosystem.0))
    }

    fn of_images(images: BTreeMap<String, Image>, from: Vec<String>, only_built_in: bool) -> Self {
        let headers = || images.values().map(|image| &image.header);
        let newest = headers().map(|header| &header.newest).max().filter(|newest| !newest.is_empty());
        let newest = newest.map(|newest| format!("{newest}Z"));
        let records = headers().map(|header| header.records).sum();
        let status = AdvisoryStatus { from, records, newest, only_built_in };
        Self { images: Arc::new(images), status }
    }
}

fn built_in_image() -> Image {
    let mut records = Parcels::default();
    built_in::records().iter().for_each(|record| records.put(record));
    file::in_memory(built_in::ECOSYSTEM, &records).expect("nothing can fail in memory")
}

/// What the advisories of a posting say of its package at this version. The posting has the verdict; what else there is
/// to tell comes from the records, as far as they hit.
fn answer_of(image: &Image, posting: &Posting<'_>, package: &Package) -> Result<Answer, DetectError> {
    let mut heads = Vec::new();
    for (record, standing) in posting.judge(&package.version) {
        heads.push((record, standing, image.head(record)?));
    }
    let mut records = Vec::new();
    for (record, standing, bytes) in &heads {
        let whole = file::numbered_head(bytes).and_then(|(group, mut head)| {
            head.affected = posting.affected(*record)?;
            Ok((group, head))
        });
        let (group, whole) = whole.map_err(|damaged| image.damaged(damaged))?;
        if whole.withdrawn.is_none() {
            records.push((group, standing, whole));
        }
    }
    let mut hits: BTreeMap<u64, Vec<(&Record<'_>, Details)>> = BTreeMap::new();
    for (group, standing, record) in &records {
        match (standing, judge(record, package)) {
            (Standing::Hit, Verdict::Affected(details)) => {
                hits.entry(*group).or_default().push((record, details))
            }
            (Standing::Unknown(_), Verdict::Unknown(_)) => {}
            (_, _) => return Err(image.damaged(Damaged("what it says of a package contradicts itself"))),
        }
    }
    let mut unresolved = Vec::new();
    for (group, standing, record) in &records {
        if let (Standing::Unknown(what), false) = (standing, hits.contains_key(group)) {
            unresolved.push(format!("{}: {what}", record.id));
        }
    }
    unresolved.sort();
    let mut problems: Vec<Problem> =
        hits.into_values().flat_map(|members| problems(members, package)).collect();
    problems.sort_by(|left, right| left.advisory.cmp(&right.advisory));
    Ok(Answer { problems, unresolved })
}

/// The problems of one alias group. Two advisories of the ecosystem's own database stay two, even when they share a
/// GHSA or CVE: their database counts them apart. What others say of the group belongs to each of them.
fn problems(mut members: Vec<(&Record<'_>, Details)>, package: &Package) -> Vec<Problem> {
    members.sort_by_key(|(record, _)| rank(&package.ecosystem, &record.id));
    let own = members.iter().filter(|(record, _)| rank(&package.ecosystem, &record.id).0 == 0).count();
    let heads = own.clamp(1, members.len());
    let (heads, others) = members.split_at(heads);
    let names: Vec<&str> = heads.iter().map(|(record, _)| &*record.id).collect();
    heads.iter().map(|head| problem(head, others, &names, package)).collect()
}

/// One problem as its head and the others tell it. What bears another head's name is left out of the aliases.
fn problem(
    head: &(&Record<'_>, Details),
    others: &[(&Record<'_>, Details)],
    heads: &[&str],
    package: &Package,
) -> Problem {
    let members: Vec<&(&Record<'_>, Details)> = [head].into_iter().chain(others).collect();
    let names = members.iter().flat_map(|(record, _)| record.aliases.iter().chain([&record.id]));
    let mut aliases: Vec<String> =
        names.filter(|name| !heads.contains(&&***name)).map(ToString::to_string).collect();
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
        advisory: head.0.id.to_string(),
        aliases,
        summary: summary.map(ToString::to_string).unwrap_or_default(),
        severity,
        informational: kinds.and_then(|kinds| kinds.first().map(|kind| (*kind).clone())),
        fixed: fixed(&members, package),
    }
}

/// A version that one advisory calls fixed may be within another one, or within another range of the same.
fn fixed(members: &[&(&Record<'_>, Details)], package: &Package) -> Vec<String> {
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

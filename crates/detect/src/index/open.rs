//! The advisories at hand, looked up by package.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use patchline_model::failure::in_full;
use patchline_model::package::{Ecosystem, Package};
use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::answers::Answers;
use crate::index::build::built_in_image;
use crate::index::built_in;
use crate::index::codec::{Damaged, Reader};
use crate::index::file;
use crate::index::image::{HINT, Image};
use crate::index::parcel::head;
use crate::index::posting::{Posting, Standing};
use crate::index::shelf::Shelf;
use crate::osv::affected::{Details, Verdict, judge};
use crate::osv::alias::{Groups, rank};
use crate::osv::record::Record;
use patchline_inventory::name::normal;
use patchline_inventory::version::{ECOSYSTEMS, Scheme, Version};

/// Every advisory that a scan is matched against.
#[derive(Clone, Debug)]
pub struct Advisories {
    /// By ecosystem, without its release. One that can't be used does no harm until it is needed.
    shelves: Arc<BTreeMap<String, Result<Shelf, Unusable>>>,
    status: AdvisoryStatus,
    answers: Arc<Answers<Answer>>,
    /// What is said of most packages.
    nothing: Arc<Answer>,
}

/// Why the advisories of an ecosystem can't be used.
#[derive(Clone, Debug)]
struct Unusable {
    path: PathBuf,
    what: String,
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
    /// Whether the package's version is none in the order of its ecosystem.
    pub is_no_version: bool,
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
        let shelves = BTreeMap::from([(built_in::ECOSYSTEM.to_owned(), Ok(built_in_shelf()))]);
        Self::of_shelves(shelves, vec!["built in".to_owned()], true)
    }

    /// What was imported into this folder, and what comes with the binary. Without the folder, the latter alone. Of each
    /// file only the first block is read; the rest is, when a package of its ecosystem is asked for. A file that can't be
    /// used is named then, or by `check`.
    pub fn open(directory: &Path) -> Result<Self, DetectError> {
        file::refuse_earlier(directory)?;
        let mut from = Vec::new();
        let mut shelves = BTreeMap::new();
        for (name, _) in ECOSYSTEMS {
            let shelf = Shelf::open(directory, name).transpose();
            if let Some(shelf) = shelf {
                from.push(file::path(directory, name).display().to_string());
                shelves.insert(name.to_owned(), shelf.map_err(|error| Unusable::of(directory, name, &error)));
            }
        }
        let only_built_in = from.is_empty();
        from.push("built in".to_owned());
        // An import takes them in; so they are apart only where nothing of their ecosystem was imported.
        shelves.entry(built_in::ECOSYSTEM.to_owned()).or_insert_with(|| Ok(built_in_shelf()));
        Ok(Self::of_shelves(shelves, from, only_built_in))
    }

    pub fn status(&self) -> &AdvisoryStatus {
        &self.status
    }

    /// How much there is of each ecosystem.
    pub fn sources(&self) -> impl Iterator<Item = &Shelf> {
        self.shelves.values().flatten()
    }

    /// The first of the files that can't be used.
    pub fn check(&self) -> Result<(), DetectError> {
        self.shelves.values().try_for_each(|shelf| shelf.as_ref().map(|_| ()).map_err(DetectError::from))
    }

    /// What they say of this package at this version. It is taken to come from the ecosystem's registry. Who asks again gets
    /// the same answer without a look into the files.
    pub fn of(&self, package: &Package) -> Result<Arc<Answer>, DetectError> {
        if let Some(known) = self.answers.of(package) {
            return Ok(known);
        }
        let scheme = Scheme::of(&package.ecosystem);
        let is_no_version = scheme.and_then(|scheme| scheme.parse(&package.version)).is_none();
        let answer = Answer { is_no_version, ..self.looked_up(package)? };
        let bytes = answer.bytes();
        let answer = if answer == Answer::default() { Arc::clone(&self.nothing) } else { Arc::new(answer) };
        self.answers.keep(package, Arc::clone(&answer), bytes);
        Ok(answer)
    }

    fn looked_up(&self, package: &Package) -> Result<Answer, DetectError> {
        let Some(shelf) = self.shelves.get(base(&package.ecosystem.0)) else { return Ok(Answer::default()) };
        let shelf = shelf.as_ref().map_err(DetectError::from)?;
        let name = normal(&package.ecosystem, &package.name);
        let mut found = Vec::new();
        for (layer, image) in shelf.layers().enumerate() {
            for bytes in image.postings(&package.ecosystem.0, &name)? {
                found.push((layer, image, bytes));
            }
        }
        let mut postings = Vec::new();
        for (layer, image, bytes) in &found {
            let posting = image.posting(bytes)?;
            // Another package may share the key.
            if *posting.named.ecosystem == *package.ecosystem.0 && *posting.named.name == *name {
                postings.push(Layer { above: *layer > 0, image, posting });
            }
        }
        if postings.is_empty() { Ok(Answer::default()) } else { answer_of(shelf, &postings, package) }
    }

    /// Whether there is any advisory of the ecosystem. Where there is none, to find nothing means nothing.
    pub fn knows(&self, ecosystem: &Ecosystem) -> bool {
        self.shelves.contains_key(base(&ecosystem.0))
    }

    fn of_shelves(
        shelves: BTreeMap<String, Result<Shelf, Unusable>>,
        from: Vec<String>,
        only_built_in: bool,
    ) -> Self {
        let usable = || shelves.values().flatten();
        let newest = usable().flat_map(Shelf::layers).map(|image| &image.header.newest);
        let newest = newest.max().filter(|newest| !newest.is_empty()).map(|newest| format!("{newest}Z"));
        let records = usable().map(Shelf::records).sum();
        let status = AdvisoryStatus { from, records, newest, only_built_in };
        Self { shelves: Arc::new(shelves), status, answers: Arc::default(), nothing: Arc::default() }
    }
}

impl Answer {
    /// Bytes that it takes, more or less; none when it says nothing.
    fn bytes(&self) -> usize {
        let lists = |problem: &Problem| {
            let Problem { aliases, severity, fixed, .. } = problem;
            let texts = aliases.iter().chain(severity).chain(fixed).map(|text| text.len() + 24);
            texts.sum::<usize>() + problem.advisory.len() + problem.summary.len() + size_of::<Problem>()
        };
        let unresolved = self.unresolved.iter().map(|text| text.len() + 24);
        self.problems.iter().map(lists).sum::<usize>() + unresolved.sum::<usize>()
    }
}

impl Unusable {
    fn of(directory: &Path, ecosystem: &str, error: &DetectError) -> Self {
        match error {
            DetectError::Advisories { path, what, .. } => Self { path: path.clone(), what: what.clone() },
            error => Self { path: file::path(directory, ecosystem), what: in_full(error) },
        }
    }
}

impl From<&Unusable> for DetectError {
    fn from(unusable: &Unusable) -> Self {
        DetectError::Advisories { path: unusable.path.clone(), what: unusable.what.clone(), hint: HINT }
    }
}

fn built_in_shelf() -> Shelf {
    Shelf::new(built_in_image().expect("nothing can fail in memory"), None)
}

/// The ecosystem without its release: `Debian` of `Debian:12`.
fn base(ecosystem: &str) -> &str {
    ecosystem.split(':').next().unwrap_or_default()
}

/// What one file says of the package.
struct Layer<'a> {
    above: bool,
    image: &'a Image,
    posting: Posting<'a>,
}

/// A record that does not leave the version alone, before it is read.
struct Touched<'a> {
    layer: &'a Layer<'a>,
    record: u32,
    standing: Standing,
    head: Vec<u8>,
}

/// What the advisories of the postings say of their package at this version. A posting has the verdict; what else there is
/// to tell comes from the records, as far as they hit.
fn answer_of(shelf: &Shelf, layers: &[Layer<'_>], package: &Package) -> Result<Answer, DetectError> {
    let mut touched = Vec::new();
    for layer in layers {
        for (record, standing) in layer.posting.judge(&package.version) {
            touched.push(Touched { layer, record, standing, head: layer.image.head(record)? });
        }
    }
    let mut records = Vec::new();
    let mut groups = Groups::default();
    let is_layered = layers.iter().any(|layer| layer.above);
    for Touched { layer, record, standing, head } in &touched {
        let damaged = |damaged| layer.image.damaged(damaged);
        let (group, mut whole) = numbered_head(head).map_err(damaged)?;
        if whole.withdrawn.is_some() || !layer.above && shelf.hides(&whole.id)? {
            continue;
        }
        whole.affected = layer.posting.affected(*record).map_err(damaged)?;
        groups.next();
        // No id begins like this. Across files, records are one problem by the names that they have.
        groups.join(&format!("#{}{group}", u8::from(layer.above)));
        if is_layered {
            whole.aliases.iter().chain([&whole.id]).for_each(|name| groups.join(name));
        }
        records.push((layer.image, standing, whole));
    }
    let groups: Vec<u32> = (0..records.len() as u32).map(|record| groups.group(record)).collect();
    let mut hits: BTreeMap<u32, Vec<(&Record<'_>, Details)>> = BTreeMap::new();
    for ((image, standing, record), group) in records.iter().zip(&groups) {
        match (standing, judge(record, package)) {
            (Standing::Hit, Verdict::Affected(details)) => {
                hits.entry(*group).or_default().push((record, details))
            }
            (Standing::Unknown(_), Verdict::Unknown(_)) => {}
            (_, _) => return Err(image.damaged(Damaged("what it says of a package contradicts itself"))),
        }
    }
    let mut unresolved = Vec::new();
    for ((_, standing, record), group) in records.iter().zip(&groups) {
        if let (Standing::Unknown(what), false) = (standing, hits.contains_key(group)) {
            unresolved.push(format!("{}: {what}", record.id));
        }
    }
    unresolved.sort();
    let mut problems: Vec<Problem> =
        hits.into_values().flat_map(|members| problems(members, package)).collect();
    problems.sort_by(|left, right| left.advisory.cmp(&right.advisory));
    Ok(Answer { problems, unresolved, is_no_version: false })
}

/// An advisory as it speaks of itself, and the number of its alias group.
fn numbered_head(bytes: &[u8]) -> Result<(u64, Record<'_>), Damaged> {
    let mut reader = Reader(bytes);
    Ok((reader.number()?, head(&mut reader)?))
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

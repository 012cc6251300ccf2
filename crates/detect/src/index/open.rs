//! The advisories at hand, looked up by package.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

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
    /// By ecosystem, without its release.
    shelves: Arc<BTreeMap<&'static str, Place>>,
    directory: Arc<Path>,
    only_built_in: bool,
    answers: Arc<Answers<Answer>>,
    /// What is said of most packages.
    nothing: Arc<Answer>,
}

/// The advisories of an ecosystem, opened when somebody first needs them: until then one that can't be used does no harm.
#[derive(Debug)]
struct Place {
    is_built_in: bool,
    opened: OnceLock<Result<Shelf, Unusable>>,
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
        Self::with(Path::new(""), BTreeSet::new())
    }

    /// What was imported into this folder, and what comes with the binary. Without the folder, the latter alone. No file is
    /// opened before a package of its ecosystem is asked for, and then only its first block is read, and what answers the
    /// question. One that can't be used is named then, or by `check`.
    pub fn open(directory: &Path) -> Result<Self, DetectError> {
        file::refuse_earlier(directory)?;
        let names = file::names(directory)?;
        let is_there = |name: &&str| names.iter().any(|known| known == name);
        let there = ECOSYSTEMS.iter().map(|(name, _)| *name).filter(is_there).collect();
        Ok(Self::with(directory, there))
    }

    fn with(directory: &Path, there: BTreeSet<&'static str>) -> Self {
        let only_built_in = there.is_empty();
        let place = |is_built_in| Place { is_built_in, opened: OnceLock::new() };
        let mut shelves: BTreeMap<_, _> = there.into_iter().map(|name| (name, place(false))).collect();
        // An import takes it in; so it is apart only where nothing of its ecosystem was imported.
        shelves.entry(built_in::ECOSYSTEM).or_insert_with(|| place(true));
        Self {
            shelves: Arc::new(shelves),
            directory: directory.into(),
            only_built_in,
            answers: Arc::default(),
            nothing: Arc::default(),
        }
    }

    /// Whether nothing was ever imported.
    pub fn only_built_in(&self) -> bool {
        self.only_built_in
    }

    /// What there is: every file is opened for that.
    pub fn status(&self) -> AdvisoryStatus {
        self.shelves.keys().for_each(|name| {
            self.shelf(name);
        });
        self.consulted()
    }

    /// What was needed until now.
    pub fn consulted(&self) -> AdvisoryStatus {
        let mut status = AdvisoryStatus { only_built_in: self.only_built_in, ..AdvisoryStatus::default() };
        let mut newest = "";
        for (name, place) in self.shelves.iter() {
            let Some(opened) = place.opened.get() else { continue };
            if !place.is_built_in {
                status.from.push(file::path(&self.directory, name).display().to_string());
            }
            let Ok(shelf) = opened else { continue };
            status.records += shelf.records();
            newest = shelf.layers().map(|image| image.header.newest.as_str()).fold(newest, Ord::max);
        }
        status.from.push("built in".to_owned());
        status.newest = (!newest.is_empty()).then(|| format!("{newest}Z"));
        status
    }

    /// The ecosystems of which there is something, without their releases.
    pub fn ecosystems(&self) -> impl Iterator<Item = &'static str> {
        self.shelves.keys().copied()
    }

    /// What there is of this ecosystem, if it can be used.
    pub fn source(&self, ecosystem: &str) -> Option<&Shelf> {
        self.shelf(ecosystem)?.as_ref().ok()
    }

    /// What there is of each ecosystem: every file is opened for that.
    pub fn sources(&self) -> impl Iterator<Item = &Shelf> {
        self.ecosystems().filter_map(|name| self.source(name))
    }

    /// The first of the files that can't be used.
    pub fn check(&self) -> Result<(), DetectError> {
        let mut shelves = self.ecosystems().filter_map(|name| self.shelf(name));
        shelves.try_for_each(|shelf| shelf.as_ref().map(|_| ()).map_err(DetectError::from))
    }

    /// Opens it the first time.
    fn shelf(&self, ecosystem: &str) -> Option<&Result<Shelf, Unusable>> {
        let (name, place) = self.shelves.get_key_value(ecosystem)?;
        let open = || match place.is_built_in {
            true => Ok(Shelf::new(built_in_image().expect("nothing can fail in memory"), None)),
            false => Shelf::open(&self.directory, name)
                .and_then(|shelf| shelf.ok_or_else(|| file::gone(&self.directory, name)))
                .map_err(|error| Unusable::of(&self.directory, name, &error)),
        };
        Some(place.opened.get_or_init(open))
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
        let Some(shelf) = self.shelf(base(&package.ecosystem.0)) else { return Ok(Answer::default()) };
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

//! The packages of a scan as a bill of materials has them: one part for each package URL, with every place where it stands,
//! what it needs, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use patchline_inventory::Installed;
use patchline_inventory::detector::{Relation, Scope};
use patchline_model::package::{Ecosystem, Package};
use patchline_model::purl::percent_encoded;

use crate::report::scanned::{Row, Scanned};

pub struct Bill<'a> {
    /// In the order of their package URLs.
    pub parts: Vec<Part<'a>>,
    /// The parts that stand for the scanned folder's own code, or that it needs by itself.
    pub needed: BTreeSet<usize>,
    /// Each advisory with its findings, and the part of each.
    pub problems: BTreeMap<&'a str, Vec<(&'a Row, usize)>>,
}

pub struct Part<'a> {
    pub purl: String,
    pub package: &'a Package,
    pub places: Vec<&'a Installed>,
    /// The widest use of any place.
    pub scope: Scope,
    /// The nearest relation of any place.
    pub relation: Relation,
    /// Parts by number.
    pub needs: BTreeSet<usize>,
}

impl<'a> Bill<'a> {
    pub fn of(scanned: &'a Scanned) -> Self {
        let mut places: BTreeMap<String, Vec<&Installed>> = BTreeMap::new();
        for one in &scanned.inventory {
            places.entry(purl(one)).or_default().push(one);
        }
        // What a lockfile says its packages need is meant within it.
        let mut known: HashMap<(&str, &Package), Vec<usize>> = HashMap::new();
        for (part, places) in places.values().enumerate() {
            for one in places {
                known.entry((&one.location.path, &one.package)).or_default().push(part);
            }
        }
        let found = |path: &'a str, package: &'a Package| known.get(&(path, package)).into_iter().flatten();
        let needs = |places: &[&'a Installed]| {
            let needed =
                places.iter().flat_map(|one| one.dependencies.iter().map(|need| (&*one.location.path, need)));
            needed.flat_map(|(path, need)| found(path, need)).copied().collect()
        };
        let parts: Vec<Part<'_>> = places
            .iter()
            .map(|(purl, places)| Part {
                purl: purl.clone(),
                package: &places[0].package,
                scope: places.iter().map(|one| one.scope).min().unwrap_or(Scope::Normal),
                relation: places
                    .iter()
                    .map(|one| one.relation)
                    .min_by_key(|one| nearness(*one))
                    .unwrap_or(Relation::Unknown),
                needs: needs(places),
                places: places.clone(),
            })
            .collect();
        let mut problems: BTreeMap<&str, Vec<(&Row, usize)>> = BTreeMap::new();
        for row in &scanned.rows {
            let package = row.finding.package.as_ref();
            let parts = package.map(|package| found(&row.finding.location.path, package));
            let first = parts.and_then(|mut parts| parts.next());
            problems.entry(&row.finding.advisory).or_default().extend(first.map(|part| (row, *part)));
        }
        Self { needed: needed(&parts), parts, problems }
    }
}

impl Part<'_> {
    /// Where a lockfile states one.
    pub fn sha256(&self) -> Option<&str> {
        let sums = self.places.iter().filter_map(|one| one.checksum.as_deref());
        sums.map(|sum| sum.strip_prefix("sha256:").unwrap_or(sum)).find(|sum| is_sha256(sum))
    }
}

fn is_sha256(sum: &str) -> bool {
    sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// Own parts, and direct ones that no own part is known to need.
fn needed(parts: &[Part<'_>]) -> BTreeSet<usize> {
    let own = |part: &&Part<'_>| part.relation == Relation::Own;
    let by_own: BTreeSet<usize> =
        parts.iter().filter(own).flat_map(|part| part.needs.iter().copied()).collect();
    let all = parts.iter().enumerate();
    let needed = all.filter(|(number, part)| match part.relation {
        Relation::Own => true,
        Relation::Direct => !by_own.contains(number),
        Relation::Transitive | Relation::Unknown => false,
    });
    needed.map(|(number, _)| number).collect()
}

fn nearness(relation: Relation) -> u8 {
    match relation {
        Relation::Own => 0,
        Relation::Direct => 1,
        Relation::Transitive => 2,
        Relation::Unknown => 3,
    }
}

/// The package URL. What comes from no registry says where it comes from, and is none of its ecosystem's packages where
/// that is no address: else a reader of the bill would take it for the registry's package of the same name.
fn purl(one: &Installed) -> String {
    let plain = one.package.purl();
    if one.registered {
        return plain;
    }
    match one.source.as_deref().filter(|source| source.contains("://")) {
        Some(source) if is_repository(source) => format!("{plain}?vcs_url={}", percent_encoded(source)),
        Some(source) => format!("{plain}?download_url={}", percent_encoded(source)),
        None => Package { ecosystem: Ecosystem("generic".to_owned()), ..one.package.clone() }.purl(),
    }
}

fn is_repository(source: &str) -> bool {
    source.starts_with("git") || source.contains(".git")
}

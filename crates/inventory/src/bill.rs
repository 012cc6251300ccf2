//! Packages as a bill of materials has them: one part for each package URL, with every place where it stands and what it
//! needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use patchline_model::package::{Ecosystem, Package};
use patchline_model::purl::percent_encoded;

use crate::detector::{Installed, Relation, Scope};

pub struct Bill<'a> {
    /// In the order of their package URLs.
    pub parts: Vec<Part<'a>>,
    /// The parts that stand for the repository's own code, or that it needs by itself.
    pub needed: BTreeSet<usize>,
    /// What a lockfile says is meant within it.
    known: HashMap<&'a str, HashMap<&'a Package, Vec<usize>>>,
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
    pub fn of(installed: &'a [Installed]) -> Self {
        let mut places: BTreeMap<String, Vec<&Installed>> = BTreeMap::new();
        for one in installed {
            places.entry(purl(one)).or_default().push(one);
        }
        let mut known: HashMap<&str, HashMap<&Package, Vec<usize>>> = HashMap::new();
        for (part, places) in places.values().enumerate() {
            for one in places {
                known.entry(&one.location.path).or_default().entry(&one.package).or_default().push(part);
            }
        }
        let mut bill = Self { parts: Vec::with_capacity(places.len()), needed: BTreeSet::new(), known };
        for (purl, places) in places {
            bill.parts.push(bill.part(purl, places));
        }
        bill.needed = needed(&bill.parts);
        bill
    }

    fn part(&self, purl: String, places: Vec<&'a Installed>) -> Part<'a> {
        let needs =
            places.iter().flat_map(|one| one.dependencies.iter().map(|need| (&*one.location.path, need)));
        Part {
            purl,
            package: &places[0].package,
            scope: places.iter().map(|one| one.scope).min().unwrap_or(Scope::Normal),
            relation: places
                .iter()
                .map(|one| one.relation)
                .min_by_key(|one| nearness(*one))
                .unwrap_or(Relation::Unknown),
            needs: needs.flat_map(|(path, need)| self.found(path, need)).copied().collect(),
            places,
        }
    }

    /// The parts that this file means by this package, by number.
    pub fn found(&self, path: &str, package: &Package) -> &[usize] {
        self.known.get(path).and_then(|known| known.get(package)).map_or(&[], Vec::as_slice)
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
pub fn purl(one: &Installed) -> String {
    let plain = one.package.purl();
    if one.registered {
        return plain;
    }
    let other_registry = one
        .source
        .as_deref()
        .and_then(|source| ["registry+", "sparse+"].iter().find_map(|kind| source.strip_prefix(kind)));
    match one.source.as_deref().filter(|source| source.contains("://")) {
        Some(_) if let Some(address) = other_registry => {
            format!("{plain}?repository_url={}", percent_encoded(address))
        }
        Some(source) if is_repository(source) => format!("{plain}?vcs_url={}", percent_encoded(source)),
        Some(source) => format!("{plain}?download_url={}", percent_encoded(source)),
        None => Package { ecosystem: Ecosystem("generic".to_owned()), ..one.package.clone() }.purl(),
    }
}

fn is_repository(source: &str) -> bool {
    source.starts_with("git") || source.contains(".git")
}

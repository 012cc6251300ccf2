//! From what a package database says to an inventory: by the names that the distribution's advisories use.

use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::Location;

use crate::detector::{Installed, Inventory, Relation, Scope, Unresolved};
use crate::os::distribution::{Distribution, Names};
use crate::version::LONGEST;

/// More packages than this in one database are not read; a full desktop has about 10,000.
pub const MOST_PACKAGES: usize = 100_000;

/// One package as its database has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsPackage {
    pub name: String,
    pub version: String,
    pub source: Source,
    pub line: Option<u32>,
}

/// What a package was built from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Of its own name and version.
    #[default]
    Same,
    Named {
        name: String,
        version: String,
    },
    /// Why name or version of the source are not known.
    Unknown(String),
}

/// The inventory of the database at this path. The ways to a package that goes by its source's name are the binary
/// packages that hold it: those are what a person upgrades.
pub fn inventory(distribution: &Distribution, path: &str, packages: Vec<OsPackage>) -> Inventory {
    let mut inventory = Inventory::default();
    if packages.len() > MOST_PACKAGES {
        let what = format!("it has more than {MOST_PACKAGES} packages; only so many are looked at");
        inventory.unresolved.push(Unresolved::of(path, what));
    }
    for package in packages.into_iter().take(MOST_PACKAGES) {
        match named(distribution, &package) {
            Ok((spoken_of, also)) => {
                let way = format!("{} {}", package.name, package.version);
                inventory.installed.push(Installed {
                    package: spoken_of,
                    also,
                    location: Location { path: path.to_owned(), line: package.line },
                    relation: Relation::Unknown,
                    scope: Scope::Normal,
                    paths: vec![vec![way.into()]],
                    dependencies: Vec::new(),
                    checksum: None,
                    source: None,
                    registered: true,
                });
            }
            Err(why) => {
                let name: String = package.name.chars().take(LONGEST).collect();
                inventory.unresolved.push(Unresolved::package(path, package.line, &name, why));
            }
        }
    }
    inventory
}

/// The package as advisories speak of it, and what else to ask for.
fn named(distribution: &Distribution, package: &OsPackage) -> Result<(Package, Vec<Package>), String> {
    let own = (package.name.as_str(), package.version.as_str());
    let source = match &package.source {
        Source::Same => Ok(own),
        Source::Named { name, version } => Ok((name.as_str(), version.as_str())),
        Source::Unknown(why) => Err(why),
    };
    let (first, second) = match (distribution.names, source) {
        (Names::Binary, source) => (own, source.ok().filter(|source| fit(*source).is_ok())),
        (Names::Source, Ok(source)) => (source, None),
        (Names::Source, Err(why)) => return Err(why.clone()),
    };
    fit(first)?;
    fit(own)?;
    let of = |ecosystem: &Ecosystem, (name, version): (&str, &str)| Package {
        ecosystem: ecosystem.clone(),
        name: name.to_owned(),
        version: version.to_owned(),
    };
    let mut also = Vec::new();
    also.extend(distribution.also.iter().map(|ecosystem| of(ecosystem, first)));
    if let Some(second) = second.filter(|second| second.0 != first.0) {
        let everywhere = [&distribution.ecosystem].into_iter().chain(&distribution.also);
        also.extend(everywhere.map(|ecosystem| of(ecosystem, second)));
    }
    Ok((of(&distribution.ecosystem_of(first.1), first), also))
}

fn fit((name, version): (&str, &str)) -> Result<(), String> {
    let odd = |word: &str| {
        word.len() > LONGEST || word.contains(|sign: char| sign.is_whitespace() || sign.is_control())
    };
    if name.is_empty() || odd(name) {
        return Err("this is no name of a package".to_owned());
    }
    match version.is_empty() || odd(version) {
        true => Err(format!("{:?} is no version", version.chars().take(40).collect::<String>())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{OsPackage, Source, inventory};
    use crate::os::distribution::Distribution;
    use crate::os::release::Release;

    #[track_caller]
    fn check(release: &str, given: Source, then: &[&str]) {
        let distribution = Distribution::of(&Release::of(release)).expect("a distribution");
        let package = OsPackage { name: "lib".into(), version: "2-1".into(), source: given, line: Some(3) };
        let inventory = inventory(&distribution, "db", vec![package]);
        let asked = inventory.installed.iter().flat_map(|one| [&one.package].into_iter().chain(&one.also));
        let asked = asked.map(|one| format!("{}/{one}", one.ecosystem));
        let ways = inventory.installed.iter().map(|one| one.paths[0][0].to_string());
        let unresolved = inventory.unresolved.iter().map(|one| one.what.clone());
        let said: Vec<String> = asked.chain(ways).chain(unresolved).collect();
        assert_eq!(said, then);
    }

    #[test]
    fn packages_go_by_the_name_that_advisories_use() {
        let source = || Source::Named { name: "src".to_owned(), version: "2".to_owned() };
        check("ID=debian\nVERSION_ID=12", source(), &["Debian:12/src 2", "lib 2-1"]);
        check("ID=debian\nVERSION_ID=12", Source::Same, &["Debian:12/lib 2-1", "lib 2-1"]);
        check(
            "ID=almalinux\nVERSION_ID=9.1",
            source(),
            &["AlmaLinux:9/lib 2-1", "AlmaLinux:9/src 2", "lib 2-1"],
        );
        check("ID=wolfi", source(), &["Wolfi/lib 2-1", "Wolfi/src 2", "lib 2-1"]);
        check("ID=wolfi", Source::Same, &["Wolfi/lib 2-1", "lib 2-1"]);
    }

    #[test]
    fn a_source_that_is_not_known_matters_only_where_it_is_asked_for() {
        let unknown = || Source::Unknown("no epoch".to_owned());
        check("ID=rocky\nVERSION_ID=9.1", unknown(), &["no epoch"]);
        check("ID=almalinux\nVERSION_ID=9.1", unknown(), &["AlmaLinux:9/lib 2-1", "lib 2-1"]);
        let empty = Source::Named { name: "src".to_owned(), version: String::new() };
        check("ID=debian\nVERSION_ID=12", empty, &["\"\" is no version"]);
    }
}

//! `Cargo.lock`, read, and compared before and after: what moved, and what must not have happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use patchline_model::stage::generate::Move;
use semver::Version;
use serde::Deserialize;
use thiserror::Error;

/// Largest lockfile that is read, in bytes.
pub(crate) const LARGEST: usize = 32 << 20;

/// Text that is not a lockfile of cargo.
#[derive(Debug, Error)]
#[error("could not read `Cargo.lock`: {0}")]
pub(crate) struct NotALockfile(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Nothing for a package of the workspace itself.
    pub(crate) source: Option<String>,
    checksum: Option<String>,
    dependencies: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Lockfile {
    packages: Vec<Locked>,
    /// 1 to 4; formats 1 and 2 do not name themselves.
    pub(crate) format: u32,
}

/// What happened between two lockfiles.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) moves: Vec<Move>,
    /// Each broken rule in one sentence; none for a good change.
    pub(crate) violations: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    version: Option<u32>,
    #[serde(default)]
    package: Vec<Entry>,
    /// Where lockfiles of format 1 keep the checksums, as `checksum <name> <version> (<source>)`.
    #[serde(default)]
    metadata: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Lockfile {
    pub(crate) fn parse(text: &str) -> Result<Self, NotALockfile> {
        if text.len() > LARGEST {
            return Err(NotALockfile(format!("it has more than {LARGEST} bytes")));
        }
        let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
        let document: Document =
            toml::from_str(text).map_err(|error| NotALockfile(first_line(error.message().to_owned())))?;
        let metadata = document.metadata;
        let format = document.version.unwrap_or(if metadata.is_empty() { 2 } else { 1 });
        let packages = document.package.into_iter().map(|entry| {
            let version = Version::parse(&entry.version)
                .map_err(|_| NotALockfile(format!("`{}` is not a version", entry.version.escape_debug())))?;
            Ok(Locked {
                checksum: entry.checksum.clone().or_else(|| checksum_apart(&metadata, &entry)),
                name: entry.name,
                version,
                source: entry.source,
                dependencies: entry.dependencies,
            })
        });
        Ok(Self { packages: packages.collect::<Result<_, _>>()?, format })
    }

    pub(crate) fn versions<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Version> {
        self.packages.iter().filter(move |package| package.name == name).map(|package| &package.version)
    }

    /// The packages from outside that need this one, the nearest first.
    pub(crate) fn ancestors(&self, name: &str, version: &Version) -> Vec<(String, Version)> {
        let mut needed_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        self.packages
            .iter()
            .enumerate()
            .for_each(|(at, package)| by_name.entry(&package.name).or_default().push(at));
        for (at, package) in self.packages.iter().enumerate() {
            for dependency in &package.dependencies {
                // `name`, `name version` where there are several, `name version (source)` where that is not enough.
                let mut words = dependency.splitn(3, ' ');
                let (name, version) = (words.next().unwrap_or_default(), words.next());
                let fits =
                    |at: &&usize| version.is_none_or(|text| self.packages[**at].version.to_string() == text);
                let named = by_name.get(name).into_iter().flatten().filter(fits);
                named.for_each(|needed| needed_by.entry(*needed).or_default().push(at));
            }
        }
        let found = |package: &Locked| package.name == name && package.version == *version;
        let mut queue: VecDeque<usize> = self
            .packages
            .iter()
            .enumerate()
            .filter(|(_, package)| found(package))
            .map(|(at, _)| at)
            .collect();
        let mut seen: BTreeSet<usize> = queue.iter().copied().collect();
        let mut order = Vec::new();
        while let Some(at) = queue.pop_front() {
            let fresh = needed_by.get(&at).into_iter().flatten().filter(|parent| seen.insert(**parent));
            let fresh: Vec<usize> = fresh.copied().collect();
            order.extend(&fresh);
            queue.extend(&fresh);
        }
        let needing = order.into_iter().map(|at: usize| &self.packages[at]);
        let outside = needing.filter(|package: &&Locked| package.source.is_some());
        outside.map(|package| (package.name.clone(), package.version.clone())).collect()
    }
}

/// The checksum of a package in a lockfile of format 1; cargo writes `<none>` where there is none.
fn checksum_apart(metadata: &BTreeMap<String, toml::Value>, entry: &Entry) -> Option<String> {
    let source = entry.source.as_ref()?;
    let key = format!("checksum {} {} ({source})", entry.name, entry.version);
    let checksum = metadata.get(&key)?.as_str()?;
    (checksum != "<none>").then(|| checksum.to_owned())
}

/// Nothing may go below its installed version, and nothing may come from elsewhere or with another content.
pub(crate) fn compare(before: &Lockfile, after: &Lockfile) -> Comparison {
    let names: BTreeSet<&str> =
        before.packages.iter().chain(&after.packages).map(|package| package.name.as_str()).collect();
    let mut comparison = Comparison::default();
    for name in names {
        let of = |lockfile: &Lockfile| -> Vec<Locked> {
            let mut found: Vec<Locked> =
                lockfile.packages.iter().filter(|package| package.name == name).cloned().collect();
            found.sort_by(|left, right| left.version.cmp(&right.version));
            found
        };
        compare_one(name, of(before), of(after), &mut comparison);
    }
    comparison
}

fn compare_one(name: &str, before: Vec<Locked>, after: Vec<Locked>, comparison: &mut Comparison) {
    let same_version =
        |list: &[Locked], package: &Locked| list.iter().any(|other| other.version == package.version);
    for new in &after {
        let old = before.iter().filter(|old| old.version == new.version);
        // A checksum that was not known may become known; a known one may neither change nor go.
        let other_content = |old: &Locked| old.checksum.is_some() && old.checksum != new.checksum;
        let changed = |old: &Locked| old.source != new.source || other_content(old);
        if old.clone().next().is_some() && old.clone().all(changed) {
            comparison
                .violations
                .push(format!("`{}` would come from elsewhere or with another checksum", label(new)));
        }
    }
    let places: BTreeSet<Option<&str>> = before.iter().map(place).collect();
    let mut gone: Vec<&Locked> = before.iter().filter(|old| !same_version(&after, old)).collect();
    let fresh = after.iter().filter(|new| !same_version(&before, new));
    // The nearest version below is where a package came from; what has none below it went down or is new.
    for new in fresh {
        if !before.is_empty() && !places.contains(&place(new)) {
            comparison.violations.push(format!("`{}` would come from elsewhere", label(new)));
        }
        let below = gone.iter().rposition(|old| old.version < new.version);
        let from = match below {
            Some(at) => Some(gone.remove(at)),
            None if gone.is_empty() => None,
            None => Some(gone.remove(0)),
        };
        let lowest = before.first().filter(|lowest| new.version < lowest.version);
        if let Some(old) = from.filter(|old| new.version < old.version).or(lowest) {
            comparison.violations.push(format!("`{}` would go down to `{}`", label(old), label(new)));
        }
        comparison.moves.push(step(name, from, Some(new)));
    }
    comparison.moves.extend(gone.into_iter().map(|old| step(name, Some(old), None)));
}

/// The source without the commit of a git source, which moves with the version.
fn place(package: &Locked) -> Option<&str> {
    package.source.as_deref().and_then(|source| source.split('#').next())
}

fn step(name: &str, from: Option<&Locked>, to: Option<&Locked>) -> Move {
    let version = |package: &Locked| package.version.to_string();
    Move { package: name.to_owned(), from: from.map(version), to: to.map(version), rung: None }
}

fn label(package: &Locked) -> String {
    format!("{} {}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Lockfile, compare};
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
    use semver::Version;

    fn lockfile(packages: &[(&str, &str, &str)]) -> String {
        let package = |(name, version, needs): &(&str, &str, &str)| {
            let source =
                if name.starts_with("app") { "" } else { "source = \"registry\"\nchecksum = \"00\"\n" };
            let needs: Vec<String> =
                needs.split(',').filter(|need| !need.is_empty()).map(|need| format!("{need:?}")).collect();
            format!(
                "[[package]]\nname = {name:?}\nversion = {version:?}\n{source}dependencies = [{}]\n\n",
                needs.join(", ")
            )
        };
        packages.iter().map(package).collect()
    }

    fn check(
        before: &[(&str, &str, &str)],
        after: &[(&str, &str, &str)],
        moves: &[&str],
        violations: &[&str],
    ) {
        let parse = |packages| Lockfile::parse(&lockfile(packages)).expect("it is a lockfile");
        let found = compare(&parse(before), &parse(after));
        let text = |version: Option<String>| version.unwrap_or_else(|| "none".to_owned());
        let shown: Vec<String> = found
            .moves
            .into_iter()
            .map(|step| format!("{} {} {}", step.package, text(step.from), text(step.to)))
            .collect();
        assert_eq!(shown, moves);
        assert_eq!(found.violations, violations);
    }

    #[test]
    fn a_step_up_is_a_move() {
        check(
            &[("a", "1.0.0", ""), ("b", "1.0.0", "")],
            &[("a", "1.0.1", ""), ("b", "1.0.0", "")],
            &["a 1.0.0 1.0.1"],
            &[],
        );
    }

    #[test]
    fn what_comes_and_goes_is_a_move_too() {
        check(&[("a", "1.0.0", "")], &[("b", "1.0.0", "")], &["a 1.0.0 none", "b none 1.0.0"], &[]);
        check(&[("a", "1.0.0", "")], &[("a", "1.0.0", ""), ("a", "2.0.0", "")], &["a none 2.0.0"], &[]);
    }

    #[test]
    fn each_line_of_versions_moves_by_itself() {
        check(
            &[("a", "1.0.0", ""), ("a", "2.0.0", "")],
            &[("a", "1.0.1", ""), ("a", "2.0.1", "")],
            &["a 1.0.0 1.0.1", "a 2.0.0 2.0.1"],
            &[],
        );
    }

    #[test]
    fn a_step_down_is_refused() {
        let down = "`a 1.0.1` would go down to `a 1.0.0`";
        check(&[("a", "1.0.1", "")], &[("a", "1.0.0", "")], &["a 1.0.1 1.0.0"], &[down]);
        check(&[("a", "1.0.1", "")], &[("a", "1.0.1", ""), ("a", "1.0.0", "")], &["a none 1.0.0"], &[down]);
    }

    #[test]
    fn another_content_or_source_is_refused() {
        let text = lockfile(&[("a", "1.0.0", "")]);
        let before = Lockfile::parse(&text).unwrap();
        for (changed, violation) in [
            (
                text.replace("\"00\"", "\"11\""),
                "`a 1.0.0` would come from elsewhere or with another checksum",
            ),
            (
                text.replace("registry", "git").replace("1.0.0", "1.0.1"),
                "`a 1.0.1` would come from elsewhere",
            ),
        ] {
            assert_eq!(compare(&before, &Lockfile::parse(&changed).unwrap()).violations, [violation]);
        }
    }

    #[test]
    fn checksums_of_format_1_move_into_the_package_and_stay_what_they_are() {
        let source = "source = \"registry\"\n";
        let package = format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n{source}");
        let old = format!("{package}\n[metadata]\n\"checksum a 1.0.0 (registry)\" = \"00\"\n");
        let before = Lockfile::parse(&old).unwrap();
        for (checksum, violations) in [("00", 0), ("11", 1)] {
            let after = Lockfile::parse(&format!("{package}checksum = \"{checksum}\"\n")).unwrap();
            assert_eq!(compare(&before, &after).violations.len(), violations, "{checksum}");
        }
    }

    #[test]
    fn ancestors_come_nearest_first_and_without_our_own_packages() {
        let text = lockfile(&[
            ("app", "0.1.0", "outer,inner 0.5.0"),
            ("outer", "1.0.0", "parent"),
            ("parent", "1.0.0", "inner 0.4.0"),
            ("inner", "0.4.0", "parent"),
            ("inner", "0.5.0", ""),
        ]);
        let found = Lockfile::parse(&text).unwrap().ancestors("inner", &Version::new(0, 4, 0));
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["parent", "outer"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn foreign_text_is_read_or_refused(text in any::<String>(), at in any::<prop::sample::Index>(), end in any::<prop::sample::Index>()) {
            let good = lockfile(&[("app", "0.1.0", "inner"), ("inner", "0.4.0", "app,inner 9,ghost")]);
            let bent = format!("{}{text}{}", &good[..at.index(good.len())], &good[end.index(good.len())..]);
            for text in [text, bent] {
                if let Ok(read) = Lockfile::parse(&text) {
                    read.ancestors("inner", &Version::new(0, 4, 0));
                    prop_assert_eq!(compare(&read, &read), Comparison::default());
                }
            }
        }
    }
}

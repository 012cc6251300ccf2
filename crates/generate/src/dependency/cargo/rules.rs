//! What a change of the lockfile must not do, whoever wrote it: nothing goes down, no problem comes in, nothing moves that
//! had no reason to, and no version comes from elsewhere or with another content.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::generate::Move;
use semver::Version;

use crate::dependency::cargo::lock::{Locked, Lockfile};
use crate::dependency::cargo::settings::registry_of;
use crate::fixer::Known;

/// What happened between two lockfiles.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) moves: Vec<Move>,
    /// Each broken rule in one sentence; none for a good change.
    pub(crate) violations: Vec<String>,
    /// Versions that came with a problem of their own, which is such a sentence.
    pub(crate) bad: Vec<(String, Version)>,
}

/// Holds a change to all rules. `planned` are the packages that were meant to move.
pub(crate) fn judge(
    before: &Lockfile,
    after: &Lockfile,
    planned: &BTreeSet<String>,
    known: &dyn Known,
) -> Result<Comparison, Failure> {
    let mut comparison = compare(before, after);
    let (old, new) = (registered(before), registered(after));
    for (name, versions) in &new {
        let had = old.get(name).cloned().unwrap_or_default();
        let mut problems_before = BTreeSet::new();
        for version in &had {
            problems_before.extend(problems(name, version, known)?);
        }
        for version in versions.difference(&had) {
            let fresh = problems(name, version, known)?;
            if let Some(problem) = fresh.into_iter().find(|problem| !problems_before.contains(problem)) {
                comparison.violations.push(format!("`{name} {version}` would bring {problem} in"));
                comparison.bad.push((name.clone(), version.clone()));
            }
        }
    }
    let reached: BTreeSet<String> =
        reached(before, planned).into_iter().chain(reached(after, planned)).collect();
    // What goes brings no code in, and a package of the repository has the version that its manifest says.
    let is_own =
        |name: &str| after.packages.iter().any(|package| package.name == name && package.source.is_none());
    let moved = comparison.moves.iter().filter(|step| step.to.is_some() && !is_own(&step.package));
    let unrelated: BTreeSet<&String> =
        moved.map(|step| &step.package).filter(|name| !reached.contains(*name)).collect();
    let unrelated = unrelated
        .into_iter()
        .map(|name| format!("`{name}` would move, though nothing that is fixed needs it"))
        .collect::<Vec<_>>();
    comparison.violations.extend(unrelated);
    Ok(comparison)
}

/// The crates that advisories speak of.
fn registered(lock: &Lockfile) -> BTreeMap<String, BTreeSet<Version>> {
    let mut found: BTreeMap<String, BTreeSet<Version>> = BTreeMap::new();
    let is_registered =
        |package: &&Locked| package.source.as_deref().is_some_and(|at| registry_of(at).is_empty());
    for package in lock.packages.iter().filter(is_registered) {
        found.entry(package.name.clone()).or_default().insert(package.version.clone());
    }
    found
}

fn problems(name: &str, version: &Version, known: &dyn Known) -> Result<Vec<String>, Failure> {
    let ecosystem = Ecosystem::crates_io();
    known.problems(&Package { ecosystem, name: name.to_owned(), version: version.to_string() })
}

/// The packages that the planned ones lead to, themselves included.
fn reached(lock: &Lockfile, planned: &BTreeSet<String>) -> BTreeSet<String> {
    let edges = lock.edges();
    let start = lock.packages.iter().enumerate().filter(|(_, package)| planned.contains(&package.name));
    let mut open: Vec<usize> = start.map(|(at, _)| at).collect();
    let mut seen: BTreeSet<usize> = open.iter().copied().collect();
    while let Some(at) = open.pop() {
        open.extend(edges[at].iter().copied().filter(|to| seen.insert(*to)));
    }
    seen.into_iter().map(|at| lock.packages[at].name.clone()).chain(planned.iter().cloned()).collect()
}

/// Nothing may go below its installed version, and nothing may come from elsewhere or with another content.
fn compare(before: &Lockfile, after: &Lockfile) -> Comparison {
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
    use super::{compare, judge};
    use crate::dependency::cargo::lock::Lockfile;
    use crate::fixer::Known;
    use patchline_model::failure::Failure;
    use patchline_model::package::Package;
    use std::collections::BTreeSet;

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

    /// Everything bad is known by name and version.
    #[derive(Debug)]
    struct Bad(&'static str, &'static str);

    impl Known for Bad {
        fn problems(&self, package: &Package) -> Result<Vec<String>, Failure> {
            let is_bad = (package.name.as_str(), package.version.as_str()) == (self.0, self.1);
            Ok(is_bad.then(|| "X-1".to_owned()).into_iter().collect())
        }
    }

    #[test]
    fn a_problem_that_was_not_there_and_a_move_without_a_reason_are_refused() {
        let parse = |packages| {
            let text = lockfile(packages)
                .replace("\"registry\"", "\"registry+https://github.com/rust-lang/crates.io-index\"");
            Lockfile::parse(&text).expect("it is a lockfile")
        };
        let before = parse(&[("app", "0.1.0", "a,c"), ("a", "1.0.0", ""), ("c", "1.0.0", "")]);
        let after =
            parse(&[("app", "0.1.0", "a,c"), ("a", "1.0.1", "b"), ("b", "1.0.0", ""), ("c", "1.0.1", "")]);
        let planned = BTreeSet::from(["a".to_owned()]);
        let found = judge(&before, &after, &planned, &Bad("b", "1.0.0")).expect("all is known");
        assert_eq!(
            found.violations,
            ["`b 1.0.0` would bring X-1 in", "`c` would move, though nothing that is fixed needs it"]
        );
    }
}

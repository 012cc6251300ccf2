//! What a person should see of packages that move or come: another licence, something new that runs, a name like another.

use patchline_model::package::{Ecosystem, Package};

use crate::check::Case;
use crate::complaint::{Complaint, Given};
use crate::diff::Diff;
use crate::facts::Manifest;
use crate::manifests::manifest;
use crate::moved::{Moved, Moves};

/// Shorter names are near each other by chance.
const SHORTEST: usize = 5;
/// From this length on, two letters may differ.
const LONG: usize = 8;

pub(crate) fn complaints(case: &Case) -> Vec<Complaint> {
    let Ok(diff) = Diff::read(&case.diff) else { return Vec::new() };
    let moves = Moves::of(Given { case, diff: &diff });
    moves
        .moved
        .iter()
        .flat_map(|moved| [of_manifests(moved, case), like_another(moved, &moves)].concat())
        .collect()
}

fn of_manifests(moved: &Moved, case: &Case) -> Vec<Complaint> {
    let (Some(to), from) = (moved.came().max(), moved.went().max()) else { return Vec::new() };
    let package = |version: &String| Package {
        ecosystem: moved.ecosystem.clone(),
        name: moved.name.clone(),
        version: version.clone(),
    };
    let Some(after) = manifest(&case.patch, &case.service.folder, &package(to)) else { return Vec::new() };
    let before = from.and_then(|from| manifest(&case.base, &case.service.folder, &package(from)));
    let versions = match from {
        Some(from) => format!("{} {from} to {to}", moved.name),
        None => format!("{} {to}, which is new", moved.name),
    };
    compared(&versions, from.is_some(), before.as_ref(), &after)
}

fn compared(versions: &str, moves: bool, before: Option<&Manifest>, after: &Manifest) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let said = |licence: &Option<String>| licence.clone().unwrap_or_else(|| "none".to_owned());
    // Where the old one says nothing of it, as in many a lockfile, nothing is known to have changed.
    if let Some(before) = before
        && before.licence.is_some()
        && before.licence != after.licence
    {
        let why = format!("the licence changes from {} to {}", said(&before.licence), said(&after.licence));
        complaints.push(Complaint::told(versions, why));
    }
    // Of a package that moves and whose old version does not lie here, nothing is known to be new.
    let known = before.is_some() || !moves;
    let new =
        after.runs.iter().filter(|run| known && !before.is_some_and(|before| before.runs.contains(run)));
    complaints.extend(new.map(|run| {
        Complaint::told(
            versions,
            format!("runs `{run}` where it is installed or built, which was not there before"),
        )
    }));
    complaints
}

/// A new name that is nearly that of a package which others here use.
fn like_another(moved: &Moved, moves: &Moves) -> Vec<Complaint> {
    if !moved.is_new() {
        return Vec::new();
    }
    let used = moves.used();
    let ecosystem: &Ecosystem = &moved.ecosystem;
    let near = moves
        .known
        .iter()
        .filter(|(of, name)| *of == ecosystem.0 && used.get(name.as_str()).is_some_and(|users| *users > 1));
    near.filter(|(_, name)| looks_like(&moved.name, name))
        .map(|(_, name)| {
            let why = format!(
                "is new, and its name is nearly that of `{name}`: see that it is the package that is meant"
            );
            Complaint::told(&moved.name, why)
        })
        .collect()
}

fn looks_like(new: &str, known: &str) -> bool {
    let (new, known): (Vec<char>, Vec<char>) = (new.chars().collect(), known.chars().collect());
    let shorter = new.len().min(known.len());
    let most = if shorter >= LONG { 2 } else { 1 };
    shorter >= SHORTEST
        && new.len().abs_diff(known.len()) <= most
        && (1..=most).contains(&distance(&new, &known))
}

/// How many letters must be put in, taken out, changed, or swapped with the next (Damerau, restricted).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{compared, looks_like};
    use crate::facts::Manifest;

    #[test]
    fn names_that_are_nearly_the_same_are_told() {
        for (new, known, near) in [
            ("serde", "serde", false),
            ("serd", "serde", false),
            ("sedre", "serde", true),
            ("serdes", "serde", true),
            ("rustdecimal", "rust_decimal", true),
            ("requesst", "requests", true),
            ("lodahs", "lodash", true),
            ("serde_json", "serde_yaml", false),
            ("time", "mime", false),
        ] {
            assert_eq!(looks_like(new, known), near, "{new} {known}");
        }
    }

    #[test]
    fn what_is_new_about_a_package_names_both_versions() {
        let manifest = |licence: &str, runs: &[&str]| Manifest {
            licence: Some(licence.to_owned()),
            runs: runs.iter().map(|run| (*run).to_owned()).collect(),
        };
        let (old, new) = (manifest("MIT", &[]), manifest("GPL-3.0-only", &["build.rs"]));
        let told = compared("a 1 to 2", true, Some(&old), &new);
        assert_eq!(told.len(), 2);
        assert!(told[0].why.contains("from MIT to GPL-3.0-only") && told[1].why.contains("`build.rs`"));
        assert!(compared("a 1 to 2", true, Some(&new), &new).is_empty());
        assert!(compared("a 1 to 2", true, None, &new).is_empty());
        assert_eq!(compared("a 2, which is new", false, None, &new).len(), 1);
    }
}

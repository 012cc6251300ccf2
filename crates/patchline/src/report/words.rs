//! Words that several faces share: how a package is used, what could not be judged, how many of what.

use std::collections::BTreeMap;

use patchline_inventory::detector::{Relation, Scope};
use patchline_inventory::{Installed, Unresolved};
use patchline_model::stage::detect::Finding;

use crate::report::scanned::Scanned;

/// How a package is used, in words; nothing of what the file doesn't tell.
pub fn use_words((relation, scope): (Relation, Scope)) -> String {
    let relation = match relation {
        Relation::Own => "own",
        Relation::Direct => "direct",
        Relation::Transitive => "transitive",
        Relation::Unknown => "direct or transitive",
    };
    match scope {
        Scope::Normal => relation.to_owned(),
        Scope::Optional => format!("{relation}, optional"),
        Scope::Peer => format!("{relation}, as a peer"),
        Scope::Build => format!("{relation}, for builds"),
        Scope::Test => format!("{relation}, for tests"),
        Scope::Dev => format!("{relation}, for development"),
    }
}

/// What the scan amounts to, in one line.
pub fn total(scanned: &Scanned) -> String {
    let count = scanned.rows.len();
    let noun = if count == 1 { "finding" } else { "findings" };
    let since = scanned.since.as_ref().map(|commit| format!(" new or changed since {}", short(commit)));
    format!(
        "{count} {noun}{} in {} packages{}, against {} advisories",
        since.unwrap_or_default(),
        scanned.inventory.len(),
        ecosystems(&scanned.inventory),
        scanned.advisories.records
    )
}

/// How many packages of which ecosystem, where there is more than one.
fn ecosystems(inventory: &[Installed]) -> String {
    let counts = counted(inventory);
    if counts.len() < 2 {
        return String::new();
    }
    let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    format!(" ({})", counts.join(", "))
}

/// How many packages of which ecosystem.
pub fn counted(inventory: &[Installed]) -> BTreeMap<&str, usize> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in inventory {
        *counts.entry(&one.package.ecosystem.0).or_default() += 1;
    }
    counts
}

/// A line for each file with the first few packages, and one for each kind of lack with the first few places.
pub fn grouped(unresolved: &[Unresolved]) -> Vec<String> {
    const SHOWN: usize = 3;
    let first = |all: &[String]| match all.len() {
        0..=SHOWN => all.join("; "),
        many => format!("{}; and {} more", all[..SHOWN].join("; "), many - SHOWN),
    };
    let (mut files, mut lacks) = (BTreeMap::<&str, Vec<String>>::new(), BTreeMap::<&str, Vec<String>>::new());
    for one in unresolved {
        match &one.package {
            Some(package) => files.entry(&one.path).or_default().push(format!("{package}: {}", one.what)),
            None => lacks.entry(&one.what).or_default().push(one.path.clone()),
        }
    }
    let lacks = lacks.iter().map(|(what, paths)| match paths.as_slice() {
        [path] => format!("{path}: {what}"),
        paths => format!("{} files: {what} ({})", paths.len(), first(paths)),
    });
    let files = files.iter().map(|(path, packages)| match packages.as_slice() {
        [package] => format!("{path}: {package}"),
        packages => format!("{path}: {} packages can't be judged: {}", packages.len(), first(packages)),
    });
    lacks.chain(files).map(|line| plain(&line)).collect()
}

/// `path:line`, or the path alone.
pub fn place(finding: &Finding) -> String {
    let line = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("{}{line}", finding.location.path)
}

/// The least version that no longer has the problem, as a clause.
pub fn remedy(finding: &Finding) -> String {
    match (finding.analysis(), finding.fixed.first()) {
        (Some(analysis), _) if analysis.fix.is_some() => "a fix comes with the report".to_owned(),
        (Some(_), _) => "no fix comes with the report".to_owned(),
        (None, Some(version)) => format!("fixed in {version}"),
        (None, None) => "no fixed version is published".to_owned(),
    }
}

/// A commit as people read it.
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Foreign text on one line, without signs that steer a terminal or turn the order of reading.
pub fn plain(text: &str) -> String {
    let steers = |sign: char| {
        sign.is_control()
            || matches!(sign, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|sign| if steers(sign) { ' ' } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use patchline_inventory::Unresolved;

    use super::{grouped, plain};

    #[test]
    fn what_is_unresolved_is_grouped_and_short() {
        let package =
            |name: &str| Unresolved::package("requirements.txt", Some(1), name, "no version is pinned");
        let manifest = |path: &str| Unresolved::of(path, "there is no lockfile");
        let mut unresolved: Vec<Unresolved> = ["a", "b", "c", "d", "e"].map(package).into();
        unresolved.extend(["x/package.json", "y/package.json"].map(manifest));
        unresolved.push(Unresolved::of("z", "it could not be read"));
        unresolved.push(Unresolved::package("go.mod", None, "stdlib", "it is not known"));
        assert_eq!(
            grouped(&unresolved),
            [
                "z: it could not be read",
                "2 files: there is no lockfile (x/package.json; y/package.json)",
                "go.mod: stdlib: it is not known",
                "requirements.txt: 5 packages can't be judged: a: no version is pinned; b: no version is pinned; \
                 c: no version is pinned; and 2 more",
            ]
        );
    }

    #[test]
    fn foreign_text_steers_no_terminal() {
        assert_eq!(plain("a\x1b[2Jb\nc\u{202e}d é"), "a [2Jb c d é");
    }
}

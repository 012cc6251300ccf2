//! What is published of a package (`maven-metadata.xml`), and which of it would do.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use patchline_inventory::text::xml::{child, xml};
use patchline_inventory::version::Scheme;
use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};

use crate::fixer::Known;

/// Versions of one package that are tried, from the lowest on.
const MOST_CANDIDATES: usize = 40;
/// Words that mark what was published to be tried out.
const PREVIEWS: [&str; 14] = [
    "alpha",
    "a",
    "beta",
    "b",
    "milestone",
    "m",
    "rc",
    "cr",
    "snapshot",
    "pre",
    "preview",
    "ea",
    "dev",
    "incubating",
];
/// Words that say no more than that it is the one.
const PLAIN: [&str; 6] = ["", "final", "ga", "release", "sp", "v"];

/// The versions in what a repository says of a package.
pub(crate) fn published(text: &str) -> Result<Vec<String>, String> {
    let document = xml(text).map_err(|broken| format!("line {}: {}", broken.line, broken.what))?;
    let list = child(&document.root_element(), "versioning").and_then(|all| child(&all, "versions"));
    let all = list.into_iter().flat_map(|list| list.children());
    let all = all.filter_map(|version| Some(version.text()?.trim().to_owned()));
    Ok(all.filter(|version| is_plain(version)).collect())
}

/// A version that can stand in a pom as it is.
pub(crate) fn is_plain(text: &str) -> bool {
    let is_of_versions = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(is_of_versions)
}

pub(crate) fn order(left: &str, right: &str) -> Ordering {
    Scheme::Maven.compare(left, right).unwrap_or(Ordering::Equal)
}

pub(crate) fn is_above(version: &str, other: &str) -> bool {
    order(version, other) == Ordering::Greater
}

/// Whether a step between them may break what uses the package.
pub(crate) fn is_major(from: &str, to: &str) -> bool {
    let head = |text: &str| {
        let mut parts = text.split(['.', '-']).map(str::to_owned);
        let first = parts.next();
        (first.clone(), parts.next().filter(|_| first.as_deref() == Some("0")))
    };
    head(from) != head(to)
}

pub(crate) fn problems(known: &dyn Known, name: &str, version: &str) -> Result<BTreeSet<String>, Failure> {
    let ecosystem = Ecosystem("Maven".to_owned());
    let package = Package { ecosystem, name: name.to_owned(), version: version.to_owned() };
    Ok(known.problems(&package)?.into_iter().collect())
}

/// The versions above this one that would do, the best first: those without a known problem, the lowest first; or, where
/// there is none, those with fewer than now and no other.
pub(crate) fn candidates(
    published: &[String],
    name: &str,
    now: &str,
    known: &dyn Known,
) -> Result<Vec<String>, Failure> {
    let had = problems(known, name, now)?;
    let mut found = Vec::new();
    for version in above(published, now) {
        let has = problems(known, name, &version)?;
        if has.is_empty() || has.len() < had.len() && has.is_subset(&had) {
            found.push((has.len(), version));
        }
    }
    let is_free = found.iter().any(|(count, _)| *count == 0);
    found.retain(|(count, _)| !is_free || *count == 0);
    found.sort_by_key(|(count, _)| *count);
    Ok(found.into_iter().map(|(_, version)| version).take(MOST_CANDIDATES).collect())
}

/// The versions above this one, the lowest first: no previews where this is none, and of the same make where there are
/// such, as in `31.1-jre`.
pub(crate) fn above(published: &[String], now: &str) -> Vec<String> {
    let is_preview_now = is_preview(now);
    let may = |version: &&String| is_above(version, now) && (is_preview_now || !is_preview(version));
    let mut all: Vec<String> = published.iter().filter(may).cloned().collect();
    all.sort_by(|left, right| order(left, right).then_with(|| left.cmp(right)));
    all.dedup();
    let kin: Vec<String> = all.iter().filter(|version| make(version) == make(now)).cloned().collect();
    if kin.is_empty() { all } else { kin }
}

fn words(version: &str) -> impl Iterator<Item = String> {
    let words = version.split(|letter: char| !letter.is_ascii_alphabetic());
    words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}

fn is_preview(version: &str) -> bool {
    words(version).any(|word| PREVIEWS.contains(&word.as_str()))
}

/// The words of a version that say for whom it is.
fn make(version: &str) -> BTreeSet<String> {
    let counts = |word: &String| !PLAIN.contains(&word.as_str()) && !PREVIEWS.contains(&word.as_str());
    words(version).filter(counts).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{above, is_major, published};

    #[test]
    fn versions_are_taken_from_the_lowest_on() {
        let check = |published: &[&str], now: &str, then: &[&str]| {
            let published: Vec<String> = published.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(above(&published, now), then, "{now}");
        };
        check(
            &["2.10.0", "2.9.9", "2.9.8", "2.10.0.pr1", "2.9.10.1"],
            "2.9.8",
            &["2.9.9", "2.9.10.1", "2.10.0"],
        );
        check(&["1.1-rc1", "1.1-M2", "1.1"], "1.0", &["1.1"]);
        check(&["1.1-rc2", "1.1"], "1.1-rc1", &["1.1-rc2", "1.1"]);
        check(&["30.0-android", "30.0-jre", "31.0-jre"], "29.0-jre", &["30.0-jre", "31.0-jre"]);
        check(&["5.1.0.RELEASE", "5.2.0.RELEASE", "5.3.0"], "5.1.0.RELEASE", &["5.2.0.RELEASE", "5.3.0"]);
        check(&["24.1-jre"], "20.0", &["24.1-jre"]);
        assert!(is_major("2.9.8", "3.0") && is_major("0.1", "0.2") && !is_major("1.1", "1.9-jre"));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in "(<metadata>|</metadata>|<versioning>|<versions>|<version>|</version>|1|&lt;){0,20}", version in ".{0,20}") {
            if let Ok(published) = published(&text) {
                above(&published, &version);
            }
        }
    }
}

//! Ranges of gems (<https://guides.rubygems.org/patterns/#pessimistic-version-constraint>): several, with a comma between, hold
//! at once.

use std::cmp::Ordering;

use patchline_inventory::version::Scheme;

/// As RubyGems orders them; what is no version comes first.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let known = |text| Scheme::Gem.parse(text).is_some();
    Scheme::Gem.compare(left, right).unwrap_or_else(|| known(left).cmp(&known(right)))
}

pub(crate) fn is_above(version: &str, other: &str) -> bool {
    compare(version, other) == Ordering::Greater
}

/// Whether the leading number is another one, or the second where the first is zero.
pub(crate) fn is_major(from: &str, to: &str) -> bool {
    let line = |version: &str| {
        let mut parts = version.split('.').map(str::to_owned);
        let (first, second) = (parts.next(), parts.next());
        if first.as_deref() == Some("0") { (first, second) } else { (first, None) }
    };
    line(from) != line(to)
}

/// A version with a word in it.
pub(crate) fn is_preview(version: &str) -> bool {
    version.bytes().any(|byte| byte.is_ascii_alphabetic())
}

pub(crate) fn admits(range: &str, version: &str) -> bool {
    range.split(',').map(str::trim).filter(|one| !one.is_empty()).all(|one| admits_one(one, version))
}

fn admits_one(range: &str, version: &str) -> bool {
    let (operator, bound) = parts(range);
    if Scheme::Gem.parse(bound).is_none() || Scheme::Gem.parse(version).is_none() {
        return false;
    }
    let order = compare(version, bound);
    match operator {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        ">" => order.is_gt(),
        "<" => order.is_lt(),
        ">=" => order.is_ge(),
        "<=" => order.is_le(),
        "~>" => order.is_ge() && compare(&release(version), &bumped(bound)).is_lt(),
        _ => false,
    }
}

/// The operator and the version behind it.
fn parts(range: &str) -> (&str, &str) {
    let end = range.find(|sign: char| !matches!(sign, '=' | '!' | '<' | '>' | '~')).unwrap_or(range.len());
    let (operator, bound) = range.split_at(end);
    (if operator.is_empty() { "=" } else { operator }, bound.trim())
}

/// Without what makes it a preview.
fn release(version: &str) -> String {
    let numbers = version.split(['.', '-']).take_while(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.collect::<Vec<_>>().join(".")
}

/// The version that `~>` stays below: without the last number, and one more of what is last then.
fn bumped(version: &str) -> String {
    let release = release(version);
    let mut numbers: Vec<&str> = release.split('.').collect();
    if numbers.len() > 1 {
        numbers.pop();
    }
    let last =
        numbers.pop().unwrap_or_default().parse::<u64>().unwrap_or(u64::MAX).saturating_add(1).to_string();
    numbers.push(&last);
    numbers.join(".")
}

/// The same words with other numbers, so that they take this version; none where that can't be.
pub(crate) fn relaxed(range: &str, version: &str) -> Option<String> {
    if admits(range, version) {
        return Some(range.to_owned());
    }
    let (operator, bound) = parts(range);
    let places = bound.split('.').count();
    let bound = match operator {
        "=" | "<=" => version.to_owned(),
        "~>" => version.split('.').take(places).collect::<Vec<_>>().join("."),
        "<" => {
            let first = version.split('.').next()?.parse::<u64>().ok()?.checked_add(1)?;
            let zeros = std::iter::repeat_n("0".to_owned(), places.saturating_sub(1));
            std::iter::once(first.to_string()).chain(zeros).collect::<Vec<_>>().join(".")
        }
        _ => return None,
    };
    let head = &range[..range.find(|sign: char| sign.is_ascii_digit())?];
    Some(format!("{head}{bound}")).filter(|relaxed| admits(relaxed, version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{admits, is_major, relaxed};

    #[test]
    fn ranges_take_what_rubygems_takes() {
        let check = |range: &str, takes: &[&str], not: &[&str]| {
            assert!(takes.iter().all(|version| admits(range, version)), "{range} {takes:?}");
            assert!(!not.iter().any(|version| admits(range, version)), "{range} {not:?}");
        };
        check("1.2", &["1.2", "1.2.0"], &["1.2.1", "1.1"]);
        check("~> 1.2", &["1.2", "1.9.9"], &["2.0", "1.1", "2.0.pre"]);
        check("~> 1.2.3", &["1.2.3", "1.2.10"], &["1.3", "1.2.2"]);
        check("~> 1", &["1.0", "1.9"], &["2.0", "0.9"]);
        check("~> 1.2.a", &["1.2", "1.9"], &["2.0"]);
        check(">= 1, < 3, != 2.0", &["1", "2.1"], &["2", "3.0", "0.9"]);
        check("", &["1"], &[]);
        check(">= x", &[], &["1"]);
    }

    #[test]
    fn a_range_becomes_another_one_in_its_own_style() {
        let check = |range: &str, version: &str, then: Option<&str>| {
            assert_eq!(relaxed(range, version).as_deref(), then, "{range} {version}");
        };
        check("~> 1.2", "2.3.4", Some("~> 2.3"));
        check("~>1.2.0", "2.3.4", Some("~>2.3.4"));
        check("~> 1", "2.3.4", Some("~> 2"));
        check("1.0", "1.0.1", Some("1.0.1"));
        check("= 1.0", "1.0.1", Some("= 1.0.1"));
        check("< 1.1", "2.0", Some("< 3.0"));
        check("<= 1.1", "2.0", Some("<= 2.0"));
        check(">= 1", "2.0", Some(">= 1"));
        check("!= 2.0", "2.0", None);
        assert!(is_major("1.2", "2.0") && is_major("0.1", "0.2") && !is_major("1.2", "1.3"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(range in ".{0,20}", version in ".{0,20}") {
            admits(&range, &version);
            relaxed(&range, &version);
        }
    }
}

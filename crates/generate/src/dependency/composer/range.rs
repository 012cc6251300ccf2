//! Ranges in Composer's words (<https://getcomposer.org/doc/articles/versions.md>): alternatives of bounds that hold at once.

use std::cmp::Ordering;

use crate::dependency::composer::version::{Stability, Version};

/// As Composer orders them; a branch comes first.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    Version::parse(left).cmp(&Version::parse(right))
}

pub(crate) fn is_above(version: &str, other: &str) -> bool {
    compare(version, other).is_gt()
}

/// Whether the leading number is another one, or the second where the first is zero.
pub(crate) fn is_major(from: &str, to: &str) -> bool {
    let line = |text: &str| {
        let numbers = Version::parse(text).map_or([0; 4], |version| version.numbers);
        if numbers[0] == 0 { [0, numbers[1]] } else { [numbers[0], 0] }
    };
    line(from) != line(to)
}

pub(crate) fn admits(range: &str, version: &str) -> bool {
    let Some(found) = Version::parse(version) else {
        return alternatives(range).any(|one| one == version || matches!(one, "*"));
    };
    let takes = |alternative: &str| {
        bounds(alternative).is_some_and(|bounds| bounds.iter().all(|bound| bound.takes(found)))
    };
    alternatives(range).any(takes)
}

/// The lowest version that the range names a bound for, as `8.1` in `^8.1 || ^9`.
pub(crate) fn lowest(range: &str) -> Option<String> {
    let lower = |alternative: &str| {
        let bounds = bounds(alternative)?;
        let lower =
            bounds.iter().filter(|bound| matches!(bound.sign, Sign::AtLeast | Sign::Above | Sign::Is));
        lower.map(|bound| bound.version.numbers).max()
    };
    let lowest = alternatives(range).filter_map(lower).min()?;
    Some(lowest[..3].iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

/// The same words with other numbers, so that they take this version; none where that can't be. Of alternatives the last
/// takes the place of all.
pub(crate) fn relaxed(range: &str, version: &str) -> Option<String> {
    if admits(range, version) {
        return Some(range.to_owned());
    }
    let last = alternatives(range).last()?;
    let relaxed = match last.split_once(" - ") {
        Some((from, _)) => format!("{from} - {}", plain(version)),
        None => {
            let mut relaxed = last.to_owned();
            for part in parts(last).rev() {
                let at = part.as_ptr() as usize - last.as_ptr() as usize;
                relaxed.replace_range(at..at + part.len(), &relaxed_part(part, version)?);
            }
            relaxed
        }
    };
    Some(relaxed).filter(|relaxed| admits(relaxed, version))
}

fn relaxed_part(part: &str, version: &str) -> Option<String> {
    if admits(part, version) {
        return Some(part.to_owned());
    }
    let at = part.find(|sign: char| sign.is_ascii_digit())?;
    let (head, bound) = part.split_at(at);
    let (bound, stability) = match bound.find('@') {
        Some(at) => bound.split_at(at),
        None => (bound, ""),
    };
    let places = bound.split('.').count();
    let cut = |places: usize| plain(version).split('.').take(places).collect::<Vec<_>>().join(".");
    let bound = match head.trim().trim_end_matches('v') {
        "" | "=" | "==" if bound.ends_with(['*', 'x', 'X']) => {
            format!("{}.{}", cut(places - 1), &bound[bound.len() - 1..])
        }
        "" | "=" | "==" | "<=" => plain(version).to_owned(),
        "^" | "~" => cut(places),
        "<" => {
            let first = Version::parse(version)?.numbers[0].checked_add(1)?.to_string();
            std::iter::once(first)
                .chain(std::iter::repeat_n("0".to_owned(), places - 1))
                .collect::<Vec<_>>()
                .join(".")
        }
        _ => return None,
    };
    Some(format!("{head}{bound}{stability}"))
}

fn plain(version: &str) -> &str {
    version.trim_start_matches(['v', 'V'])
}

/// Without what a range says besides: `as 1.0`, the stability, a commit.
fn alternatives(range: &str) -> impl Iterator<Item = &str> {
    let range = range.split(" as ").next().unwrap_or(range);
    range.split('|').map(str::trim).filter(|one| !one.is_empty())
}

/// What holds at once, where an operator may stand apart from its version.
fn parts(alternative: &str) -> std::vec::IntoIter<&str> {
    let is_gap = |sign: char| sign == ',' || sign.is_whitespace();
    let is_operator = |sign: char| matches!(sign, '<' | '>' | '=' | '!' | '^' | '~');
    let (mut parts, mut rest) = (Vec::new(), alternative.trim_start_matches(is_gap));
    while !rest.is_empty() {
        let operator = rest.find(|sign| !is_operator(sign)).unwrap_or(rest.len());
        let gap = rest[operator..].find(|sign: char| !sign.is_whitespace()).unwrap_or(rest.len() - operator);
        let start = operator + if operator > 0 { gap } else { 0 };
        let end = rest[start..].find(is_gap).map_or(rest.len(), |end| start + end);
        parts.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(is_gap);
    }
    parts.into_iter()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Is,
    IsNot,
    Above,
    AtLeast,
    Below,
    AtMost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    sign: Sign,
    version: Version,
}

impl Bound {
    fn takes(self, version: Version) -> bool {
        let order = version.cmp(&self.version);
        match self.sign {
            Sign::Is => order.is_eq(),
            Sign::IsNot => order.is_ne(),
            Sign::Above => order.is_gt(),
            Sign::AtLeast => order.is_ge(),
            Sign::Below => order.is_lt(),
            Sign::AtMost => order.is_le(),
        }
    }
}

/// None for a branch, and for what is no range.
fn bounds(alternative: &str) -> Option<Vec<Bound>> {
    let mut all = Vec::new();
    for group in alternative.split(',') {
        all.extend(bounds_of(group.trim())?);
    }
    Some(all)
}

fn bounds_of(group: &str) -> Option<Vec<Bound>> {
    if let Some((from, to)) = group.split_once(" - ") {
        let upper = match (places(to), Version::parse(to)?) {
            // `1.0 - 2.0` takes all of `2.0`.
            (count @ 1..=2, version) if version.stability == Stability::Stable => {
                Bound { sign: Sign::Below, version: Version::floor(next(to, count)?) }
            }
            (_, version) => Bound { sign: Sign::AtMost, version },
        };
        return Some(vec![Bound { sign: Sign::AtLeast, version: lower(from)? }, upper]);
    }
    let mut bounds = Vec::new();
    for part in parts(group) {
        let part = part.split(['@', '#']).next().unwrap_or(part);
        let end =
            part.find(|sign: char| !matches!(sign, '<' | '>' | '=' | '!' | '^' | '~')).unwrap_or(part.len());
        let (operator, text) = (&part[..end], part[end..].trim());
        let between = |version: Version, to: [u64; 4]| {
            [Bound { sign: Sign::AtLeast, version }, Bound { sign: Sign::Below, version: Version::floor(to) }]
        };
        match operator {
            "" | "=" | "==" if matches!(text, "" | "*" | "x" | "X") => {}
            "" | "=" | "==" if text.ends_with(['*', 'x', 'X']) => {
                let text = text.trim_end_matches(['.', '*', 'x', 'X']);
                bounds.extend(between(lower(text)?, next(text, places(text))?));
            }
            "^" => {
                let numbers = Version::parse(text)?.numbers;
                // The first number that is not zero stays.
                let stays = numbers
                    .iter()
                    .position(|number| *number > 0)
                    .unwrap_or(3)
                    .min(places(text).saturating_sub(1));
                bounds.extend(between(lower(text)?, next(text, stays + 1)?));
            }
            "~" => bounds.extend(between(lower(text)?, next(text, places(text).saturating_sub(1).max(1))?)),
            operator => {
                let version = Version::parse(text)?;
                let (sign, version) = match operator {
                    "" | "=" | "==" => (Sign::Is, version),
                    "!=" | "<>" => (Sign::IsNot, version),
                    ">" => (Sign::Above, version),
                    "<=" => (Sign::AtMost, version),
                    ">=" => (Sign::AtLeast, lower(text)?),
                    "<" => (Sign::Below, lower(text)?),
                    _ => return None,
                };
                bounds.push(Bound { sign, version });
            }
        }
    }
    Some(bounds)
}

/// Where a bound begins: below the version's own previews, but at one that is named.
fn lower(text: &str) -> Option<Version> {
    let version = Version::parse(text)?;
    Some(if version.stability == Stability::Stable { Version::floor(version.numbers) } else { version })
}

/// How many numbers are written.
fn places(text: &str) -> usize {
    let end = text.trim().trim_start_matches(['v', 'V']);
    let end = &end[..end.find(|sign: char| !(sign.is_ascii_digit() || sign == '.')).unwrap_or(end.len())];
    end.split('.').filter(|part| !part.is_empty()).count().min(4)
}

/// One more in the place of this count, and zeros behind it.
fn next(text: &str, count: usize) -> Option<[u64; 4]> {
    let mut numbers = Version::parse(text)?.numbers;
    let place = count.checked_sub(1)?;
    numbers[place] = numbers[place].checked_add(1)?;
    numbers[place + 1..].fill(0);
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{admits, is_major, lowest, relaxed};

    #[test]
    fn ranges_take_what_composer_takes() {
        let check = |range: &str, takes: &[&str], not: &[&str]| {
            assert!(takes.iter().all(|version| admits(range, version)), "{range} {takes:?}");
            assert!(!not.iter().any(|version| admits(range, version)), "{range} {not:?}");
        };
        check("1.2.3", &["1.2.3", "v1.2.3.0"], &["1.2.4"]);
        check("^1.2", &["1.2.0", "1.9", "v1.2.0-beta1"], &["2.0", "1.1", "2.0.0-beta1"]);
        check("^0.3", &["0.3.0", "0.3.9"], &["0.4.0", "1.0"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4"]);
        check("^0", &["0.9"], &["1.0"]);
        check("~1.2", &["1.2", "1.9"], &["2.0", "1.1"]);
        check("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]);
        check("~1", &["1.0", "1.9"], &["2.0"]);
        check("1.2.*", &["1.2.0", "1.2.9"], &["1.3.0"]);
        check("*", &["1.0", "9", "dev-main"], &[]);
        check(">=1.0 <1.1 || >= 1.2", &["1.0.5", "1.2", "3"], &["1.1.0", "0.9"]);
        check(">1.0,!=1.5|^3", &["1.1", "2.9", "3.1"], &["1.0.0", "1.5", "0.1"]);
        check("1.0 - 2.0", &["1.0", "2.0.9"], &["2.1"]);
        check("1.0 - 2.0.0", &["2.0.0"], &["2.0.1"]);
        check(">1.1, 1.0 - 2.0-RC1", &["1.2", "2.0.0-RC1"], &["1.1", "2.0"]);
        check("^1.0@dev", &["1.5"], &["2.0"]);
        check("dev-main#abc as 1.0", &[], &["1.0"]);
        check("<2.0", &["1.9"], &["2.0.0-beta1", "2.0"]);
    }

    #[test]
    fn a_range_becomes_another_one_in_its_own_style() {
        let check = |range: &str, version: &str, then: Option<&str>| {
            assert_eq!(relaxed(range, version).as_deref(), then, "{range} {version}");
        };
        check("^1.2", "v2.3.4", Some("^2.3"));
        check("~1.2.3", "2.3.4", Some("~2.3.4"));
        check("1.2.*", "2.3.4", Some("2.3.*"));
        check("1.2.3", "v1.2.4", Some("1.2.4"));
        check("v1.2.3", "1.2.4", Some("v1.2.4"));
        check(">=1.0 <2.0", "2.3.4", Some(">=1.0 <3.0"));
        check(">= 1.0, < 1.5", "2.3.4", Some(">= 1.0, < 3.0"));
        check("^1.0 || ^2.0", "3.1.0", Some("^3.1"));
        check("1.0 - 2.0", "3.1.0", Some("1.0 - 3.1.0"));
        check("^1.0@beta", "2.1.0", Some("^2.1@beta"));
        check("dev-main", "3.1.0", None);
        assert!(is_major("v1.2", "2.0") && is_major("0.1", "0.2") && !is_major("1.2", "1.3"));
        assert_eq!(lowest("^8.1 || ^7.4").as_deref(), Some("7.4.0"));
        assert_eq!(lowest(">=8.0.2 <9").as_deref(), Some("8.0.2"));
        assert_eq!(lowest("*"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(range in "([0-9]|\\.|\\*|x|v|\\^|~|<|>|=| |,|\\||-|@|#| - |é){0,20}", version in "[0-9v.]{0,9}") {
            admits(&range, &version);
            relaxed(&range, &version);
            lowest(&range);
        }
    }
}

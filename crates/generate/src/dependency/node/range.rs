//! npm's ranges of versions (<https://github.com/npm/node-semver#ranges>), and how a manifest's own one is widened.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use nodejs_semver::{Range, Version};

/// Texts that are kept with what they were read as.
const MOST_KEPT: usize = 200_000;

/// What texts were read as: choosing versions asks for the same few thousand again and again.
struct Kept<T>(RefCell<HashMap<String, Option<Rc<T>>>>);

impl<T> Kept<T> {
    fn read(&self, text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Rc<T>> {
        let mut kept = self.0.borrow_mut();
        if let Some(known) = kept.get(text) {
            return known.clone();
        }
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        let found = read(text).map(Rc::new);
        kept.insert(text.to_owned(), found.clone());
        found
    }
}

thread_local! {
    static RANGES: Kept<Range> = Kept(RefCell::default());
    static VERSIONS: Kept<Version> = Kept(RefCell::default());
}

fn range(text: &str) -> Option<Rc<Range>> {
    RANGES.with(|kept| kept.read(text, |text| Range::parse(text).ok()))
}

/// The version, where it is one of npm's.
pub(crate) fn parsed(version: &str) -> Option<Rc<Version>> {
    VERSIONS.with(|kept| kept.read(version, |text| Version::parse(text).ok()))
}

/// Whether the range takes the version. A tag, an address or a path takes none: what it means stands elsewhere.
pub(crate) fn admits(asked: &str, version: &str) -> bool {
    let asked = split_alias(asked).1.trim();
    if asked.is_empty() || asked == "*" || asked == "latest" {
        return parsed(version).is_some_and(|version| !version.is_prerelease());
    }
    match (range(asked), parsed(version)) {
        (Some(range), Some(version)) => range.satisfies(&version),
        (None, _) | (_, None) => false,
    }
}

pub(crate) fn is_above(version: &str, other: &str) -> bool {
    match (parsed(version), parsed(other)) {
        (Some(version), Some(other)) => version > other,
        (None, _) | (_, None) => false,
    }
}

/// Whether what uses one may break with the other: another leading number that is not zero.
pub(crate) fn is_major(from: &str, to: &str) -> bool {
    let line = |version: Rc<Version>| match (version.major(), version.minor(), version.patch()) {
        (0, 0, patch) => (0, 0, patch),
        (0, minor, _) => (0, minor, 0),
        (major, _, _) => (major, 0, 0),
    };
    match (parsed(from), parsed(to)) {
        (Some(from), Some(to)) => line(from) != line(to),
        (None, _) | (_, None) => true,
    }
}

/// The same kind of range from this version on: `^1.2.0` becomes `^2.0.1`, `~1.2.0` becomes `~2.0.1`, `1.2.0` becomes
/// `2.0.1`. None for what is no range of versions, as an address.
pub(crate) fn relaxed(asked: &str, version: &str) -> Option<String> {
    let (alias, text) = split_alias(asked);
    let is_range = text.is_empty() || text == "latest" || range(text).is_some();
    if !is_range {
        return None;
    }
    let exact = parsed(text.trim_start_matches(['=', 'v'])).is_some();
    let sign = match text.chars().next() {
        Some('~') => "~",
        _ if exact => "",
        _ => "^",
    };
    Some(format!("{alias}{sign}{version}"))
}

/// `npm:name@` and the range after it.
fn split_alias(range: &str) -> (&str, &str) {
    let Some(rest) = range.strip_prefix("npm:") else { return ("", range) };
    match rest.char_indices().skip(1).find(|(_, sign)| *sign == '@') {
        Some((at, _)) => range.split_at("npm:".len() + at + 1),
        None => ("", "*"),
    }
}

#[cfg(test)]
mod tests {
    use super::{admits, is_major, relaxed};

    #[test]
    fn ranges_take_what_npm_says_that_they_take() {
        for (range, version, taken) in [
            ("^1.2.0", "1.9.0", true),
            ("^1.2.0", "2.0.0", false),
            ("~1.2.0", "1.2.9", true),
            ("~1.2.0", "1.3.0", false),
            ("1.x || >=2.5.0", "2.4.0", false),
            ("1.x || >=2.5.0", "2.6.1", true),
            ("", "3.0.0", true),
            ("*", "3.0.0-rc.1", false),
            ("^3.0.0-rc.0", "3.0.0-rc.1", true),
            ("npm:@scope/other@^1.0.0", "1.1.0", true),
            ("git+https://example.org/x.git", "1.0.0", false),
            ("next", "1.0.0", false),
            ("=1.2.3", "1.2.3", true),
        ] {
            assert_eq!(admits(range, version), taken, "{range} {version}");
        }
    }

    #[test]
    fn a_widened_range_keeps_its_kind() {
        for (range, then) in [
            ("^1.2.0", Some("^2.0.1")),
            ("~1.2", Some("~2.0.1")),
            ("1.2.0", Some("2.0.1")),
            ("1.x", Some("^2.0.1")),
            (">=1 <2", Some("^2.0.1")),
            ("npm:other@^1.0.0", Some("npm:other@^2.0.1")),
            ("github:a/b", None),
            ("file:../a", None),
        ] {
            assert_eq!(relaxed(range, "2.0.1").as_deref(), then, "{range}");
        }
    }

    #[test]
    fn below_one_the_next_number_leads() {
        assert!(is_major("0.4.1", "0.5.0") && is_major("1.9.0", "2.0.0") && is_major("0.0.1", "0.0.2"));
        assert!(!is_major("0.4.1", "0.4.9") && !is_major("1.2.0", "1.9.0"));
    }
}

//! Versions as Composer takes them (<https://getcomposer.org/doc/articles/versions.md>): four numbers and a stability, so that
//! `1.0` and `v1.0.0` are one.

/// Less stable comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stability {
    Dev,
    Alpha,
    Beta,
    Candidate,
    Stable,
    Patch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) numbers: [u64; 4],
    pub(crate) stability: Stability,
    /// Of that stability, as in `beta2`.
    pub(crate) count: u64,
}

impl Version {
    /// None for a branch.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split('+').next().unwrap_or(text);
        let end = text.find(|sign: char| !(sign.is_ascii_digit() || sign == '.')).unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let mut found = [0; 4];
        let parts: Vec<&str> = numbers.trim_end_matches('.').split('.').collect();
        if parts.len() > found.len() {
            return None;
        }
        for (place, part) in found.iter_mut().zip(parts) {
            *place = part.parse().ok()?;
        }
        let (stability, count) = stability(rest)?;
        Some(Self { numbers: found, stability, count })
    }

    /// The lowest there is of these numbers.
    pub(crate) fn floor(numbers: [u64; 4]) -> Self {
        Self { numbers, stability: Stability::Dev, count: 0 }
    }

    pub(crate) fn is_preview(&self) -> bool {
        self.stability < Stability::Stable
    }
}

/// `-beta2`, `RC1`, `-p1`; nothing is stable.
fn stability(rest: &str) -> Option<(Stability, u64)> {
    let rest = rest.trim_start_matches(['-', '_', '.']).to_ascii_lowercase();
    let end = rest.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (word, count) = rest.split_at(end);
    let stability = match word {
        "" if count.is_empty() => Stability::Stable,
        "stable" => Stability::Stable,
        "dev" => Stability::Dev,
        "a" | "alpha" => Stability::Alpha,
        "b" | "beta" => Stability::Beta,
        "rc" => Stability::Candidate,
        "p" | "pl" | "patch" => Stability::Patch,
        _ => return None,
    };
    let count = count.trim_start_matches(['-', '.']);
    let count = count.split(['.', '-']).next().unwrap_or_default();
    Some((stability, if count.is_empty() { 0 } else { count.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::Version;

    #[test]
    fn versions_are_ordered_as_composer_does() {
        let order = [
            "1.0-dev",
            "1.0.0-alpha1",
            "1.0-beta",
            "1.0b2",
            "1.0.0-RC1",
            "1.0",
            "1.0-p1",
            "1.0.1",
            "v1.10",
            "2",
        ];
        let read: Vec<Version> = order.iter().map(|text| Version::parse(text).unwrap()).collect();
        assert!(read.is_sorted_by(|left, right| left < right), "{read:?}");
        assert_eq!(Version::parse("v1.0.0+build"), Version::parse("1"));
        assert!(
            ["dev-main", "1.x-dev", "", "1.2.3.4.5", "1.0-foo"]
                .iter()
                .all(|text| Version::parse(text).is_none())
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            Version::parse(&text);
        }
    }
}

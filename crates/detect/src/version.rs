//! Which scheme orders which ecosystem's versions. Without one there is no order, and so no answer: never a guess.

pub mod semver;

use patchline_model::package::Ecosystem;

use crate::version::semver::SemVer;

/// How an ecosystem orders its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// SemVer 2.0, strictly as specified.
    SemVer,
}

/// A version that was understood. Only those of one scheme are ever compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    SemVer(SemVer),
}

/// The ecosystems that can be ordered, by their OSV names.
pub const ORDERED: [(&str, Scheme); 1] = [("crates.io", Scheme::SemVer)];

impl Scheme {
    /// The scheme of this ecosystem; none where it is not known yet.
    pub fn of(ecosystem: &Ecosystem) -> Option<Self> {
        ORDERED.iter().find(|(name, _)| *name == ecosystem.0).map(|(_, scheme)| *scheme)
    }

    /// The version in this text; none when it is not one of this scheme.
    pub fn parse(self, text: &str) -> Option<Version> {
        match self {
            Scheme::SemVer => SemVer::parse(text).map(Version::SemVer),
        }
    }
}

#[cfg(test)]
mod tests {
    use patchline_model::package::Ecosystem;

    use super::Scheme;

    #[test]
    fn an_ecosystem_without_a_scheme_has_no_order() {
        for name in ["npm", "PyPI", "Debian:12", "Crates.io", "crates.io:nightly", ""] {
            assert_eq!(Scheme::of(&Ecosystem(name.to_owned())), None, "{name}");
        }
        assert_eq!(Scheme::of(&Ecosystem::crates_io()), Some(Scheme::SemVer));
    }
}

//! Which scheme orders which ecosystem's versions. Without one there is no order, and so no answer: never a guess.

mod apk;
pub mod coarse;
mod composer;
mod digits;
mod dotted;
mod dpkg;
mod gem;
mod identifiers;
mod loose;
mod maven;
mod nuget;
mod pep440;
mod rpm;
mod semver;

use std::cmp::Ordering;

use patchline_model::package::Ecosystem;

use crate::version::apk::Apk;
use crate::version::coarse::Coarse;
use crate::version::composer::Composer;
use crate::version::dotted::Dotted;
use crate::version::dpkg::Dpkg;
use crate::version::gem::Gem;
use crate::version::loose::Loose;
use crate::version::maven::Maven;
use crate::version::nuget::NuGet;
use crate::version::pep440::Python;
use crate::version::rpm::Rpm;
use crate::version::semver::SemVer;

/// Longer text is no version. The longest in public advisories has about 100 bytes.
pub const LONGEST: usize = 256;

/// How an ecosystem orders its versions. Each has a file of its own, which says by whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// SemVer 2.0, strictly as specified.
    SemVer,
    /// SemVer by precedence, as it is written in the wild.
    Loose,
    /// As `Loose`, with build metadata ordered too.
    LooseWithBuild,
    Python,
    Maven,
    Gem,
    NuGet,
    Composer,
    /// Numbers with dots or hyphens between them.
    R,
    /// Numbers with dots between them.
    Haskell,
    Dpkg,
    Rpm,
    Apk,
}

/// The ecosystems that can be ordered, by their OSV names, sorted.
pub const ECOSYSTEMS: [(&str, Scheme); 40] = [
    ("AlmaLinux", Scheme::Rpm),
    ("Alpaquita", Scheme::Apk),
    ("Alpine", Scheme::Apk),
    ("Azure Linux", Scheme::Rpm),
    ("BellSoft", Scheme::Apk),
    ("BellSoft Hardened Containers", Scheme::Apk),
    ("Bioconductor", Scheme::R),
    ("Bitnami", Scheme::Loose),
    ("CRAN", Scheme::R),
    ("Chainguard", Scheme::Apk),
    ("ConanCenter", Scheme::LooseWithBuild),
    ("Debian", Scheme::Dpkg),
    ("Echo", Scheme::Dpkg),
    ("GHC", Scheme::Loose),
    ("GitHub Actions", Scheme::Loose),
    ("Go", Scheme::Loose),
    ("Hackage", Scheme::Haskell),
    ("Hex", Scheme::Loose),
    ("Julia", Scheme::Loose),
    ("Kubernetes", Scheme::Loose),
    ("Mageia", Scheme::Rpm),
    ("Maven", Scheme::Maven),
    ("MinimOS", Scheme::Apk),
    ("NuGet", Scheme::NuGet),
    ("Packagist", Scheme::Composer),
    ("Photon OS", Scheme::Rpm),
    ("Pub", Scheme::LooseWithBuild),
    ("PyPI", Scheme::Python),
    ("Red Hat", Scheme::Rpm),
    ("Rocky Linux", Scheme::Rpm),
    ("RubyGems", Scheme::Gem),
    ("SUSE", Scheme::Rpm),
    ("SwiftURL", Scheme::Loose),
    ("Ubuntu", Scheme::Dpkg),
    ("VSCode", Scheme::Loose),
    ("Wolfi", Scheme::Apk),
    ("crates.io", Scheme::SemVer),
    ("npm", Scheme::Loose),
    ("openEuler", Scheme::Rpm),
    ("openSUSE", Scheme::Rpm),
];

impl Scheme {
    /// The scheme of this ecosystem; none where there is no order. What follows a colon says which release of a
    /// distribution or which registry is meant, and changes nothing.
    pub fn of(ecosystem: &Ecosystem) -> Option<Self> {
        Self::named(&ecosystem.0)
    }

    /// As `of`, for a name at hand.
    pub fn named(ecosystem: &str) -> Option<Self> {
        let name = ecosystem.split(':').next().unwrap_or_default();
        let place = ECOSYSTEMS.binary_search_by(|(known, _)| (*known).cmp(name));
        place.ok().map(|place| ECOSYSTEMS[place].1)
    }

    /// The version in this text; none when it is not one of this scheme.
    pub fn parse(self, text: &str) -> Option<Version<'_>> {
        if text.is_empty() || text.len() > LONGEST {
            return None;
        }
        let bytes = text.as_bytes();
        match self {
            Scheme::SemVer => SemVer::parse(text).map(Version::SemVer),
            Scheme::Loose => Loose::parse(bytes).map(Version::Loose),
            Scheme::LooseWithBuild => Loose::parse(bytes).map(Version::LooseWithBuild),
            Scheme::Python => Some(Version::Python(Python::parse(text))),
            Scheme::Maven => Some(Version::Maven(Maven::parse(bytes))),
            Scheme::Gem => Gem::parse(bytes).map(Version::Gem),
            Scheme::NuGet => NuGet::parse(bytes).map(Version::NuGet),
            Scheme::Composer => Composer::parse(bytes).map(Version::Composer),
            Scheme::R => Dotted::parse(bytes, b".-").map(Version::R),
            Scheme::Haskell => Dotted::parse(bytes, b".").map(Version::Haskell),
            Scheme::Dpkg => Dpkg::parse(bytes).map(Version::Dpkg),
            Scheme::Rpm => Some(Version::Rpm(Rpm::parse(bytes))),
            Scheme::Apk => Some(Version::Apk(Apk::parse(bytes))),
        }
    }

    /// What the ecosystem's own tool says of two texts; none when one of them is no version to it.
    ///
    /// That is the order of what `parse` gives, but for one thing: PHP's `version_compare` takes the sign `#` for every
    /// number at once. Such texts can be compared, but not be sorted, so `parse` has no version for them.
    pub fn compare(self, left: &str, right: &str) -> Option<Ordering> {
        match (self.parse(left), self.parse(right)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ if self == Scheme::Composer && [left, right].iter().all(|text| has_length(text)) => {
                Some(composer::compare_texts(left.as_bytes(), right.as_bytes()))
            }
            _ => None,
        }
    }
}

fn has_length(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST
}

/// A version that was understood. Two are equal when neither precedes the other, as `1.0` and `1.0.0` in most schemes.
/// Only those of one scheme are ever compared; of two schemes, the order is that of the schemes.
#[derive(Clone, Debug)]
pub enum Version<'a> {
    SemVer(SemVer),
    Loose(Loose<'a>),
    LooseWithBuild(Loose<'a>),
    Python(Python<'a>),
    Maven(Maven<'a>),
    Gem(Gem<'a>),
    NuGet(NuGet<'a>),
    Composer(Composer<'a>),
    R(Dotted<'a>),
    Haskell(Dotted<'a>),
    Dpkg(Dpkg<'a>),
    Rpm(Rpm<'a>),
    Apk(Apk<'a>),
}

impl Version<'_> {
    /// The key of this version in a sorted index.
    pub fn coarse(&self) -> Coarse {
        match self {
            Version::SemVer(version) => version.coarse(),
            Version::Loose(version) | Version::LooseWithBuild(version) => version.coarse(),
            Version::Python(version) => version.coarse(),
            Version::Maven(version) => version.coarse(),
            Version::Gem(version) => version.coarse(),
            Version::NuGet(version) => version.coarse(),
            Version::Composer(version) => version.coarse(),
            Version::R(version) | Version::Haskell(version) => version.coarse(),
            Version::Dpkg(version) => version.coarse(),
            Version::Rpm(version) => version.coarse(),
            Version::Apk(version) => version.coarse(),
        }
    }

    fn scheme(&self) -> Scheme {
        match self {
            Version::SemVer(_) => Scheme::SemVer,
            Version::Loose(_) => Scheme::Loose,
            Version::LooseWithBuild(_) => Scheme::LooseWithBuild,
            Version::Python(_) => Scheme::Python,
            Version::Maven(_) => Scheme::Maven,
            Version::Gem(_) => Scheme::Gem,
            Version::NuGet(_) => Scheme::NuGet,
            Version::Composer(_) => Scheme::Composer,
            Version::R(_) => Scheme::R,
            Version::Haskell(_) => Scheme::Haskell,
            Version::Dpkg(_) => Scheme::Dpkg,
            Version::Rpm(_) => Scheme::Rpm,
            Version::Apk(_) => Scheme::Apk,
        }
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Version::SemVer(left), Version::SemVer(right)) => left.compare(right),
            (Version::Loose(left), Version::Loose(right)) => left.compare(right),
            (Version::LooseWithBuild(left), Version::LooseWithBuild(right)) => left.compare_with_build(right),
            (Version::Python(left), Version::Python(right)) => left.compare(right),
            (Version::Maven(left), Version::Maven(right)) => left.compare(right),
            (Version::Gem(left), Version::Gem(right)) => left.compare(right),
            (Version::NuGet(left), Version::NuGet(right)) => left.compare(right),
            (Version::Composer(left), Version::Composer(right)) => left.compare(right),
            (Version::R(left), Version::R(right)) => left.compare(right),
            (Version::Haskell(left), Version::Haskell(right)) => left.compare(right),
            (Version::Dpkg(left), Version::Dpkg(right)) => left.compare(right),
            (Version::Rpm(left), Version::Rpm(right)) => left.compare(right),
            (Version::Apk(left), Version::Apk(right)) => left.compare(right),
            (left, right) => left.scheme().cmp(&right.scheme()),
        }
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version<'_> {}

#[cfg(test)]
mod tests {
    use patchline_model::package::Ecosystem;

    use super::{ECOSYSTEMS, LONGEST, Scheme};

    fn of(name: &str) -> Option<Scheme> {
        Scheme::of(&Ecosystem(name.to_owned()))
    }

    #[test]
    fn an_ecosystem_without_a_scheme_has_no_order() {
        for name in ["", "Crates.io", "NPM", "Debian 12", "Android", "GIT", "Linux", "OSS-Fuzz", ":npm"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn every_ecosystem_is_found_with_and_without_a_release() {
        assert!(ECOSYSTEMS.is_sorted_by(|left, right| left.0 < right.0));
        for (name, scheme) in ECOSYSTEMS {
            assert_eq!(of(name), Some(scheme), "{name}");
            assert_eq!(of(&format!("{name}:22.04:LTS")), Some(scheme), "{name}");
        }
        assert_eq!(of("Red Hat:rhel_aus:8.4::appstream"), Some(Scheme::Rpm));
        assert_eq!(of("Ubuntu:Pro:18.04:LTS"), Some(Scheme::Dpkg));
    }

    #[test]
    fn a_text_without_end_is_no_version_anywhere() {
        for (name, scheme) in ECOSYSTEMS {
            let longest = format!("1.{}", "1".repeat(LONGEST - 2));
            let too_long = format!("{longest}1");
            assert!(scheme == Scheme::SemVer || scheme.parse(&longest).is_some(), "{name}");
            assert!(scheme.parse(&too_long).is_none() && scheme.parse("").is_none(), "{name}");
            assert_eq!(scheme.compare(&too_long, &too_long), None, "{name}");
            assert_eq!(scheme.compare("", ""), None, "{name}");
        }
    }
}

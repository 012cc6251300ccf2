//! What a registry has: the releases of a package, and what each of them requires.

use std::collections::BTreeSet;

/// One published version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) version: String,
    /// Neither withdrawn nor deprecated, and no preview.
    pub(crate) usable: bool,
    pub(crate) requirements: Vec<Requirement>,
    /// The names of packages that come within it, at versions that only its archive tells.
    pub(crate) bundles: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// The name that it is required by.
    pub(crate) called: String,
    pub(crate) range: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Optional,
    /// Only where a feature asks for it, which shows where it is there already.
    Feature,
    /// Whoever uses the package must bring it.
    Peer,
    /// Whoever uses the package need not bring it, but must bring none that is out of the range.
    OptionalPeer,
}

/// What a plan is to bring a vulnerable copy to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    Clear,
    /// Where it can't be cleared, fewer advisories.
    ClearOrFewer,
    /// To clear it was tried, and does not hold.
    Fewer,
}

/// Answers about what is published; where it does not know a package yet, nothing can be said.
pub(crate) trait Market {
    /// All releases, the lowest version first; none when they are not known yet.
    fn releases(&self, name: &str) -> Option<&[Release]>;

    /// Whether the range takes the version.
    fn admits(&self, range: &str, version: &str) -> bool;

    fn is_above(&self, version: &str, other: &str) -> bool;

    /// Whether the range may be another one, once the package moves to this version: the manifest's own words with
    /// another number. None where it is no range of versions.
    fn relaxed(&self, range: &str, version: &str) -> Option<String>;

    /// Whether a step between them may break what uses the package.
    fn is_major(&self, from: &str, to: &str) -> bool;

    /// The advisories of this version.
    fn problems(&self, name: &str, version: &str) -> BTreeSet<String>;

    fn is_vulnerable(&self, name: &str, version: &str) -> bool {
        !self.problems(name, version).is_empty()
    }

    /// What copies of this version are to come to.
    fn goal(&self, _name: &str, _version: &str) -> Goal {
        Goal::ClearOrFewer
    }

    /// Whether a version was tried, and what came of it broke a rule.
    fn is_barred(&self, _name: &str, _version: &str) -> bool {
        false
    }

    /// Whether the repository can say which version it gets although others require another one.
    fn has_overrides(&self) -> bool {
        true
    }

    /// Whether the repository's own ranges of this package may change.
    fn may_relax(&self, _called: &str) -> bool {
        true
    }
}

//! The ladder that choosing versions climbs, and in which order: steps within a line of versions first, then those that may
//! break what uses them, then those that bring a known problem along.

/// One rung of the ladder.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    InRange,
    /// With `relax`, by the repository's own manifests too.
    Lift {
        relax: bool,
    },
    /// With the peers that are in the way.
    Along,
    Override,
}

/// One way to look for a step.
#[derive(Clone, Copy)]
pub(crate) struct Pass {
    pub(crate) way: Way,
    /// Whether nothing may go to another line of versions, which may break what uses it.
    pub(crate) near: bool,
    /// Whether nothing may bring a known problem along.
    pub(crate) strict: bool,
}

const fn pass(way: Way, near: bool, strict: bool) -> Pass {
    Pass { way, near, strict }
}

pub(crate) const LADDER: [Pass; 13] = [
    pass(Way::InRange, false, true),
    pass(Way::Lift { relax: false }, true, true),
    pass(Way::Lift { relax: true }, true, true),
    pass(Way::Along, true, true),
    pass(Way::Override, true, true),
    pass(Way::Lift { relax: false }, false, true),
    pass(Way::Lift { relax: true }, false, true),
    pass(Way::Along, false, true),
    pass(Way::Override, false, true),
    pass(Way::InRange, false, false),
    pass(Way::Lift { relax: false }, false, false),
    pass(Way::Lift { relax: true }, false, false),
    pass(Way::Override, false, false),
];

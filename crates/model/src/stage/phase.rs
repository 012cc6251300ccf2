//! Where a rollout stands: the phases that every strategy walks.

use serde::{Deserialize, Serialize};

/// Where the rollout stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Idle,
    /// The first instances of the new version start; they get no share yet.
    Preparing,
    /// More instances of the new version start for this step; the share is still that of the step before, and the judge
    /// looks.
    Filling {
        step: usize,
    },
    /// The new version holds the step's share and the judge looks.
    Watching {
        step: usize,
    },
    /// Promotion is decided: the new version gets full capacity.
    Growing,
    /// The new version holds all but the hold-back; the judge looks, and the old version is still whole.
    Baking,
    /// The new version holds all of the traffic; the old one stays ready.
    Switching,
    /// The old version drains and goes.
    Finishing,
    Promoted,
    /// A promoted version is to be taken back. Nothing has moved yet: first it is seen that the way back is there.
    Recalling,
    /// The bad version loses its share as fast as stable instances can carry it.
    RollingBack,
    /// The bad version has no share, as the target confirmed; it drains and goes.
    Retiring,
    RolledBack,
    /// It would be taken back from this phase and can't be undone: everything stays as it is until a person decides.
    Halted {
        from: Box<Phase>,
    },
}

impl Phase {
    /// Forward, and the old version is still whole: a judge, a deadline or a set can still take it back.
    pub fn can_go_back(&self) -> bool {
        match self {
            Phase::Preparing
            | Phase::Filling { .. }
            | Phase::Watching { .. }
            | Phase::Growing
            | Phase::Baking
            | Phase::Switching => true,
            Phase::Halted { from } => from.can_go_back(),
            Phase::Idle
            | Phase::Finishing
            | Phase::Promoted
            | Phase::Recalling
            | Phase::RollingBack
            | Phase::Retiring
            | Phase::RolledBack => false,
        }
    }

    /// Forward, until the old version goes, and not halted.
    pub fn is_on_its_way(&self) -> bool {
        self.can_go_back() && !matches!(self, Phase::Halted { .. })
    }

    /// Whether a person can make it stand here: everywhere forward, until the old version is gone.
    pub fn can_be_paused(&self) -> bool {
        self.can_be_hurried() || matches!(self, Phase::Growing | Phase::Switching | Phase::Finishing)
    }

    /// Whether a person can take it back here: also while the old version drains, for then its instances come back first.
    pub fn can_be_taken_back(&self) -> bool {
        self.can_go_back() || matches!(self, Phase::Finishing | Phase::Halted { .. })
    }

    /// The phase in which it stands, or in which it stood when it halted.
    pub fn standing(&self) -> &Phase {
        match self {
            Phase::Halted { from } => from,
            other => other,
        }
    }

    /// Whether a person can hurry it here, or the machine pause it: its promotion is not decided, or it bakes.
    pub fn can_be_hurried(&self) -> bool {
        match self {
            Phase::Preparing | Phase::Filling { .. } | Phase::Watching { .. } | Phase::Baking => true,
            Phase::Idle
            | Phase::Growing
            | Phase::Switching
            | Phase::Finishing
            | Phase::Promoted
            | Phase::Recalling
            | Phase::RollingBack
            | Phase::Retiring
            | Phase::RolledBack
            | Phase::Halted { .. } => false,
        }
    }

    /// Every instance runs the new version, and nothing of the old one is there.
    pub fn is_alone(&self) -> bool {
        match self {
            Phase::Promoted | Phase::Recalling => true,
            Phase::Halted { from } => from.is_alone(),
            Phase::Idle
            | Phase::Preparing
            | Phase::Filling { .. }
            | Phase::Watching { .. }
            | Phase::Growing
            | Phase::Baking
            | Phase::Switching
            | Phase::Finishing
            | Phase::RollingBack
            | Phase::Retiring
            | Phase::RolledBack => false,
        }
    }

    /// Whether the judge looks here: both versions serve, and nothing is decided for good.
    pub fn is_judged(&self) -> bool {
        match self {
            Phase::Filling { .. } | Phase::Watching { .. } | Phase::Growing | Phase::Baking => true,
            Phase::Halted { from } => from.is_judged(),
            Phase::Idle
            | Phase::Preparing
            | Phase::Switching
            | Phase::Finishing
            | Phase::Promoted
            | Phase::Recalling
            | Phase::RollingBack
            | Phase::Retiring
            | Phase::RolledBack => false,
        }
    }
}

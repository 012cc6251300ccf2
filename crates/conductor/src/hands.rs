//! Every hand in one struct: what the loop can do in the world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use patchline_approve::policy::Gate;
use patchline_build::builder::Builder;
use patchline_generate::fixer::Fixer;
use patchline_model::id::PatchId;
use patchline_model::stage::rollout::Tick;
use patchline_model::time::Timestamp;
use patchline_rollout::target::Target;
use patchline_sandbox::sandbox::Sandbox;
use patchline_verify::check::Check;

use crate::attest::Attestor;
use crate::home::Home;
use crate::judging::RolloutJudge;

/// The hands, as the binary wires them.
pub struct Hands {
    pub home: Home,
    pub attestor: Attestor,
    pub sandbox: Sandbox,
    pub fixers: Vec<Arc<dyn Fixer>>,
    pub builder: Box<dyn Builder>,
    pub checks: Vec<Box<dyn Check>>,
    pub gate: Gate,
    pub targets: Vec<Box<dyn Target>>,
    /// Judges of running rollouts. A cache: each can be made again from the
    /// looks in the ledger.
    pub judges: Mutex<BTreeMap<PatchId, Seated>>,
}

/// A judge of one try of a patch.
pub struct Seated {
    /// When that try's rollout began: another try has another judge.
    pub started: Option<Timestamp>,
    /// Looks that it has seen.
    pub seen: usize,
    pub judge: RolloutJudge,
    /// The look that it was asked about last, and the judge that has seen that one too: nearly always it is stored next.
    pub asked: Option<(Tick, RolloutJudge)>,
}

impl Hands {
    /// The target that a service's plan names.
    pub fn target(&self, name: &str) -> Option<&dyn Target> {
        self.targets.iter().find(|target| target.name() == name).map(AsRef::as_ref)
    }
}

//! What a target can do beyond running instances, and what a plan needs of it.
//!
//! A plan that its target can't carry is refused before anything moves: where a rollout begins, and in `patchline plan`.

use std::fmt;

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::stage::plan::{ObservedArm, Plan, Strategy};

/// One thing that a plan may need. A target names those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Gives each version an exact share of the requests.
    Weights,
    /// Tells users apart by a header or a cookie, and counts those that can be compared on their own.
    Cohorts,
    /// Tells instances which flags are on.
    Flags,
    /// Sends requests a second time and compares the answers.
    Mirror,
    /// Lets an instance take another version over and stay, and says which process serves what.
    Conversion,
    /// Gives each instance a name that no other has at the same time.
    Names,
}

/// What this plan needs.
pub fn needs(plan: &Plan) -> Vec<Capability> {
    match &plan.strategy {
        Strategy::Hot(_) => vec![Capability::Weights, Capability::Conversion],
        Strategy::Canary(canary) if canary.cohort.is_some() => vec![Capability::Weights, Capability::Cohorts],
        Strategy::Rolling(rolling) if rolling.order.is_some() => vec![Capability::Weights, Capability::Names],
        Strategy::Canary(_) | Strategy::Rolling(_) | Strategy::BlueGreen(_) => vec![Capability::Weights],
        Strategy::Flag(_) => vec![Capability::Weights, Capability::Cohorts, Capability::Flags],
        Strategy::Shadow(_) => vec![Capability::Weights, Capability::Mirror],
    }
}

/// Refuses a plan that a target of this name with these capabilities can't carry, and says what would help.
pub fn carries(target: &str, able: &[Capability], plan: &Plan) -> Result<(), Failure> {
    let lacking: Vec<Capability> = needs(plan).into_iter().filter(|need| !able.contains(need)).collect();
    let Some(first) = lacking.first() else { return Ok(()) };
    let named: Vec<String> = lacking.iter().map(Capability::to_string).collect();
    let text = format!(
        "the target `{target}` can't carry the strategy {}: it has no {}",
        plan.strategy.word(),
        named.join(" and no ")
    );
    Err(Failure::permanent(text).of(FailureClass::Input).with_hint(first.hint()))
}

/// Refuses a conversion of instances that don't say which artifact they serve: nothing they did would be shown.
pub fn converts(plan: &Plan, stable: Option<&ObservedArm>) -> Result<(), Failure> {
    let is_hot = matches!(plan.strategy, Strategy::Hot(_));
    let silent = |arm: &&ObservedArm| arm.processes.len() < arm.healthy as usize;
    let Some(arm) = stable.filter(|_| is_hot).filter(silent) else { return Ok(()) };
    let text = format!(
        "{} of {} healthy instances don't say that they serve {}, so none can be converted",
        (arm.healthy as usize).saturating_sub(arm.processes.len()),
        arm.healthy,
        arm.artifact.short()
    );
    Err(Failure::permanent(text).of(FailureClass::Input).with_hint(
        "let the health answer carry the header `x-patchline-artifact`, or choose another `strategy`",
    ))
}

impl Capability {
    fn hint(self) -> &'static str {
        match self {
            Capability::Weights | Capability::Conversion => "choose another `target` in [rollout]",
            Capability::Names => "take `order` out of [rollout], or choose another `target`",
            Capability::Cohorts => "take `cohort` out of [rollout], or choose another `target`",
            Capability::Flags | Capability::Mirror => "choose another `strategy` or `target` in [rollout]",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Capability::Weights => "weights",
            Capability::Cohorts => "cohorts",
            Capability::Flags => "flags",
            Capability::Mirror => "mirror",
            Capability::Conversion => "conversion in place",
            Capability::Names => "names of instances",
        })
    }
}

#[cfg(test)]
mod tests {
    use patchline_model::digest::Digest;
    use patchline_model::share::Share;
    use patchline_model::stage::plan::{
        Exit, Guards, Hot, InstanceGuards, ObservedArm, Plan, Process, Rolling, Strategy,
    };
    use patchline_model::time::Seconds;

    use super::{Capability, carries, converts};

    fn plan(strategy: Strategy) -> Plan {
        Plan {
            instances: 2,
            strategy,
            guards: Guards {
                alpha: 0.01,
                beta: 0.05,
                error_margin: 0.01,
                latency: false,
                instances: InstanceGuards::default(),
            },
            deadline: Seconds(60),
            start_deadline: Seconds(30),
            missing_limit: 3,
            at_deadline: Exit::Rollback,
            pause: Default::default(),
            irreversible: Default::default(),
        }
    }

    #[test]
    fn instances_that_do_not_say_what_they_serve_are_not_converted() {
        let arm = |said: u32| ObservedArm {
            artifact: Digest::of(b"stable"),
            share: Share::ALL,
            instances: 2,
            healthy: 2,
            counts: None,
            met: None,
            mirrored: None,
            addresses: Vec::new(),
            usage: Vec::new(),
            processes: (0..said).map(|pid| Process { pid, started: 1 }).collect(),
            names: Vec::new(),
        };
        let hot = plan(Strategy::Hot(Hot { batch: 1, bake: Seconds(1) }));
        assert_eq!(converts(&hot, Some(&arm(2))), Ok(()));
        let refused = converts(&hot, Some(&arm(1))).expect_err("one is silent");
        assert!(refused.message.starts_with("1 of 2 healthy instances"), "{}", refused.message);
        let rolling =
            plan(Strategy::Rolling(Rolling { batch: 1, max_unavailable: 0, bake: Seconds(1), order: None }));
        assert_eq!(converts(&rolling, Some(&arm(0))), Ok(()));
    }

    #[test]
    fn a_plan_that_the_target_cannot_carry_is_refused_with_what_is_missing() {
        let plan =
            plan(Strategy::Rolling(Rolling { batch: 1, max_unavailable: 0, bake: Seconds(1), order: None }));
        assert_eq!(carries("process", &[Capability::Weights], &plan), Ok(()));
        let refused = carries("files", &[], &plan).expect_err("it has nothing");
        assert_eq!(refused.message, "the target `files` can't carry the strategy rolling: it has no weights");
        assert!(refused.hint.is_some());
    }
}

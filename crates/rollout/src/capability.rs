//! What a target can do beyond running instances, and what a plan needs of it.
//!
//! A plan that its target can't carry is refused before anything moves: where a rollout begins, and in `patchline plan`.

use std::fmt;

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::stage::plan::{Plan, Strategy};

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
}

/// What this plan needs.
pub fn needs(plan: &Plan) -> Vec<Capability> {
    match &plan.strategy {
        Strategy::Canary(canary) if canary.cohort.is_some() => vec![Capability::Weights, Capability::Cohorts],
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

impl Capability {
    fn hint(self) -> &'static str {
        match self {
            Capability::Weights => "choose another `target` in [rollout]",
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
        })
    }
}

#[cfg(test)]
mod tests {
    use patchline_model::stage::plan::{Exit, Guards, Plan, Rolling, Strategy};
    use patchline_model::time::Seconds;

    use super::{Capability, carries};

    #[test]
    fn a_plan_that_the_target_cannot_carry_is_refused_with_what_is_missing() {
        let plan = Plan {
            instances: 2,
            strategy: Strategy::Rolling(Rolling { batch: 1, max_unavailable: 0, bake: Seconds(1) }),
            guards: Guards { alpha: 0.01, beta: 0.05, error_margin: 0.01, latency: false },
            deadline: Seconds(60),
            start_deadline: Seconds(30),
            missing_limit: 3,
            at_deadline: Exit::Rollback,
            irreversible: Default::default(),
        };
        assert_eq!(carries("process", &[Capability::Weights], &plan), Ok(()));
        let refused = carries("files", &[], &plan).expect_err("it has nothing");
        assert_eq!(refused.message, "the target `files` can't carry the strategy rolling: it has no weights");
        assert!(refused.hint.is_some());
    }
}

//! Tables: how urgent a finding is, and what a canary desires of the world in each phase.

#[path = "fixtures/given.rs"]
mod given;
#[path = "fixtures/small.rs"]
mod small;

use std::sync::Arc;

use given::{Given, finding, service, share};
use patchline_model::owner::Owners;
use patchline_model::service::Tier;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::Desired;
use patchline_model::stage::rollout::JudgeAnswer;
use patchline_model::stage::triage::prioritise;
use patchline_model::strategy::course::course;
use patchline_model::strategy::desired::{Progress, desired};
use patchline_model::triage::action::Action;

const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"; // 9.8
const HIGH: &str = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"; // 7.5
const MEDIUM: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H"; // 5.9
const LOW: &str = "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"; // 1.6

/// The action for this vector (empty: none is published) in each tier, with a fix and without.
fn check(vector: &str, with_fix: [Action; 4], without: [Action; 4]) {
    let given = Given::nothing();
    for (fixed, actions) in [(true, with_fix), (false, without)] {
        for (tier, expected) in (1_u8..).zip(actions) {
            let mut service = service();
            service.tier = Tier::try_from(tier).expect("1 to 4");
            let mut finding = finding();
            finding.severity = (!vector.is_empty()).then(|| vector.to_owned()).into_iter().collect();
            if !fixed {
                finding.fixed.clear();
            }
            let priorities = prioritise(given.cx(), &service, &[finding], &Owners::new());
            assert_eq!(priorities[0].action, expected, "`{vector}` in tier {tier}, fix published: {fixed}");
            let is_due = matches!(expected, Action::ActNow | Action::Schedule);
            assert_eq!(priorities[0].due.is_some(), is_due, "`{vector}` in tier {tier}");
        }
    }
}

#[test]
fn score_tier_and_fix_say_how_urgent_a_finding_is() {
    use Action::{ActNow, Schedule, Watch};
    check(CRITICAL, [ActNow; 4], [ActNow; 4]);
    check(HIGH, [ActNow, ActNow, Schedule, Schedule], [ActNow, ActNow, Watch, Watch]);
    check(MEDIUM, [Schedule; 4], [Watch; 4]);
    check(LOW, [Schedule, Schedule, Watch, Watch], [Watch; 4]);
    check("", [Schedule; 4], [Schedule, Schedule, Watch, Watch]);
    check("no vector", [Schedule; 4], [Schedule, Schedule, Watch, Watch]);
}

#[test]
fn the_worst_vector_counts_and_the_most_urgent_finding_comes_first() {
    let given = Given::nothing();
    let (mut mild, mut bad) = (finding(), finding());
    mild.id.0 = "a".to_owned();
    mild.severity = vec![LOW.to_owned()];
    bad.id.0 = "b".to_owned();
    bad.severity = vec![LOW.to_owned(), CRITICAL.to_owned()];
    let mut notice = finding();
    notice.id.0 = "0".to_owned();
    notice.informational = Some("unmaintained".to_owned());
    let priorities = prioritise(given.cx(), &service(), &[notice, mild, bad], &Owners::new());
    let order: Vec<_> =
        priorities.iter().map(|priority| (priority.finding.0.as_str(), priority.action)).collect();
    assert_eq!(order, [("b", Action::ActNow), ("a", Action::Schedule), ("0", Action::Watch)]);
}

/// Instances and percent of the stable and of the new version; none: it is not desired at all.
type Arms = [Option<(u32, u32)>; 2];

fn arms(desired: &Desired) -> Arms {
    let given = Given::preparing();
    let state = &given.patch.rollout;
    [&state.stable, &state.new].map(|version| {
        let arm = desired.arms.iter().find(|arm| Some(&arm.version) == version.as_ref());
        arm.map(|arm| (arm.instances, arm.share.ppm() / 10_000))
    })
}

#[test]
fn a_canary_desires_in_each_phase_what_the_plan_says() {
    let watching = |step| Phase::Watching { step };
    let rows: [(Phase, Arms); 12] = [
        (Phase::Idle, [Some((3, 100)), None]),
        (Phase::Preparing, [Some((3, 100)), Some((1, 0))]),
        (watching(0), [Some((3, 95)), Some((1, 5))]),
        // One of three can't carry a half: it gets help first.
        (Phase::Filling { step: 1 }, [Some((3, 95)), Some((2, 5))]),
        (watching(1), [Some((3, 50)), Some((2, 50))]),
        (Phase::Growing, [Some((3, 95)), Some((3, 5))]),
        (Phase::Switching, [Some((3, 0)), Some((3, 100))]),
        (Phase::Finishing, [None, Some((3, 100))]),
        (Phase::Promoted, [None, Some((3, 100))]),
        (Phase::RollingBack, [Some((3, 100)), Some((1, 0))]),
        (Phase::Retiring, [Some((3, 100)), None]),
        (Phase::RolledBack, [Some((3, 100)), None]),
    ];
    let mut state = Arc::unwrap_or_clone(Given::watching().patch.rollout);
    state.course = Some(Arc::new(course(&small::small(given::plan()))));
    for (phase, expected) in rows {
        state.phase = phase;
        let desired = state.desired().expect("the rollout has begun");
        assert_eq!(arms(&desired), expected, "{:?}", state.phase);
        let whole: u32 = desired.arms.iter().map(|arm| arm.share.ppm()).sum();
        assert_eq!(whole, 1_000_000, "{:?}", state.phase);
    }
}

#[test]
fn capacity_comes_before_weight_and_stable_stays_until_the_switch_is_confirmed() {
    use JudgeAnswer::Promote;
    let plan = given::plan();
    let mut given = Given::preparing();
    let mut instances_before = 0;
    let mut share_before = share(0.0);
    let mut greatest_watched = share(0.0);
    for look in 1..20 {
        let Some(desired) = given.patch.rollout.desired() else { break };
        let [stable, new] = arms(&desired);
        let now = given.patch.allowed_share();
        if matches!(given.patch.rollout.phase, Phase::Watching { .. }) {
            greatest_watched = greatest_watched.max(now);
        }
        if now > greatest_watched {
            assert!(instances_before >= plan.instances, "{now} with {instances_before} instances");
        }
        let is_switched = matches!(given.patch.rollout.phase, Phase::Finishing | Phase::Promoted);
        assert!(is_switched || stable.is_some_and(|(instances, _)| instances >= plan.instances));
        assert!(now >= share_before, "a rollout that is well never steps back");
        (instances_before, share_before) = (new.map_or(0, |(instances, _)| instances), now);
        if given.patch.has_ended() {
            assert_eq!(now, share(1.0));
            return;
        }
        given = given.follows(look * 100, Promote).later(11);
    }
    panic!("the rollout does not end: {:?}", given.patch.rollout.phase);
}

#[test]
fn a_hurried_canary_keeps_its_share_while_it_grows() {
    let state = Arc::unwrap_or_clone(Given::watching().patch.rollout);
    let (plan, stable, new) = (given::plan(), state.stable.expect("begun"), state.new.expect("begun"));
    let progress = Progress { phase: &Phase::Growing, reached: 0, left: None, was_promoted: false };
    let growing = desired(&course(&plan), &stable, &new, progress);
    assert_eq!(arms(&growing), [Some((3, 95)), Some((3, 5))]);
}

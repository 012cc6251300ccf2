//! What to do next about the instances: pure, from what is wanted and what is there.

use crate::process::action::{Action, Limits, Stage, Standing, Wanted, one_action_each};
use crate::process::named;

pub fn plan(limits: Limits, wanted: &[Wanted<'_>], standing: &[Standing<'_>]) -> Vec<Action> {
    let levels = wanted.iter().flat_map(|wanted| {
        if wanted.names.is_empty() { level(wanted, standing) } else { named::level(wanted, standing) }
    });
    let kept = upkeep(limits, wanted, standing).into_iter().chain(stays(wanted, standing));
    one_action_each(levels.chain(kept).collect())
}

/// Who was told to take another version over, and has not, is told to stay: nobody waits for it any more.
fn stays(wanted: &[Wanted<'_>], standing: &[Standing<'_>]) -> Vec<Action> {
    let is_wanted = |one: &&Standing<'_>| wanted.iter().any(|wanted| wanted.version == one.version);
    let leaves = |one: &&Standing<'_>| {
        let link_leads_away = one.linked.is_some_and(|linked| linked != one.version);
        one.stage.is_active() && (one.heads_for() != one.version || link_leads_away)
    };
    let leaving = standing.iter().filter(is_wanted).filter(leaves);
    leaving.map(|one| Action::Apply { instance: one.instance, version: one.version.to_owned() }).collect()
}

/// What is owed to each instance by itself: to end in order what is not wanted, and to replace what is ill for too long.
pub fn upkeep(limits: Limits, wanted: &[Wanted<'_>], standing: &[Standing<'_>]) -> Vec<Action> {
    let mut actions = Vec::new();
    let unwanted = |one: &Standing<'_>| !wanted.iter().any(|wanted| wanted.version == one.version);
    for one in standing {
        let instance = one.instance;
        match one.stage {
            Stage::Starting | Stage::Healthy | Stage::Unhealthy if unwanted(one) => {
                actions.push(Action::Drain { instance });
            }
            Stage::Starting | Stage::Unhealthy
                if one.in_stage >= limits.start && one.converting.is_none() =>
            {
                actions.push(Action::Replace { instance });
            }
            Stage::Draining if one.in_flight == 0 || one.in_stage >= limits.drain => {
                actions.push(Action::Terminate { instance });
            }
            Stage::Stopping { killed: false } if one.in_stage >= limits.stop => {
                actions.push(Action::Kill { instance });
            }
            Stage::Starting
            | Stage::Healthy
            | Stage::Unhealthy
            | Stage::Draining
            | Stage::Stopping { .. } => {}
        }
    }
    actions
}

/// As many of a version as are wanted: drain what is too much, the least useful first; revive before starting.
fn level(wanted: &Wanted<'_>, standing: &[Standing<'_>]) -> Vec<Action> {
    let of_version = || standing.iter().filter(|one| one.version == wanted.version);
    let mut active: Vec<&Standing<'_>> = of_version().filter(|one| one.stage.is_active()).collect();
    let target = wanted.instances as usize;
    if active.len() > target {
        active.sort_by_key(|one| (one.stage == Stage::Healthy, std::cmp::Reverse(one.instance)));
        let too_many = active.len() - target;
        return active.iter().take(too_many).map(|one| Action::Drain { instance: one.instance }).collect();
    }
    let missing = target - active.len();
    let mut actions: Vec<Action> = of_version()
        .filter(|one| one.stage == Stage::Draining)
        .take(missing)
        .map(|one| Action::Revive { instance: one.instance })
        .collect();
    if wanted.may_start {
        let to_start = missing - actions.len();
        actions
            .extend((0..to_start).map(|_| Action::Start { version: wanted.version.to_owned(), name: None }));
    }
    actions
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::action::Converting;

    const LIMITS: Limits = Limits {
        start: Duration::from_secs(30),
        drain: Duration::from_secs(20),
        stop: Duration::from_secs(5),
    };

    fn wanted(instances: u32) -> Wanted<'static> {
        Wanted { version: "one", instances, names: &[], may_start: true, may_convert: true }
    }

    fn standing(instance: u64, stage: Stage) -> Standing<'static> {
        Standing {
            instance,
            version: "one",
            name: None,
            stage,
            in_stage: Duration::from_secs(10),
            in_flight: 1,
            converting: None,
            linked: Some("one"),
        }
    }

    fn check(given: &[Standing<'static>], when: &[Wanted<'static>], then: &[Action]) {
        assert_eq!(plan(LIMITS, when, given), then);
    }

    #[test]
    fn what_is_missing_is_started_unless_it_failed_just_now() {
        let start = Action::Start { version: "one".to_owned(), name: None };
        check(&[standing(1, Stage::Healthy)], &[wanted(3)], &[start.clone(), start]);
        check(&[], &[Wanted { may_start: false, ..wanted(3) }], &[]);
    }

    #[test]
    fn what_drains_is_revived_before_anything_is_started() {
        check(&[standing(4, Stage::Draining)], &[wanted(1)], &[Action::Revive { instance: 4 }]);
    }

    #[test]
    fn the_least_useful_go_first() {
        let given = [standing(1, Stage::Healthy), standing(2, Stage::Unhealthy), standing(3, Stage::Healthy)];
        check(&given, &[wanted(2)], &[Action::Drain { instance: 2 }]);
        check(&given, &[wanted(1)], &[Action::Drain { instance: 2 }, Action::Drain { instance: 3 }]);
        check(&given, &[], &[1, 2, 3].map(|instance| Action::Drain { instance }));
    }

    #[test]
    fn draining_ends_with_the_last_request_or_with_the_deadline() {
        let draining = standing(1, Stage::Draining);
        check(std::slice::from_ref(&draining), &[], &[]);
        let done = Standing { in_flight: 0, ..draining.clone() };
        check(&[done], &[], &[Action::Terminate { instance: 1 }]);
        let late = Standing { in_stage: LIMITS.drain, ..draining };
        check(&[late], &[], &[Action::Terminate { instance: 1 }]);
    }

    #[test]
    fn who_was_told_to_take_over_what_nobody_wants_any_more_is_told_to_stay() {
        let stay = Action::Apply { instance: 1, version: "one".to_owned() };
        let two = Converting { to: "two", since: Duration::from_secs(1) };
        let told = Standing { converting: Some(two), ..standing(1, Stage::Healthy) };
        check(&[told], &[wanted(1)], std::slice::from_ref(&stay));
        let left_over = Standing { linked: Some("two"), ..standing(1, Stage::Healthy) };
        check(&[left_over], &[wanted(1)], &[stay]);
        // An instance that came without a link, from an earlier host, is left alone.
        check(&[Standing { linked: None, ..standing(1, Stage::Healthy) }], &[wanted(1)], &[]);
    }

    #[test]
    fn who_does_not_become_healthy_is_replaced_and_who_does_not_stop_is_killed() {
        for stage in [Stage::Starting, Stage::Unhealthy] {
            let late = Standing { in_stage: LIMITS.start, ..standing(1, stage) };
            check(&[late], &[wanted(1)], &[Action::Replace { instance: 1 }]);
        }
        let stopping = standing(1, Stage::Stopping { killed: false });
        check(&[stopping], &[], &[Action::Kill { instance: 1 }]);
        check(&[standing(1, Stage::Stopping { killed: true })], &[], &[]);
    }
}

//! Instances that change their version and stay: whom to convert next, and which share each version carries. Pure.

use std::time::Duration;

use crate::process::action::{Action, Limits, Stage, Standing, Wanted, one_action_each};
use crate::process::plan::upkeep;
use crate::process::spec::WHOLE_PPM;

/// Who was told something a moment ago may be about to become its successor, which does not listen yet: another signal would
/// end it. It answers by then, or it is told all the same.
const TAKING_OVER: Duration = Duration::from_secs(1);

/// What to do next where the first version wanted is the one to fall back to.
///
/// As many instances as all versions want together stay as they are. One that does not confirm a new version in time is
/// left alone: whoever wants it back will say so. One that does not even confirm the version to fall back to is replaced
/// by another process, which must be healthy before it drains.
pub fn plan(limits: Limits, wanted: &[Wanted<'_>], standing: &[Standing<'_>]) -> Vec<Action> {
    let Some(fallback) = wanted.first() else { return upkeep(limits, wanted, standing) };
    let is_ours =
        |one: &&Standing<'_>| one.stage.is_active() && wanted.iter().any(|it| it.version == one.version);
    let is_overdue = |one: &Standing<'_>| {
        let since = one.converting.filter(|converting| converting.to == fallback.version);
        since.is_some_and(|converting| converting.since >= limits.start)
    };
    let (overdue, timely): (Vec<&Standing<'_>>, Vec<&Standing<'_>>) =
        standing.iter().filter(is_ours).partition(|one| is_overdue(one));
    let total: usize = wanted.iter().map(|wanted| wanted.instances as usize).sum();

    let mut actions = exchange(wanted, fallback, &timely);
    actions.extend(stale_links(&timely));
    actions.extend(missing(fallback, standing, total, timely.len()));
    actions.extend(too_many(&timely, total));
    actions.extend(let_go(&overdue, &timely, total));
    actions.extend(upkeep(limits, wanted, standing));
    one_action_each(actions)
}

/// Converts as many as one version has too many and another too few.
fn exchange(wanted: &[Wanted<'_>], fallback: &Wanted<'_>, timely: &[&Standing<'_>]) -> Vec<Action> {
    let heading = |version: &str| timely.iter().filter(|one| one.heads_for() == version).count();
    let mut actions = Vec::new();
    for to in wanted {
        let mut lacking = (to.instances as usize).saturating_sub(heading(to.version));
        let goes_back = to.version == fallback.version;
        if !goes_back && !to.may_convert {
            continue;
        }
        for from in wanted.iter().filter(|from| from.version != to.version) {
            let surplus = heading(from.version).saturating_sub(from.instances as usize);
            let may_go = |one: &&&Standing<'_>| {
                let is_free = one.stage == Stage::Healthy && one.converting.is_none();
                let is_quiet = one.converting.is_none_or(|converting| converting.since >= TAKING_OVER);
                one.heads_for() == from.version && (is_free || (goes_back && is_quiet))
            };
            let mut candidates: Vec<&&Standing<'_>> = timely.iter().filter(may_go).collect();
            // Whose link points there already was chosen before this host began; then those that serve nobody.
            let is_chosen = |one: &Standing<'_>| one.linked == Some(to.version);
            candidates.sort_by_key(|one| (!is_chosen(one), one.stage == Stage::Healthy, one.instance));
            let chosen = candidates.iter().take(lacking.min(surplus));
            let before = actions.len();
            actions.extend(
                chosen.map(|one| Action::Apply { instance: one.instance, version: to.version.to_owned() }),
            );
            lacking -= actions.len() - before;
        }
    }
    actions
}

/// Whose link says something else than what it serves, with nothing under way, was left in the middle: it is told again.
fn stale_links(timely: &[&Standing<'_>]) -> Vec<Action> {
    let is_stale = |one: &&&Standing<'_>| one.converting.is_none() && one.linked != Some(one.version);
    let again =
        |one: &&Standing<'_>| Action::Apply { instance: one.instance, version: one.version.to_owned() };
    timely.iter().filter(is_stale).map(again).collect()
}

/// Who has died is replaced by an instance of the version to fall back to.
fn missing(fallback: &Wanted<'_>, standing: &[Standing<'_>], total: usize, there: usize) -> Vec<Action> {
    let missing = total.saturating_sub(there);
    let can_return = |one: &&Standing<'_>| one.stage == Stage::Draining && one.version == fallback.version;
    let mut actions: Vec<Action> = standing
        .iter()
        .filter(can_return)
        .take(missing)
        .map(|one| Action::Revive { instance: one.instance })
        .collect();
    if fallback.may_start {
        let to_start = missing - actions.len();
        actions.extend(
            (0..to_start).map(|_| Action::Start { version: fallback.version.to_owned(), name: None }),
        );
    }
    actions
}

fn too_many(timely: &[&Standing<'_>], total: usize) -> Vec<Action> {
    let mut least_useful_first: Vec<&&Standing<'_>> = timely.iter().collect();
    least_useful_first.sort_by_key(|one| (one.stage == Stage::Healthy, std::cmp::Reverse(one.instance)));
    let too_many = timely.len().saturating_sub(total);
    let least = least_useful_first.into_iter().take(too_many);
    least.map(|one| Action::Drain { instance: one.instance }).collect()
}

/// Who could not be converted back goes when the others carry everything without it, or at once if it serves nobody.
fn let_go(overdue: &[&Standing<'_>], timely: &[&Standing<'_>], total: usize) -> Vec<Action> {
    let serves = |one: &&&Standing<'_>| one.stage == Stage::Healthy;
    let (serving, idle): (Vec<&Standing<'_>>, Vec<&Standing<'_>>) =
        overdue.iter().partition(|one| one.stage == Stage::Healthy);
    let spare = (timely.iter().filter(serves).count() + serving.len()).saturating_sub(total);
    let going = idle.into_iter().chain(serving.into_iter().take(spare));
    going.map(|one| Action::Drain { instance: one.instance }).collect()
}

/// The shares in force, in parts per million: what the confirmed instances of a version are of all, at most what it is
/// given. What is not given any more is kept until the first version, the one to fall back to, can carry it.
pub fn shares(given_ppm: &[u32], confirmed: &[u32], total: u32) -> Vec<u32> {
    let part = |of: u32| {
        let whole = total.max(1);
        let ppm = u64::from(of.min(whole)) * u64::from(WHOLE_PPM) / u64::from(whole);
        u32::try_from(ppm).unwrap_or(WHOLE_PPM)
    };
    let carries = confirmed.first().map_or(0, |confirmed| part(*confirmed));
    let nobody_else = carries == 0;
    let mut left = WHOLE_PPM;
    let mut others: Vec<u32> = Vec::new();
    for (given, confirmed) in given_ppm.iter().zip(confirmed).skip(1) {
        let most = part(*confirmed);
        let kept = most.min(WHOLE_PPM - carries);
        let share = if nobody_else && most > 0 { WHOLE_PPM } else { most.min((*given).max(kept)) };
        let share = share.min(left);
        left -= share;
        others.push(share);
    }
    let first = given_ppm.first().map(|_| left);
    first.into_iter().chain(others).collect()
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

    fn wanted(old: u32, new: u32) -> [Wanted<'static>; 2] {
        let of = |version, instances| Wanted {
            version,
            instances,
            names: &[],
            may_start: true,
            may_convert: true,
        };
        [of("old", old), of("new", new)]
    }

    fn serves(instance: u64, version: &'static str) -> Standing<'static> {
        Standing {
            instance,
            version,
            name: None,
            stage: Stage::Healthy,
            in_stage: Duration::from_secs(100),
            in_flight: 1,
            converting: None,
            linked: Some(version),
        }
    }

    fn converts(instance: u64, from: &'static str, to: &'static str, seconds: u64) -> Standing<'static> {
        let converting = Some(Converting { to, since: Duration::from_secs(seconds) });
        Standing { converting, linked: Some(to), ..serves(instance, from) }
    }

    fn apply(instance: u64, version: &str) -> Action {
        Action::Apply { instance, version: version.to_owned() }
    }

    fn check(given: &[Standing<'static>], when: [Wanted<'static>; 2], then: &[Action]) {
        assert_eq!(plan(LIMITS, &when, given), then);
    }

    #[test]
    fn as_many_as_a_batch_wants_are_converted_and_each_of_them_once() {
        let given = [serves(1, "old"), serves(2, "old"), serves(3, "old")];
        check(&given, wanted(3, 0), &[]);
        check(&given, wanted(1, 2), &[apply(1, "new"), apply(2, "new")]);
        let given = [converts(1, "old", "new", 1), serves(2, "old"), serves(3, "old")];
        check(&given, wanted(2, 1), &[]);
        // One that does not confirm in time is left alone, and no other is asked in its place.
        let given = [converts(1, "old", "new", 99), serves(2, "old"), serves(3, "old")];
        check(&given, wanted(2, 1), &[]);
    }

    #[test]
    fn who_is_ill_is_not_converted_and_is_converted_back_first() {
        let ill = |version| Standing {
            stage: Stage::Unhealthy,
            in_stage: Duration::from_secs(1),
            ..serves(1, version)
        };
        check(&[ill("old"), serves(2, "old")], wanted(1, 1), &[apply(2, "new")]);
        check(&[serves(2, "new"), ill("new")], wanted(1, 1), &[apply(1, "old")]);
    }

    #[test]
    fn on_the_way_back_who_was_only_asked_is_told_again() {
        let given = [serves(1, "new"), converts(2, "old", "new", 3), serves(3, "old")];
        check(&given, wanted(3, 0), &[apply(1, "old"), apply(2, "old")]);
    }

    #[test]
    fn who_was_told_a_moment_ago_is_left_to_answer_first() {
        let given = [serves(1, "new"), converts(2, "old", "new", 0), serves(3, "old")];
        check(&given, wanted(3, 0), &[apply(1, "old")]);
    }

    #[test]
    fn who_died_is_started_again_with_the_version_to_fall_back_to() {
        let start = Action::Start { version: "old".to_owned(), name: None };
        check(&[serves(1, "new")], wanted(1, 1), std::slice::from_ref(&start));
        check(&[serves(1, "new")], wanted(0, 2), &[start]);
    }

    #[test]
    fn no_other_is_asked_when_one_has_died_of_it() {
        let given = [serves(1, "old"), serves(2, "old")];
        let [old, new] = wanted(1, 1);
        let fatal = Wanted { may_convert: false, ..new };
        assert_eq!(plan(LIMITS, &[old.clone(), fatal], &given), []);
        // Back it goes all the same.
        let [_, none] = wanted(1, 0);
        let back = Wanted { may_convert: false, instances: 2, ..old };
        let given = [serves(1, "new"), serves(2, "old")];
        assert_eq!(plan(LIMITS, &[back, none], &given), [apply(1, "old")]);
    }

    #[test]
    fn who_can_not_be_converted_back_goes_when_another_one_serves() {
        let stuck = || converts(1, "new", "old", 30);
        let start = Action::Start { version: "old".to_owned(), name: None };
        check(&[stuck(), serves(2, "old")], wanted(2, 0), &[start]);
        let starting = Standing { stage: Stage::Starting, in_stage: Duration::ZERO, ..serves(3, "old") };
        check(&[stuck(), serves(2, "old"), starting], wanted(2, 0), &[]);
        check(&[stuck(), serves(2, "old"), serves(3, "old")], wanted(2, 0), &[Action::Drain { instance: 1 }]);
    }

    #[test]
    fn a_host_that_was_killed_between_link_and_signal_signals_again() {
        let left_over = Standing { linked: Some("new"), ..serves(2, "old") };
        check(&[serves(1, "old"), left_over.clone()], wanted(1, 1), &[apply(2, "new")]);
        check(&[serves(1, "old"), left_over], wanted(2, 0), &[apply(2, "old")]);
    }

    #[test]
    fn shares_follow_the_confirmed_instances_both_ways() {
        // Forward: no share before the conversion, and none beyond what is given.
        assert_eq!(shares(&[500_000, 500_000], &[4, 0], 4), [1_000_000, 0]);
        assert_eq!(shares(&[500_000, 500_000], &[3, 1], 4), [750_000, 250_000]);
        assert_eq!(shares(&[500_000, 500_000], &[2, 2], 4), [500_000, 500_000]);
        assert_eq!(shares(&[333_334, 666_666], &[1, 2], 3), [333_334, 666_666]);
        // Back: what the first version can't carry yet stays, and goes with each conversion.
        assert_eq!(shares(&[1_000_000, 0], &[2, 2], 4), [500_000, 500_000]);
        assert_eq!(shares(&[1_000_000, 0], &[3, 1], 4), [750_000, 250_000]);
        assert_eq!(shares(&[1_000_000, 0], &[4, 0], 4), [1_000_000, 0]);
        // Others serve in place of one that can't be converted back: it has nothing left to carry.
        assert_eq!(shares(&[1_000_000, 0], &[4, 1], 4), [1_000_000, 0]);
        // One has died: its share is not the new version's, unless nobody else is there.
        assert_eq!(shares(&[500_000, 500_000], &[2, 1], 4), [750_000, 250_000]);
        assert_eq!(shares(&[0, 1_000_000], &[0, 3], 4), [0, 1_000_000]);
    }
}

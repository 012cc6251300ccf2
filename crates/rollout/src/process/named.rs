//! Instances with names: never do two have one name, whichever versions they are of. Pure.

use patchline_model::cohort::Token;

use crate::process::action::{Action, Stage, Standing, Wanted};

/// What to do about one version: a name that nobody has is started, and who has a name that is not this version's any more
/// goes. Who has none, from before instances had names, goes when the others can stand in.
pub fn level(wanted: &Wanted<'_>, standing: &[Standing<'_>]) -> Vec<Action> {
    let of_version = || standing.iter().filter(|one| one.version == wanted.version);
    let taken = wanted.names.iter().filter_map(|name| take(wanted, name, standing));
    let is_stray = |one: &&Standing<'_>| one.name.is_some_and(|name| !wanted.names.contains(name));
    let strays = of_version().filter(|one| one.stage.is_active()).filter(is_stray);
    let nameless = || of_version().filter(|one| one.stage.is_active() && one.name.is_none());
    let named = of_version().filter(|one| one.stage == Stage::Healthy && one.name.is_some()).count();
    let spare = (named + nameless().count()).saturating_sub(wanted.instances as usize);
    let going = strays.chain(nameless().take(spare));
    taken.chain(going.map(|one| Action::Drain { instance: one.instance })).collect()
}

/// What it takes for this version to have the name.
fn take(wanted: &Wanted<'_>, name: &Token, standing: &[Standing<'_>]) -> Option<Action> {
    let mut holders = standing.iter().filter(|one| one.name == Some(name));
    let Some(holder) = holders.next() else {
        let start = Action::Start { version: wanted.version.to_owned(), name: Some(name.clone()) };
        return wanted.may_start.then_some(start);
    };
    let is_alone = holders.next().is_none() && holder.version == wanted.version;
    let returns = is_alone && holder.stage == Stage::Draining;
    returns.then_some(Action::Revive { instance: holder.instance })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(text: &str) -> Token {
        text.parse().expect("a name")
    }

    fn check(
        given: &[(u64, &'static str, Option<&'static str>, Stage)],
        (instances, names): (u32, &[&str]),
        then: &[Action],
    ) {
        let names: Vec<Token> = names.iter().map(|text| name(text)).collect();
        let held: Vec<Option<Token>> = given.iter().map(|(_, _, held, _)| held.map(name)).collect();
        let standing: Vec<Standing<'_>> = given
            .iter()
            .zip(&held)
            .map(|((instance, version, _, stage), held)| Standing {
                instance: *instance,
                version,
                name: held.as_ref(),
                stage: *stage,
                in_stage: Duration::ZERO,
                in_flight: 1,
                converting: None,
                linked: None,
            })
            .collect();
        let wanted = Wanted { version: "new", instances, names: &names, may_start: true, may_convert: true };
        assert_eq!(level(&wanted, &standing), then);
    }

    fn start(text: &str) -> Action {
        Action::Start { version: "new".to_owned(), name: Some(name(text)) }
    }

    #[test]
    fn a_name_is_given_again_when_the_one_who_had_it_has_ended() {
        for stage in [Stage::Healthy, Stage::Draining, Stage::Stopping { killed: true }] {
            check(&[(1, "old", Some("a"), stage)], (1, &["a"]), &[]);
        }
        check(&[(1, "old", Some("b"), Stage::Healthy)], (1, &["a"]), &[start("a")]);
        check(&[(1, "new", Some("a"), Stage::Draining)], (1, &["a"]), &[Action::Revive { instance: 1 }]);
    }

    #[test]
    fn who_has_a_name_that_is_not_its_versions_any_more_goes() {
        let given = [(1, "new", Some("a"), Stage::Healthy), (2, "new", Some("b"), Stage::Healthy)];
        check(&given, (1, &["a"]), &[Action::Drain { instance: 2 }]);
    }

    #[test]
    fn who_has_no_name_goes_when_another_stands_in() {
        let nameless = |number| (number, "new", None, Stage::Healthy);
        check(&[nameless(1), nameless(2)], (2, &["a", "b"]), &[start("a"), start("b")]);
        let given = [nameless(1), nameless(2), (3, "new", Some("a"), Stage::Healthy)];
        check(&given, (2, &["a", "b"]), &[start("b"), Action::Drain { instance: 1 }]);
    }
}

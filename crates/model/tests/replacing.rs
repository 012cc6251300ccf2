//! A newer patch takes an older one's place: the older ends as its stage demands, and both are never at work in one service.

#[path = "fixtures/given.rs"]
mod given;

use given::{Given, by, check, opening};
use patchline_model::command::{Ask, Command};
use patchline_model::id::PatchId;
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::stage::detect::{self, Opening, Until};
use patchline_model::stage::review::End;
use patchline_model::stage::rollout;
use patchline_model::stage::terms::{Replacement, Terms};

/// P-7 is looked at; P-9 is to take its place.
fn replaced(mut given: Given, is_ready: bool) -> Given {
    given.board.replaced.insert(PatchId(7), Replacement { by: PatchId(9), is_ready });
    given
}

fn follows(given: &Given) -> Command {
    given.answer(Outcome::Rollout(rollout::Outcome::Followed))
}

fn is_follow(due: &Due) -> bool {
    matches!(due, Due::Job(_, Job::Rollout(rollout::Job::Follow)))
}

#[test]
fn what_has_not_begun_waits_for_the_newer_one_and_ends_when_that_may_begin() {
    assert!(matches!(replaced(Given::allowed(), false).due(), Due::Wake(_)));
    assert!(!is_follow(&replaced(Given::built(), false).due()), "until then it is made and proven as ever");
    for given in [Given::found(), Given::built(), Given::needs_owner(), Given::allowed()] {
        let given = replaced(given, true);
        assert!(is_follow(&given.due()));
        check(&given, follows(&given), Ok(&["review ended abandoned"]));
        let ended = given.answered(Outcome::Rollout(rollout::Outcome::Followed));
        assert_eq!(ended.patch.review.end, Some(End::Abandoned("P-9 replaces it".to_owned())));
    }
}

#[test]
fn what_is_on_its_way_goes_on_until_then_and_is_taken_back() {
    assert!(!is_follow(&replaced(Given::watching(), false).due()));
    let given = replaced(Given::watching(), true);
    check(&given, follows(&given), Ok(&["rollout rollback_decided"]));
    for settled in [Given::promoted(), Given::rolling_back()] {
        assert!(!is_follow(&replaced(settled, true).due()), "what is settled stays so");
    }
}

#[test]
fn the_newer_one_begins_when_the_older_has_ended() {
    let mut given = Given::allowed();
    if let Some(opening) = &mut given.patch.opening {
        std::sync::Arc::make_mut(opening).terms.supersedes = Some(PatchId(3));
    }
    assert!(matches!(given.due(), Due::Job(_, Job::Rollout(rollout::Job::Begin))));
    given.board.under_way.insert(PatchId(3), None);
    assert!(matches!(given.due(), Due::Wake(_)));
}

#[test]
fn only_an_older_patch_of_the_same_place_that_is_under_way_can_be_replaced() {
    let open = |other: u64| {
        let terms = Terms { supersedes: Some(PatchId(other)), ..Terms::default() };
        let opening = Opening { terms, ..opening(Until::Rollout) };
        by("ann", Ask::Detect(detect::Command::Open(Box::new(opening))))
    };
    let mut given = Given::nothing();
    let lock = opening(Until::Rollout).service.lock();
    given.board.under_way.extend([(PatchId(3), lock), (PatchId(4), Some("other/production".to_owned()))]);
    check(&given, open(3), Ok(&["detect opened"]));
    check(&given, open(4), Err("a patch of another service"));
    check(&given, open(5), Err("it is not under way"));
    check(&given, open(8), Err("it is not older"));
}

//! Patches of one set: who waits for whom, who gives up, who goes back with whom, and what stays.

#[path = "fixtures/given.rs"]
mod given;

use std::sync::Arc;

use given::{Given, by, check, opening, reviewed, steer};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::event::{Event, Fact};
use patchline_model::id::PatchId;
use patchline_model::job::{Due, Job, Outcome};
use patchline_model::service::Name;
use patchline_model::stage::detect::{self, Until};
use patchline_model::stage::phase::Phase;
use patchline_model::stage::rollout::{self, JudgeAnswer};
use patchline_model::stage::safety::{ForwardOnly, NoReturn};
use patchline_model::stage::set::{Member, Set, Standing};
use patchline_model::stage::terms::{Membership, Terms};
use patchline_model::view::stuck;

fn name() -> Name {
    "rename-topic".parse().expect("a name")
}

/// P-7 is the patch that is looked at: a member that comes after these.
fn member(mut given: Given, after: &[u64]) -> Given {
    let set = Membership { name: name(), after: after.iter().copied().map(PatchId).collect() };
    if let Some(opening) = &mut given.patch.opening {
        std::sync::Arc::make_mut(opening).terms.set = Some(set);
    }
    given.surveyed()
}

/// Another member on the board: what it comes after, how it stands, and how often it was taken back.
fn beside(mut given: Given, other: u64, after: &[u64], standing: Standing, returns: u32) -> Given {
    let after = after.iter().copied().map(PatchId).collect();
    let member = Member { after, standing, returns, seen: 0, version: 40 + other };
    let set: &mut Set = given.board.sets.entry(name()).or_default();
    set.members.insert(PatchId(other), member);
    given
}

fn follows(given: &Given) -> Command {
    given.answer(Outcome::Rollout(rollout::Outcome::Followed))
}

fn begun(given: &Given) -> Command {
    given.answer(Outcome::Rollout(rollout::Outcome::Begun { stable: given::stable(), history: None }))
}

#[test]
fn it_begins_when_what_it_comes_after_is_promoted() {
    let given = member(Given::allowed(), &[3]);
    for standing in [Standing::Waits, Standing::Moves, Standing::Halted, Standing::Returns] {
        let waiting = beside(given.clone(), 3, &[], standing, 0);
        assert!(matches!(waiting.due(), Due::Wake(_)), "{standing:?}");
        check(&waiting, begun(&waiting), Err("not owed"));
    }
    for standing in [Standing::Runs, Standing::Covered] {
        let ready = beside(given.clone(), 3, &[], standing, 0);
        check(&ready, begun(&ready), Ok(&["rollout started"]));
    }
    let vain = beside(given, 3, &[], Standing::Ended, 0);
    assert!(matches!(vain.due(), Due::Job(_, Job::Rollout(rollout::Job::Follow))));
    check(&vain, follows(&vain), Ok(&["review ended abandoned"]));
}

#[test]
fn what_was_promoted_goes_back_when_another_member_did() {
    let given = member(Given::promoted().answered(reviewed()), &[]);
    let back = beside(given.clone(), 9, &[7], Standing::Ended, 1);
    check(&back, follows(&back), Ok(&["rollout recalled"]));
    // The one that comes after it is not back yet.
    let early = beside(given.clone(), 9, &[7], Standing::Returns, 1);
    assert_eq!(early.due(), Due::Nothing);
    check(&early, follows(&early), Err("not owed"));
    // Nobody else begins on its service meanwhile.
    let lock = given.patch.opening.as_ref().and_then(|opening| opening.service.lock());
    assert_eq!(early.patch.opening.as_ref().and_then(|opening| opening.service.lock()), lock);
    let calm = beside(given, 9, &[7], Standing::Waits, 0);
    assert_eq!(calm.due(), Due::Nothing);
}

#[test]
fn a_person_s_recall_waits_for_what_comes_after() {
    let rollback = || steer(rollout::Command::Rollback { reason: "carts are empty".to_owned() });
    let given = member(Given::promoted().answered(reviewed()), &[]);
    let given = beside(given, 9, &[7], Standing::Runs, 0).asked("ann", rollback());
    assert_eq!(given.patch.rollout.phase, Phase::Recalling);
    let given = beside(member(given, &[]), 9, &[7], Standing::Runs, 0);
    assert!(matches!(given.due(), Due::Wake(_)));
    let back = beside(given.clone(), 9, &[7], Standing::Ended, 1);
    assert!(matches!(back.due(), Due::Job(_, Job::Rollout(rollout::Job::Recall))));
    // A person says that the other one stays: then this one stays, too.
    let mut stays = given;
    if let Some(set) = stays.board.sets.get_mut(&name()) {
        set.members.insert(
            PatchId(9),
            Member { after: vec![PatchId(7)], standing: Standing::Runs, returns: 0, seen: 1, version: 0 },
        );
    }
    check(&stays, follows(&stays), Ok(&["rollout kept", "review ended promoted"]));
}

#[test]
fn what_can_t_be_undone_halts_the_way_back_there_and_a_person_ends_it() {
    let mut given = Given::promoted().answered(reviewed());
    let reason = "it drops a column".to_owned();
    Arc::make_mut(&mut given.patch.rollout).footing.forward_only =
        Some(ForwardOnly { reason, from: NoReturn::Start });
    let given = beside(member(given, &[3]), 9, &[7], Standing::Ended, 1);
    let given = beside(given, 3, &[], Standing::Runs, 0);
    check(&given, follows(&given), Ok(&["rollout halted", "rollout paged"]));
    let halted = given.clone().answered(Outcome::Rollout(rollout::Outcome::Followed));
    assert!(!halted.patch.has_ended() && halted.patch.rollout.paged);
    assert_eq!(halted.patch.rollout.desired(), given.patch.rollout.desired());
    assert_eq!(halted.due(), Due::Nothing);
    let promote = steer(rollout::Command::Promote { reason: "it stays".to_owned() });
    check(&halted, by("ann", promote.clone()), Ok(&["rollout forced", "review ended promoted"]));
    let stays = halted.clone().asked("ann", promote);
    assert_eq!(
        stays.patch.rollout.footing.seen, 1,
        "what was taken back before does not concern it any more"
    );
    let with_loss = steer(rollout::Command::RollbackWithLoss { reason: "there is a copy".to_owned() });
    check(&halted, by("ann", with_loss), Ok(&["rollout loss_accepted", "rollout recalled"]));
}

#[test]
fn a_member_on_its_way_out_goes_back_at_once() {
    let given = member(Given::watching(), &[]);
    let given = beside(given, 9, &[], Standing::Returns, 1);
    check(&given, follows(&given), Ok(&["rollout rollback_decided"]));
    let kept = given.answer(given.followed(10, JudgeAnswer::Continue));
    check(&given, kept, Err("not owed"));
}

#[test]
fn a_member_that_can_t_go_back_calls_a_person_by_name_and_is_tried_again() {
    let rollback = || steer(rollout::Command::Rollback { reason: "carts are empty".to_owned() });
    let given = member(Given::promoted().answered(reviewed()), &[]).asked("ann", rollback());
    let given = member(given, &[]);
    let runs = given.patch.new_version().expect("it was built").artifact;
    let seen = |lacking: Option<&str>| {
        let lacking = lacking.map(str::to_owned);
        Outcome::Rollout(rollout::Outcome::Recallable { runs: runs.clone(), lacking })
    };
    check(&given, given.answer(seen(Some("it is gone"))), Ok(&["faltered", "rollout paged"]));
    let events = given.decide(given.answer(seen(Some("it is gone")))).expect("it is taken in");
    let told = format!("{events:?}");
    assert!(told.contains("P-7 of the set `rename-topic` can't go back"), "{told}");
    let stuck = given.takes(&events).later(60);
    assert_eq!((&stuck.patch.rollout.phase, stuck.patch.rollout.paged), (&Phase::Recalling, true));
    // Once a person knows, it is tried again and nobody is called twice.
    check(&stuck, stuck.answer(seen(Some("it is gone"))), Ok(&["faltered"]));
    check(&stuck, stuck.answer(seen(None)), Ok(&["rollout return_begun"]));
    let stays = steer(rollout::Command::Promote { reason: "it stays".to_owned() });
    check(&stuck, by("ann", stays), Ok(&["rollout kept", "review ended promoted"]));
}

#[test]
fn a_set_has_only_older_members_before_a_new_one() {
    let open = |after: &[u64]| {
        let set = Membership { name: name(), after: after.iter().copied().map(PatchId).collect() };
        let terms = Terms { set: Some(set), ..Terms::default() };
        let opening = detect::Opening { terms, ..opening(Until::Rollout) };
        by("ann", Ask::Detect(detect::Command::Open(Box::new(opening))))
    };
    let given = beside(Given::nothing(), 3, &[], Standing::Waits, 0);
    check(&given, open(&[3]), Ok(&["detect opened"]));
    check(&given, open(&[4]), Err("P-4 is no older member"));
    check(&given, open(&[7]), Err("P-7 is no older member"));
    let later = beside(given, 9, &[], Standing::Waits, 0);
    check(&later, open(&[9]), Err("P-9 is no older member"));
}

#[test]
fn why_a_member_is_still_there_is_said_in_its_own_words() {
    let why = |given: &Given, events: &[Event]| {
        let set = given.board.sets.get(&name()).expect("it is in one");
        stuck::why(set, &given.patch, events)
    };
    let promoted = || Given::promoted().answered(reviewed());
    let runs = member(promoted(), &[]);
    assert_eq!(why(&runs, &[]), None, "nobody asks it to go back");
    // One that comes after it is not back yet.
    let early = beside(runs, 9, &[7], Standing::Returns, 1);
    assert_eq!(why(&early, &[]).as_deref(), Some("P-9 comes after it and goes first"));
    let rollback = || steer(rollout::Command::Rollback { reason: "carts are empty".to_owned() });
    let asked = beside(member(promoted(), &[]), 9, &[7], Standing::Runs, 0).asked("ann", rollback());
    let asked = beside(member(asked, &[]), 9, &[7], Standing::Runs, 0);
    assert_eq!(why(&asked, &[]).as_deref(), Some("P-9 comes after it and goes first"));
    // Its old artifact is missing.
    let recalled = member(member(promoted(), &[]).asked("ann", rollback()), &[]);
    assert_eq!(why(&recalled, &[]), None, "it is on its way");
    let runs = recalled.patch.new_version().expect("it was built").artifact;
    let lacking = Some("it is gone".to_owned());
    let lost = rollout::Outcome::Recallable { runs, lacking };
    let vain = member(recalled.clone().answered(Outcome::Rollout(lost)), &[]);
    let told = why(&vain, &[]).expect("it is known");
    assert!(told.starts_with("try 1 failed: ") && told.contains("it is gone"), "{told}");
    // It was paged for something else than a failure.
    let mut paged = recalled;
    Arc::make_mut(&mut paged.patch.rollout).paged = true;
    let page = rollout::Event::Paged { reason: "the target did not follow".to_owned() };
    let page = Event { at: paged.now, by: Actor::Machine, fact: Fact::Rollout(page) };
    assert_eq!(why(&paged, &[page]).as_deref(), Some("the target did not follow"));
    // It can't be undone.
    let mut bound = promoted();
    let reason = "it drops a column".to_owned();
    Arc::make_mut(&mut bound.patch.rollout).footing.forward_only =
        Some(ForwardOnly { reason, from: NoReturn::Start });
    let bound = beside(member(bound, &[3]), 9, &[7], Standing::Ended, 1);
    let halted = member(bound.clone().answered(Outcome::Rollout(rollout::Outcome::Followed)), &[3]);
    let told = why(&halted, &[]).expect("it is known");
    assert!(told.contains("it drops a column") && told.contains("--accept-data-loss"), "{told}");
}

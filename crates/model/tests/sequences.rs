//! Whatever is asked, in whatever order: nothing panics, versions stay dense, and what is read back is what was.

#[path = "fixtures/given.rs"]
mod given;

use given::{
    Given, approve_as, candidate, decision, dossier, finding, open, pair, proposal, reviewed, scanned,
};
use given::{stable, steer, verdict};
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::digest::Digest;
use patchline_model::event::Event;
use patchline_model::failure::Failure;
use patchline_model::id::Stage;
use patchline_model::job::{Due, Outcome};
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::replay;
use patchline_model::stage::approve::{self, Answer};
use patchline_model::stage::detect::{self, Until};
use patchline_model::stage::plan::{Observed, Plan};
use patchline_model::stage::rollout::{self, JudgeAnswer, SmokeTest};
use patchline_model::stage::verify::CheckResult;
use patchline_model::stage::{generate, review};
use patchline_model::view::{board, story};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

const ANSWERS: [JudgeAnswer; 4] =
    [JudgeAnswer::Continue, JudgeAnswer::Promote, JudgeAnswer::Rollback, JudgeAnswer::Inconclusive];

/// What a hand may say to the job that is owed now: right, wrong, or of another stage.
fn outcome(given: &Given, which: u8, number: u16) -> Outcome {
    let number = u64::from(number);
    let answer = ANSWERS[usize::from(which) % ANSWERS.len()];
    match (given.due(), which % 8) {
        (_, 7) => reviewed(),
        (Due::Job(id, _), mood) => match id.stage {
            Stage::Detect | Stage::Triage => scanned(if mood == 0 { Vec::new() } else { vec![finding()] }),
            Stage::Generate if mood == 0 => {
                Outcome::Generate(generate::Outcome::NoFix { reasons: Vec::new() })
            }
            Stage::Generate => proposal(candidate(u32::from(mood))),
            Stage::Build => pair(),
            Stage::Verify => verdict(if mood < 2 { CheckResult::Failed } else { CheckResult::Passed }),
            Stage::Approve => {
                let answer = match mood {
                    0 => Answer::Deny,
                    1 => Answer::Needs(vec!["owner".to_owned()]),
                    _ => Answer::Allow,
                };
                decision(answer, given.patch.approve.approvals.len() + usize::from(mood == 6))
            }
            Stage::Rollout if given.patch.rollout.plan.is_none() => {
                Outcome::Rollout(rollout::Outcome::Begun { stable: stable(), history: None })
            }
            Stage::Rollout if mood == 0 => given::looked(Observed::default(), answer),
            Stage::Rollout
                if matches!(given.patch.rollout.smoke, SmokeTest::Runs { .. })
                    && !given.patch.rollout.is_going_back() =>
            {
                let failed = (mood == 1).then(|| "it smokes".to_owned());
                Outcome::Rollout(rollout::Outcome::Smoked { failed, evidence: Digest::of(b"smoke") })
            }
            Stage::Rollout => given.followed(number, answer),
            Stage::Review => reviewed(),
        },
        (Due::Wake(_) | Due::Nothing, _) => pair(),
    }
}

fn command(given: &Given, (kind, which, number): (u8, u8, u16)) -> Command {
    let reason = String::from("because");
    let report = |answer| Command::report(given.owed(), answer);
    let ask = match kind % 20 {
        0..=10 => return report(Ok(outcome(given, which, number))),
        11 => return report(Err(Failure::transient("down"))),
        12 => {
            let mut late = given.owed();
            late.attempt = late.attempt.wrapping_sub(u32::from(which) + 1);
            return Command::report(late, Ok(outcome(given, which, number)));
        }
        13 => open(if which % 4 == 0 { Until::Verify } else { Until::Rollout }),
        14 => approve_as("owner", if which % 4 == 0 { Digest::of(b"older") } else { dossier() }),
        15 => steer(rollout::Command::Pause { reason }),
        16 => steer(rollout::Command::Resume),
        17 => steer(rollout::Command::Promote { reason }),
        18 if which % 4 == 0 => steer(rollout::Command::Rollback { reason }),
        19 if which % 16 == 0 => Ask::Review(review::Command::Abort { reason }),
        19 if which % 16 == 2 => Ask::Review(review::Command::Retry { reason }),
        19 if which % 16 == 1 => Ask::Approve(approve::Command::Reject { reason }),
        _ => return report(Ok(outcome(given, which.max(2), number))),
    };
    let by = match which % 7 {
        0 => Actor::Machine,
        1 => Actor::person(" "),
        2 => Actor::person("patchline@example.com"),
        _ => Actor::person("bob@example.com"),
    };
    Command { by, ask }
}

/// One plan of each kind.
fn plans() -> [Plan; 6] {
    [
        given::plan(),
        given::watched_plan(),
        given::rolling_plan(),
        given::blue_green_plan(),
        given::hot_plan(),
        given::smoking_plan(),
    ]
}

/// Goes through the commands; answers every event, and where it came to.
fn go(plan: usize, commands: &[(u8, u8, u16)]) -> (Vec<Event>, Given) {
    let mut opening = given::opening(Until::Rollout);
    if let Some(run) = &mut opening.service.run {
        run.plan = plans()[plan % plans().len()].clone();
    }
    let open = Ask::Detect(detect::Command::Open(Box::new(opening)));
    let mut told = Given::nothing().decide(given::by("bob@example.com", open)).expect("it is new");
    let mut given = Given::nothing().takes(&told);
    for entry in commands {
        given = given.later(u64::from(entry.2 % 13));
        let Ok(events) = given.decide(command(&given, *entry)) else { continue };
        let (version, owed) = (given.patch.version, given.owed());
        let stages: Vec<Stage> = events.iter().map(|event| event.fact.stage()).collect();
        told.extend(events.iter().cloned());
        given = given.takes(&events);
        assert_eq!(given.patch.version, version + events.len() as u64);
        assert!(!stages.contains(&owed.stage) || given.owed() != owed, "{owed} is owed again");
    }
    (told, given)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_order_of_commands_breaks_a_patch(plan in 0_usize..5, commands in proptest::collection::vec(any::<(u8, u8, u16)>(), 0..120)) {
        let (told, given) = go(plan, &commands);
        prop_assert_eq!(told.len() as u64, given.patch.version);
        prop_assert!(told.windows(2).all(|pair| pair[0].at <= pair[1].at));
        let stored: Vec<String> = told.iter().map(|event| serde_json::to_string(event).expect("JSON")).collect();
        let read: Vec<Event> = stored.iter().map(|text| serde_json::from_str(text).expect("an event")).collect();
        prop_assert_eq!(&replay(Patch::new(given.patch.id), &read), &given.patch);
        let _ = board::card(&given.patch);
        prop_assert!(told.iter().filter_map(story::line).all(|line| !line.text.is_empty()));
    }
}

#[test]
fn the_sequences_reach_every_end() {
    let mut ends = std::collections::BTreeSet::new();
    let mut state: u64 = 7;
    for plan in 0..3000 {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        let commands: Vec<_> = (0..120).map(|_| (next() as u8, next() as u8, next() as u16)).collect();
        let (_, given) = go(plan, &commands);
        ends.extend(given.patch.review.end.as_ref().map(|end| end.word()));
    }
    for end in ["promoted", "rolled_back", "abandoned", "nothing_to_do"] {
        assert!(ends.contains(end), "no sequence was {end}: {ends:?}");
    }
}

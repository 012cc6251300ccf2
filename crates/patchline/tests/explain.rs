//! `explain` judges the looks of a ledger again: a word that does not follow from them is found, in either format.
#![allow(dead_code, reason = "the module serves several test files, and each uses its part")]

#[path = "binary/run.rs"]
mod run;

use std::path::Path;
use std::sync::Arc;

use patchline_conductor::replay::replay;
use patchline_ledger::sqlite::Sqlite;
use patchline_ledger::store::{Append, Store as _};
use patchline_model::event::{Event, Fact};
use patchline_model::id::PatchId;
use patchline_model::stage::plan::Counts;
use patchline_model::stage::rollout::{self, JudgeAnswer, Judgement, Tick};
use run::{Ran, json, patchline, run, text};

/// An event as every version must go on reading it.
fn golden(name: &str) -> Event {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/tests/golden");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).expect("the golden file is there");
    serde_json::from_str(&text).expect("it is an event")
}

/// A patch that is watched, looks in which the new version fails more and more, and the judge's word on each.
fn watched() -> Vec<Event> {
    let mut events = vec![golden("detect_opened"), golden("rollout_started")];
    let at = golden("rollout_looked");
    let counts = |requests, errors| Some(Counts { requests, errors, latency: Vec::new(), restarts: 0 });
    for look in 0..12 {
        let tick = Tick { canary: counts(50, look), stable: counts(950, 1), signs: None, apart: None };
        let with = |judgement: Judgement| {
            let looked = rollout::Event::Looked {
                tick: Arc::new(tick.clone()),
                cursor: None,
                judgement: Arc::new(judgement),
            };
            Event { fact: Fact::Rollout(looked), ..at.clone() }
        };
        let unsaid = Judgement {
            answer: JudgeAnswer::Continue,
            reason: String::new(),
            readings: Vec::new(),
            wrong_split: false,
            judge: 0,
        };
        let seen: Vec<Event> = events.iter().cloned().chain([with(unsaid)]).collect();
        let word = replay(PatchId(1), &seen).expect("a good plan").expect("it has looked").judgement;
        events.push(with(word));
    }
    events
}

/// The last look of all, changed.
fn changed(events: Vec<Event>, change: fn(&mut Tick, &mut Judgement)) -> Vec<Event> {
    let last = events.len() - 1;
    changed_at(events, last, change)
}

/// A look, changed.
fn changed_at(mut events: Vec<Event>, at: usize, change: fn(&mut Tick, &mut Judgement)) -> Vec<Event> {
    let Fact::Rollout(rollout::Event::Looked { tick, judgement, .. }) = &mut events[at].fact else {
        panic!("the event is a look")
    };
    change(Arc::make_mut(tick), Arc::make_mut(judgement));
    events
}

/// A ledger with these events, written by the ledger itself: each is a good event in its place.
fn explained(events: Vec<Event>, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    keep(folder.path(), events);
    run(patchline(&["--data", text(folder.path()), "explain", "P-1"]).args(arguments))
}

fn keep(folder: &Path, events: Vec<Event>) {
    let store = Sqlite::open(&folder.join("ledger.sqlite")).expect("the ledger opens");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let patch = store.allocate("a patch").await.expect("a number");
        assert_eq!(patch, PatchId(1));
        let append = Append {
            patch,
            expected: 0,
            events,
            fence: None,
            takes: None,
            gives: None,
            grounds: Default::default(),
        };
        store.append(append).await.expect("the events are kept");
    });
}

/// Both formats say the same of these events.
#[track_caller]
fn check(events: Vec<Event>, code: i32, result: &str, line: &str) {
    let told = explained(events.clone(), &[]);
    assert_eq!(told.code, code, "{}{}", told.out, told.err);
    assert!(told.out.contains(line), "{}", told.out);
    let told = explained(events, &["--format", "json"]);
    assert_eq!(told.code, code, "{}{}", told.out, told.err);
    let value = json(&told);
    assert_eq!(value["replay"]["result"], result, "{value}");
    let is_same = value["replay"]["judgement"] == value["judgement"];
    assert_eq!(is_same, result == "same", "{value}");
    assert_eq!(told.err.contains("does not follow from the looks in the ledger"), code == 1, "{}", told.err);
}

#[test]
fn a_word_that_follows_from_its_looks_is_the_same() {
    check(watched(), 0, "same", "replayed from the ledger: the same");
}

#[test]
fn a_word_that_was_changed_is_found() {
    let events = watched();
    let last = events.last().map(|event| serde_json::to_string(event).expect("it is JSON"));
    assert!(last.is_some_and(|last| last.contains("rollback")), "the last word is a rollback");
    let promoted = changed(events, |_, word| word.answer = JudgeAnswer::Promote);
    check(promoted, 1, "differs", "DIFFERENT");
    let milder = changed(watched(), |_, word| word.readings[0].log_evidence -= 0.001);
    check(milder, 1, "differs", "DIFFERENT");
}

#[test]
fn a_look_that_was_changed_under_its_word_is_found() {
    let fewer = changed(watched(), |tick, _| tick.canary.as_mut().expect("counted").errors = 0);
    check(fewer, 1, "differs", "DIFFERENT");
}

#[test]
fn an_earlier_word_is_held_to_its_looks_too() {
    let milder = changed_at(watched(), 5, |_, word| word.reason = "all is well".to_owned());
    let told = explained(milder.clone(), &["--format", "json"]);
    assert_eq!(told.code, 1, "{}{}", told.out, told.err);
    let replay = &json(&told)["replay"];
    assert_eq!((&replay["result"], &replay["words"]), (&"differs".into(), &12.into()), "{replay}");
    assert_eq!(
        (&replay["wrong"]["event"], &replay["wrong"]["recorded"]["reason"]),
        (&6.into(), &"all is well".into()),
        "{replay}"
    );
    let told = explained(milder, &[]);
    assert!(told.out.contains("(event 6): recorded is \"all is well\""), "{}", told.out);
}

/// Who tries again has a new judge, and the words of the first try still follow from its own looks.
#[test]
fn the_words_of_each_try_are_held_to_its_own_looks() {
    let first = watched();
    let retried = [golden("review_retried")];
    let again: Vec<Event> = first.iter().chain(&retried).chain(&first[1..]).cloned().collect();
    let told = explained(again.clone(), &["--format", "json"]);
    let replay = &json(&told)["replay"];
    assert_eq!((&replay["result"], &replay["words"]), (&"same".into(), &24.into()), "{replay}");
    let changed = changed_at(again, 4, |tick, _| tick.canary.as_mut().expect("counted").errors = 40);
    let told = explained(changed, &["--format", "json"]);
    assert_eq!((told.code, &json(&told)["replay"]["wrong"]["event"]), (1, &5.into()), "{}", told.err);
}

#[test]
fn the_word_of_another_judge_is_no_wrong_record() {
    let before = changed(watched(), |_, word| word.judge -= 1);
    check(before, 0, "judge_changed", "the judge has changed since");
}

#[test]
fn where_the_judge_has_said_nothing_there_is_nothing_to_replay() {
    let told = explained(watched()[..2].to_vec(), &["--format", "json"]);
    assert_eq!((told.code, &json(&told)["replay"]), (0, &serde_json::Value::Null), "{}", told.err);
}

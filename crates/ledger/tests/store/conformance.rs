//! The suite that every store passes, written against the trait alone.

use std::sync::Arc;

use patchline_ledger::store::{Append, Fence, LeaseRequest, Store, StoreError};
use patchline_model::actor::Actor;
use patchline_model::event::{Event, Fact};
use patchline_model::id::PatchId;
use patchline_model::line::{self, Scope};
use patchline_model::pipeline::grounds::Grounds;
use patchline_model::stage::generate;
use patchline_model::time::Timestamp;

/// A ledger that any number of handles can be opened on. Dropped, it is gone.
pub struct Place {
    /// Another handle on the same ledger.
    pub open: Box<dyn Fn() -> Arc<dyn Store> + Send>,
}

/// Runs the whole suite; each case in a place of its own.
pub async fn conformance(make: impl Fn() -> Place) {
    what_is_appended_is_read_back(&*(make().open)()).await;
    the_same_key_is_the_same_patch(&*(make().open)()).await;
    a_wrong_version_writes_nothing(&*(make().open)()).await;
    a_patch_that_is_not_there_is_an_error(&*(make().open)()).await;
    a_lock_is_taken_and_given_with_its_events(&*(make().open)()).await;
    a_lease_changes_hands_with_a_higher_epoch(&*(make().open)()).await;
    a_lost_lease_can_not_write(&*(make().open)()).await;
    nobody_waits_for_a_process_that_has_ended(&*(make().open)()).await;
    what_can_not_be_read_back_is_not_written(&*(make().open)()).await;
    the_line_is_appended_at_its_version(&*(make().open)()).await;
    what_was_decided_on_an_older_line_is_not_written(&make()).await;
    what_was_decided_on_older_others_is_not_written(&make()).await;
    stops_at_once_are_each_kept(&make()).await;
    the_pulse_grows_with_every_write(&make()).await;
    another_handle_sees_everything(&make()).await;
    writers_at_once_lose_nothing(&make()).await;
    keys_at_once_are_one_patch(&make()).await;
    a_lease_has_one_holder_at_a_time(&make()).await;
}

pub fn event(text: &str) -> Event {
    let fact = Fact::Generate(generate::Event::NoFix { reasons: vec![text.to_owned()] });
    Event { at: Timestamp(1), by: Actor::person("ann@example.com"), fact }
}

pub fn text(event: &Event) -> &str {
    match &event.fact {
        Fact::Generate(generate::Event::NoFix { reasons }) => reasons.first().map_or("", String::as_str),
        _ => "",
    }
}

pub fn append(patch: PatchId, expected: u64, texts: &[&str]) -> Append {
    let events = texts.iter().map(|text| event(text)).collect();
    Append { patch, expected, events, fence: None, takes: None, gives: None, grounds: Grounds::default() }
}

pub fn stopped(reason: &str) -> line::Event {
    let fact = line::Fact::Stopped { scope: Scope::Everything, reason: reason.to_owned() };
    line::Event { at: Timestamp(1), by: Actor::person("ann@example.com"), fact, evidence: None }
}

async fn texts(store: &dyn Store, patch: PatchId) -> Vec<String> {
    let events = store.read(patch, 0).await.expect("it can be read");
    events.iter().map(|event| text(event).to_owned()).collect()
}

fn lease(holder: &str, now: i64, until: i64) -> LeaseRequest {
    LeaseRequest {
        name: "driver".to_owned(),
        holder: holder.to_owned(),
        now: Timestamp(now),
        until: Timestamp(until),
    }
}

async fn what_is_appended_is_read_back(store: &dyn Store) {
    let patch = store.allocate("a").await.unwrap();
    assert_eq!(store.patches().await.unwrap(), [(patch, 0)]);
    assert_eq!(texts(store, patch).await, [""; 0]);
    let odd = "\u{0} \u{1f980} \"quotes\" and \\ and\nlines";
    store.append(append(patch, 0, &["one", odd])).await.unwrap();
    store.append(append(patch, 2, &["three"])).await.unwrap();
    store.append(append(patch, 3, &[])).await.unwrap();
    assert_eq!(store.read(patch, 0).await.unwrap(), [event("one"), event(odd), event("three")]);
    assert_eq!(store.read(patch, 2).await.unwrap(), [event("three")]);
    assert_eq!(store.read(patch, 3).await.unwrap(), []);
    assert_eq!(store.read(patch, u64::MAX).await.unwrap(), []);
    assert_eq!(store.patches().await.unwrap(), [(patch, 3)]);
    assert_eq!(store.read(PatchId(9_999), 0).await.unwrap(), []);
}

async fn the_same_key_is_the_same_patch(store: &dyn Store) {
    let (one, two) = (store.allocate("one").await.unwrap(), store.allocate("two").await.unwrap());
    assert_ne!(one, two);
    assert_eq!(store.allocate("one").await.unwrap(), one);
    assert_eq!(store.allocate("two").await.unwrap(), two);
    assert_eq!(store.patches().await.unwrap(), [(one, 0), (two, 0)]);
}

async fn a_wrong_version_writes_nothing(store: &dyn Store) {
    let patch = store.allocate("a").await.unwrap();
    store.append(append(patch, 0, &["one"])).await.unwrap();
    for expected in [0, 2, u64::MAX] {
        let locked = Append { takes: Some("s/e".to_owned()), ..append(patch, expected, &["x", "y"]) };
        let error = store.append(locked).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        assert!(matches!(error, StoreError::Conflict { found: 1, .. }), "{error}");
    }
    assert_eq!(texts(store, patch).await, ["one"]);
    assert!(store.board().await.unwrap().locks.is_empty());
}

async fn a_patch_that_is_not_there_is_an_error(store: &dyn Store) {
    assert!(store.append(append(PatchId(9_999), 0, &["x"])).await.is_err());
    assert_eq!(store.patches().await.unwrap(), []);
}

async fn a_lock_is_taken_and_given_with_its_events(store: &dyn Store) {
    let (one, two) = (store.allocate("one").await.unwrap(), store.allocate("two").await.unwrap());
    let takes =
        |patch, expected| Append { takes: Some("s/e".to_owned()), ..append(patch, expected, &["takes"]) };
    let gives =
        |patch, expected| Append { gives: Some("s/e".to_owned()), ..append(patch, expected, &["gives"]) };
    store.append(takes(one, 0)).await.unwrap();
    assert_eq!(store.board().await.unwrap().locks.into_iter().collect::<Vec<_>>(), [("s/e".to_owned(), one)]);
    let error = store.append(takes(two, 0)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Locked { holder, .. } if *holder == one), "{error}");
    assert!(error.is_conflict());
    assert_eq!(texts(store, two).await, [""; 0]);
    assert_eq!(store.patches().await.unwrap(), [(one, 1), (two, 0)]);
    // Who does not hold it can't give it; who holds it may take it again.
    store.append(gives(two, 0)).await.unwrap();
    store.append(takes(one, 1)).await.unwrap();
    assert_eq!(store.board().await.unwrap().held_by_other("s/e", two), Some(one));
    store.append(gives(one, 2)).await.unwrap();
    assert!(store.board().await.unwrap().locks.is_empty());
    store.append(takes(two, 1)).await.unwrap();
    assert_eq!(store.board().await.unwrap().held_by_other("s/e", one), Some(two));
}

async fn a_lease_changes_hands_with_a_higher_epoch(store: &dyn Store) {
    assert_eq!(store.lease(&lease("one", 100, 200)).await.unwrap(), Some(1));
    assert_eq!(store.lease(&lease("two", 150, 250)).await.unwrap(), None);
    assert_eq!(store.lease(&lease("one", 150, 300)).await.unwrap(), Some(1), "kept, and longer");
    assert_eq!(store.lease(&lease("two", 250, 350)).await.unwrap(), None);
    assert_eq!(store.lease(&lease("two", 301, 400)).await.unwrap(), Some(2), "after its end");
    assert_eq!(store.lease(&lease("one", 301, 400)).await.unwrap(), None);
    store.release("driver", "one").await.unwrap();
    assert_eq!(store.lease(&lease("one", 302, 400)).await.unwrap(), None, "only its holder gives it back");
    store.release("driver", "two").await.unwrap();
    assert_eq!(store.lease(&lease("one", 303, 400)).await.unwrap(), Some(3), "given back");
    assert_eq!(
        store.lease(&lease("one", 401, 500)).await.unwrap(),
        Some(4),
        "what ran out in between is a new one"
    );
    let other = LeaseRequest { name: "other".to_owned(), ..lease("two", 401, 500) };
    assert_eq!(store.lease(&other).await.unwrap(), Some(1), "each name on its own");
}

async fn a_lost_lease_can_not_write(store: &dyn Store) {
    let patch = store.allocate("a").await.unwrap();
    let fenced = |epoch, expected| {
        let fence = Some(Fence { name: "driver".to_owned(), epoch });
        Append { fence, takes: Some("s/e".to_owned()), ..append(patch, expected, &["x"]) }
    };
    let error = store.append(fenced(1, 0)).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "a lease that nobody took: {error}");
    store.lease(&lease("one", 100, 200)).await.unwrap();
    store.append(fenced(1, 0)).await.unwrap();
    assert_eq!(store.lease(&lease("two", 201, 300)).await.unwrap(), Some(2));
    for epoch in [0, 1, 3, u64::MAX] {
        let error = store.append(fenced(epoch, 1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { .. }) && !error.is_conflict(), "{error}");
    }
    assert_eq!(texts(store, patch).await, ["x"]);
    store.append(fenced(2, 1)).await.unwrap();
    store.append(append(patch, 2, &["a person needs no lease"])).await.unwrap();
}

async fn nobody_waits_for_a_process_that_has_ended(store: &dyn Store) {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let ended = format!("process:{}:1", child.id());
    child.wait().unwrap();
    assert_eq!(store.lease(&lease(&ended, 100, 10_000)).await.unwrap(), Some(1));
    let living = patchline_ledger::holder::this_process();
    assert_eq!(store.lease(&lease(&living, 101, 10_000)).await.unwrap(), Some(2));
    assert_eq!(store.lease(&lease("three", 102, 10_000)).await.unwrap(), None, "this process lives");
}

async fn what_can_not_be_read_back_is_not_written(store: &dyn Store) {
    use patchline_model::stage::rollout::{self, JudgeAnswer, Judgement, Reading, Tick};
    let patch = store.allocate("a").await.unwrap();
    for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let readings = vec![Reading { guard: "errors".to_owned(), log_evidence: strange, threshold: 1.0 }];
        let judgement = Judgement {
            answer: JudgeAnswer::Continue,
            reason: String::new(),
            readings,
            wrong_split: false,
            judge: 0,
        };
        let looked = rollout::Event::Looked {
            tick: Tick::default().into(),
            cursor: None,
            judgement: judgement.into(),
        };
        let strange = Event { fact: Fact::Rollout(looked), ..event("") };
        let events = vec![event("one"), strange];
        assert!(store.append(Append { events, ..append(patch, 0, &[]) }).await.is_err());
    }
    assert_eq!(texts(store, patch).await, [""; 0]);
    assert_eq!(store.patches().await.unwrap(), [(patch, 0)]);
}

async fn the_line_is_appended_at_its_version(store: &dyn Store) {
    assert_eq!(store.board().await.unwrap().line, line::Line::default());
    assert_eq!(store.read_line(0).await.unwrap(), []);
    store.append_line(0, vec![stopped("one")]).await.unwrap();
    for expected in [0, 2, u64::MAX >> 1] {
        let error = store.append_line(expected, vec![stopped("x")]).await.unwrap_err();
        let moved = matches!(error, StoreError::LineMoved { found: 1, .. });
        assert!(moved && error.is_conflict(), "{error}");
    }
    store.append_line(1, vec![stopped("two"), stopped("three")]).await.unwrap();
    assert_eq!(store.read_line(0).await.unwrap(), ["one", "two", "three"].map(stopped));
    assert_eq!(store.read_line(2).await.unwrap(), [stopped("three")]);
    let line = store.board().await.unwrap().line;
    assert_eq!((line.version, line.stops.len()), (3, 1));
    assert_eq!(line.stops[0].reason, "three");
}

/// A stop that was acknowledged is in force for everything that is written after it, whatever its writer had read.
async fn what_was_decided_on_an_older_line_is_not_written(place: &Place) {
    let (one, two) = ((place.open)(), (place.open)());
    let patch = one.allocate("a").await.unwrap();
    let forward = |expected, line| Append {
        grounds: Grounds { line: Some(line), others: Vec::new() },
        takes: Some("s/e".to_owned()),
        ..append(patch, expected, &["forward"])
    };
    let read = one.board().await.unwrap().line.version;
    two.append_line(read, vec![stopped("at once")]).await.unwrap();
    let error = one.append(forward(0, read)).await.unwrap_err();
    assert!(matches!(error, StoreError::LineMoved { expected: 0, found: 1 }), "{error}");
    assert!(error.is_conflict());
    assert_eq!(texts(&*one, patch).await, [""; 0]);
    assert!(one.board().await.unwrap().locks.is_empty());
    assert_eq!(one.board().await.unwrap().line.stops.len(), 1, "what another wrote is on the board");
    one.append(append(patch, 0, &["back needs no line"])).await.unwrap();
    one.append(forward(1, 1)).await.unwrap();
}

/// Two writers about two members of one set: who goes forward has seen the other as it is.
async fn what_was_decided_on_older_others_is_not_written(place: &Place) {
    let (one, two) = ((place.open)(), (place.open)());
    let (patch, other) = (one.allocate("a").await.unwrap(), one.allocate("b").await.unwrap());
    two.append(append(other, 0, &["x"])).await.unwrap();
    let forward = |others: &[(PatchId, u64)]| Append {
        grounds: Grounds { line: None, others: others.to_vec() },
        takes: Some("s/e".to_owned()),
        ..append(patch, 0, &["forward"])
    };
    two.append(append(other, 1, &["goes back"])).await.unwrap();
    for seen in [0, 1, 3] {
        let error = one.append(forward(&[(other, seen)])).await.unwrap_err();
        let moved = matches!(error, StoreError::Conflict { patch, found: 2, .. } if patch == other);
        assert!(moved && error.is_conflict(), "{error}");
    }
    assert_eq!(texts(&*one, patch).await, [""; 0]);
    assert!(one.board().await.unwrap().locks.is_empty());
    one.append(forward(&[(other, 2)])).await.unwrap();
    two.append(append(other, 2, &["back rests on nobody"])).await.unwrap();
}

async fn stops_at_once_are_each_kept(place: &Place) {
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let store = (place.open)();
            tokio::spawn(async move {
                loop {
                    let version = store.board().await.unwrap().line.version;
                    match store.append_line(version, vec![stopped(&number.to_string())]).await {
                        Ok(()) => return,
                        Err(error) => assert!(error.is_conflict(), "{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((place.open)().read_line(0).await.unwrap().len(), 6);
}

async fn the_pulse_grows_with_every_write(place: &Place) {
    let (one, two) = ((place.open)(), (place.open)());
    let patch = one.allocate("a").await.unwrap();
    let mut before = (one.pulse().await.unwrap(), two.pulse().await.unwrap());
    assert_eq!(
        (one.pulse().await.unwrap(), two.pulse().await.unwrap()),
        before,
        "it rests while nobody writes"
    );
    for version in 0..10 {
        let writer = if version % 3 == 0 { &two } else { &one };
        writer.append(append(patch, version, &["x"])).await.unwrap();
        let after = (one.pulse().await.unwrap(), two.pulse().await.unwrap());
        assert!(after.0 > before.0 && after.1 > before.1, "{before:?} to {after:?}");
        before = after;
    }
}

async fn another_handle_sees_everything(place: &Place) {
    let one = (place.open)();
    let patch = one.allocate("a").await.unwrap();
    one.append(append(patch, 0, &["one", "two"])).await.unwrap();
    assert_eq!(texts(&*(place.open)(), patch).await, ["one", "two"]);
    drop(one);
    let again = (place.open)();
    assert_eq!(texts(&*again, patch).await, ["one", "two"]);
    assert_eq!(again.allocate("a").await.unwrap(), patch);
    again.append(append(patch, 2, &["three"])).await.unwrap();
}

/// Appends one event a time until `count` are in, as a driver does: read the version, try, read again.
async fn write(store: Arc<dyn Store>, patch: PatchId, name: &'static str, count: u64) {
    for number in 0..count {
        loop {
            let patches = store.patches().await.unwrap();
            let version = patches.iter().find(|(id, _)| *id == patch).unwrap().1;
            match store.append(append(patch, version, &[&format!("{name} {number}")])).await {
                Ok(()) => break,
                Err(error) => assert!(error.is_conflict(), "{error}"),
            }
        }
    }
}

async fn writers_at_once_lose_nothing(place: &Place) {
    const COUNT: u64 = 60;
    let first = (place.open)();
    let patch = first.allocate("a").await.unwrap();
    // Two on one handle, one on another.
    let tasks = [
        tokio::spawn(write(Arc::clone(&first), patch, "a", COUNT)),
        tokio::spawn(write(Arc::clone(&first), patch, "b", COUNT)),
        tokio::spawn(write((place.open)(), patch, "c", COUNT)),
    ];
    for task in tasks {
        task.await.unwrap();
    }
    let all = texts(&*first, patch).await;
    assert_eq!(all.len() as u64, 3 * COUNT);
    assert_eq!(first.patches().await.unwrap(), [(patch, 3 * COUNT)]);
    for name in ["a", "b", "c"] {
        let own: Vec<_> = all.iter().filter(|text| text.starts_with(name)).cloned().collect();
        let expected: Vec<_> = (0..COUNT).map(|number| format!("{name} {number}")).collect();
        assert_eq!(own, expected, "each writer's events in the order it wrote them");
    }
}

async fn keys_at_once_are_one_patch(place: &Place) {
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let store = (place.open)();
            tokio::spawn(async move { store.allocate("same").await.unwrap() })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

async fn a_lease_has_one_holder_at_a_time(place: &Place) {
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let store = (place.open)();
            tokio::spawn(
                async move { store.lease(&lease(&format!("replica-{number}"), 100, 200)).await.unwrap() },
            )
        })
        .collect();
    let mut epochs = Vec::new();
    for task in tasks {
        epochs.extend(task.await.unwrap());
    }
    assert_eq!(epochs, [1]);
}

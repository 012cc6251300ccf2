//! The real binary by other ways than the plain canary: a smoke test takes a bad version back, a retry tries it again,
//! a person promotes where nothing is held back, a gate waits for a person, and what was promoted is taken back.
#![allow(dead_code, reason = "the modules serve several test files, and each uses its part")]

#[path = "binary/driven.rs"]
mod driven;
#[path = "binary/processes.rs"]
mod processes;
#[path = "binary/project.rs"]
mod project;
#[path = "binary/run.rs"]
mod run;
#[path = "binary/site.rs"]
mod site;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};

use driven::{LOOK_EVERY, Served, open, until};
use patchline_model::digest::Digest;
use patchline_model::event::{Event, Fact};
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{BlueGreen, Canary, Hot, Process as Running, Smoke, Step, Strategy};
use patchline_model::stage::review::End;
use patchline_model::stage::rollout;
use patchline_model::time::Seconds;
use processes::{Guard, wait_until_gone};
use run::{check, patchline, text};
use site::{Site, belongs_to_the_service};

/// A person asks by command line.
#[track_caller]
fn ask(site: &Site, verb: &str, id: PatchId, code: i32, says: &[&str]) {
    let (id, data) = (id.to_string(), site.data());
    let words = [verb, &id, "--by", site::REVIEWER, "--data", text(&data), "--reason", "a test"];
    check(&mut patchline(&words), code, says);
}

fn count(events: &[Event], is_one: impl Fn(&rollout::Event) -> bool) -> usize {
    let of_rollout = |event: &&Event| match &event.fact {
        Fact::Rollout(fact) => is_one(fact),
        _ => false,
    };
    events.iter().filter(of_rollout).count()
}

fn blue_green() -> Strategy {
    let command = ["sh", "smoke.sh", "{address}"].map(str::to_owned).to_vec();
    Strategy::BlueGreen(BlueGreen {
        preview: Seconds(1),
        bake: Seconds(1),
        hold_back: Share::NONE,
        smoke: Some(Smoke { command }),
    })
}

fn gated() -> Strategy {
    let share = Share::from_fraction(0.2).expect("it is a share");
    let steps = vec![Step { share, bake: Seconds(1), gate: true }];
    Strategy::Canary(Canary { instances: 1, steps, end: None, cohort: None })
}

/// Users, one request after the other, for as long as it lives.
struct Users(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Users {
    fn of(port: u16) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let ask = move || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: tiny\r\nconnection: close\r\n\r\n")?;
            stream.read_to_end(&mut Vec::new())
        };
        let users = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                // What the service answers is the judge's business; where nobody listens yet, it is asked again.
                if ask().is_err() {
                    sleep(LOOK_EVERY);
                }
            }
        });
        Self(over, Some(users))
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().map(JoinHandle::join);
    }
}

/// What runs by its own word: which process serves which artifact.
fn serving(site: &Site) -> Vec<(Running, Digest)> {
    let arms = site.observed().map(|observed| observed.arms).unwrap_or_default();
    let mut all: Vec<(Running, Digest)> = arms
        .iter()
        .flat_map(|arm| arm.processes.iter().map(|process| (*process, arm.artifact.clone())))
        .collect();
    all.sort_unstable();
    all
}

/// What the record says of each process, in order.
fn recorded(site: &Site, id: PatchId) -> Vec<(Running, Option<Digest>, Digest)> {
    let events = site.events(id).expect("the ledger can be read");
    let of = |event: &Event| match &event.fact {
        Fact::Rollout(rollout::Event::Confirmed { artifact, before, processes }) => {
            processes.iter().map(|process| (*process, before.clone(), artifact.clone())).collect()
        }
        _ => Vec::new(),
    };
    events.iter().flat_map(of).collect()
}

#[test]
fn a_hot_rollout_keeps_every_process_there_and_back() {
    let folder = tempfile::Builder::new().prefix("patchline-hot-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let change = site.project.change(1, true);
    let served = Served(site.serve());
    let hot = || Strategy::Hot(Hot { batch: 1, bake: Seconds(1) });
    let users = Users::of(site.port);

    // Each instance becomes the new version, and stays the process that it was.
    let good = open(&site, &change, hot());
    let promoted = until(&site, good, Patch::is_closed);
    assert_eq!(promoted.review.end, Some(End::Promoted), "{}", site.story());
    let (stable, new) = (promoted.rollout.stable.clone(), promoted.rollout.new.clone());
    let (stable, new) = (stable.expect("it ran").artifact, new.expect("it was built").artifact);
    let after = serving(&site);
    assert_eq!(after.len(), 2, "{after:?}");
    for (process, serves) in &after {
        assert_eq!(*serves, new);
        let told: Vec<_> = recorded(&site, good).into_iter().filter(|(it, ..)| it == process).collect();
        let expected = [(*process, None, stable.clone()), (*process, Some(stable.clone()), new.clone())];
        assert_eq!(told, expected, "the record shows what it served and serves");
    }
    site.project.merge(&change);

    // A bad one is taken back by the judge, and every process is still the same.
    let bad = open(&site, &site.project.change(2, false), hot());
    let back = until(&site, bad, Patch::is_closed);
    assert!(matches!(back.review.end, Some(End::RolledBack(_))), "{:?}\n{}", back.review.end, site.story());
    let cause = &back.rollout.cause;
    assert!(matches!(cause, Some(rollout::Cause::Judge { .. })), "{cause:?}\n{}", site.story());
    assert_eq!(serving(&site), after, "{}", site.story());
    let bad = recorded(&site, bad);
    let is_left =
        |(_, before, now): &(Running, Option<Digest>, Digest)| *before == Some(new.clone()) && *now != new;
    let is_back = |(_, before, now): &(Running, Option<Digest>, Digest)| before.is_some() && *now == new;
    assert!(bad.iter().any(is_left) && bad.iter().any(is_back), "{bad:?}");

    drop(users);
    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

#[test]
fn a_smoke_test_a_retry_a_persons_promotion_a_gate_and_a_late_rollback() {
    let folder = tempfile::Builder::new().prefix("patchline-strategies-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    // Before `serve` looks: it brings up what is checked out.
    let change = site.project.change(1, false);
    let served = Served(site.serve());

    // A bad version fails its smoke test, and again when it is tried again; no user meets it.
    let bad = open(&site, &change, blue_green());
    let why = |patch: &Patch| match &patch.review.end {
        Some(End::RolledBack(why)) => why.clone(),
        end => panic!("it was taken back, and not {end:?}"),
    };
    let first = until(&site, bad, Patch::is_closed);
    assert!(why(&first).ends_with("the behaviour is bad"), "{}", why(&first));
    ask(&site, "retry", bad, 0, &[]);
    let second = until(&site, bad, |patch| patch.is_closed() && patch.review.retries == 1);
    assert!(why(&second).ends_with("the behaviour is bad"), "{}", why(&second));
    let events = site.events(bad).expect("the ledger can be read");
    assert_eq!(count(&events, |fact| matches!(fact, rollout::Event::SmokeFailed { .. })), 2);
    assert_eq!(count(&events, |fact| matches!(fact, rollout::Event::StepEntered { step: 1 })), 0);

    // A good one passes. Nothing is held back to compare it with, so a person promotes it.
    let change = site.project.change(2, true);
    let good = open(&site, &change, blue_green());
    until(&site, good, |patch| patch.rollout.phase == Phase::Watching { step: 1 });
    ask(&site, "promote", good, 0, &[]);
    let promoted = until(&site, good, Patch::is_closed);
    assert_eq!(promoted.review.end, Some(End::Promoted));
    ask(&site, "retry", good, 7, &["it was promoted"]);
    ask(&site, "promote", good, 0, &[]);
    site.project.merge(&change);

    // A gate waits for a person; with it open the canary is watched on, and a person takes it back.
    let third = open(&site, &site.project.change(3, true), gated());
    until(&site, third, |patch| patch.rollout.gate == rollout::Gate::Waits);
    ask(&site, "resume", third, 0, &[]);
    until(&site, third, |patch| patch.rollout.gate == rollout::Gate::Opened);
    ask(&site, "rollback", third, 0, &[]);
    until(&site, third, Patch::is_closed);
    let by = site.events(third).expect("the ledger can be read");
    let opened =
        by.iter().find(|event| matches!(event.fact, Fact::Rollout(rollout::Event::GateOpened { .. })));
    assert_eq!(opened.expect("it was opened").by.name(), site::REVIEWER, "it is written who opened it");

    // What was promoted is taken back as well, as long as it runs: the version before comes back first.
    ask(&site, "rollback", good, 0, &[]);
    let back = until(&site, good, Patch::is_closed);
    assert_eq!(why(&back), format!("{}: a test", site::REVIEWER));
    let returned = site.events(good).expect("the ledger can be read");
    assert_eq!(count(&returned, |fact| matches!(fact, rollout::Event::ReturnBegun)), 1);
    assert!(count(&returned, |fact| matches!(fact, rollout::Event::StableReturned { .. })) > 0);
    ask(&site, "rollback", good, 0, &[]);

    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

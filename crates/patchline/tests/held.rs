//! The real binary where something holds a rollout back: the hours of its service, a freeze, a burnt error budget. It waits, and
//! goes when it may.
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
#[path = "kill/users.rs"]
mod users;
#[path = "held/zone.rs"]
mod zone;

use std::path::Path;
use std::thread::sleep;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use driven::{LONG, LOOK_EVERY, Served, until};
use patchline_model::event::{Event, Fact};
use patchline_model::id::{PatchId, Stage};
use patchline_model::patch::Patch;
use patchline_model::stage::budget::Slo;
use patchline_model::stage::rollout;
use patchline_model::time::{Seconds, Timestamp};
use patchline_model::window::{Day, MinuteOfDay, Window};
use processes::{Guard, wait_until_gone};
use project::Change;
use run::{Ran, check, patchline, run, text};
use site::{Site, belongs_to_the_service};
use users::Users;

/// The binary with these words, on the site's data.
#[track_caller]
fn says(site: &Site, words: &[&str], zones: &Path) -> Ran {
    let data = site.data();
    check(patchline(words).args(["--data", text(&data)]).env("TZDIR", zones), 0, &[])
}

#[track_caller]
fn by_reviewer(site: &Site, words: &[&str]) {
    says(site, &[words, &["--by", site::REVIEWER]].concat(), site.root());
}

/// It could begin, and what holds it back is said in these words.
#[track_caller]
fn waits(site: &Site, id: PatchId, zones: &Path, words: &str) {
    until(site, id, |patch| patch.stage() == Stage::Rollout);
    let told = says(site, &["status"], zones).out;
    assert!(told.contains("may not begin") && told.contains(words), "{told}");
    assert!(site.patch(id).rollout.plan.is_none(), "{told}");
}

/// When its rollout began.
#[track_caller]
fn begun(site: &Site, id: PatchId) -> Timestamp {
    until(site, id, |patch| patch.rollout.plan.is_some());
    let is_start = |event: &&Event| matches!(event.fact, Fact::Rollout(rollout::Event::Started { .. }));
    let events = site.events(id).expect("the ledger can be read");
    events.iter().find(is_start).expect("it has begun").at
}

/// Ends it, so that the service is free.
#[track_caller]
fn abort(site: &Site, id: PatchId) {
    by_reviewer(site, &["abort", &id.to_string(), "--reason", "a test"]);
    until(site, id, Patch::is_closed);
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs().cast_signed()
}

#[test]
fn a_rollout_waits_for_its_hours_and_begins_when_the_clock_shows_them() {
    let folder = tempfile::Builder::new().prefix("patchline-hours-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let change = site.project.change(1, true);
    let zones = root.join("zones");
    let noon = |text: &str| MinuteOfDay::parse(text).expect("a time of the day");
    let window = Window {
        days: Day::ALL.to_vec(),
        from: noon("12:00"),
        to: noon("24:00"),
        zone: "Test/Town".to_owned(),
    };
    let mut service = site.project.service(&change);
    service.run.as_mut().expect("it runs").windows = vec![window];

    // The town's clock shows midnight: it could begin, and does not.
    zone::write(&zones, "Test/Town", zone::showing(0, now()));
    let served = Served(site.serve_in(&[("TZDIR", &zones)]));
    let id = site.open_as(&change, service);
    waits(&site, id, &zones, "alone");
    drop(served);

    // Another conductor, and a clock that shows noon in a moment.
    let opens = now() + 3;
    zone::write(&zones, "Test/Town", zone::showing(12 * 3600, opens));
    let served = Served(site.serve_in(&[("TZDIR", &zones)]));
    let begun = begun(&site, id);
    assert!(
        begun.0 >= opens * 1000,
        "it began at {begun}, and its hours begin at {}",
        Timestamp(opens * 1000)
    );
    abort(&site, id);

    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

#[test]
fn a_freeze_holds_what_is_planned_an_emergency_passes_and_the_rest_goes_when_it_is_lifted() {
    let folder = tempfile::Builder::new().prefix("patchline-freeze-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let (first, second) = (site.project.change(1, true), site.project.change(2, true));
    let served = Served(site.serve());
    by_reviewer(&site, &["freeze", "add", "--reason", "the sale", "--until", "2099-01-01T00:00:00Z"]);

    // It can't wait: one person says so, and another looks at that afterwards.
    let urgent = site.open(&first);
    waits(&site, urgent, &root, "the sale");
    let id = urgent.to_string();
    by_reviewer(&site, &["approve", &id, "--emergency", "it is exploited"]);
    begun(&site, urgent);
    let own = ["review", &id, "--note", "I was right", "--by", site::REVIEWER];
    let refused = run(patchline(&own).args(["--data", text(&site.data())]));
    assert_eq!(refused.code, 7, "{}", refused.err);
    abort(&site, urgent);
    says(&site, &["review", &id, "--note", "the log shows it", "--by", "Cem"], &root);
    assert!(site.patch(urgent).review.afterwards.is_none());

    // What is not urgent waits until it is lifted.
    let patient = site.open(&second);
    waits(&site, patient, &root, "the sale");
    by_reviewer(&site, &["freeze", "lift", "F-1"]);
    begun(&site, patient);
    abort(&site, patient);

    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

#[test]
fn while_the_error_budget_burns_nothing_begins_and_once_it_does_not_the_next_one_does() {
    let folder = tempfile::Builder::new().prefix("patchline-budget-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    // What runs already fails one request in five.
    site.project.merge(&site.project.change(1, false));
    let (first, second) = (site.project.change(2, true), site.project.change(3, true));
    let served = Served(site.serve());
    let promised = |change: &Change, availability: f64| {
        let mut service = site.project.service(change);
        service.run.as_mut().expect("it runs").slo = Some(Slo { availability, period: Seconds(30 * 86_400) });
        service
    };
    let mut users = Users::start(site.port);
    let deadline = Instant::now() + LONG;
    while users.met().failed.values().sum::<u64>() < 50 {
        assert!(Instant::now() < deadline, "{}", site.story());
        sleep(LOOK_EVERY);
    }

    // One in a hundred may fail, and far more do: the target's own counts say so.
    let burnt = site.open_as(&first, promised(&first, 0.99));
    until(&site, burnt, |patch| patch.rollout.deferred.is_some());
    let told = says(&site, &["status"], &root).out;
    assert!(told.contains("may not begin") && told.contains("the error budget burns"), "{told}");
    assert!(site.patch(burnt).rollout.plan.is_none());
    abort(&site, burnt);

    // Of another promise nothing is burnt by the very same counts.
    let fine = site.open_as(&second, promised(&second, 0.5));
    begun(&site, fine);
    assert!(site.patch(fine).rollout.deferred.is_none());
    abort(&site, fine);

    users.stop();
    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

//! The real binary, a real proxy and users told apart by a header, of whom only some take part: who meets the new version, and
//! whose requests are compared.
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

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use driven::{LONG, Served, open, until};
use patchline_model::cohort::{Bucket, Cohort, Condition, Field};
use patchline_model::patch::Patch;
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Canary, Step, Strategy};
use patchline_model::time::Seconds;
use processes::{Guard, wait_until_gone};
use run::{check, patchline, text};
use site::{Site, belongs_to_the_service};

fn header(name: &str) -> Field {
    Field::Header(name.parse().expect("a token"))
}

fn half() -> Share {
    Share::from_fraction(0.5).expect("a share")
}

/// Half of the users who take part, until a person opens the gate.
fn for_beta_users() -> Strategy {
    let only = Condition { field: header("x-beta"), values: vec!["1".to_owned(), "yes".to_owned()] };
    Strategy::Canary(Canary {
        instances: 1,
        steps: vec![Step { share: half(), bake: Seconds(1), gate: true }],
        end: None,
        cohort: Some(Cohort { by: header("x-user"), only: Some(only) }),
    })
}

/// The version that answers a request with these headers.
fn version_for(site: &Site, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", site.port)).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("a deadline");
    let request = format!("GET /greeting HTTP/1.1\r\nhost: tiny\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("it can be written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let label = answer.lines().find_map(|line| line.strip_prefix("x-patchline-version: "));
    label.unwrap_or_else(|| panic!("no version in {answer}")).to_owned()
}

/// What the looks have compared, and what users sent in all, as the ledger has it.
fn counted(patch: &Patch) -> (u64, u64) {
    let ticks = patch.rollout.ticks.iter();
    let compared =
        ticks.flat_map(|tick| [&tick.canary, &tick.stable]).flatten().map(|arm| arm.requests).sum();
    let totals = &patch.rollout.totals;
    (compared, totals.canary_requests + totals.stable_requests)
}

#[test]
fn of_users_by_a_header_only_those_who_take_part_meet_the_new_version_and_are_compared() {
    let folder = tempfile::Builder::new().prefix("patchline-cohorts-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let change = site.project.change(1, true);
    let served = Served(site.serve());
    let id = open(&site, &change, for_beta_users());
    let patch = until(&site, id, |patch| matches!(patch.rollout.phase, Phase::Watching { .. }));
    let new = patch.rollout.new.as_ref().expect("it has begun").label.to_string();

    let user = |number: u32| format!("x-user: u-{number}\r\n");
    let takes_part =
        |number: u32| format!("{}X-Beta: {}\r\n", user(number), ["1", "yes"][number as usize % 2]);
    let belongs = |number: u32| Bucket::of("tiny", format!("u-{number}").as_bytes()).is_within(half());
    // The ledger says it first, the proxy a moment later.
    let member = (0..100).find(|number| belongs(*number)).expect("half of them do");
    let deadline = Instant::now() + LONG;
    let mut asked = 1;
    while version_for(&site, &takes_part(member)) != new {
        assert!(Instant::now() < deadline, "nobody meets the new version");
        asked += 1;
    }
    for number in (0..40).chain(0..40) {
        let met = version_for(&site, &takes_part(number)) == new;
        assert_eq!(met, belongs(number), "user {number} has a place, and it is the same each time");
        asked += 1;
    }
    assert!((5..35).contains(&(0..40).filter(|number| belongs(*number)).count()), "both sides were seen");

    // The same user outside of the cohort: another value, none, two; a member's flag without a key.
    let key = user(member);
    let outside = [
        key.clone(),
        format!("{key}x-beta: 0\r\n"),
        format!("{key}x-beta: 1\r\nx-beta: 1\r\n"),
        format!("{key}{key}x-beta: 1\r\n"),
        "x-beta: 1\r\n".to_owned(),
        String::new(),
    ];
    for _ in 0..20 {
        for headers in &outside {
            assert_ne!(version_for(&site, headers), new, "{headers:?}");
        }
    }
    let sent = 20 * outside.len() as u64;
    // Users' totals hold all of them; what is compared, the cohort's alone.
    let patch = until(&site, id, |patch| counted(patch).1 >= asked + sent);
    let (compared, total) = counted(&patch);
    assert!(compared > 0 && compared <= asked, "{compared} of {asked} asked, {total} in all");

    let words = ["rollback", &id.to_string(), "--by", site::REVIEWER, "--reason", "a test"];
    check(patchline(&words).args(["--data", text(&site.data())]), 0, &[]);
    until(&site, id, Patch::is_closed);
    assert!((0..40).all(|number| version_for(&site, &takes_part(number)) != new), "it was taken back");

    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

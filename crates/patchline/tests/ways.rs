//! The real binary, real processes and real users: a shadow that no user meets, and a flag about which the proxy and OFREP agree.
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

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Instant;

use driven::{LONG, LOOK_EVERY, Served, open, until};
use patchline_model::cohort::{Cohort, Field};
use patchline_model::event::Fact;
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Flag, Shadow, Step, Strategy, WatchedEnd};
use patchline_model::stage::review::End;
use patchline_model::stage::rollout;
use patchline_model::stage::traffic::Mirror;
use patchline_model::time::Seconds;
use processes::{Guard, wait_until_gone};
use run::{check, patchline, run, text};
use site::{Site, belongs_to_the_service};
use users::Users;

fn share(fraction: f64) -> Share {
    Share::from_fraction(fraction).expect("a share")
}

/// Every request is mirrored, and every tenth copy has a control.
fn shadow() -> Strategy {
    Strategy::Shadow(Shadow {
        instances: 1,
        mirror: Mirror {
            share: Share::ALL,
            methods: vec!["GET".to_owned()],
            headers: vec!["content-type".parse().expect("a token")],
            control: share(0.5),
        },
        bake: Seconds(1),
        most_mismatches: share(0.01),
        end: WatchedEnd { bake: Seconds(1), hold_back: share(0.1) },
    })
}

fn flag() -> Strategy {
    Strategy::Flag(Flag {
        flag: "new-way".parse().expect("a token"),
        cohort: Cohort { by: Field::Cookie("session".parse().expect("a token")), only: None },
        steps: vec![Step { share: share(0.5), bake: Seconds(1), gate: true }],
        end: None,
    })
}

/// Sends a request and answers head and body.
fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("a deadline");
    stream.write_all(request.as_bytes()).expect("it can be written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// What OFREP says of a user.
fn ofrep(port: u16, session: &str) -> serde_json::Value {
    let body = format!("{{\"context\":{{\"targetingKey\":\"{session}\"}}}}");
    let answer = exchange(
        port,
        &format!(
            "POST /ofrep/v1/evaluate/flags/new-way HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let (_, body) = answer.split_once("\r\n\r\n").expect("it has a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer}"))
}

/// The version that the proxy gives this user.
fn version_of(site: &Site, session: &str) -> String {
    let request =
        format!("GET / HTTP/1.1\r\nhost: tiny\r\nconnection: close\r\ncookie: session={session}\r\n\r\n");
    let answer = exchange(site.port, &request);
    let label = answer.lines().find_map(|line| line.strip_prefix("x-patchline-version: "));
    label.unwrap_or_else(|| panic!("no version in {answer}")).to_owned()
}

/// Where the conductor listens, as it said.
fn port_of(site: &Site) -> u16 {
    let deadline = Instant::now() + LONG;
    loop {
        let notices = site.notices();
        let said = notices.split("http://127.0.0.1:").skip(1).find_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u16>().ok().filter(|port| *port != site.port)
        });
        if let Some(port) = said {
            return port;
        }
        assert!(Instant::now() < deadline, "{notices}");
        sleep(LOOK_EVERY);
    }
}

#[track_caller]
fn ask(site: &Site, verb: &str, id: PatchId) {
    let (id, data) = (id.to_string(), site.data());
    let words = [verb, &id, "--by", site::REVIEWER, "--data", text(&data), "--reason", "a test"];
    check(&mut patchline(&words), 0, &[]);
}

#[test]
fn a_shadow_meets_no_user_and_a_flag_is_the_same_everywhere() {
    let folder = tempfile::Builder::new().prefix("patchline-ways-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let bad = site.project.change(1, false);
    let served = Served(site.serve());
    let server = port_of(&site);

    // A bad version answers copies otherwise than users are answered: it is taken back, and no user has met it.
    let first = open(&site, &bad, shadow());
    until(&site, first, |patch| matches!(patch.rollout.phase, Phase::Watching { .. }));
    let mut users = Users::start(site.port);
    let taken_back = until(&site, first, Patch::is_closed);
    let met = users.stop();
    let Some(End::RolledBack(why)) = &taken_back.review.end else {
        panic!("it was taken back, and not {:?}", taken_back.review.end)
    };
    assert!(why.contains("differ") || why.contains("fails more often"), "{why}");
    assert!(met.failed.is_empty(), "{met:?}");
    assert_eq!(met.good.len(), 1, "one version answered all users: {met:?}");
    let state = &taken_back.rollout;
    assert!(state.mirrored.mismatches() > 0, "{:?}", state.mirrored);
    assert_eq!(state.mirrored.example.as_deref(), Some("GET /greeting: status 200 and 500"));
    assert_eq!(state.totals.canary_requests, 0);
    let explained = run(&mut patchline(&["explain", &first.to_string(), "--data", text(&site.data())]));
    assert_eq!(explained.code, 0, "the judge's word follows from the ledger: {}", explained.err);
    assert!(explained.out.contains("copies: ") && explained.out.contains("answers"), "{}", explained.out);

    // A good one is promoted by the evidence of its copies, over the watched end.
    let good = site.project.change(2, true);
    let second = open(&site, &good, shadow());
    let mut users = Users::start(site.port);
    let promoted = until(&site, second, Patch::is_closed);
    let met = users.stop();
    assert_eq!(promoted.review.end, Some(End::Promoted));
    assert!(met.failed.is_empty(), "{met:?}");
    let baked = site.events(second).expect("the ledger can be read");
    let is_bake = |fact: &Fact| matches!(fact, Fact::Rollout(rollout::Event::BakeBegun));
    assert!(baked.iter().any(|event| is_bake(&event.fact)));
    site.project.merge(&good);

    // A flag: the proxy and OFREP agree about every user, and off is off at once.
    let third = open(&site, &site.project.change(3, true), flag());
    until(&site, third, |patch| matches!(patch.rollout.phase, Phase::Watching { .. }));
    let new = site.patch(third).rollout.new.clone().expect("it has begun").label.to_string();
    let deadline = Instant::now() + LONG;
    // The ledger says it first, the proxy a moment later.
    while !(0..40).any(|user| version_of(&site, &format!("s-{user}")) == new) {
        assert!(Instant::now() < deadline, "nobody meets the flag");
    }
    let mut on = 0;
    for user in 0..40 {
        let session = format!("s-{user}");
        let said = ofrep(server, &session);
        assert_eq!(said["reason"], "SPLIT", "{said}");
        assert_eq!(said["value"], version_of(&site, &session) == new, "{session}: {said}");
        on += usize::from(said["value"] == true);
    }
    assert!((5..35).contains(&on), "{on} of 40");
    ask(&site, "rollback", third);
    let said = ofrep(server, "s-1");
    assert_eq!((&said["value"], &said["reason"]), (&false.into(), &"DISABLED".into()), "off is off at once");
    until(&site, third, Patch::is_closed);
    assert!((0..40).all(|user| version_of(&site, &format!("s-{user}")) != new));

    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

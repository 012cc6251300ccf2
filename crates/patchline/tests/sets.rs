//! The real binary with two services in one set: one is rolled out after the other, and both come back in reverse. And a patch
//! that can't be undone: it halts, and goes back only if a person answers for what is lost.
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

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Instant;

use driven::{LONG, LOOK_EVERY, Served, until};
use patchline_model::event::{Event, Fact};
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::review::End;
use patchline_model::stage::rollout;
use patchline_model::stage::terms::{Membership, Terms};
use patchline_model::time::Timestamp;
use processes::{Guard, wait_until_gone};
use project::Project;
use run::{Ran, patchline, run, text};
use site::{Site, belongs_to_the_service, free_port};
use users::Users;

/// The binary with these words, on the site's data, by somebody who may.
#[track_caller]
fn asked(site: &Site, words: &[&str]) -> Ran {
    let data = site.data();
    run(patchline(words).args(["--data", text(&data), "--by", site::REVIEWER]))
}

/// When this was first so of a patch's rollout.
#[track_caller]
fn at(site: &Site, id: PatchId, is_it: impl Fn(&rollout::Event) -> bool) -> Timestamp {
    let events = site.events(id).expect("the ledger can be read");
    let is_it = |event: &&Event| matches!(&event.fact, Fact::Rollout(fact) if is_it(fact));
    events.iter().find(is_it).unwrap_or_else(|| panic!("{id} has no such event: {events:?}")).at
}

#[test]
fn a_set_goes_forward_in_its_order_and_comes_back_in_reverse() {
    let folder = tempfile::Builder::new().prefix("patchline-sets-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let other = Project::named("other", &root.join("other"), free_port());
    let (before, after) = (site.project.change(1, true), other.change(2, true));
    let served = Served(site.serve());
    let set = |after: &[PatchId]| Terms {
        set: Some(Membership { name: "pair".parse().expect("a name"), after: after.to_vec() }),
        ..Terms::default()
    };

    // The second is ready as soon as the first, and begins when that one runs everywhere.
    let first = site.open_on(&before, site.project.service(&before), set(&[]));
    let second = site.open_on(&after, other.service(&after), set(&[first]));
    for id in [first, second] {
        until(&site, id, |patch| matches!(patch.rollout.phase, Phase::Watching { .. }));
        let told = asked(&site, &["promote", &id.to_string(), "--reason", "a test"]);
        assert_eq!(told.code, 0, "{}", told.err);
        let promoted = until(&site, id, Patch::is_closed);
        assert_eq!(promoted.review.end, Some(End::Promoted));
    }
    let ran = at(&site, first, |fact| matches!(fact, rollout::Event::Promoted));
    let began = at(&site, second, |fact| matches!(fact, rollout::Event::Started { .. }));
    assert!(began >= ran, "{second} began at {began}, and {first} ran at {ran}");

    // Both come back: the one that stands on the other first.
    let told = asked(&site, &["rollback", "--set", "pair", "--reason", "a test"]);
    assert_eq!(told.code, 0, "{}\n{}", told.out, told.err);
    assert!(told.out.contains("pair: every member is back"), "{}", told.out);
    for id in [first, second] {
        let back = until(&site, id, Patch::is_closed);
        assert!(matches!(back.review.end, Some(End::RolledBack(_))), "{:?}", back.review.end);
    }
    let left = at(&site, second, |fact| matches!(fact, rollout::Event::RolledBack));
    let followed = at(&site, first, |fact| matches!(fact, rollout::Event::ReturnBegun));
    assert!(followed >= left, "{first} went back at {followed}, and {second} was back at {left}");

    drop(served);
    site.stop();
    let data = site.data();
    let told = run(patchline(&["down", "--data", text(&data)]).arg(other.folder()));
    assert_eq!(told.code, 0, "{}", told.err);
    wait_until_gone(&root, belongs_to_the_service);
}

#[test]
fn what_can_not_be_undone_halts_and_goes_back_only_by_the_word_of_who_accepts_the_loss() {
    let folder = tempfile::Builder::new().prefix("patchline-forward-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let change = site.project.change(1, false);
    let served = Served(site.serve());
    let terms = Terms { forward_only: Some("it drops a column".to_owned()), ..Terms::default() };
    let id = site.open_on(&change, site.project.service(&change), terms);
    until(&site, id, |patch| matches!(patch.rollout.phase, Phase::Watching { .. }));
    let mut users = Users::start(site.port);

    // The judge finds that it fails, and takes nothing back: it stands where it stood, and a person is called.
    let halted = until(&site, id, |patch| matches!(patch.rollout.phase, Phase::Halted { .. }));
    assert!(matches!(halted.rollout.cause, Some(rollout::Cause::Judge { .. })), "{:?}", halted.rollout.cause);
    assert!(halted.rollout.paged && halted.rollout.rollback_decided.is_none());
    let shares = |patch: &Patch| patch.rollout.desired().map(|desired| desired.arms);
    let refused = asked(&site, &["rollback", &id.to_string(), "--reason", "a test"]);
    assert_eq!(refused.code, 7, "{}", refused.err);
    assert!(refused.err.contains("it drops a column"), "{}", refused.err);
    assert_eq!(shares(&site.patch(id)), shares(&halted), "it still stands where it stood");

    let told = asked(&site, &["rollback", &id.to_string(), "--accept-data-loss", "the column was empty"]);
    assert_eq!(told.code, 0, "{}\n{}", told.out, told.err);
    let back = until(&site, id, Patch::is_closed);
    assert!(matches!(back.review.end, Some(End::RolledBack(_))), "{:?}", back.review.end);
    let events = site.events(id).expect("the ledger can be read");
    let accepted = events
        .iter()
        .find(|event| matches!(&event.fact, Fact::Rollout(rollout::Event::LossAccepted { .. })))
        .expect("somebody accepted it");
    assert_eq!(accepted.by.name(), site::REVIEWER, "it is written who answers for it");

    users.stop();
    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

#[test]
fn a_member_whose_old_artifact_is_missing_says_so_and_may_stay() {
    let folder = tempfile::Builder::new().prefix("patchline-stuck-").tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let _guard = Guard(root.clone());
    let site = Site::create(&root);
    let change = site.project.change(1, true);
    let served = Served(site.serve());
    let set = Membership { name: "alone".parse().expect("a name"), after: Vec::new() };
    let terms = Terms { set: Some(set), ..Terms::default() };
    let id = site.open_on(&change, site.project.service(&change), terms);
    until(&site, id, |patch| matches!(patch.rollout.phase, Phase::Watching { .. }));
    assert_eq!(asked(&site, &["promote", &id.to_string(), "--reason", "a test"]).code, 0);
    let promoted = until(&site, id, Patch::is_closed);
    let stable = promoted.rollout.stable.clone().expect("it ran before").artifact;
    assert!(forget(&site.data(), stable.hex()) > 0, "the old version was kept");

    // The command would wait for it; what it waits for is said at once.
    let said = root.join("said");
    let data = site.data();
    let mut command = patchline(&["rollback", "--set", "alone", "--reason", "a test"]);
    command.args(["--data", text(&data), "--by", site::REVIEWER]).stdin(Stdio::null()).stdout(Stdio::null());
    let waiting = Served(command.stderr(File::create(&said).expect("a file")).spawn().expect("it starts"));
    let begins = format!("{id} is not back yet: try ");
    let deadline = Instant::now() + LONG;
    let told = || fs::read_to_string(&said).expect("it can be read");
    while !told().contains(&begins) {
        assert!(Instant::now() < deadline, "{}", told());
        sleep(LOOK_EVERY);
    }
    assert!(told().contains("the version before can't be started"), "{}", told());
    drop(waiting);
    let shown = run(&mut patchline(&["set", "alone", "--data", text(&data)]));
    assert!(shown.out.contains("the version before can't be started"), "{}", shown.out);

    // A person lets it stay.
    assert_eq!(asked(&site, &["promote", &id.to_string(), "--reason", "it is fine"]).code, 0);
    let kept = until(&site, id, Patch::is_closed);
    assert_eq!(kept.review.end, Some(End::Promoted));

    drop(served);
    site.stop();
    wait_until_gone(&root, belongs_to_the_service);
}

/// Removes every file and folder that is named by this digest; answers how many there were.
fn forget(folder: &Path, digest: &str) -> usize {
    let mut gone = 0;
    for entry in fs::read_dir(folder).expect("it can be listed").flatten() {
        let (path, is_folder) = (entry.path(), entry.file_type().expect("it has one").is_dir());
        let is_named = entry.file_name().to_string_lossy().contains(digest);
        match (is_named, is_folder) {
            (false, false) => {}
            (false, true) => gone += forget(&path, digest),
            (true, true) => fs::remove_dir_all(&path).expect("it can be removed"),
            (true, false) => fs::remove_file(&path).expect("it can be removed"),
        }
        gone += usize::from(is_named);
    }
    gone
}

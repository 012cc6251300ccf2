//! Instances that take another version over and stay the same processes: there, back, and what goes wrong on the way.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use hyper::Method;
use patchline_model::digest::Digest;
use patchline_rollout::process::spec::{DesiredArm, InstanceState, ObservedArms};
use rustix::process::Signal;

use crate::load::{Load, ask, failures};
use crate::setting::{LONG, Setting, arm, http_client, kill, of};

/// A version that is a file of rules, read by a program of the machine.
fn rules(setting: &Setting, label: &str, text: &str) -> DesiredArm {
    let path = setting.path().join(format!("{label}.rules"));
    std::fs::write(&path, text).expect("it can be written");
    DesiredArm {
        version: Digest::of(text.as_bytes()).as_str().to_owned(),
        artifact: Some(path),
        arguments: vec!["--rules".to_owned(), "{artifact}".to_owned()],
        ..arm(label, 0, 0)
    }
}

fn with(rules: &DesiredArm, instances: u32, share_ppm: u32) -> DesiredArm {
    DesiredArm { instances, share_ppm, ..rules.clone() }
}

/// Process by process: pid and start time, with the version that it serves by its own word.
fn processes(observed: &ObservedArms) -> BTreeSet<(u32, u64)> {
    let all = observed.arms.iter().flat_map(|arm| &arm.instances);
    let there = all.filter(|one| !matches!(one.state, InstanceState::Draining | InstanceState::Stopping));
    there.map(|one| (one.pid, one.start_time)).collect()
}

/// Waits until a version has so many confirmed instances and the share that comes with them.
async fn until(setting: &Setting, label: &str, instances: u32, share_ppm: u32) -> ObservedArms {
    let is_there = |observed: &ObservedArms| {
        let Some(arm) = observed.arms.iter().find(|arm| arm.label == label) else { return false };
        let confirmed = arm.instances.iter().filter(|one| one.serves.as_ref() == Some(&arm.version)).count();
        confirmed == instances as usize && arm.healthy == instances && arm.share_ppm == share_ppm
    };
    let what = format!("serve {label} with {instances} instances");
    match setting.client.wait_until(&what, LONG, is_there).await {
        Ok(observed) => observed,
        Err(error) => {
            let log = std::fs::read_to_string(setting.path().join("host.log")).unwrap_or_default();
            panic!("{error}: {:#?}\n{log}", setting.observed().await)
        }
    }
}

async fn said(setting: &Setting) -> String {
    ask(&http_client(), Method::GET, &setting.url("/rules").await).await.trouble
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_takes_the_new_version_over_and_stays_the_same_process() {
    let mut setting = Setting::new().await;
    let (old, new) = (rules(&setting, "old", "answer old\n"), rules(&setting, "new", "answer new\n"));
    let before = setting.settle(&[with(&old, 4, 1_000_000)]).await;
    let stays = processes(&before);
    assert_eq!(stays.len(), 4);
    let load = Load::start(&setting.url("/").await, 4);
    setting.apply_in_place(&[with(&old, 4, 1_000_000), with(&new, 0, 0)]).await;
    until(&setting, "old", 4, 1_000_000).await;
    for (converted, share) in [(1, 250_000), (3, 750_000), (4, 1_000_000)] {
        setting
            .apply_in_place(&[with(&old, 4 - converted, 1_000_000 - share), with(&new, converted, share)])
            .await;
        let there = until(&setting, "new", converted, share).await;
        assert_eq!(processes(&there), stays, "{converted} converted");
    }
    assert_eq!(said(&setting).await, "new");
    let after = setting.settle(&[with(&new, 4, 1_000_000)]).await;
    assert_eq!(processes(&after), stays);
    let answers = load.stop().await;
    assert_eq!(failures(&answers).len(), 0, "{:?}", failures(&answers));
    assert_eq!((of(&after, "old").restarts, of(&after, "new").restarts, after.unrouted), (0, 0, 0));
    // Who dies now comes back with what it was converted to.
    kill(of(&after, "new").instances[0].pid, Signal::KILL);
    let is_back = |observed: &ObservedArms| of(observed, "new").restarts == 1;
    setting.client.wait_until("notice", LONG, is_back).await.expect("it is noticed");
    until(&setting, "new", 4, 1_000_000).await;
    assert_eq!(said(&setting).await, "new");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_taken_back_in_place_and_who_did_not_take_it_over_is_told_as_well() {
    let mut setting = Setting::new().await;
    let old = rules(&setting, "old", "answer old\n");
    let new = rules(&setting, "new", "fail\n");
    let deaf = rules(&setting, "deaf", "refuse\n");
    let stays = processes(&setting.settle(&[with(&old, 3, 1_000_000)]).await);
    // It fails, and is taken back.
    setting.apply_in_place(&[with(&old, 1, 333_334), with(&new, 2, 666_666)]).await;
    until(&setting, "new", 2, 666_666).await;
    setting.apply_in_place(&[with(&old, 3, 1_000_000), with(&new, 0, 0)]).await;
    let back = until(&setting, "old", 3, 1_000_000).await;
    assert_eq!(processes(&back), stays);
    let failed = of(&back, "new").requests;
    for _ in 0..20 {
        assert_eq!(ask(&http_client(), Method::GET, &setting.url("/").await).await.status, 200);
    }
    assert_eq!(of(&setting.observed().await, "new").requests, failed, "nobody meets it any more");
    // Another one is never confirmed: it gets no share, whatever it is given.
    setting.settle(&[with(&old, 3, 1_000_000)]).await;
    setting.apply_in_place(&[with(&old, 2, 666_667), with(&deaf, 1, 333_333)]).await;
    let is_asked = async {
        while !host_log(&setting).contains("is to take deaf over") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, is_asked).await.expect("it is asked");
    let asked = until(&setting, "old", 3, 1_000_000).await;
    assert_eq!((of(&asked, "deaf").share_ppm, of(&asked, "deaf").healthy), (0, 0));
    setting.apply_in_place(&[with(&old, 3, 1_000_000), with(&deaf, 0, 0)]).await;
    let is_told = || links(&setting).iter().all(|link| Some(link) == old.artifact.as_ref());
    let all_told = async {
        while !is_told() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, all_told).await.expect("every link leads back");
    assert_eq!(processes(&setting.observed().await), stays);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_not_be_converted_back_is_replaced_and_users_notice_nothing() {
    let mut setting = Setting::with(|spec| spec.start_deadline_ms = 2_000).await;
    let (old, stuck) = (rules(&setting, "old", "answer old\n"), rules(&setting, "stuck", "stuck\n"));
    let before = processes(&setting.settle(&[with(&old, 2, 1_000_000)]).await);
    let load = Load::start(&setting.url("/").await, 2);
    setting.apply_in_place(&[with(&old, 1, 500_000), with(&stuck, 1, 500_000)]).await;
    until(&setting, "stuck", 1, 500_000).await;
    setting.apply_in_place(&[with(&old, 2, 1_000_000), with(&stuck, 0, 0)]).await;
    let after = until(&setting, "old", 2, 1_000_000).await;
    let is_gone = |observed: &ObservedArms| of(observed, "stuck").instances.is_empty();
    let after = if is_gone(&after) {
        after
    } else {
        setting.client.wait_until("end it", LONG, is_gone).await.expect("it ends")
    };
    assert_eq!(processes(&after).intersection(&before).count(), 1, "one stayed, and one is another process");
    let answers = load.stop().await;
    assert_eq!(failures(&answers).len(), 0, "{:?}", failures(&answers));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_of_a_version_comes_back_with_the_old_one() {
    let mut setting = Setting::new().await;
    let (old, fatal) = (rules(&setting, "old", "answer old\n"), rules(&setting, "fatal", "crash\n"));
    let before = processes(&setting.settle(&[with(&old, 2, 1_000_000)]).await);
    setting.apply_in_place(&[with(&old, 1, 500_000), with(&fatal, 1, 500_000)]).await;
    let has_died =
        |observed: &ObservedArms| observed.arms.iter().any(|arm| arm.label == "fatal" && arm.restarts > 0);
    setting.client.wait_until("die", LONG, has_died).await.expect("it dies");
    setting.apply_in_place(&[with(&old, 2, 1_000_000), with(&fatal, 0, 0)]).await;
    let after = until(&setting, "old", 2, 1_000_000).await;
    assert!(
        processes(&after).intersection(&before).count() < 2,
        "another process cannot pass for the old one"
    );
    assert_eq!(of(&after, "old").restarts, 0, "the version that they died of is to blame");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_killed_in_the_middle_learns_from_the_instances_what_they_serve() {
    let mut setting = Setting::new().await;
    let (old, new) = (rules(&setting, "old", "answer old\n"), rules(&setting, "new", "answer new\n"));
    let stays = processes(&setting.settle(&[with(&old, 2, 1_000_000)]).await);
    setting.apply_in_place(&[with(&old, 2, 1_000_000), with(&new, 0, 0)]).await;
    until(&setting, "old", 2, 1_000_000).await;
    let state = setting.path().join("state.json");

    // Killed between link and signal: nobody serves the new version, though a link says so.
    setting.kill_host().await;
    let link = folder(&setting).join("0");
    assert_eq!(std::fs::read_link(&link).ok(), old.artifact);
    std::fs::remove_file(&link).expect("it can be removed");
    symlink(new.artifact.as_ref().expect("it has one"), &link).expect("it can be made");
    setting.start_host().await;
    let after = until(&setting, "old", 2, 1_000_000).await;
    assert_eq!((processes(&after), of(&after, "new").share_ppm), (stays.clone(), 0));

    // Killed when an instance had changed and before that was written down: it says so itself.
    setting.apply_in_place(&[with(&old, 1, 500_000), with(&new, 1, 500_000)]).await;
    until(&setting, "new", 1, 500_000).await;
    setting.kill_host().await;
    let now = std::fs::read_to_string(&state).expect("there is a state");
    let entry = |arm: &DesiredArm| {
        format!("\"version\": \"{}\",\n      \"label\": \"{}\",\n      \"port\"", arm.version, arm.label)
    };
    let forgotten = now.replacen(&entry(&new), &entry(&old), 1);
    // It may have been killed before that was written at all.
    assert!(!forgotten.contains(&entry(&new)), "{forgotten}");
    std::fs::write(&state, forgotten).expect("it can be written");
    setting.start_host().await;
    let after = until(&setting, "new", 1, 500_000).await;
    assert_eq!((processes(&after), of(&after, "old").healthy), (stays, 1));
    setting.stop().await;
}

fn folder(setting: &Setting) -> PathBuf {
    setting.path().join("artifacts")
}

fn links(setting: &Setting) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(setting)).expect("there are links").flatten();
    entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect()
}

fn host_log(setting: &Setting) -> String {
    std::fs::read_to_string(setting.path().join("host.log")).unwrap_or_default()
}

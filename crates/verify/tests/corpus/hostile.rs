//! Candidates that attack the machine which verifies them: tried for real, seen to be harmless, and refused.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use patchline_model::stage::verify::CheckResult::Failed;
use patchline_sandbox::sandbox::Sandbox;

use crate::project::{FIXED, PROGRAM, Project, write};

/// Only namespaces hold what is tried here.
fn namespaces() -> bool {
    let isolation = Sandbox::probe().isolation().to_owned();
    let here = isolation.contains("network off");
    if !here {
        eprintln!("skipped: {isolation}");
    }
    here
}

/// The program does this first, and ends badly where it can't.
fn doing(action: &str) -> Project {
    Project::new().patched(PROGRAM, &format!("{action} || {{ echo 'not allowed'; exit 4; }}\n{FIXED}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_not_there() {
    if !namespaces() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let call = format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' 2>/dev/null");
    doing(&call).check("it calls home", "suite", Failed, "3 tests newly failing with the patch").await;
    doing(&call)
        .check("it calls home", "before-after", Failed, "could not run on the patch: exit code 3")
        .await;
    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_outside_of_the_tree() {
    if !namespaces() {
        return;
    }
    let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let target = outside.path().join("left");
    let action = format!("{{ echo x > {}; }} 2>/dev/null", target.display());
    doing(&action).check("it writes outside", "suite", Failed, "newly failing with the patch").await;
    assert!(!target.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_stays_hidden_also_from_the_log() {
    if !namespaces() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let secret = folder.path().join("key");
    write(&secret, "the-secret-itself");
    let action = format!("cat {} && grep -q secret {}", secret.display(), secret.display());
    let project = doing(&action).set(|case| case.sandbox = Sandbox::probe().hiding(&secret));
    let (_, shown) =
        project.check("it reads a secret", "suite", Failed, "newly failing with the patch").await;
    assert!(!shown.log.contains("the-secret-itself"), "{}", shown.log);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "the-secret-itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_leaves_running_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
    // It would write for as long as it lives, into a pipe that it keeps open.
    let action = format!("(exec sh -c 'while :; do sleep 0.05; done' {mark} >/dev/null 2>&1 &) ; true");
    let (project, _) = doing(&action)
        .check(
            "it leaves a process behind",
            "before-after",
            patchline_model::stage::verify::CheckResult::Passed,
            "shown",
        )
        .await;
    drop(project);
    let is_alive = || {
        fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&mark)
        })
    };
    // What was killed takes a moment to go; what was not writes on for ever.
    let deadline = Instant::now() + Duration::from_secs(60);
    while is_alive() {
        assert!(Instant::now() < deadline, "no process of it is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

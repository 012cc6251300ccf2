//! `plan`: what a rollout will see, in numbers that fit together, before anything moves.
#![allow(dead_code, reason = "the module serves several test files, and each uses its part")]

#[path = "binary/run.rs"]
mod run;

use run::{check, json, patchline, run, text};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/notebook");

#[test]
fn a_plan_says_how_soon_whom_and_how_often() {
    let ran = run(&mut patchline(&["plan", EXAMPLE, "--rps", "60", "--budget", "20", "--format", "json"]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told = json(&ran);
    let steps = told["steps"].as_array().expect("steps");
    assert_eq!(
        steps.iter().map(|step| step["share"].as_f64()).collect::<Vec<_>>(),
        [0.05, 0.25, 0.5].map(Some)
    );
    let median = |step: usize, regression: usize, what: &str| {
        steps[step]["seen"][regression]["detection"][what]["median"].as_f64().expect("a number")
    };
    for (step, told) in steps.iter().enumerate() {
        assert_eq!(told["seen"].as_array().map(Vec::len), Some(4), "three of errors and one of latency");
        assert!(median(step, 2, "seconds") < median(step, 1, "seconds"), "what is worse is seen sooner");
    }
    assert!(median(2, 1, "seconds") < median(0, 1, "seconds"), "more requests say it sooner");
    assert!(told["whole"]["false_alarms"].as_f64().is_some_and(|part| part <= 0.05), "{told}");
    assert!(told["whole"]["promoted"].as_f64().is_some_and(|part| part >= 0.9), "{told}");
    let shares = told["budget"]["shares"].as_array().expect("shares");
    assert!(shares.iter().all(|share| share[1].as_f64().is_none_or(|share| share <= 0.5)), "{told}");
}

#[test]
fn without_traffic_to_count_it_must_be_stated() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut plan = patchline(&["--data", text(folder.path()), "plan", EXAMPLE]);
    check(&mut plan, 7, &["does not run here", "hint: ", "--rps"]);
}

/// The example by another way, in a repository of its own.
fn planned(rollout: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("a folder");
    let example = std::fs::read_to_string(format!("{EXAMPLE}/patchline.toml")).expect("the example");
    let (before, rest) = example.split_once("[rollout]").expect("it has one");
    let (_, after) = rest.split_once("[guards]").expect("it has them");
    let common = "environment = \"production\"\ntarget = \"process\"\ndeadline_seconds = 300";
    let written = format!("{before}[rollout]\n{common}\n{rollout}\n[guards]{after}");
    std::fs::write(folder.path().join("patchline.toml"), written).expect("it can be written");
    let mut git = std::process::Command::new("git");
    assert!(git.args(["init", "-q"]).arg(folder.path()).status().expect("git is there").success());
    let place = text(folder.path());
    let ran = run(&mut patchline(&["plan", place, "--rps", "100", "--budget", "20", "--format", "json"]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    json(&ran)
}

#[test]
fn of_a_shadow_users_meet_nothing_and_of_a_cohort_its_own() {
    let told = planned("strategy = \"shadow\"\nmirror = 0.5\nshadow_seconds = 60\nbake_seconds = 30");
    let step = &told["steps"][0];
    assert_eq!((&step["mirrored"], &step["share"]), (&true.into(), &0.5.into()));
    for seen in step["seen"].as_array().expect("regressions") {
        assert_eq!(seen["detection"]["failed_requests"]["p95"], 0.0, "{seen}");
        assert!(seen["detection"]["canary_requests"]["median"].as_f64().is_some_and(|copies| copies > 0.0));
    }
    assert_eq!(told["whole"]["failed_requests"]["median"], 0.0);
    assert_eq!((&told["requests_per_second"], &told["strategy"]), (&100.0.into(), &"shadow".into()));
    assert!(told.get("budget").is_none(), "no share could be too large");
    let told = planned(
        "strategy = \"flag\"\nflag = \"new-parser\"\ncohort = { cookie = \"session\" }\n\
         steps = [{ share = 0.25, bake_seconds = 60 }]",
    );
    assert_eq!(told["cohort"], "users by the cookie `session`");
    assert_eq!(told["steps"][0]["share"], 0.25);
}

//! `plan`: what a rollout will see, in numbers that fit together, before anything moves.
#![allow(dead_code, reason = "the module serves several test files, and each uses its part")]

#[path = "binary/run.rs"]
mod run;

use run::{check, json, patchline, run, text};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/notebook");

#[test]
fn a_plan_says_how_soon_whom_and_how_often() {
    let ran = run(&mut patchline(&["plan", EXAMPLE, "--rps", "60", "--format", "json"]));
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
}

/// The example, without latency and with a near deadline, for what is asked here costs less then; with these steps in place of its own.
fn short(steps: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let example = std::fs::read_to_string(format!("{EXAMPLE}/patchline.toml")).expect("the example");
    let own = example.lines().find(|line| line.starts_with("steps = ")).expect("it has steps").to_owned();
    let changed = [
        ("deadline_seconds = 300", "deadline_seconds = 120"),
        ("latency = true", "latency = false"),
        (own.as_str(), steps.unwrap_or(&own)),
    ];
    let written = changed.iter().fold(example.clone(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    });
    std::fs::write(folder.path().join("patchline.toml"), written).expect("it can be written");
    in_repository(folder.path());
    folder
}

/// What a budget allows.
fn within(folder: &tempfile::TempDir, budget: &str) -> serde_json::Value {
    let place = text(folder.path());
    let ran = run(&mut patchline(&["plan", place, "--rps", "60", "--budget", budget, "--format", "json"]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    json(&ran)["budget"].clone()
}

/// The same in words.
fn told_within(folder: &tempfile::TempDir, budget: &str) -> String {
    let ran = run(&mut patchline(&["plan", text(folder.path()), "--rps", "60", "--budget", budget]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

#[test]
fn a_larger_budget_gives_no_smaller_share_and_a_tiny_one_is_said_to_be_too_small() {
    let plan = short(None);
    let first = |told: &serde_json::Value| told["suggestion"]["kept"]["steps"][0]["share"].as_f64();
    let (tiny, small, large) = (within(&plan, "0.5"), within(&plan, "8"), within(&plan, "500"));
    assert_eq!(first(&tiny), None, "{tiny}");
    assert!(tiny.get("toml").is_none(), "nothing to paste: {tiny}");
    let costs = tiny["suggestion"]["too_small"]["exposures"].as_array().expect("what the smallest costs");
    let most = costs.iter().filter_map(|exposure| exposure["failed_requests"]["p95"].as_f64());
    assert!(most.fold(0.0, f64::max) > 0.5, "{tiny}");
    let (small, large) = (first(&small).expect("eight can be kept"), first(&large).expect("so can 500"));
    assert!(small < large, "{small} {large}");
    let told = told_within(&plan, "0.5");
    assert!(told.contains("No plan that was tried keeps it.") && !told.contains("steps = ["), "{told}");
}

#[test]
fn steps_that_are_pasted_keep_the_budget_for_which_they_were_suggested() {
    let plan = short(None);
    let told = within(&plan, "15");
    assert_eq!(told["is_kept"], false, "the example's own plan costs more: {told}");
    let steps = told["toml"].as_str().expect("steps to paste");
    let shown = told_within(&plan, "15");
    assert!(shown.contains(steps), "what is pasted stands there as it is:\n{shown}");

    let again = within(&short(Some(steps)), "15");
    assert_eq!(again["plan"], told["suggestion"]["kept"], "the forecast is the same");
    assert_eq!(again["is_kept"], true);
    for exposure in again["plan"]["exposures"].as_array().expect("one for each regression") {
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        let mean = number(&exposure["mean_failed_requests"]);
        assert!(mean <= 15.0 && number(&exposure["failed_requests"]["p95"]) <= 15.0, "{exposure}");
        let adds = exposure["steps"].as_array().expect("each step").iter();
        let adds: f64 = adds.map(|step| number(&step["reached"]) * number(&step["failed_requests"])).sum();
        assert!((adds - mean).abs() < 1e-6, "{exposure}");
    }
}

#[test]
fn no_version_can_fail_more_than_every_request() {
    for (rate, says) in [
        ("1", "a base error rate of 1 and 0.005 more are more than every request"),
        ("0.9", "a base error rate of 0.9 and 0.2 more are more than every request"),
        ("nan", "`base_error_rate` is out of range: NaN"),
        ("1.5", "`base_error_rate` is out of range: 1.5"),
    ] {
        let words = ["plan", EXAMPLE, "--rps", "60", "--base-error-rate", rate, "--budget", "20"];
        check(&mut patchline(&words), 2, &[says]);
    }
    let words = ["plan", EXAMPLE, "--rps", "60", "--base-error-rate", "1"];
    check(&mut patchline(&words), 2, &["hint: `--base-error-rate` is how often the stable version fails"]);
}

#[test]
fn without_traffic_to_count_it_must_be_stated() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut plan = patchline(&["--data", text(folder.path()), "plan", EXAMPLE]);
    check(&mut plan, 7, &["does not run here", "hint: ", "--rps"]);
}

fn in_repository(folder: &std::path::Path) {
    let mut git = std::process::Command::new("git");
    assert!(git.args(["init", "-q"]).arg(folder).status().expect("git is there").success());
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
    in_repository(folder.path());
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

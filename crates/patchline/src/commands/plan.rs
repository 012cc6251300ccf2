//! `plan`: what a service's rollout will see, in numbers, before anything moves.

use std::path::PathBuf;
use std::time::Duration;

use patchline_conductor::establish::{run_and_target, site};
use patchline_conductor::judging::judge_settings;
use patchline_judge::forecast::{
    BadOutlook, Detection, Forecast, Outlook, Regression, Spread, Step, detection, forecast,
};
use patchline_judge::judge::Settings;
use patchline_judge::ladder::{Ladder, Suggestion, suggestion};
use patchline_model::cohort::Cohort;
use patchline_model::service::Service;
use patchline_model::share::Share;
use patchline_model::stage::pause::PauseExit;
use patchline_model::stage::plan::{Observed, Plan, Strategy};
use patchline_model::stage::safety::{Irreversible, NoReturn};
use patchline_model::strategy::course::course;
use serde::Serialize;

use crate::cli::{Format, PlanArguments};
use crate::exit::{Exit, Trouble};
use crate::terminal::{note, say, table};
use crate::{settings, wire};

/// How long the requests of a running service are counted.
const COUNTED: Duration = Duration::from_secs(5);

/// One request in a thousand: the rate that the judge itself supposes where it knows nothing.
const USUAL_ERROR_RATE: f64 = 0.001;

/// Regressions that are asked about, by error points; slower answers come on top where latency is guarded.
const POINTS: [f64; 3] = [0.005, 0.02, 0.2];
const SLOWER: f64 = 1.2;

#[derive(Serialize)]
struct Told {
    service: String,
    strategy: &'static str,
    /// Whose requests the steps' shares are parts of, and which alone are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    cohort: Option<String>,
    requests_per_second: f64,
    base_error_rate: f64,
    /// Each step as if the rollout stayed there until its deadline.
    steps: Vec<AtStep>,
    /// A good version on its way through all steps.
    whole: Forecast,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
}

#[derive(Serialize)]
struct AtStep {
    /// Of the requests; of a shadow, the part that is mirrored.
    share: f64,
    /// Copies are asked and thrown away: no user meets what is foretold here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mirrored: bool,
    bake_seconds: f64,
    seen: Vec<Seen>,
}

#[derive(Serialize)]
struct Seen {
    regression: Regression,
    detection: Detection,
}

/// What a budget of failed requests allows.
#[derive(Serialize)]
struct Budget {
    failed_requests: f64,
    /// The plan as it is written, and whether it keeps the budget.
    plan: Ladder,
    is_kept: bool,
    suggestion: Suggestion,
    /// The suggested steps as `patchline.toml` has them, and a good version on its way through them.
    #[serde(skip_serializing_if = "Option::is_none")]
    toml: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<Forecast>,
}

pub async fn run(arguments: PlanArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let service = settings::service(&arguments.path).await?;
    let Some(run) = &service.run else {
        let message = format!("{} has no [run] and [rollout], so there is no plan", service.name);
        return Err(Trouble::input(message).hint("`patchline init` shows how both are written"));
    };
    wire::check_target(run)?;
    let (requests_per_second, counted_errors) = match arguments.rps {
        Some(stated) => (stated, None),
        None => {
            let (rps, errors) = counted(&service, data).await?;
            (rps, Some(errors))
        }
    };
    let base_error_rate = arguments.base_error_rate.or(counted_errors).unwrap_or(USUAL_ERROR_RATE);
    let outlook = outlook(&run.plan, requests_per_second, base_error_rate);
    if arguments.format == Format::Table {
        note("the judge itself is asked, on seeded counts: this takes some seconds");
    }
    let told = told(&service, &run.plan, &outlook, arguments.budget)?;
    match arguments.format {
        Format::Json => say(&serde_json::json!(told).to_string()),
        Format::Table => tell(&told, &run.plan, counted_errors.is_some()),
    }
    Ok(Exit::Done)
}

fn outlook(plan: &Plan, requests_per_second: f64, base_error_rate: f64) -> Outlook {
    // Where the new version has no share yet, nobody meets it and nothing is judged.
    let stations = course(plan).stations.into_iter().filter(|station| station.share != Share::NONE);
    let steps =
        stations.map(|station| Step { share: station.share.fraction(), bake_seconds: station.bake.0 as f64 });
    let outlook = Outlook {
        steps: steps.collect(),
        requests_per_second,
        base_error_rate,
        deadline_seconds: plan.deadline.0 as f64,
        settings: judge_settings(plan),
    };
    match &plan.strategy {
        // Each copy has its original beside it: two arms of the same size.
        Strategy::Shadow(shadow) => Outlook {
            steps: vec![Step { share: 0.5, bake_seconds: shadow.bake.0 as f64 }],
            requests_per_second: 2.0 * requests_per_second * shadow.mirror.share.fraction(),
            settings: Settings { answers: None, ..outlook.settings },
            ..outlook
        },
        Strategy::Canary(_)
        | Strategy::Rolling(_)
        | Strategy::BlueGreen(_)
        | Strategy::Hot(_)
        | Strategy::Flag(_) => outlook,
    }
}

/// The users to whom the plan's shares belong.
fn cohort(plan: &Plan) -> Option<&Cohort> {
    match &plan.strategy {
        Strategy::Canary(canary) => canary.cohort.as_ref(),
        Strategy::Flag(flag) => Some(&flag.cohort),
        Strategy::Rolling(_) | Strategy::BlueGreen(_) | Strategy::Hot(_) | Strategy::Shadow(_) => None,
    }
}

/// The part of the requests that a shadow mirrors.
fn mirrored(plan: &Plan) -> Option<Share> {
    match &plan.strategy {
        Strategy::Shadow(shadow) => Some(shadow.mirror.share),
        Strategy::Canary(_)
        | Strategy::Rolling(_)
        | Strategy::BlueGreen(_)
        | Strategy::Hot(_)
        | Strategy::Flag(_) => None,
    }
}

fn told(service: &Service, plan: &Plan, outlook: &Outlook, budget: Option<f64>) -> Result<Told, Trouble> {
    let mirrored = mirrored(plan);
    let points = POINTS.map(|error_points| Regression { error_points, latency_factor: 1.0 });
    let slower = Regression { error_points: 0.0, latency_factor: SLOWER };
    let regressions: Vec<Regression> =
        points.into_iter().chain(outlook.settings.latency.then_some(slower)).collect();
    let requests_per_second = match mirrored {
        Some(share) => outlook.requests_per_second / (2.0 * share.fraction()),
        None => outlook.requests_per_second,
    };
    let at = |step: &Step| at_step(outlook, *step, mirrored, &regressions);
    // A shadow's users meet none of it, so no share of them could be too large.
    let budget = budget.filter(|_| mirrored.is_none());
    // A step each on a core of its own, as far as there are cores.
    let (steps, budget) = std::thread::scope(|scope| {
        let asked: Vec<_> = outlook.steps.iter().map(|step| scope.spawn(move || at(step))).collect();
        let within = budget.map(|budget| scope.spawn(move || within(outlook, plan, budget)));
        let steps = asked.into_iter().map(|asked| asked.join().expect("a forecast does not panic"));
        let steps: Vec<Result<AtStep, BadOutlook>> = steps.collect();
        (steps, within.map(|within| within.join().expect("a suggestion does not panic")))
    });
    let steps = steps.into_iter().collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let budget = budget.transpose().map_err(refused)?;
    let mut whole = forecast(outlook, points[1]).map_err(refused)?;
    if mirrored.is_some() {
        whole.ill.failed_requests = Spread { median: 0.0, p95: 0.0 };
    }
    Ok(Told {
        service: service.name.to_string(),
        strategy: plan.strategy.word(),
        cohort: cohort(plan).map(ToString::to_string),
        requests_per_second,
        base_error_rate: outlook.base_error_rate,
        steps,
        whole,
        budget,
    })
}

fn refused(error: BadOutlook) -> Trouble {
    let trouble = Trouble::usage(format!("could not foretell this plan: {error}"));
    match error {
        BadOutlook::MoreThanAll { .. } => trouble.hint(format!(
            "`--base-error-rate` is how often the stable version fails; plans are foretold for {} points more at most",
            POINTS[POINTS.len() - 1] * 100.0
        )),
        BadOutlook::NoSteps | BadOutlook::OutOfRange { .. } | BadOutlook::Settings(_) => trouble,
    }
}

/// What the budget allows, for the regressions by which requests fail; what fails most is asked about first.
fn within(outlook: &Outlook, plan: &Plan, failed_requests: f64) -> Result<Budget, BadOutlook> {
    let mut points = POINTS;
    points.reverse();
    let regressions = points.map(|error_points| Regression { error_points, latency_factor: 1.0 });
    let written = Ladder::of(outlook, &regressions)?;
    let suggestion = suggestion(outlook, &regressions, failed_requests)?;
    let (toml, whole) = match &suggestion {
        Suggestion::Kept(ladder) => {
            let suggested = Outlook { steps: ladder.steps.clone(), ..outlook.clone() };
            (Some(toml(plan, &ladder.steps)), Some(forecast(&suggested, regressions[0])?))
        }
        Suggestion::TooSmall(_) | Suggestion::NoTraffic => (None, None),
    };
    let is_kept = written.keeps(failed_requests);
    Ok(Budget { failed_requests, plan: written, is_kept, suggestion, toml, whole })
}

/// The steps as they stand in `[rollout]`.
fn toml(plan: &Plan, steps: &[Step]) -> String {
    let has_steps = matches!(plan.strategy, Strategy::Canary(_) | Strategy::Flag(_));
    let strategy = if has_steps { "" } else { "strategy = \"canary\"\n" };
    let step =
        |step: &Step| format!("  {{ share = {}, bake_seconds = {:.0} }},\n", step.share, step.bake_seconds);
    format!("{strategy}steps = [\n{}]\n", steps.iter().map(step).collect::<String>())
}

/// What is seen of each regression if the rollout stays at this step.
fn at_step(
    outlook: &Outlook,
    step: Step,
    mirrored: Option<Share>,
    regressions: &[Regression],
) -> Result<AtStep, BadOutlook> {
    let stays = Step { bake_seconds: outlook.deadline_seconds, ..step };
    let alone = Outlook { steps: vec![stays], ..outlook.clone() };
    let see = |regression: &Regression| {
        let mut detection = detection(&alone, *regression)?;
        if mirrored.is_some() {
            detection.failed_requests = Spread { median: 0.0, p95: 0.0 };
        }
        Ok::<Seen, BadOutlook>(Seen { regression: *regression, detection })
    };
    let seen = regressions.iter().map(see).collect::<Result<_, _>>()?;
    let share = mirrored.map_or(step.share, Share::fraction);
    Ok(AtStep { share, mirrored: mirrored.is_some(), bake_seconds: step.bake_seconds, seen })
}

/// Requests a second and error rate of the service as it runs, all versions together.
async fn counted(service: &Service, data: Option<PathBuf>) -> Result<(f64, f64), Trouble> {
    let works = wire::works(wire::home(data.as_deref())?)?;
    let (run, target) = run_and_target(&works.hands, service)?;
    let site = site(&works.hands, service, run, &[])?;
    let not_there = || {
        Trouble::new(
            Exit::Refused,
            format!("{} does not run here, so its traffic is not known", service.name),
        )
        .hint("state it, as in `--rps 50`")
    };
    let before = target.observe(&site).await?.ok_or_else(not_there)?;
    note(&format!("counting requests for {} s", COUNTED.as_secs()));
    tokio::time::sleep(COUNTED).await;
    let after = target.observe(&site).await?.filter(|after| after.epoch == before.epoch);
    let ((requests, errors), (later_requests, later_errors)) =
        (sums(&before), sums(&after.ok_or_else(not_there)?));
    let requests = later_requests.saturating_sub(requests) as f64;
    if requests == 0.0 {
        let message = format!("nobody asked {} for anything in {} s", service.name, COUNTED.as_secs());
        return Err(Trouble::new(Exit::Refused, message).hint("state the traffic, as in `--rps 50`"));
    }
    Ok((requests / COUNTED.as_secs_f64(), later_errors.saturating_sub(errors) as f64 / requests))
}

fn sums(observed: &Observed) -> (u64, u64) {
    let counts = observed.arms.iter().filter_map(|arm| arm.counts.as_ref());
    counts.fold((0, 0), |(requests, errors), counts| (requests + counts.requests, errors + counts.errors))
}

fn tell(told: &Told, plan: &Plan, is_counted: bool) {
    let by = if is_counted { "counted just now" } else { "as stated" };
    say(&format!(
        "{} at {:.1} requests a second, {by}; the stable version fails {} of them",
        told.service,
        told.requests_per_second,
        percent(told.base_error_rate)
    ));
    if let Some(cohort) = &told.cohort {
        say(&format!(
            "Shares are shares of the {cohort}: state their requests, as in `--rps 5`, if they are not all."
        ));
    }
    for (number, step) in told.steps.iter().enumerate() {
        say("");
        let rate = step.share * told.requests_per_second;
        let doing = if step.mirrored { " are mirrored, and users meet none of it" } else { "" };
        say(&format!(
            "Step {}: {} of the requests ({rate:.1} a second){doing}, left after {} s at the earliest",
            number + 1,
            percent(step.share),
            step.bake_seconds
        ));
        let requests = if step.mirrored { "copies" } else { "canary requests" };
        let heading = ["  a version with", "is found in", "after", requests, "failed by it"];
        let rows = step.seen.iter().map(|Seen { regression, detection }| {
            let is_harmless = step.mirrored || regression.error_points == 0.0;
            let failed = if is_harmless { "none".to_owned() } else { spread(detection.failed_requests, "") };
            vec![
                format!("  {}", name(*regression)),
                format!("{} of {} runs", percent(detection.found), detection.runs),
                spread(detection.seconds, " s"),
                spread(detection.canary_requests, ""),
                failed,
            ]
        });
        table(&[heading.map(str::to_owned).to_vec()].into_iter().chain(rows).collect::<Vec<_>>());
    }
    let whole = &told.whole;
    say("");
    say(
        "Two numbers are the median and what 95 % of the runs stay below; a step is reckoned as if it lasted to the deadline.",
    );
    say(&format!(
        "A good version is promoted in {} of {} runs, after {}; the deadline is {}.",
        percent(whole.promoted),
        whole.ill.runs,
        spread(whole.promotion_seconds, " s"),
        plan.deadline
    ));
    say(&format!(
        "A false alarm came in {} of the runs; the judge is held to {} at most.",
        percent(whole.false_alarms),
        percent(plan.guards.alpha)
    ));
    let exit = match plan.pause.exit {
        PauseExit::Rollback => "the new version is taken back",
        PauseExit::Resume => "the rollout goes on",
        PauseExit::Hold => "a person is called, and it stays",
    };
    say(&format!("A pause that nobody ends lasts {}: then {exit}.", plan.pause.deadline));
    let Irreversible { paths, from } = &plan.irreversible;
    if !paths.is_empty() {
        let from = match from {
            NoReturn::Start => "once an instance of it starts",
            NoReturn::Share => "once it has held a share",
        };
        say(&format!(
            "A patch that changes {} is forward only: {from}, it halts for a person and is not taken back.",
            paths.join(" or ")
        ));
    }
    let Some(budget) = &told.budget else { return };
    say("");
    within_budget(budget);
}

fn within_budget(budget: &Budget) {
    let limit = budget.failed_requests;
    let does = if budget.is_kept { "keeps" } else { "does not keep" };
    say(&format!("Of a budget of {limit} failed requests: this plan {does} it."));
    ladder(&budget.plan);
    say("");
    match &budget.suggestion {
        Suggestion::Kept(suggested) => {
            let first = percent(suggested.steps[0].share);
            say(&format!(
                "The largest first share that keeps it is {first}. In `[rollout]` of patchline.toml:"
            ));
            say("");
            say(budget.toml.as_deref().unwrap_or_default().trim_end());
            say("");
            ladder(suggested);
            if let Some(whole) = &budget.whole {
                say(&format!(
                    "By these steps a good version is promoted in {} of {} runs, after {}.",
                    percent(whole.promoted),
                    whole.ill.runs,
                    spread(whole.promotion_seconds, " s")
                ));
            }
        }
        Suggestion::TooSmall(smallest) => {
            let Step { share, bake_seconds } = smallest.steps[0];
            say(&format!(
                "No plan that was tried keeps it. Even a first share of {}, watched for {bake_seconds:.0} s, costs more:",
                percent(share)
            ));
            ladder(smallest);
            say(
                "A smaller share would be asked too seldom to show anything in that time. A later deadline leaves room for smaller shares that are watched longer.",
            );
        }
        Suggestion::NoTraffic => {
            say(
                "No plan can be suggested: at this traffic even a quarter of the requests are too few to show anything before the deadline.",
            );
        }
    }
}

/// What each step of a ladder adds, by regression.
fn ladder(ladder: &Ladder) {
    let heading = ["  step", "bake"].map(str::to_owned).into_iter();
    let heading = heading.chain(ladder.exposures.iter().map(|exposure| name(exposure.regression)));
    let rows = ladder.steps.iter().enumerate().map(|(number, step)| {
        let adds = ladder.exposures.iter().map(|exposure| {
            let met = exposure.steps[number];
            if met.reached > 0.0 {
                format!("{:.1} in {} of runs", met.failed_requests, percent(met.reached))
            } else {
                "found before".to_owned()
            }
        });
        let step = [format!("  {}", percent(step.share)), format!("{:.0} s", step.bake_seconds)];
        step.into_iter().chain(adds).collect()
    });
    let all = ladder.exposures.iter().map(|exposure| spread(exposure.failed_requests, ""));
    let all = ["  in all".to_owned(), String::new()].into_iter().chain(all).collect();
    table(&[heading.collect()].into_iter().chain(rows).chain([all]).collect::<Vec<Vec<String>>>());
    say(
        "  Failed requests: on average of the runs in which it was not seen before the step; in all, the median and what 95 % stay below.",
    );
    for exposure in ladder.exposures.iter().filter(|exposure| exposure.promoted > 0.0) {
        say(&format!(
            "  {} is promoted unseen in {} of runs; what it does after that is not counted.",
            name(exposure.regression),
            percent(exposure.promoted)
        ));
    }
}

fn name(regression: Regression) -> String {
    if regression.error_points > 0.0 {
        format!("{} points more errors", regression.error_points * 100.0)
    } else {
        format!("answers {} slower", percent(regression.latency_factor - 1.0))
    }
}

fn spread(spread: Spread, unit: &str) -> String {
    format!("{:.0} / {:.0}{unit}", spread.median, spread.p95)
}

fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let digits = if percent == 0.0 || percent >= 10.0 { 0 } else { 2 };
    let text = format!("{percent:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use super::{name, percent};
    use patchline_judge::forecast::Regression;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        for (fraction, text) in [(0.0, "0 %"), (0.001, "0.1 %"), (0.05, "5 %"), (0.2, "20 %"), (1.0, "100 %")]
        {
            assert_eq!(percent(fraction), text);
        }
        assert_eq!(name(Regression { error_points: 0.005, latency_factor: 1.0 }), "0.5 points more errors");
        assert_eq!(name(Regression { error_points: 0.0, latency_factor: 1.2 }), "answers 20 % slower");
    }
}

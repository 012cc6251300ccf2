//! The sections `[run]`, `[rollout]` and `[guards]`: how the service runs, and how a patch gets onto every instance.

use std::ops::Range;

use patchline_model::cohort::Token;
use patchline_model::service::{Name, ReloadSignal, Run};
use patchline_model::share::Share;
use patchline_model::stage::pause::{PauseExit, PauseLimit};
use patchline_model::stage::plan::{
    BlueGreen, Canary, Exit, Flag, Guards, Hot, InstanceGuards, Plan, Rolling, Shadow, Smoke, Step, Strategy,
    WatchedEnd,
};
use patchline_model::stage::safety::{Irreversible, NoReturn};
use patchline_model::strategy::course::course;
use patchline_model::time::Seconds;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;
use crate::settings::order::{OrderKeys, OrderSection, order};
use crate::settings::value::{command, count, fraction, looks, parsed, share, span_of_time, span_or_none};
use crate::settings::ways::{CohortSection, MirrorKeys, cohort, mirror, most_mismatches};
use crate::settings::window::{WindowSection, window_of};

/// What the old version keeps to be compared with, unless the file says otherwise.
const HOLD_BACK: f64 = 0.05;

/// Patterns of paths, and their length, at most.
const MOST_PATTERNS: usize = 100;
const LONGEST_PATTERN: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSection {
    program: Option<Spanned<String>>,
    #[serde(default)]
    arguments: Vec<String>,
    reload_signal: Option<Spanned<String>>,
    pub health: Spanned<String>,
    instances: Spanned<u32>,
    #[serde(default)]
    port: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutSection {
    environment: Spanned<String>,
    pub target: Spanned<String>,
    strategy: Spanned<String>,
    canary_instances: Option<Spanned<u32>>,
    steps: Option<Spanned<Vec<StepSection>>>,
    bake_seconds: Option<Spanned<u64>>,
    hold_back: Option<Spanned<f64>>,
    batch: Option<Spanned<u32>>,
    max_unavailable: Option<Spanned<u32>>,
    order: Option<Spanned<OrderSection>>,
    partition: Option<Spanned<u32>>,
    preview_seconds: Option<Spanned<u64>>,
    smoke: Option<Spanned<Vec<String>>>,
    cohort: Option<Spanned<CohortSection>>,
    flag: Option<Spanned<String>>,
    shadow_instances: Option<Spanned<u32>>,
    shadow_seconds: Option<Spanned<u64>>,
    mirror: Option<Spanned<f64>>,
    methods: Option<Spanned<Vec<String>>>,
    headers: Option<Spanned<Vec<String>>>,
    control: Option<Spanned<f64>>,
    most_mismatches: Option<Spanned<f64>>,
    deadline_seconds: Spanned<u64>,
    start_seconds: Option<Spanned<u64>>,
    missing_limit: Option<Spanned<u32>>,
    at_deadline: Option<Spanned<String>>,
    pause_deadline_seconds: Option<Spanned<u64>>,
    at_pause_deadline: Option<Spanned<String>>,
    forward_only: Option<Spanned<Vec<String>>>,
    no_return: Option<Spanned<String>>,
    #[serde(default)]
    window: Vec<Spanned<WindowSection>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepSection {
    share: Spanned<f64>,
    bake_seconds: Spanned<u64>,
    #[serde(default)]
    gate: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardsSection {
    alpha: Option<Spanned<f64>>,
    beta: Option<Spanned<f64>>,
    error_margin: Option<Spanned<f64>>,
    latency: Option<bool>,
    incidents: Option<bool>,
    memory: Option<bool>,
    memory_margin: Option<Spanned<f64>>,
    cpu: Option<bool>,
    cpu_margin: Option<Spanned<f64>>,
}

/// How the service runs, with its plan.
pub fn run_of(
    run: RunSection,
    rollout: RolloutSection,
    guards: Option<GuardsSection>,
) -> Result<Run, Problem> {
    let instances = count(&run.instances)?;
    let strategy = strategy(&rollout, instances)?;
    let target = rollout.target.get_ref();
    if target != "process" {
        let message = format!("`{target}` is not a target that this version knows");
        return Err(Problem::at(rollout.target.span(), message).hint("use \"process\""));
    }
    if !run.health.get_ref().starts_with('/') {
        return Err(Problem::at(run.health.span(), "`health` is a path that begins with `/`"));
    }
    let plan = Plan {
        instances,
        strategy,
        guards: guards_of(guards)?,
        deadline: span_of_time(&rollout.deadline_seconds)?,
        start_deadline: rollout.start_seconds.as_ref().map_or(Ok(Seconds(30)), span_of_time)?,
        missing_limit: rollout.missing_limit.as_ref().map_or(Ok(10), looks)?,
        at_deadline: rollout.at_deadline.as_ref().map_or(Ok(Exit::Rollback), exit)?,
        pause: pause(&rollout)?,
        irreversible: irreversible(&rollout)?,
    };
    ends_in_time(&plan, rollout.deadline_seconds.span())?;
    Ok(Run {
        environment: parsed::<Name>(&rollout.environment)?,
        target: target.clone(),
        program: run.program.as_ref().map(program).transpose()?,
        arguments: run.arguments,
        reload_signal: run.reload_signal.as_ref().map_or(Ok(ReloadSignal::default()), reload_signal)?,
        health: run.health.get_ref().clone(),
        port: run.port,
        plan,
        slo: None,
        windows: rollout.window.iter().map(window_of).collect::<Result<_, _>>()?,
    })
}

/// What can't be undone, by path; the point of no return alone says nothing of any path, but of what a person states.
fn irreversible(rollout: &RolloutSection) -> Result<Irreversible, Problem> {
    let paths = rollout.forward_only.as_ref().map_or(Ok(Vec::new()), patterns)?;
    let from = rollout.no_return.as_ref().map_or(Ok(NoReturn::Start), no_return)?;
    Ok(Irreversible { paths, from })
}

fn patterns(written: &Spanned<Vec<String>>) -> Result<Vec<String>, Problem> {
    let patterns = written.get_ref();
    let wrong =
        |pattern: &&String| pattern.is_empty() || pattern.starts_with('/') || pattern.len() > LONGEST_PATTERN;
    if patterns.len() > MOST_PATTERNS || patterns.iter().any(|pattern| wrong(&pattern)) {
        let message = format!(
            "`forward_only` is a list of at most {MOST_PATTERNS} paths, each of 1 to {LONGEST_PATTERN} letters, seen from this file"
        );
        return Err(Problem::at(written.span(), message).hint("as in [\"migrations/**\"]"));
    }
    Ok(patterns.clone())
}

fn no_return(written: &Spanned<String>) -> Result<NoReturn, Problem> {
    match written.get_ref().as_str() {
        "start" => Ok(NoReturn::Start),
        "share" => Ok(NoReturn::Share),
        _ => Err(Problem::at(written.span(), "`no_return` is \"start\" or \"share\"")),
    }
}

/// A plan whose bakes alone outlast its deadline could never promote anything.
fn ends_in_time(plan: &Plan, at: Range<usize>) -> Result<(), Problem> {
    let course = course(plan);
    let bakes = course.stations.iter().map(|station| station.bake).chain(course.end.map(|end| end.bake));
    let total: u64 = bakes.map(|bake| bake.0).sum();
    if total < plan.deadline.0 {
        return Ok(());
    }
    let message = format!("the bakes take {total} s, and the deadline passes after {} s", plan.deadline.0);
    Err(Problem::at(at, message).hint("give the rollout more time than its bakes, or shorten them"))
}

fn strategy(rollout: &RolloutSection, instances: u32) -> Result<Strategy, Problem> {
    let name = rollout.strategy.get_ref().as_str();
    if !["canary", "rolling", "blue_green", "flag", "shadow", "hot"].contains(&name) {
        let message = format!("`{name}` is not a strategy that this version knows");
        let hint = match name {
            "ab" | "a/b" => "use \"canary\" with a `cohort`: the same user always meets the same version",
            _ => "use \"canary\", \"rolling\", \"blue_green\", \"flag\", \"shadow\" or \"hot\"",
        };
        return Err(Problem::at(rollout.strategy.span(), message).hint(hint));
    }
    refuse_foreign_keys(rollout, name)?;
    match name {
        "rolling" => rolling(rollout, instances).map(Strategy::Rolling),
        "hot" => hot(rollout, instances).map(Strategy::Hot),
        "blue_green" => blue_green(rollout).map(Strategy::BlueGreen),
        "flag" => flag(rollout).map(Strategy::Flag),
        "shadow" => shadow(rollout).map(Strategy::Shadow),
        _ => canary(rollout).map(Strategy::Canary),
    }
}

/// A key, where it stands, and the strategies that read it.
type Key<'a> = (&'a str, Option<Range<usize>>, &'a [&'a str]);

/// A key that another strategy reads would be silently without effect.
fn refuse_foreign_keys(rollout: &RolloutSection, name: &str) -> Result<(), Problem> {
    let keys: [Key<'_>; 18] = [
        ("canary_instances", rollout.canary_instances.as_ref().map(Spanned::span), &["canary"]),
        ("steps", rollout.steps.as_ref().map(Spanned::span), &["canary", "flag"]),
        (
            "hold_back",
            rollout.hold_back.as_ref().map(Spanned::span),
            &["canary", "blue_green", "flag", "shadow"],
        ),
        ("cohort", rollout.cohort.as_ref().map(Spanned::span), &["canary", "flag"]),
        ("flag", rollout.flag.as_ref().map(Spanned::span), &["flag"]),
        ("shadow_instances", rollout.shadow_instances.as_ref().map(Spanned::span), &["shadow"]),
        ("shadow_seconds", rollout.shadow_seconds.as_ref().map(Spanned::span), &["shadow"]),
        ("mirror", rollout.mirror.as_ref().map(Spanned::span), &["shadow"]),
        ("methods", rollout.methods.as_ref().map(Spanned::span), &["shadow"]),
        ("headers", rollout.headers.as_ref().map(Spanned::span), &["shadow"]),
        ("control", rollout.control.as_ref().map(Spanned::span), &["shadow"]),
        ("most_mismatches", rollout.most_mismatches.as_ref().map(Spanned::span), &["shadow"]),
        ("batch", rollout.batch.as_ref().map(Spanned::span), &["rolling", "hot"]),
        ("max_unavailable", rollout.max_unavailable.as_ref().map(Spanned::span), &["rolling"]),
        ("order", rollout.order.as_ref().map(Spanned::span), &["rolling"]),
        ("partition", rollout.partition.as_ref().map(Spanned::span), &["rolling"]),
        ("preview_seconds", rollout.preview_seconds.as_ref().map(Spanned::span), &["blue_green"]),
        ("smoke", rollout.smoke.as_ref().map(Spanned::span), &["blue_green"]),
    ];
    for (key, span, readers) in keys {
        if let Some(span) = span
            && !readers.contains(&name)
        {
            let reader = readers.join("\" and \"");
            let message = format!("`{key}` belongs to the strategy \"{reader}\"");
            return Err(Problem::at(span, message).hint("take it out, or change `strategy`"));
        }
    }
    Ok(())
}

fn needed<'a, T>(rollout: &RolloutSection, key: &str, value: &'a Option<T>) -> Result<&'a T, Problem> {
    value.as_ref().ok_or_else(|| {
        let message = format!("the strategy \"{}\" needs `{key}`", rollout.strategy.get_ref());
        Problem::at(rollout.strategy.span(), message).hint("add it to [rollout]")
    })
}

fn canary(rollout: &RolloutSection) -> Result<Canary, Problem> {
    let instances = count(needed(rollout, "canary_instances", &rollout.canary_instances)?)?;
    let (steps, end) = steps_and_end(rollout)?;
    Ok(Canary { instances, steps, end, cohort: rollout.cohort.as_ref().map(cohort).transpose()? })
}

fn flag(rollout: &RolloutSection) -> Result<Flag, Problem> {
    let name = parsed::<Token>(needed(rollout, "flag", &rollout.flag)?)?;
    let cohort = cohort(needed(rollout, "cohort", &rollout.cohort)?)?;
    let (steps, end) = steps_and_end(rollout)?;
    Ok(Flag { flag: name, cohort, steps, end })
}

fn shadow(rollout: &RolloutSection) -> Result<Shadow, Problem> {
    let written = needed(rollout, "bake_seconds", &rollout.bake_seconds)?;
    let bake = span_of_time(written)?;
    Ok(Shadow {
        instances: rollout.shadow_instances.as_ref().map_or(Ok(1), count)?,
        mirror: mirror(&MirrorKeys {
            share: needed(rollout, "mirror", &rollout.mirror)?,
            methods: rollout.methods.as_ref(),
            headers: rollout.headers.as_ref(),
            control: rollout.control.as_ref(),
        })?,
        bake: span_of_time(needed(rollout, "shadow_seconds", &rollout.shadow_seconds)?)?,
        most_mismatches: most_mismatches(rollout.most_mismatches.as_ref())?,
        end: watched_end(rollout, bake, written.span())?,
    })
}

/// The steps, and the bake after the promotion if there is one.
fn steps_and_end(rollout: &RolloutSection) -> Result<(Vec<Step>, Option<WatchedEnd>), Problem> {
    let written = needed(rollout, "steps", &rollout.steps)?;
    let steps = steps(written)?;
    let bake = rollout.bake_seconds.as_ref().map_or(Ok(Seconds(0)), span_or_none)?;
    if bake == Seconds(0) {
        return match &rollout.hold_back {
            None => Ok((steps, None)),
            Some(held) => Err(Problem::at(held.span(), "`hold_back` has no effect without `bake_seconds`")
                .hint(
                    "add `bake_seconds`: how long the new version is watched with nearly all of the traffic",
                )),
        };
    }
    let end = watched_end(rollout, bake, written.span())?;
    if steps.last().is_some_and(|last| end.hold_back > last.share.rest()) {
        let at = rollout.hold_back.as_ref().map_or_else(|| written.span(), Spanned::span);
        let message = format!("the hold-back of {} is more than the last step leaves", end.hold_back);
        return Err(Problem::at(at, message).hint("lower `hold_back`, or the last step's share"));
    }
    Ok((steps, Some(end)))
}

fn watched_end(rollout: &RolloutSection, bake: Seconds, at: Range<usize>) -> Result<WatchedEnd, Problem> {
    let hold_back = hold_back(rollout)?;
    if hold_back == Share::NONE {
        let at = rollout.hold_back.as_ref().map_or(at, Spanned::span);
        let message = "the hold-back of a watched end lies above 0: without it nothing can be compared";
        return Err(Problem::at(at, message));
    }
    Ok(WatchedEnd { bake, hold_back })
}

fn rolling(rollout: &RolloutSection, instances: u32) -> Result<Rolling, Problem> {
    let bake = span_of_time(needed(rollout, "bake_seconds", &rollout.bake_seconds)?)?;
    let batch = batch(rollout, instances, "\"blue_green\" replaces all of them at once")?;
    let max_unavailable = rollout.max_unavailable.as_ref().map_or(0, |written| *written.get_ref());
    if let Some(written) =
        rollout.max_unavailable.as_ref().filter(|_| max_unavailable > batch || max_unavailable >= instances)
    {
        let message = "`max_unavailable` is at most `batch`, and fewer than `instances`";
        return Err(Problem::at(written.span(), message));
    }
    let order = order(&OrderKeys {
        order: rollout.order.as_ref(),
        partition: rollout.partition.as_ref(),
        max_unavailable: rollout.max_unavailable.as_ref(),
        instances,
    })?;
    Ok(Rolling { batch, max_unavailable, bake, order })
}

/// Where nobody is started beside the others, one instance can't be compared with itself.
fn hot(rollout: &RolloutSection, instances: u32) -> Result<Hot, Problem> {
    if instances < 2 {
        let message = "the strategy \"hot\" needs at least two `instances`: one keeps the old version to be compared with";
        return Err(Problem::at(rollout.strategy.span(), message).hint("raise `instances` in [run]"));
    }
    Ok(Hot {
        batch: batch(rollout, instances, "a smaller batch shows more, with fewer users")?,
        bake: span_of_time(needed(rollout, "bake_seconds", &rollout.bake_seconds)?)?,
    })
}

fn batch(rollout: &RolloutSection, instances: u32, hint: &str) -> Result<u32, Problem> {
    let batch = rollout.batch.as_ref().map_or(Ok(1), count)?;
    if let Some(written) = rollout.batch.as_ref().filter(|_| batch >= instances.max(2)) {
        let message =
            "`batch` must be fewer than `instances`, so that an old one is left to be compared with";
        return Err(Problem::at(written.span(), message).hint(hint));
    }
    Ok(batch)
}

/// A relative path would mean another program wherever an instance is started.
fn program(written: &Spanned<String>) -> Result<String, Problem> {
    let path = written.get_ref();
    if !path.starts_with('/') {
        return Err(Problem::at(written.span(), "`program` is an absolute path")
            .hint("as in \"/usr/bin/python3\"; leave it out if the artifact itself runs"));
    }
    Ok(path.clone())
}

fn reload_signal(written: &Spanned<String>) -> Result<ReloadSignal, Problem> {
    match written.get_ref().as_str() {
        "SIGHUP" => Ok(ReloadSignal::SigHup),
        "SIGUSR1" => Ok(ReloadSignal::SigUsr1),
        "SIGUSR2" => Ok(ReloadSignal::SigUsr2),
        _ => Err(Problem::at(written.span(), "`reload_signal` is \"SIGHUP\", \"SIGUSR1\" or \"SIGUSR2\"")),
    }
}

fn blue_green(rollout: &RolloutSection) -> Result<BlueGreen, Problem> {
    Ok(BlueGreen {
        preview: rollout.preview_seconds.as_ref().map_or(Ok(Seconds(0)), span_or_none)?,
        bake: span_of_time(needed(rollout, "bake_seconds", &rollout.bake_seconds)?)?,
        hold_back: hold_back(rollout)?,
        smoke: rollout.smoke.as_ref().map(smoke).transpose()?,
    })
}

/// A smoke test that does not say where to look could only try what users meet already.
fn smoke(written: &Spanned<Vec<String>>) -> Result<Smoke, Problem> {
    let command = command(written)?.0;
    if !command.iter().skip(1).any(|word| word.contains("{address}")) {
        let message = "`smoke` must name `{address}`, where the new instance listens";
        return Err(
            Problem::at(written.span(), message).hint("as in [\"curl\", \"--fail\", \"http://{address}/\"]")
        );
    }
    Ok(Smoke { command })
}

fn hold_back(rollout: &RolloutSection) -> Result<Share, Problem> {
    let Some(written) = &rollout.hold_back else {
        return Ok(Share::from_fraction(HOLD_BACK).expect("it lies between 0 and 1"));
    };
    let share = share(written)?;
    if share >= share.rest() {
        return Err(Problem::at(
            written.span(),
            "`hold_back` lies below 0.5: the new version takes the most",
        ));
    }
    Ok(share)
}

fn steps(steps: &Spanned<Vec<StepSection>>) -> Result<Vec<Step>, Problem> {
    if steps.get_ref().is_empty() {
        return Err(Problem::at(steps.span(), "a canary needs at least one step"));
    }
    let mut last = Share::NONE;
    let mut all = Vec::new();
    for step in steps.get_ref() {
        let share = share(&step.share)?;
        if share <= last {
            let message =
                "each step's share must be greater than the one before, and the first greater than 0";
            return Err(Problem::at(step.share.span(), message));
        }
        if share == Share::ALL {
            let message = "a step must leave the stable version a share to be compared with";
            return Err(
                Problem::at(step.share.span(), message).hint("promotion gives the whole share by itself")
            );
        }
        last = share;
        all.push(Step { share, bake: span_of_time(&step.bake_seconds)?, gate: step.gate });
    }
    Ok(all)
}

fn guards_of(guards: Option<GuardsSection>) -> Result<Guards, Problem> {
    let guards = guards.unwrap_or_default();
    Ok(Guards {
        alpha: guards.alpha.as_ref().map_or(Ok(0.01), |value| fraction(value, "alpha"))?,
        beta: guards.beta.as_ref().map_or(Ok(0.05), |value| fraction(value, "beta"))?,
        error_margin: guards
            .error_margin
            .as_ref()
            .map_or(Ok(0.005), |value| fraction(value, "error_margin"))?,
        latency: guards.latency.unwrap_or(true),
        instances: InstanceGuards {
            incidents: guards.incidents.unwrap_or(true),
            memory_margin: gauge_margin("memory", guards.memory, guards.memory_margin.as_ref())?,
            cpu_margin: gauge_margin("cpu", guards.cpu, guards.cpu_margin.as_ref())?,
            needs_memory: guards.memory_margin.is_some(),
            needs_cpu: guards.cpu_margin.is_some(),
        },
    })
}

/// How much more of something is harm; nothing, where it is switched off.
fn gauge_margin(
    name: &str,
    is_on: Option<bool>,
    margin: Option<&Spanned<f64>>,
) -> Result<Option<f64>, Problem> {
    /// Beyond that a margin is a slip: a thousand times as much.
    const MOST: f64 = 1000.0;
    match (is_on.unwrap_or(true), margin) {
        (true, None) => Ok(Some(0.5)),
        (true, Some(margin)) if (0.01..=MOST).contains(margin.get_ref()) => Ok(Some(*margin.get_ref())),
        (true, Some(margin)) => {
            let message = format!("`{name}_margin` is a number from 0.01 to {MOST}");
            Err(Problem::at(margin.span(), message)
                .hint("0.5 allows half as much again as the stable version uses"))
        }
        (false, None) => Ok(None),
        (false, Some(margin)) => {
            let message = format!("`{name}_margin` has no effect with `{name} = false`");
            Err(Problem::at(margin.span(), message).hint("leave one of the two out"))
        }
    }
}

/// How a person's pause ends if nobody ends it.
fn pause(rollout: &RolloutSection) -> Result<PauseLimit, Problem> {
    let usual = PauseLimit::default();
    let deadline = rollout.pause_deadline_seconds.as_ref().map_or(Ok(usual.deadline), span_of_time)?;
    let exit = rollout.at_pause_deadline.as_ref().map_or(Ok(usual.exit), pause_exit)?;
    Ok(PauseLimit { deadline, exit })
}

fn pause_exit(value: &Spanned<String>) -> Result<PauseExit, Problem> {
    match value.get_ref().as_str() {
        "rollback" => Ok(PauseExit::Rollback),
        "resume" => Ok(PauseExit::Resume),
        "hold" => Ok(PauseExit::Hold),
        _ => {
            let message = "`at_pause_deadline` is \"rollback\", \"resume\" or \"hold\"";
            Err(Problem::at(value.span(), message))
        }
    }
}

fn exit(value: &Spanned<String>) -> Result<Exit, Problem> {
    match value.get_ref().as_str() {
        "rollback" => Ok(Exit::Rollback),
        "hold" => Ok(Exit::Hold),
        _ => Err(Problem::at(value.span(), "`at_deadline` is \"rollback\" or \"hold\"")),
    }
}

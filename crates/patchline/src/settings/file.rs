//! The format of `patchline.toml`, and what its values must be.

use std::path::Path;

use patchline_model::service::{Build, CommandLine, Name, Reproducer, Run, Service, Tier};
use patchline_model::share::Share;
use patchline_model::stage::plan::{Canary, Exit, Guards, Plan, Step, Strategy};
use patchline_model::time::Seconds;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::{Problem, Source};

/// A day: no bake and no deadline is longer.
const LONGEST_SECONDS: u64 = 86_400;

/// As many instances of one version as the process target starts.
const MOST_INSTANCES: u32 = 64;

/// Looks without data that a rollout may be told to bear.
const MOST_LOOKS: u32 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    service: ServiceSection,
    build: BuildSection,
    test: Option<TestSection>,
    #[serde(default)]
    reproducer: Vec<ReproducerSection>,
    run: Option<RunSection>,
    rollout: Option<RolloutSection>,
    guards: Option<GuardsSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceSection {
    name: Spanned<String>,
    owner: Spanned<String>,
    tier: Spanned<u8>,
    repository: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BuildSection {
    command: Spanned<Vec<String>>,
    artifact: Spanned<String>,
    prepare: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestSection {
    command: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReproducerSection {
    advisory: Spanned<String>,
    command: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunSection {
    #[serde(default)]
    arguments: Vec<String>,
    health: Spanned<String>,
    instances: Spanned<u32>,
    #[serde(default)]
    port: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RolloutSection {
    environment: Spanned<String>,
    target: Spanned<String>,
    strategy: Spanned<String>,
    canary_instances: Spanned<u32>,
    steps: Spanned<Vec<StepSection>>,
    deadline_seconds: Spanned<u64>,
    start_seconds: Option<Spanned<u64>>,
    missing_limit: Option<Spanned<u32>>,
    at_deadline: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepSection {
    share: Spanned<f64>,
    bake_seconds: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardsSection {
    alpha: Option<Spanned<f64>>,
    beta: Option<Spanned<f64>>,
    error_margin: Option<Spanned<f64>>,
    latency: Option<bool>,
}

/// The service that the file describes.
pub fn service(source: &Source<'_>, top: &Path, folder: &str) -> Result<Service, Problem> {
    let file: File = toml::from_str(source.text).map_err(|error| unreadable(&error))?;
    if let Some(repository) = &file.service.repository
        && repository.get_ref() != "."
    {
        let message = "`repository` can only be \".\": the file lies in the repository that it describes";
        return Err(Problem::at(repository.span(), message));
    }
    let run = match (file.run, file.rollout) {
        (Some(run), Some(rollout)) => Some(run_of(run, rollout, file.guards)?),
        (None, None) => None,
        (Some(run), None) => {
            let message = "a [run] section needs a [rollout] section";
            return Err(Problem::at(run.health.span(), message).hint("add [rollout], or leave [run] out"));
        }
        (None, Some(rollout)) => {
            let message = "a [rollout] section needs a [run] section";
            return Err(
                Problem::at(rollout.target.span(), message).hint("add [run] with `health` and `instances`")
            );
        }
    };
    Ok(Service {
        name: parsed::<Name>(&file.service.name)?,
        owner: text(&file.service.owner, "owner")?,
        tier: Tier::try_from(*file.service.tier.get_ref())
            .map_err(|error| Problem::at(file.service.tier.span(), error.to_string()))?,
        repository: top.display().to_string(),
        folder: folder.to_owned(),
        build: Build {
            prepare: file.build.prepare.as_ref().map(command).transpose()?,
            command: command(&file.build.command)?,
            artifact: inside(&file.build.artifact)?,
        },
        test: file.test.as_ref().map(|test| command(&test.command)).transpose()?,
        reproducers: file.reproducer.iter().map(reproducer).collect::<Result<_, _>>()?,
        run,
    })
}

fn unreadable(error: &toml::de::Error) -> Problem {
    let problem = Problem { message: error.message().to_owned(), span: error.span(), hint: None };
    let (Some(wrong), Some(rest)) = (quoted(error.message()), error.message().split_once("expected")) else {
        return problem;
    };
    if !error.message().starts_with("unknown field") {
        return problem;
    }
    let known: Vec<&str> = rest.1.split('`').skip(1).step_by(2).collect();
    match nearest(wrong, &known) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("take the key out, or look at the sections that `patchline init` writes"),
    }
}

fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// The known key that is closest, if it is close enough to be meant.
fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().map(|key| (distance(wrong, key), *key)).min()?;
    (best.0 <= 1 + wrong.chars().count() / 3).then_some(best.1)
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(100).enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let substituted = before + usize::from(a != *b);
            before = row[j + 1];
            row[j + 1] = substituted.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

fn run_of(run: RunSection, rollout: RolloutSection, guards: Option<GuardsSection>) -> Result<Run, Problem> {
    let strategy = rollout.strategy.get_ref();
    if strategy != "canary" {
        let message = format!("`{strategy}` is not a strategy that this version knows");
        return Err(Problem::at(rollout.strategy.span(), message).hint("use \"canary\""));
    }
    let target = rollout.target.get_ref();
    if target != "process" {
        let message = format!("`{target}` is not a target that this version knows");
        return Err(Problem::at(rollout.target.span(), message).hint("use \"process\""));
    }
    if !run.health.get_ref().starts_with('/') {
        return Err(Problem::at(run.health.span(), "`health` is a path that begins with `/`"));
    }
    let start = match &rollout.start_seconds {
        Some(seconds) => span_of_time(seconds)?,
        None => Seconds(30),
    };
    Ok(Run {
        environment: parsed::<Name>(&rollout.environment)?,
        target: target.clone(),
        arguments: run.arguments,
        health: run.health.get_ref().clone(),
        port: run.port,
        plan: Plan {
            instances: count(&run.instances)?,
            strategy: Strategy::Canary(Canary {
                instances: count(&rollout.canary_instances)?,
                steps: steps(&rollout.steps)?,
                end: None,
            }),
            guards: guards_of(guards)?,
            deadline: span_of_time(&rollout.deadline_seconds)?,
            start_deadline: start,
            missing_limit: rollout.missing_limit.as_ref().map_or(Ok(10), looks)?,
            at_deadline: rollout.at_deadline.as_ref().map_or(Ok(Exit::Rollback), exit)?,
        },
    })
}

fn steps(steps: &Spanned<Vec<StepSection>>) -> Result<Vec<Step>, Problem> {
    if steps.get_ref().is_empty() {
        return Err(Problem::at(steps.span(), "a canary needs at least one step"));
    }
    let mut last = Share::NONE;
    let mut all = Vec::new();
    for step in steps.get_ref() {
        let share = Share::from_fraction(*step.share.get_ref())
            .map_err(|error| Problem::at(step.share.span(), error.to_string()))?;
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
        all.push(Step { share, bake: span_of_time(&step.bake_seconds)?, gate: false });
    }
    Ok(all)
}

fn guards_of(guards: Option<GuardsSection>) -> Result<Guards, Problem> {
    let guards =
        guards.unwrap_or(GuardsSection { alpha: None, beta: None, error_margin: None, latency: None });
    Ok(Guards {
        alpha: guards.alpha.as_ref().map_or(Ok(0.01), |value| fraction(value, "alpha"))?,
        beta: guards.beta.as_ref().map_or(Ok(0.05), |value| fraction(value, "beta"))?,
        error_margin: guards
            .error_margin
            .as_ref()
            .map_or(Ok(0.005), |value| fraction(value, "error_margin"))?,
        latency: guards.latency.unwrap_or(true),
    })
}

fn fraction(value: &Spanned<f64>, name: &str) -> Result<f64, Problem> {
    let number = *value.get_ref();
    if number > 0.0 && number < 1.0 {
        return Ok(number);
    }
    Err(Problem::at(value.span(), format!("`{name}` lies between 0 and 1")).hint("0.01 is one percent"))
}

fn count(value: &Spanned<u32>) -> Result<u32, Problem> {
    up_to(value, MOST_INSTANCES)
}

fn looks(value: &Spanned<u32>) -> Result<u32, Problem> {
    up_to(value, MOST_LOOKS)
}

fn up_to(value: &Spanned<u32>, most: u32) -> Result<u32, Problem> {
    match *value.get_ref() {
        number if (1..=most).contains(&number) => Ok(number),
        _ => Err(Problem::at(value.span(), format!("expected a number from 1 to {most}"))),
    }
}

fn span_of_time(value: &Spanned<u64>) -> Result<Seconds, Problem> {
    match *value.get_ref() {
        number @ 1..=LONGEST_SECONDS => Ok(Seconds(number)),
        _ => Err(Problem::at(value.span(), format!("expected seconds from 1 to {LONGEST_SECONDS}"))),
    }
}

fn exit(value: &Spanned<String>) -> Result<Exit, Problem> {
    match value.get_ref().as_str() {
        "rollback" => Ok(Exit::Rollback),
        "hold" => Ok(Exit::Hold),
        _ => Err(Problem::at(value.span(), "`at_deadline` is \"rollback\" or \"hold\"")),
    }
}

fn reproducer(section: &ReproducerSection) -> Result<Reproducer, Problem> {
    Ok(Reproducer { advisory: text(&section.advisory, "advisory")?, command: command(&section.command)? })
}

fn command(value: &Spanned<Vec<String>>) -> Result<CommandLine, Problem> {
    match value.get_ref().first() {
        Some(program) if !program.is_empty() => Ok(CommandLine(value.get_ref().clone())),
        Some(_) | None => Err(Problem::at(value.span(), "a command needs a program")
            .hint("write it as a list, as in [\"cargo\", \"test\"]")),
    }
}

fn text(value: &Spanned<String>, name: &str) -> Result<String, Problem> {
    match value.get_ref().trim() {
        "" => Err(Problem::at(value.span(), format!("`{name}` is empty"))),
        text => Ok(text.to_owned()),
    }
}

/// A path that stays inside the service's folder.
fn inside(value: &Spanned<String>) -> Result<String, Problem> {
    let path = Path::new(value.get_ref());
    let plain = path
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if plain && !value.get_ref().is_empty() {
        return Ok(value.get_ref().clone());
    }
    Err(Problem::at(value.span(), "`artifact` is a path inside the service's folder"))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(value: &Spanned<String>) -> Result<T, Problem> {
    value.get_ref().parse().map_err(|error: T::Err| Problem::at(value.span(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::{any, proptest};

    use super::service;
    use crate::settings::caret::Source;

    const GOOD: &str = include_str!("../../../../examples/notebook/patchline.toml");

    fn complaint(text: &str) -> (String, Option<String>) {
        let source = Source { path: "patchline.toml".to_owned(), text };
        let problem = service(&source, Path::new("/srv"), "").unwrap_err();
        let trouble = problem.trouble(&source);
        (trouble.excerpt.unwrap_or(trouble.message), trouble.hint)
    }

    #[test]
    fn the_example_is_read() {
        let source = Source { path: "patchline.toml".to_owned(), text: GOOD };
        let read = service(&source, Path::new("/srv"), "").unwrap();
        assert_eq!(read.name.as_str(), "notebook");
        assert_eq!(read.lock().as_deref(), Some("notebook/production"));
    }

    #[test]
    fn a_wrong_key_is_shown_with_a_caret_and_the_right_one() {
        let (shown, hint) = complaint(&GOOD.replace("owner =", "ovner ="));
        assert!(shown.contains("patchline.toml:4") || shown.contains("ovner"), "{shown}");
        assert!(shown.contains('^'), "{shown}");
        assert_eq!(hint.as_deref(), Some("did you mean `owner`?"));
    }

    #[test]
    fn a_wrong_value_is_shown_where_it_stands() {
        let (shown, _) = complaint(&GOOD.replace("share = 0.25", "share = 25"));
        assert!(shown.contains("25 is not a share"), "{shown}");
        assert!(shown.contains('^'), "{shown}");
    }

    #[test]
    fn what_leaves_the_folder_is_refused() {
        let (shown, _) =
            complaint(&GOOD.replace("target/release/notebook\"\nprepare", "../../etc/passwd\"\nprepare"));
        assert!(shown.contains("inside the service's folder"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), at in 0..GOOD.len()) {
            let cut: String = GOOD.chars().take(at).collect();
            for text in [text, cut] {
                let source = Source { path: "p".to_owned(), text: &text };
                if let Err(problem) = service(&source, Path::new("/srv"), "") {
                    let _ = problem.trouble(&source);
                }
            }
        }
    }
}

//! `cargo xtask test`: brings the parts that tests need, then runs every check there is, one step after another, and
//! closes with what ran, what failed and what was skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::parts::{Need, PARTS, Part};
use crate::{analyzers, budget, cargo, node_tools};

#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Only `cargo test`: no parts, format, lints, budget or examples.
    #[arg(long)]
    fast: bool,
    /// Only this package (may be repeated); leaves out budget and examples.
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// After `--`: for the test programs, such as a part of a test's name.
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// One thing to run. Planned as a value, so that a test can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: String,
    work: Work,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Work {
    Cargo { arguments: Vec<String>, folder: PathBuf, target: Option<PathBuf> },
    Budget,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    steps: Vec<Step>,
    skipped: Vec<String>,
}

#[derive(Debug)]
struct Done {
    name: String,
    time: Duration,
    /// The exit code; 0 is well.
    code: u8,
}

pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    let mut skipped = match bring_parts(options.fast) {
        Ok(skipped) => skipped,
        Err(missing) => {
            println!("error: `{}` is needed and not here", missing.name);
            println!("hint: `apt-get install {}`", missing.package);
            return Ok(ExitCode::FAILURE);
        }
    };
    skipped.append(&mut node_tools::bring(&node_tools::folder(root), options.fast));
    // Who asks for packages knows which programs their tests need.
    skipped.extend(analyzers::bring(root, options.fast || !options.packages.is_empty()));
    let mut plan = plan(root, options, &examples(root)?);
    skipped.append(&mut plan.skipped);
    let planned = plan.steps.len();
    let done = run_steps(&plan.steps, |step| perform(root, step))?;
    print!("{}", summary(&done, planned, &skipped, begun.elapsed()));
    Ok(ExitCode::from(done.last().map_or(0, |last| last.code)))
}

/// Sees to it that the parts are here. Returns what tests have to do without, or the part without which nothing goes.
fn bring_parts(only_look: bool) -> Result<Vec<String>, Part> {
    let mut skipped = Vec::new();
    for part in PARTS.iter().filter(|part| !part.is_here()) {
        match part.need {
            Need::Required => return Err(*part),
            Need::Optional => {}
            Need::Tests if only_look => {
                skipped.push(format!("tests that need {}: it is not here", part.name))
            }
            Need::Tests => {
                println!("== parts: installing {}", part.package);
                if let Err(why) = part.install() {
                    skipped.push(format!("{} could not be installed: {why:#}", part.name));
                }
            }
        }
    }
    Ok(skipped)
}

fn plan(root: &Path, options: &Options, examples: &[PathBuf]) -> Plan {
    let chosen: Vec<&str> = options.packages.iter().flat_map(|package| ["-p", package]).collect();
    let everything = chosen.is_empty();
    let of = |all: &'static str| if everything { vec![all] } else { chosen.clone() };
    let step = |name: &str, parts: &[&[&str]]| Step {
        name: name.to_owned(),
        work: Work::Cargo {
            arguments: parts.concat().into_iter().map(str::to_owned).collect(),
            folder: root.to_owned(),
            target: None,
        },
    };
    let mut plan = Plan::default();
    if !options.fast {
        plan.steps.push(step("format", &[&["fmt"], &of("--all"), &["--check"]]));
        let deny: &[&str] = &["--all-targets", "--", "-D", "warnings"];
        plan.steps.push(step("lints", &[&["clippy"], &of("--workspace"), deny]));
    }
    if !options.fast && everything {
        plan.steps.push(Step { name: "budget".to_owned(), work: Work::Budget });
    }
    let mut passed_on: Vec<&str> = options.arguments.iter().map(String::as_str).collect();
    if !passed_on.is_empty() {
        passed_on.insert(0, "--");
    }
    plan.steps.push(step("tests", &[&["test"], &of("--workspace"), &passed_on]));
    if options.fast || !everything {
        let reason = if options.fast { "`--fast`" } else { "`--package`" };
        plan.skipped.push(format!("all but what {reason} asks for"));
    } else if examples.is_empty() {
        plan.skipped.push("tests of examples: there are none".to_owned());
    } else {
        plan.steps.extend(examples.iter().map(|folder| example_step(root, folder)));
    }
    plan
}

/// The examples share one target folder, so that what they have in common is built once.
fn example_step(root: &Path, folder: &Path) -> Step {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |set| root.join(set));
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    Step {
        name: format!("example {name}"),
        work: Work::Cargo {
            arguments: vec!["test".to_owned()],
            folder: folder.to_owned(),
            target: Some(target.join("examples")),
        },
    }
}

/// The folders in `examples` that hold a Rust package.
fn examples(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join("examples");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).context("could not read examples")? {
        let path = entry.context("could not read examples")?.path();
        if path.join("Cargo.toml").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs the steps in order, up to the first that fails.
fn run_steps(steps: &[Step], mut perform: impl FnMut(&Step) -> Result<u8>) -> Result<Vec<Done>> {
    let mut done = Vec::new();
    for step in steps {
        println!("== {}", step.describe());
        let begun = Instant::now();
        let code = perform(step)?;
        let time = begun.elapsed();
        let outcome = if code == 0 { "ok" } else { "failed" };
        println!("== {}: {outcome}, {:.1} s", step.name, time.as_secs_f64());
        done.push(Done { name: step.name.clone(), time, code });
        if code != 0 {
            break;
        }
    }
    Ok(done)
}

fn perform(root: &Path, step: &Step) -> Result<u8> {
    match &step.work {
        Work::Budget => Ok(u8::from(budget::run(root)? != ExitCode::SUCCESS)),
        Work::Cargo { arguments, folder, target } => {
            let mut command = cargo::command(folder);
            command.args(arguments).env(node_tools::VARIABLE, node_tools::folder(root));
            if let Some(target) = target {
                command.env("CARGO_TARGET_DIR", target);
            }
            let status = command.status().context("could not start cargo")?;
            Ok(cargo::exit_number(status))
        }
    }
}

fn summary(done: &[Done], planned: usize, skipped: &[String], time: Duration) -> String {
    let mut text = String::from("\n");
    for step in done {
        let outcome = if step.code == 0 { "ok" } else { "FAILED" };
        text += &format!("{outcome:7} {} ({:.1} s)\n", step.name, step.time.as_secs_f64());
    }
    for reason in skipped {
        text += &format!("skipped: {reason}\n");
    }
    let passed = done.iter().filter(|step| step.code == 0).count();
    let not_run = planned - done.len();
    let mut closing = format!("test: {passed} of {planned} steps passed");
    if let Some(failed) = done.iter().find(|step| step.code != 0) {
        closing += &format!(", `{}` failed with exit code {}, {not_run} not run", failed.name, failed.code);
    }
    if !skipped.is_empty() {
        closing += &format!(", {} skipped", skipped.len());
    }
    text + &format!("{closing} ({:.1} s)\n", time.as_secs_f64())
}

impl Step {
    fn describe(&self) -> String {
        match &self.work {
            Work::Budget => format!("{}: crates that the binary is built from", self.name),
            Work::Cargo { arguments, .. } => format!("{}: cargo {}", self.name, arguments.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_plan(options: &Options, examples: &[&str], steps: &[&str], skipped: usize) {
        let examples: Vec<PathBuf> = examples.iter().map(PathBuf::from).collect();
        let plan = plan(Path::new("/top"), options, &examples);
        let described: Vec<String> = plan.steps.iter().map(Step::describe).collect();
        assert_eq!(described, steps);
        assert_eq!(plan.skipped.len(), skipped, "{:?}", plan.skipped);
    }

    #[test]
    fn everything_is_run_when_nothing_is_said() {
        let steps = [
            "format: cargo fmt --all --check",
            "lints: cargo clippy --workspace --all-targets -- -D warnings",
            "budget: crates that the binary is built from",
            "tests: cargo test --workspace",
            "example shop: cargo test",
        ];
        check_plan(&Options::default(), &["/top/examples/shop"], &steps, 0);
        check_plan(&Options::default(), &[], &steps[..4], 1);
    }

    #[test]
    fn fast_is_only_the_tests() {
        let options = Options { fast: true, ..Options::default() };
        check_plan(&options, &["/top/examples/shop"], &["tests: cargo test --workspace"], 1);
    }

    #[test]
    fn packages_and_arguments_pass_through() {
        let options = Options {
            packages: vec!["a".to_owned(), "b".to_owned()],
            arguments: vec!["name".to_owned()],
            ..Options::default()
        };
        let steps = [
            "format: cargo fmt -p a -p b --check",
            "lints: cargo clippy -p a -p b --all-targets -- -D warnings",
            "tests: cargo test -p a -p b -- name",
        ];
        check_plan(&options, &[], &steps, 1);
    }

    #[test]
    fn an_example_builds_into_a_folder_that_all_examples_share() {
        let Work::Cargo { folder, target, .. } =
            example_step(Path::new("/top"), Path::new("/top/examples/a")).work
        else {
            unreachable!("an example is built by cargo")
        };
        assert_eq!(folder, Path::new("/top/examples/a"));
        assert!(target.is_some_and(|target| target.ends_with("examples")));
    }

    #[test]
    fn the_first_failure_stops_and_its_exit_code_is_kept() {
        let plan = plan(Path::new("/top"), &Options::default(), &[]);
        let done = run_steps(&plan.steps, |step| Ok(if step.name == "lints" { 101 } else { 0 })).unwrap();
        let seen: Vec<(&str, u8)> = done.iter().map(|done| (done.name.as_str(), done.code)).collect();
        assert_eq!(seen, [("format", 0), ("lints", 101)]);
    }

    #[test]
    fn the_summary_names_what_failed_and_what_was_skipped() {
        let done = |name: &str, code| Done { name: name.to_owned(), time: Duration::from_millis(1500), code };
        let skipped = ["bubblewrap could not be installed: there is no apt-get here".to_owned()];
        let text = summary(&[done("format", 0), done("lints", 101)], 4, &skipped, Duration::from_secs(3));
        let expected = "
ok      format (1.5 s)
FAILED  lints (1.5 s)
skipped: bubblewrap could not be installed: there is no apt-get here
test: 1 of 4 steps passed, `lints` failed with exit code 101, 2 not run, 1 skipped (3.0 s)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_cargo_that_fails_gives_its_exit_code() {
        let arguments = vec!["no-such-command".to_owned()];
        let work = Work::Cargo { arguments, folder: std::env::temp_dir(), target: None };
        let step = Step { name: "broken".to_owned(), work };
        assert_eq!(perform(Path::new("."), &step).unwrap(), 101);
    }
}

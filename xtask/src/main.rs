//! `cargo xtask`: everything one does to this repository, in one place. The table of contents.
#![allow(clippy::print_stdout, reason = "a task runner speaks to the terminal")]

mod analyzers;
mod bench;
mod budget;
mod cargo;
mod node_tools;
mod parts;
mod probe;
mod sim;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

/// The tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
enum Task {
    /// Run every test: format, lints, dependency budget, tests, examples.
    Test(test::Options),
    /// Check floors, import loops, purity and files; print each fault with a hint.
    Tidy,
    /// Run simulated worlds: `cargo xtask sim --worlds 500 --seed 7`.
    Sim(sim::Options),
    /// Measure: `cargo xtask bench detect`, `cargo xtask bench judge`.
    Bench(bench::Options),
    /// Show which real parts (git, bubblewrap, PostgreSQL, …) are here, and how to get the others.
    Parts(parts::Options),
    /// Count the crates that the binary is built from; fail above the limit.
    Budget,
}

fn main() -> ExitCode {
    run(Task::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run(task: Task) -> Result<ExitCode> {
    let root = root()?;
    match task {
        Task::Test(options) => test::run(&root, &options),
        Task::Tidy => tidy::run(&root),
        Task::Sim(options) => sim::run(&root, &options),
        Task::Bench(options) => bench::run(&root, &options),
        Task::Parts(options) => parts::run(&options),
        Task::Budget => budget::run(&root),
    }
}

/// The top of the repository: the folder above this crate's, as cargo tells it.
fn root() -> Result<PathBuf> {
    let here =
        std::env::var_os("CARGO_MANIFEST_DIR").context("could not find the repository: run `cargo xtask`")?;
    Ok(PathBuf::from(here).parent().context("could not find the folder above xtask")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Task as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn arguments_of_the_simulator_pass_through() {
        let task = Task::try_parse_from(["cargo xtask", "sim", "--worlds", "5", "--seed", "7", "--mutants"])
            .unwrap();
        let Task::Sim(options) = task else { unreachable!("`sim` was asked for") };
        assert_eq!(options.arguments, ["--worlds", "5", "--seed", "7", "--mutants"]);
    }
}

//! `cargo xtask bench judge`: the judge on seeded trials, the lower limits, and other judges on the same trials.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cargo;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Trials of each row.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trials: u32,
    /// Seconds between two looks: 1, as in a rollout, or 10.
    #[arg(long, default_value = "1", value_parser = ["1", "10"])]
    tick: String,
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Only the rows with this in their names; their figures are those of the whole table.
    #[arg(long, default_value = "")]
    row: String,
}

pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let mut command = cargo::command(root);
    command.args(["run", "--profile", "sim", "-p", "patchline-judge", "--example", "worlds", "--", "bench"]);
    command.args([
        options.trials.to_string(),
        options.tick.clone(),
        options.seed.to_string(),
        options.row.clone(),
    ]);
    let status = command.status().context("could not start cargo")?;
    Ok(cargo::exit_code(status))
}

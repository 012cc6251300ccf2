//! `cargo xtask sim`: simulated worlds, built fast and run with the arguments as they come.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cargo;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// For the simulator: `--worlds N`, `--seed S`, `--mutants`; its own help is `cargo xtask sim -- --help`.
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let mut command = cargo::command(root);
    command
        .args(["run", "--profile", "sim", "-p", "patchline-testkit", "--bin", "sim", "--"])
        .args(&options.arguments);
    let status = command.status().context("could not start cargo")?;
    Ok(cargo::exit_code(status))
}

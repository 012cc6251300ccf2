//! `cargo xtask sim`: simulated worlds, built for this machine and run with the arguments as they come.

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
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command
        .env("RUSTFLAGS", format!("{flags} -C target-cpu=native").trim())
        .env("CARGO_PROFILE_SIM_LTO", "fat")
        .args(["run", "--profile", "sim", "-p", "patchline-testkit", "--bin", "sim", "--"])
        .args(&options.arguments);
    let status = command.status().context("could not start cargo")?;
    Ok(cargo::exit_code(status))
}

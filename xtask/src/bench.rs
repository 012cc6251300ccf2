//! `cargo xtask bench`: what is measured, in figures, and others beside it in the same run.

mod detect;
mod judge;
mod measured;
mod peers;
mod query_api;
mod told;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Making the index, asking it, and taking in what changes.
    Detect(detect::Options),
    /// Wrong rollbacks, what is found and how soon, with other judges on the same trials.
    Judge(judge::Options),
}

pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    match &options.what {
        What::Detect(options) => detect::run(root, options),
        What::Judge(options) => judge::run(root, options),
    }
}

//! `process-host`: the process that holds a service's proxy and instances. Started by the process target.

use patchline_model::failure::in_full;
use patchline_rollout::process::host;

use crate::cli::ProcessHostArguments;
use crate::exit::{Exit, Trouble};

pub async fn run(arguments: ProcessHostArguments) -> Result<Exit, Trouble> {
    host::run(&arguments.directory).await.map_err(|error| Trouble::storage(in_full(&error)))?;
    Ok(Exit::Done)
}

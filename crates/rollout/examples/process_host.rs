//! A host as a process of its own, for the tests: `process_host process-host --directory DIR`.

use std::path::Path;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, flag, directory] = arguments.as_slice() else { return ExitCode::from(2) };
    if command != "process-host" || flag != "--directory" {
        return ExitCode::from(2);
    }
    match patchline_rollout::process::host::run(Path::new(directory)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.in_full());
            ExitCode::FAILURE
        }
    }
}

//! The smoke test: the service's own command against one of the new instances, before any user meets them.

use std::path::Path;
use std::time::Duration;

use patchline_evidence::statement::TEST_RESULT;
use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_model::patch::Patch;
use patchline_model::stage::detect::Opening;
use patchline_model::stage::plan::Smoke;
use patchline_model::stage::rollout::Outcome;
use patchline_sandbox::Git;
use patchline_sandbox::foreign::{Exit, Finished, Foreign, SandboxError};
use serde_json::json;

use crate::attest::digest_subject;
use crate::failures::git_failure;
use crate::hands::Hands;

const DEADLINE: Duration = Duration::from_secs(120);
const OUTPUT_LIMIT: usize = 256 * 1024;

/// Characters of its last line that are told.
const LONGEST_QUOTE: usize = 200;

/// Runs it in an export of the patch's commit. It has the network, for it must reach the instance, and no secrets.
pub async fn carry_out(
    hands: &Hands,
    opening: &Opening,
    patch: &Patch,
    smoke: &Smoke,
    address: &str,
) -> Result<Outcome, Failure> {
    let (Some(candidate), Some(new)) = (patch.candidate(), &patch.rollout.new) else {
        return Err(Failure::permanent("there is no version to try"));
    };
    let tree = hands.home.work(patch.id).join("smoke");
    if tree.exists() {
        std::fs::remove_dir_all(&tree)
            .map_err(|error| Failure::transient(format!("{}: {error}", tree.display())))?;
    }
    let git = Git::at(Path::new(&opening.service.repository));
    git.export(candidate.commit.as_str(), &tree).await.map_err(|error| git_failure(&error))?;
    let command: Vec<String> = smoke.command.iter().map(|word| word.replace("{address}", address)).collect();
    let foreign = Foreign {
        network: true,
        deadline: DEADLINE,
        output_limit: OUTPUT_LIMIT,
        ..Foreign::new(&command, &tree.join(&opening.service.folder))
    };
    let finished = hands.sandbox.run(&foreign).await.map_err(|error| not_run(&error))?;
    let failed = failed(&finished);
    let log = hands.attestor.keep(finished.combined().as_bytes())?;
    let predicate = json!({
        "result": if failed.is_none() { "PASSED" } else { "FAILED" },
        "configuration": [{ "name": "smoke", "digest": { "gitCommit": candidate.commit.as_str() } }],
        "patchline_check": "smoke", "patchline_summary": failed, "patchline_log": log,
        "patchline_isolation": hands.sandbox.isolation(),
    });
    let subject = digest_subject(&new.label, &new.artifact);
    let evidence = hands.attestor.attest(vec![subject], TEST_RESULT, predicate)?;
    Ok(Outcome::Smoked { failed, evidence })
}

/// Why it did not succeed: how it ended, and the last thing that it said.
fn failed(finished: &Finished) -> Option<String> {
    match finished.exit {
        Exit::Code(0) => None,
        Exit::Code(_) | Exit::Signal(_) | Exit::Deadline => {
            let said = finished.combined();
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            let last: String = last.trim().chars().filter(|c| !c.is_control()).take(LONGEST_QUOTE).collect();
            Some(format!("the smoke test failed: {}: {last}", finished.ending()))
        }
    }
}

fn not_run(error: &SandboxError) -> Failure {
    let text = format!("the smoke test: {}", in_full(error));
    let failure = match error {
        SandboxError::ToolMissing { .. } => Failure::permanent(text).of(FailureClass::Tool),
        SandboxError::NoCommand | SandboxError::PathMissing { .. } => Failure::permanent(text),
        SandboxError::Scratch(_) => Failure::transient(text).of(FailureClass::Storage),
        SandboxError::Run { .. } | SandboxError::Isolation { .. } => Failure::transient(text),
    };
    failure.with_hint(error.hint())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use patchline_sandbox::foreign::{Exit, Finished};

    use super::failed;

    fn finished(exit: Exit, stdout: &str) -> Finished {
        Finished {
            exit,
            stdout: stdout.to_owned(),
            stderr: String::new(),
            truncated: false,
            duration: Duration::from_secs(1),
            network_restricted: false,
        }
    }

    #[test]
    fn a_failed_smoke_test_tells_its_last_line() {
        assert_eq!(failed(&finished(Exit::Code(0), "fine")), None);
        let said = failed(&finished(Exit::Code(7), "GET /notes\nstatus 500\n\n")).expect("it failed");
        assert!(said.ends_with("status 500") && said.starts_with("the smoke test failed"), "{said}");
        let silent = failed(&finished(Exit::Deadline, "")).expect("it failed");
        assert!(silent.ends_with("it said nothing"), "{silent}");
    }
}

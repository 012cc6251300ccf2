//! The rollback rehearsal: the base, the patch in its place, and the base again, with what they write carried over.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::service::{CommandLine, Run as Running};
use patchline_model::stage::plan::{Smoke, Strategy};
use patchline_model::stage::verify::CheckResult;
use patchline_sandbox::foreign::Exit;

use crate::check::{Case, Check, Shown, Side};
use crate::outcome::Record;
use crate::run::{Run, run};
use crate::tail::last_words;
use crate::turns::{Ending, Turn, read};

const REHEARSE: &str = include_str!("rehearse.sh");
/// Longer than this no start is waited for, whatever the plan allows.
const LONGEST_START: u64 = 120;
/// What stopping and smoke tests may take beside the starts.
const BESIDE: Duration = Duration::from_secs(420);
const OUTPUT_LIMIT: usize = 64 * 1024;
const NAME: &str = "rollback";

/// Goes there and back.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsal;

#[async_trait::async_trait]
impl Check for Rehearsal {
    fn name(&self) -> &'static str {
        "rollback-rehearsal"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let Some(running) = &case.service.run else {
            let why = "the service has no `[run]`, so nothing can be rehearsed".to_owned();
            return Ok(Shown { result: CheckResult::Skipped, ..record.shown(why) });
        };
        let folder = tempfile::tempdir().map_err(|error| disk(&error))?;
        let state = folder.path().join("state");
        let ports = lay_out(folder.path(), running, case).map_err(|error| disk(&error))?;
        let patience = running.plan.start_deadline.0.clamp(1, LONGEST_START);
        let mut words: Vec<String> = ["bash", "-c", REHEARSE, "rehearse"].map(str::to_owned).to_vec();
        words.extend([folder.path().display().to_string(), patience.to_string()]);
        words.extend(ports.map(|port| port.to_string()));
        let mut side = case.patch.clone();
        side.environment.insert("HOME".to_owned(), state.display().to_string());
        let rehearsed = Run {
            label: "base, patch, base again".to_owned(),
            command: CommandLine(words),
            directory: state,
            side: &side,
            writable: vec![folder.path().to_owned()],
            readable: vec![case.base.tree.clone(), case.patch.tree.clone()],
            deadline: Duration::from_secs(patience * 3) + BESIDE,
            output_limit: OUTPUT_LIMIT,
            quoted: false,
            shown: Some("one after the other, in one folder".to_owned()),
        };
        let finished = run(&case.sandbox, rehearsed, &mut record).await?;
        let turns = read(&finished.stdout);
        for (number, turn) in (1..).zip(&turns) {
            let log = last_words(&folder.path().join(format!("log-{number}")));
            let said = last_words(&folder.path().join(format!("said-{number}")));
            let name = name_of(number);
            record.detail(format!("{name}: {}", turn.words(&log, &said)));
            record.log(&format!("== {name}\n{log}\n"));
        }
        if finished.exit != Exit::Code(0) {
            let summary = format!("the rehearsal did not come to its end: {}", finished.ending());
            record.fail(NAME, &summary);
            return Ok(record.shown(summary));
        }
        let why = |number: usize| {
            let place = folder.path();
            let log = last_words(&place.join(format!("log-{number}")));
            let said = last_words(&place.join(format!("said-{number}")));
            turns.get(number - 1).map_or("it was not started".to_owned(), |turn| turn.words(&log, &said))
        };
        Ok(judged(&turns, why, case.forward_only.as_deref(), record))
    }
}

/// Each of the three by its number, as a person knows it.
fn name_of(number: usize) -> &'static str {
    match number {
        1 => "base",
        2 => "patch",
        _ => "base again",
    }
}

/// Writes what is started and what tries it, and picks a port for each.
fn lay_out(folder: &Path, running: &Running, case: &Case) -> io::Result<[u16; 3]> {
    fs::create_dir(folder.join("state"))?;
    let health = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", running.health);
    fs::write(folder.join("health"), health)?;
    // All at once, so that they differ.
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(held) {
        *port = listener?.local_addr()?.port();
    }
    let smoke = smoke_of(running);
    for ((number, side), port) in (1..).zip([&case.base, &case.patch, &case.base]).zip(ports) {
        fs::write(folder.join(format!("start-{number}")), ended(&started(running, side)))?;
        if let Some(smoke) = smoke {
            let address = format!("127.0.0.1:{port}");
            let mut words = vec![case.patch.tree.join(&case.service.folder).display().to_string()];
            words.extend(smoke.command.iter().map(|word| word.replace("{address}", &address)));
            fs::write(folder.join(format!("smoke-{number}")), ended(&words))?;
        }
    }
    Ok(ports)
}

/// The artifact, and the command that runs it.
fn started(running: &Running, side: &Side) -> Vec<String> {
    let artifact = side.artifact.display().to_string();
    let program = running.program.clone().unwrap_or_else(|| artifact.clone());
    let arguments = running.arguments.iter().map(|word| word.replace("{artifact}", &artifact));
    [artifact.clone(), program].into_iter().chain(arguments).collect()
}

fn smoke_of(running: &Running) -> Option<&Smoke> {
    match &running.plan.strategy {
        Strategy::BlueGreen(blue_green) => blue_green.smoke.as_ref(),
        Strategy::Canary(_)
        | Strategy::Rolling(_)
        | Strategy::Hot(_)
        | Strategy::Flag(_)
        | Strategy::Shadow(_) => None,
    }
}

fn ended(words: &[String]) -> String {
    words.iter().map(|word| format!("{}\0", word.replace('\0', ""))).collect()
}

/// What cannot be rehearsed on the base says nothing of the patch; what the patch breaks is refused, and what it can't
/// give back as well, unless it is stated that there is no way back.
fn judged(
    turns: &[Turn],
    why: impl Fn(usize) -> String,
    forward_only: Option<&str>,
    mut record: Record,
) -> Shown {
    let ended = |number: usize| turns.get(number - 1).map_or(Ending::Never, |turn| turn.ending);
    let healthy = |number: usize| turns.get(number - 1).and_then(Turn::until_well);
    let told = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let patch =
        |word: &str| healthy(2).map_or(word.to_owned(), |time| format!("healthy after {}", told(time)));
    if ended(1) != Ending::Well {
        let summary = format!("the base does not run here, so there is no way back to rehearse: {}", why(1));
        record.skip(NAME, &summary);
        return record.shown(summary);
    }
    if ended(2) != Ending::Well {
        record.sides("healthy", patch("not healthy"));
        let summary = format!("the patch does not run where the base did: {}", why(2));
        record.fail(NAME, &summary);
        return record.shown(summary);
    }
    let back = turns[1].stopping.zip(turns.get(2).and_then(|turn| turn.well));
    match (ended(3), back) {
        (Ending::Well, Some((left, well))) => {
            let back = well.saturating_sub(left);
            record.sides(format!("back after {}", told(back)), patch("healthy"));
            let summary =
                format!("the base was healthy again {} after the patch was told to stop", told(back));
            record.pass(NAME, &summary);
            let milliseconds = u64::try_from(back.as_millis()).unwrap_or(u64::MAX);
            Shown { rollback_milliseconds: Some(milliseconds), ..record.shown(summary) }
        }
        (_, _) => {
            record.sides("does not come back", patch("healthy"));
            let summary = format!("the base does not come back after the patch: {}", why(3));
            match forward_only {
                Some(reason) => {
                    record.warn(NAME, format!("{summary}; the patch is forward only: {reason}"));
                    record.shown(format!("{summary}; it is forward only: {reason}"))
                }
                None => {
                    record.fail(NAME, &summary);
                    record.shown(summary)
                }
            }
        }
    }
}

fn disk(error: &io::Error) -> Failure {
    Failure::transient(format!("could not lay out the rehearsal: {error}")).of(FailureClass::Storage)
}

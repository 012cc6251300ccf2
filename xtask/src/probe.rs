//! A short question to a foreign program: no stdin, a deadline, bounded output.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const MOST_OUTPUT_BYTES: u64 = 256 * 1024;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Answer {
    pub status: ExitStatus,
    /// What it said: stdout, then stderr.
    pub text: String,
}

/// Runs the command to its end, or kills it at the deadline.
pub fn ask(mut command: Command, deadline: Duration) -> Result<Answer> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().with_context(|| format!("could not start {program}"))?;
    let stdout = listen(child.stdout.take());
    let stderr = listen(child.stderr.take());
    let end = Instant::now() + deadline;
    let Some(status) = wait(&mut child, end)? else {
        kill(&mut child);
        bail!("{program} did not answer within {} s", deadline.as_secs());
    };
    let text =
        [stdout, stderr].iter().map(|heard| heard.recv_timeout(deadline).unwrap_or_default()).collect();
    Ok(Answer { status, text })
}

fn wait(child: &mut Child, end: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait().context("could not wait for a child")? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// Kills the whole group, so that what the child started goes with it.
fn kill(child: &mut Child) {
    let group = format!("-{}", child.id());
    let by_group = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    if !by_group.is_ok_and(|status| status.success()) {
        // It may have ended just now; then there is nobody to kill.
        let _ = child.kill();
    }
    let _ = child.wait();
}

/// Reads on a thread of its own, so that a full pipe stops nobody.
fn listen(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (say, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before a failure is still what was said.
            let _ = pipe.by_ref().take(MOST_OUTPUT_BYTES).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        // Nobody listens any more after the deadline.
        let _ = say.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, deadline: Duration) -> Result<Answer> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ask(command, deadline)
    }

    #[test]
    fn an_answer_holds_both_outputs_and_the_status() {
        let answer = shell("echo out; echo err >&2; exit 3", Duration::from_secs(60)).unwrap();
        assert_eq!((answer.text.as_str(), answer.status.code()), ("out\nerr\n", Some(3)));
    }

    #[test]
    fn a_program_that_does_not_answer_is_killed_with_what_it_started() {
        let begun = Instant::now();
        let error = shell("sleep 600 & sleep 600", Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("did not answer"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn endless_words_are_cut() {
        let answer = shell("head -c 1000000 /dev/zero | tr '\\0' x", Duration::from_secs(60)).unwrap();
        assert_eq!(answer.text.len() as u64, MOST_OUTPUT_BYTES);
    }

    #[test]
    fn a_program_that_is_not_there_is_said_by_name() {
        let error = ask(Command::new("no-such-program-here"), Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.to_string(), "could not start no-such-program-here");
    }
}

//! What a program says and takes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a program is looked at while it runs.
const LOOK: Duration = Duration::from_millis(50);
/// A tick of `/proc` is a hundredth of a second.
const TICKS: f64 = 100.0;

/// What the measuring example did, and in figures what that took.
pub struct Said {
    pub text: String,
    figures: serde_json::Value,
}

impl Said {
    pub fn figure(&self, name: &str) -> Result<f64> {
        self.figures[name].as_f64().with_context(|| format!("there is no figure `{name}`"))
    }
}

/// Runs the example to its end.
pub fn said(program: &Path, arguments: &[&str]) -> Result<Said> {
    let output = Command::new(program).args(arguments).output().context("could not start what measures")?;
    if !output.status.success() {
        bail!("`{}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    let all = String::from_utf8_lossy(&output.stdout);
    let (text, figures) = all.trim().rsplit_once('\n').context("it said no figures")?;
    Ok(Said { text: text.to_owned(), figures: serde_json::from_str(figures)? })
}

/// What a program took that ran for seconds.
pub struct Ran {
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub memory_mb: f64,
    /// The last line that it wrote.
    pub last_line: String,
}

/// Runs a program whose output is read to its end, and looks at it meanwhile.
pub fn watched(command: &mut Command) -> Result<Ran> {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().context("could not start what is measured")?;
    let output = child.stdout.take().context("it has no output")?;
    let mut tail = Command::new("tail");
    let tail = tail.args(["-n", "1"]).stdin(output).stdout(Stdio::piped()).spawn();
    let tail = tail.context("could not start `tail`")?;
    let (mut cpu_seconds, mut memory_mb) = (0.0, 0.0);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // It may end at any time; then the last look counts.
        if let Some((cpu, memory)) = look(&child) {
            (cpu_seconds, memory_mb) = (cpu, memory);
        }
        std::thread::sleep(LOOK);
    };
    let seconds = began.elapsed().as_secs_f64();
    let last = tail.wait_with_output().context("could not read to its end")?;
    if !status.success() {
        bail!("what is measured failed: {status}");
    }
    let last_line = String::from_utf8_lossy(&last.stdout).trim().to_owned();
    Ok(Ran { seconds, cpu_seconds, memory_mb, last_line })
}

fn look(child: &Child) -> Option<(f64, f64)> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.id())).ok();
    let (stat, status) = (read("stat")?, read("status")?);
    let (_, rest) = stat.rsplit_once(") ")?;
    let ticks = |field: usize| rest.split(' ').nth(field)?.parse::<f64>().ok();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(((ticks(11)? + ticks(12)?) / TICKS, kilobytes / 1e3))
}

/// Seconds from the start to the end of a program.
pub fn timed(command: &mut Command) -> Result<f64> {
    let began = Instant::now();
    let status = command.stdout(Stdio::null()).status().context("could not start what is measured")?;
    let seconds = began.elapsed().as_secs_f64();
    if status.success() { Ok(seconds) } else { bail!("what is measured failed: {status}") }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::watched;

    #[test]
    fn the_last_line_of_what_ran_is_told_and_a_failure_is_one() {
        let ran = watched(Command::new("printf").arg("one\\ntwo\\n")).unwrap();
        assert_eq!(ran.last_line, "two");
        assert!(watched(&mut Command::new("false")).is_err());
    }
}

//! Every process that belongs to a folder, whoever started it; and the end of all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long one may take to end once it should.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process whose program, folder, arguments or environment lie in the folder.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    pub arguments: Vec<String>,
    environment: Vec<String>,
}

impl Process {
    /// The value of a variable of its environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find_map(|text| text.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The living processes of a folder, without this one.
pub fn processes_of(folder: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("this runs on Linux");
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let others = pids.filter(|pid| u32::try_from(*pid) != Ok(std::process::id()));
    others.filter_map(|pid| process(pid, folder)).collect()
}

/// Waits until the folder has no process left but those that may stay.
#[track_caller]
pub fn wait_until_gone(folder: &Path, may_stay: impl Fn(&Process) -> bool) {
    let begun = Instant::now();
    loop {
        let left: Vec<Process> =
            processes_of(folder).into_iter().filter(|process| !may_stay(process)).collect();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "orphans: {left:#?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Kills what is left in a folder, whatever happened.
pub struct Guard(pub PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        // Twice: what was just being started is seen the second time.
        for _ in 0..2 {
            for process in processes_of(&self.0) {
                if let Some(pid) = Pid::from_raw(process.pid) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn process(pid: i32, folder: &Path) -> Option<Process> {
    let read = |what: &str| fs::read(format!("/proc/{pid}/{what}"));
    let stat = String::from_utf8_lossy(&read("stat").ok()?).into_owned();
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    if matches!(state, 'Z' | 'X') {
        return None;
    }
    let texts = |what: &str| -> Vec<String> {
        let bytes = read(what).unwrap_or_default();
        let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    };
    let (arguments, environment) = (texts("cmdline"), texts("environ"));
    let links = ["exe", "cwd"].map(|link| fs::read_link(format!("/proc/{pid}/{link}")).unwrap_or_default());
    let name = folder.to_str()?;
    let belongs = links.iter().any(|link| link.starts_with(folder))
        || arguments.iter().chain(&environment).any(|text| text.contains(name));
    belongs.then_some(Process { pid, arguments, environment })
}

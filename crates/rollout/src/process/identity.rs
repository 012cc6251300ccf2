//! Which process is which: a pid together with its start time, so that a pid used again is never mistaken.

use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use patchline_model::cohort::Token;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Pid, PidfdFlags, Signal, getpgid, kill_process_group, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::process::spec::Used;

/// The variable by which a host finds what it started, even when it had no time to write it down.
pub const MARKER_VARIABLE: &str = "PATCHLINE_INSTANCE";

/// The variable by which an instance knows which version it was started as.
pub const VERSION_VARIABLE: &str = "PATCHLINE_VERSION";

/// The variable by which an instance knows its name, where instances have names.
pub const NAME_VARIABLE: &str = "PATCHLINE_NAME";

const LOOK_EVERY: Duration = Duration::from_millis(50);
const MAX_PROC_BYTES: u64 = 1 << 20;

/// A process for as long as the machine is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub pid: u32,
    /// Clock ticks since boot, as in `/proc/<pid>/stat`.
    pub start_time: u64,
}

impl Identity {
    /// Of whatever has this pid now and has not ended.
    pub fn of(pid: u32) -> Option<Identity> {
        let stat = stat_of(pid)?;
        (!stat.has_ended()).then_some(Identity { pid, start_time: stat.start_time })
    }

    pub fn is_alive(self) -> bool {
        Identity::of(self.pid) == Some(self)
    }

    /// What it uses now; nothing once it has ended.
    pub fn used(self) -> Option<Used> {
        let stat =
            stat_of(self.pid).filter(|stat| stat.start_time == self.start_time && !stat.has_ended())?;
        let page = u64::try_from(page_size()).unwrap_or(0);
        Some(Used {
            start_time: self.start_time,
            memory_bytes: stat.resident_pages.saturating_mul(page),
            cpu_millis: stat.cpu_ticks.saturating_mul(1_000) / clock_ticks_per_second().max(1),
        })
    }
}

/// A living process that is held on to: signals reach it and nobody else.
#[derive(Debug)]
pub struct Held {
    pub identity: Identity,
    descriptor: OwnedFd,
}

impl Held {
    /// Takes hold of a process, unless it is gone or its pid belongs to another one now.
    pub fn open(identity: Identity) -> io::Result<Held> {
        let pid = pid_of(identity)?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
        // Looked at after opening: from here on the descriptor cannot come to mean another process.
        if !identity.is_alive() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(Held { identity, descriptor })
    }

    /// Returns when the process has ended; for one that is nobody's child here.
    pub async fn ended(&self) {
        while self.identity.is_alive() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Signals the process and the group that it leads; or the process alone if it leads none.
    pub fn signal(&self, signal: Signal) {
        // Once it is gone the number of its group may mean another one. What is left of the group carries the marker.
        let Ok(pid) = pid_of(self.identity) else { return };
        if self.identity.is_alive() && kill_process_group(pid, signal).is_err() {
            self.signal_alone(signal);
        }
    }

    /// Signals the process and nobody else.
    pub fn signal_alone(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.descriptor, signal);
    }
}

/// What `/proc/<pid>/stat` says that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub state: char,
    /// With the first one, which stays as a zombie until the last of the others has ended.
    pub threads: u64,
    pub start_time: u64,
    /// Spent in user and in kernel mode.
    pub cpu_ticks: u64,
    pub resident_pages: u64,
}

impl Stat {
    /// The state is that of the first thread. It is a zombie, too, while another thread becomes the next program
    /// (execve(2)), or goes on without it.
    pub fn has_ended(&self) -> bool {
        match self.state {
            'Z' => self.threads <= 1,
            'X' | 'x' => true,
            _ => false,
        }
    }
}

/// Reads the line of `/proc/<pid>/stat` (proc(5)). The name in brackets may itself contain brackets and blanks.
pub fn parse_stat(line: &str) -> Option<Stat> {
    let (_, after_name) = line.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let mut state = fields.first()?.chars();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        state: state.next()?,
        threads: number(17)?,
        start_time: number(19)?,
        cpu_ticks: number(11)?.saturating_add(number(12)?),
        resident_pages: number(21)?,
    })
}

/// A process that carries a marker of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    pub identity: Identity,
    pub marker: String,
}

/// The marker of one instance of the host in a directory.
pub fn marker(directory: &str, epoch: &str, instance: u64) -> String {
    format!("{directory}#{epoch}-{instance}")
}

/// Every living process that carries a marker of the host in this directory.
pub fn find_marked(directory: &str) -> Vec<Marked> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let identity = Identity::of(pid)?;
        let environment = read_limited(&format!("/proc/{pid}/environ"))?;
        let marker = variable(&environment, MARKER_VARIABLE)?;
        let is_ours = marker.rsplit_once('#').is_some_and(|(of, _)| of == directory);
        is_ours.then_some(Marked { identity, marker })
    })
    .collect()
}

/// An instance that tells from its environment what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub identity: Identity,
    pub marker: String,
    pub instance: u64,
    pub version: String,
    pub name: Option<Token>,
    pub port: u16,
}

/// Every living instance of the host in this directory; not the children of one, which carry the same marker.
pub fn find_instances(directory: &str) -> Vec<Found> {
    let leads = |marked: &Marked| {
        let pid = pid_of(marked.identity).ok();
        pid.is_some_and(|pid| getpgid(Some(pid)).is_ok_and(|group| group == pid))
    };
    let instance = |marked: Marked| {
        let Marked { identity, marker } = marked;
        let environment = read_limited(&format!("/proc/{}/environ", identity.pid))?;
        let number = marker.rsplit_once('-')?.1.parse().ok()?;
        Some(Found {
            identity,
            instance: number,
            version: variable(&environment, VERSION_VARIABLE)?,
            name: variable(&environment, NAME_VARIABLE).and_then(|name| name.parse().ok()),
            port: variable(&environment, "PORT")?.parse().ok()?,
            marker,
        })
    };
    find_marked(directory).into_iter().filter(leads).filter_map(instance).collect()
}

fn variable(environment: &[u8], name: &str) -> Option<String> {
    let value = |text: &[u8]| text.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec);
    environment.split(|byte| *byte == 0).find_map(value).and_then(|value| String::from_utf8(value).ok())
}

/// Another one after each start of the machine: identities do not outlive it.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn stat_of(pid: u32) -> Option<Stat> {
    parse_stat(&String::from_utf8_lossy(&read_limited(&format!("/proc/{pid}/stat"))?))
}

fn read_limited(path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_PROC_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn pid_of(identity: Identity) -> io::Result<Pid> {
    i32::try_from(identity.pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn line(name: &str, state: char, threads: u64, start_time: u64) -> String {
        let middle = vec!["0"; 16].join(" ");
        format!("42 ({name}) {state} {middle} {threads} 0 {start_time} 0 0")
    }

    proptest! {
        #[test]
        fn a_name_can_contain_anything(name in "[ ()a-z0-9]{0,15}", start in any::<u64>()) {
            let stat = parse_stat(&line(&name, 'S', 1, start));
            let expected =
                Stat { state: 'S', threads: 1, start_time: start, cpu_ticks: 0, resident_pages: 0 };
            prop_assert_eq!(stat, Some(expected));
        }

        #[test]
        fn nonsense_is_no_process(text in ".{0,200}") {
            let _ = parse_stat(&text);
        }
    }

    #[test]
    fn who_has_threads_left_has_not_ended() {
        let has_ended =
            |state, threads| parse_stat(&line("it", state, threads, 7)).expect("it is a line").has_ended();
        assert!(has_ended('Z', 1) && has_ended('X', 0));
        assert!(!has_ended('Z', 2), "its first thread has ended, or another one becomes the next program");
        assert!(!has_ended('S', 1) && !has_ended('R', 9));
    }

    #[test]
    fn a_process_is_itself_and_not_another_with_its_pid() {
        let me = Identity::of(std::process::id()).expect("this process lives");
        assert!(me.is_alive());
        let before = Identity { start_time: me.start_time + 1, ..me };
        assert!(!before.is_alive());
        let used = me.used().expect("this process lives");
        assert!(used.memory_bytes > 100_000, "{used:?}");
        assert_eq!(before.used(), None);
    }

    #[test]
    fn a_pid_used_again_cannot_be_taken_hold_of() {
        let me = Identity::of(std::process::id()).expect("this process lives");
        assert!(Held::open(me).is_ok());
        let before = Identity { start_time: me.start_time.wrapping_sub(1), ..me };
        assert_eq!(Held::open(before).expect_err("another process").kind(), io::ErrorKind::NotFound);
    }
}

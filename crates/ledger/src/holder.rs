//! Who holds a lease: a process, told apart from a later one with the same number.

use std::fs;

/// This process as a lease names it: `process:<pid>:<start time in clock ticks>`.
pub fn this_process() -> String {
    let pid = std::process::id();
    format!("process:{pid}:{}", start_time(pid).unwrap_or(0))
}

/// Whether the holder is a process of this machine that has ended; its leases need not be waited for. Anything that
/// can't be told is not gone.
pub fn is_gone(holder: &str) -> bool {
    let mut parts = holder.split(':');
    let (Some("process"), Some(pid), Some(start), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Ok(pid), Ok(start)) = (pid.parse::<u32>(), start.parse::<u64>()) else { return false };
    let proc_is_there = fs::exists("/proc/self/stat").unwrap_or(false);
    start > 0 && proc_is_there && start_time(pid) != Some(start)
}

/// Field 22 of `/proc/<pid>/stat` (proc(5)); `None` when the process has ended or is a zombie.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{is_gone, this_process};

    #[test]
    fn a_living_process_is_not_gone() {
        assert!(!is_gone(&this_process()));
    }

    #[test]
    fn an_ended_process_is_gone_and_a_recycled_number_is_not_it() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(is_gone(&format!("process:{pid}:1")));
        assert!(is_gone(&format!("process:{}:1", std::process::id())));
    }

    #[test]
    fn what_is_no_process_is_never_gone() {
        for holder in ["", "replica-1", "process:x:1", "process:1", "process:1:0"] {
            assert!(!is_gone(holder), "{holder}");
        }
    }
}

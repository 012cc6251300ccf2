//! The log of a build: commands, how they ended, what they wrote; bounded.

use std::fmt::Write as _;

use patchline_model::service::CommandLine;
use patchline_sandbox::foreign::Finished;

/// What is kept of the log; the first and the last part of what one command wrote count most.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Grows until it is full.
#[derive(Debug, Default)]
pub(crate) struct Log {
    text: String,
}

impl Log {
    pub(crate) fn line(&mut self, line: &str) {
        self.append(line);
        self.append("\n");
    }

    /// One command. Its ordinary output is left out where it is messages for machines.
    pub(crate) fn command(&mut self, label: &str, command: &CommandLine, finished: &Finished, machine: bool) {
        let seconds = finished.duration.as_secs_f64();
        let mut head = format!("== {label}: {command}\n");
        let network = if finished.network_restricted { "no network" } else { "network not restricted" };
        let cut = if finished.truncated { ", the middle of the output left out" } else { "" };
        writeln!(head, "== {} after {seconds:.1} s, {network}{cut}", finished.ending())
            .expect("writing to a string cannot fail");
        self.append(&head);
        self.append(finished.stderr.trim_end());
        self.append("\n");
        if !machine && !finished.stdout.trim().is_empty() {
            self.append(finished.stdout.trim_end());
            self.append("\n");
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn append(&mut self, text: &str) {
        let mut room = MAX_BYTES.saturating_sub(self.text.len()).min(text.len());
        while !text.is_char_boundary(room) {
            room -= 1;
        }
        self.text.push_str(&text[..room]);
    }
}

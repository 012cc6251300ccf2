//! `judge --stdin`: the very judge that rollouts use, over JSON lines.

use std::io::{BufRead as _, Read as _, Write as _};

use patchline_judge::protocol::{ProtocolError, Session};
use patchline_model::failure::in_full;

use crate::exit::{Exit, Trouble};

/// Longest line read: a window with raw latencies of many requests.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;

pub fn run() -> Result<Exit, Trouble> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let mut session = Session::new();
    let mut number = 0_u64;
    loop {
        let mut line = String::new();
        number += 1;
        let read = input.by_ref().take(LONGEST_LINE).read_line(&mut line);
        match read {
            Ok(0) => return Ok(Exit::Done),
            Ok(_) => {}
            Err(error) => return Err(Trouble::input(format!("standard input, line {number}: {error}"))),
        }
        if line.trim().is_empty() {
            continue;
        }
        let answer = session.line(&line).map_err(|error| refused(number, &error))?;
        if let Some(answer) = answer {
            let written = writeln!(output, "{answer}").and_then(|()| output.flush());
            if written.is_err() {
                return Ok(Exit::Done);
            }
        }
    }
}

fn refused(number: u64, error: &ProtocolError) -> Trouble {
    let trouble = Trouble::input(format!("standard input, line {number}: {}", in_full(error)));
    match error.hint() {
        Some(hint) => trouble.hint(hint),
        None => trouble,
    }
}

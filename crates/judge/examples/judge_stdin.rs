//! Judges over standard input and output, line by line, so that a simulator outside can score the judge.

#![allow(clippy::print_stdout, reason = "its one task is to speak the protocol on standard output")]

use std::io::{BufRead, Write};

use patchline_judge::protocol::Session;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut session = Session::new();
    for line in std::io::stdin().lock().lines() {
        if let Some(answer) = session.line(&line?)? {
            println!("{answer}");
            std::io::stdout().flush()?;
        }
    }
    Ok(())
}

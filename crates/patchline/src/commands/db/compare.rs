//! `db compare`: orders versions as their ecosystem does, a pair a line. What scans do with a version can be tried here.

use std::cmp::Ordering;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read as _, Write};

use patchline_inventory::version::{ECOSYSTEMS, Scheme};
use patchline_model::package::Ecosystem;

use crate::cli::CompareArguments;
use crate::exit::{Exit, Trouble};
use crate::nearest::nearest;

/// Longest line read, its end included. Versions themselves end much earlier.
const LONGEST_LINE: usize = 4096;

const BUFFER: usize = 64 * 1024;

pub fn run(arguments: &CompareArguments) -> Result<Exit, Trouble> {
    let name = &arguments.ecosystem;
    let scheme = Scheme::of(&Ecosystem(name.clone())).ok_or_else(|| unknown(name))?;
    let mut input = BufReader::with_capacity(BUFFER, std::io::stdin().lock());
    let mut output = BufWriter::with_capacity(BUFFER, std::io::stdout().lock());
    let answered = answer_all(scheme, &mut input, &mut output);
    // What was answered before a bad line counts.
    let flushed = output.flush().map_err(End::Output);
    match answered.and(flushed) {
        Ok(()) => Ok(Exit::Done),
        Err(End::Input(trouble)) => Err(trouble),
        // A reader that has enough may go.
        Err(End::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(End::Output(error)) => Err(Trouble::storage(format!("could not write the answers: {error}"))),
    }
}

/// Why not every line was answered.
enum End {
    Input(Trouble),
    Output(std::io::Error),
}

fn answer_all<R: std::io::Read>(
    scheme: Scheme,
    input: &mut BufReader<R>,
    output: &mut impl Write,
) -> Result<(), End> {
    let mut line = Vec::with_capacity(LONGEST_LINE);
    for number in 1_u64.. {
        line.clear();
        let wrong = |what: &str| {
            End::Input(
                Trouble::input(format!("standard input, line {number}: {what}"))
                    .hint("give two versions a line with a space between them, as in `1.2.0 1.10.0`"),
            )
        };
        // One byte more than is allowed tells a line that is too long from one that just fits.
        let read = input.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line);
        match read.map_err(|error| wrong(&error.to_string()))? {
            0 => return Ok(()),
            length if length > LONGEST_LINE => {
                return Err(wrong(&format!("it is longer than {LONGEST_LINE} bytes")));
            }
            _ => {}
        }
        let text = std::str::from_utf8(&line).map_err(|_| wrong("it is not UTF-8"))?;
        let mut words = text.split_ascii_whitespace();
        let sign = match (words.next(), words.next(), words.next()) {
            (None, _, _) => continue,
            (Some(left), Some(right), None) => sign(scheme.compare(left, right)),
            (Some(_), None, _) => return Err(wrong("there is one version where two are expected")),
            (Some(_), Some(_), Some(_)) => {
                return Err(wrong("there is more than the two versions that are expected"));
            }
        };
        writeln!(output, "{sign}").map_err(End::Output)?;
        // Who waits for an answer before asking again gets it; who asks in bulk is answered in bulk.
        if input.buffer().is_empty() {
            output.flush().map_err(End::Output)?;
        }
    }
    Ok(())
}

/// `?` where one of the texts is no version of the ecosystem.
fn sign(order: Option<Ordering>) -> char {
    match order {
        None => '?',
        Some(Ordering::Less) => '<',
        Some(Ordering::Equal) => '=',
        Some(Ordering::Greater) => '>',
    }
}

fn unknown(name: &str) -> Trouble {
    let known: Vec<&str> = ECOSYSTEMS.iter().map(|(known, _)| *known).collect();
    let base = name.split(':').next().unwrap_or_default();
    let meant = known.iter().copied().find(|known| known.eq_ignore_ascii_case(base));
    let shown: String = name.chars().filter(|sign| !sign.is_control()).take(60).collect();
    let trouble = Trouble::usage(format!("the versions of `{shown}` have no order here"));
    match meant.or_else(|| nearest(base, &known)) {
        Some(near) => trouble.hint(format!("did you mean `{near}`?")),
        None => trouble.hint(format!("the ecosystems that have one are {}", known.join(", "))),
    }
}

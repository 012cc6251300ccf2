//! What a person sees: lines that can be read without colour, progress for what takes time, complaints with a hint.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use patchline_detect::Advisories;
use patchline_model::view::story::{Line, Mood};

use crate::exit::Trouble;

/// Prints a line to standard output; for a reader that has gone nothing can be done.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints a notice to standard error.
pub fn note(line: &str) {
    // Nothing can be done for a reader that has gone.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints what keeps a good answer from being a whole one to standard error.
pub fn warn(line: &str) {
    note(&format!("warning: {line}"));
}

/// Prints what went wrong, where, and what to do.
pub fn complain(trouble: &Trouble) {
    match &trouble.excerpt {
        Some(excerpt) => note(excerpt),
        None => note(&format!("error: {}", trouble.message)),
    }
    if let Some(hint) = &trouble.hint {
        note(&format!("hint: {hint}"));
    }
}

/// A scan against nearly nothing is no all-clear.
pub fn warn_if_only_built_in(advisories: &Advisories) {
    if advisories.only_built_in() {
        warn(
            "only the built-in advisories are there; `patchline db update` fetches the public database, `patchline db import` takes one in from files",
        );
    }
}

/// A story as it happens: one line a fact, details indented, and what goes on now while nothing happens.
pub struct Teller {
    began: Instant,
    /// Whether lines go to standard output; a quiet one tells nothing.
    aloud: bool,
    colour: bool,
    live: bool,
    /// What the status line shows, and since when.
    doing: Option<(String, Instant)>,
    announced: Option<String>,
}

/// Something that takes longer than this is announced where no status line can be drawn.
const LONG: Duration = Duration::from_millis(900);

impl Teller {
    pub fn new(aloud: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain =
            std::env::var_os("NO_COLOR").is_some() || std::env::var("TERM").is_ok_and(|term| term == "dumb");
        Self {
            began: Instant::now(),
            aloud,
            colour: terminal && !plain,
            live: terminal && !plain,
            doing: None,
            announced: None,
        }
    }

    /// A heading between parts of the story.
    pub fn heading(&mut self, text: &str) {
        self.clear();
        if self.aloud {
            say("");
            say(&self.paint("1", text));
        }
    }

    /// One line of our own, with the seconds since the beginning.
    pub fn tell(&mut self, stage: &str, mood: Mood, text: &str) {
        self.clear();
        if !self.aloud {
            return;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let (mark, colour) = match mood {
            Mood::Plain => ("·", "0"),
            Mood::Good => ("+", "32"),
            Mood::Warn => ("!", "33"),
            Mood::Bad => ("x", "31"),
        };
        say(&format!("{seconds:>6.1} s  {stage:<8} {}", self.paint(colour, &format!("{mark} {text}"))));
    }

    /// A further line of the same fact.
    pub fn detail(&mut self, text: &str) {
        self.clear();
        if self.aloud {
            say(&format!("{:>19} {}", "", self.paint("2", text)));
        }
    }

    pub fn line(&mut self, line: &Line) {
        self.tell(line.stage.name(), line.mood, &line.text);
        for detail in &line.details {
            self.detail(detail);
        }
    }

    /// What goes on now. Called often; draws a status line on a terminal, and says it once elsewhere.
    pub fn doing(&mut self, stage: &str, text: &str) {
        if !self.aloud {
            return;
        }
        let same = self.doing.as_ref().is_some_and(|(doing, _)| doing == text);
        if !same {
            self.clear();
            self.doing = Some((text.to_owned(), Instant::now()));
            return;
        }
        let Some((_, since)) = &self.doing else { return };
        let since = since.elapsed();
        if since < LONG {
            return;
        }
        if self.live {
            let seconds = self.began.elapsed().as_secs_f64();
            let line = format!("{seconds:>6.1} s  {stage:<8} … {text} ({:.0} s)", since.as_secs_f64());
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "\r\x1b[2K{}", line.chars().take(width()).collect::<String>())
                .and_then(|()| out.flush());
        } else if self.announced.as_deref() != Some(text) {
            let text = text.to_owned();
            let seconds = self.began.elapsed().as_secs_f64();
            say(&format!("{seconds:>6.1} s  {stage:<8} … {text}"));
            self.announced = Some(text);
        }
    }

    fn clear(&mut self) {
        if self.live && self.doing.take().is_some() {
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "\r\x1b[2K").and_then(|()| out.flush());
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour && code != "0" { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Columns of the terminal less one, so that a status line never wraps.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    size.map_or(79, |size| usize::from(size.ws_col.max(20)) - 1)
}

/// A table with aligned columns; the last one is not padded.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                let gap = widths[column].saturating_sub(cell.chars().count()) + 2;
                line.extend(std::iter::repeat_n(' ', gap));
            }
        }
        say(line.trim_end());
    }
}

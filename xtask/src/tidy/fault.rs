//! A fault in the house: where it is, what is wrong, which rule says so and what to do about it.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Relative to the top of the repository, with `/`.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    pub what: String,
    pub rule: &'static str,
    pub hint: String,
    /// What a reader needs beside the place, one line each.
    pub notes: Vec<String>,
}

impl Fault {
    pub fn new(
        rule: &'static str,
        path: &str,
        line: usize,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), rule, hint: hint.into(), notes: Vec::new() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} ({})", self.path, self.line, self.what, self.rule)?;
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        write!(f, "\n  hint: {}", self.hint)
    }
}

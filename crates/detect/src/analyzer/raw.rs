//! A report as it was read: what each result says, and nothing of it looked up in the tree yet.

use patchline_model::analyzer::Level;

/// Results of one report; the file is not read further.
pub(crate) const MOST_RESULTS: usize = 20_000;

/// Longest foreign texts that are kept, in characters.
pub(crate) const LONGEST_NAME: usize = 200;
pub(crate) const LONGEST_MESSAGE: usize = 1_000;

/// What a report says.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) results: Vec<Raw>,
    /// Results that the report itself calls suppressed.
    pub(crate) suppressed: usize,
    /// What the tool says that it could not do.
    pub(crate) troubles: Vec<String>,
}

/// One result.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) tool: String,
    pub(crate) rule: String,
    pub(crate) level: Level,
    pub(crate) severity_tenths: Option<u8>,
    pub(crate) message: String,
    pub(crate) address: Option<Address>,
    /// SHA-256 of the file that the report was made of, where it says so.
    pub(crate) sha256: Option<String>,
    pub(crate) span: Option<Span>,
    /// What the tool knows the result by, from run to run; may be empty.
    pub(crate) prints: Vec<String>,
    pub(crate) fix: Option<RawFix>,
    /// Found since the report's own baseline, where it has one.
    pub(crate) is_new: Option<bool>,
}

/// A file by a URI or a path, and what a relative one is relative to: the bases from the outermost on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) uri: String,
    pub(crate) bases: Vec<String>,
    /// All absolute bases that the report names: what lies below one of them lies in the tree.
    pub(crate) roots: Vec<String>,
}

/// A part of a file, from the first position to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Lines and columns count from 1; without a column a line is meant from its beginning, or to its end.
    Lines { line: u32, column: Option<u32>, end_line: u32, end_column: Option<u32>, unit: Unit },
    /// Counted from 0 over the whole file.
    Offsets { start: u64, length: u64, unit: Unit },
}

/// What columns and offsets are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    CodePoints,
    Utf16,
}

/// A fix as the report has it.
#[derive(Debug, Default)]
pub(crate) struct RawFix {
    pub(crate) summary: String,
    pub(crate) changes: Vec<Change>,
    /// Each text is that of all lines which its part touches.
    pub(crate) whole_lines: bool,
}

/// What takes the place of a part of a file.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) address: Address,
    pub(crate) span: Span,
    pub(crate) text: String,
}

/// Foreign text on one line, bounded.
pub(crate) fn plain(text: &str, longest: usize) -> String {
    let visible = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let line = visible.take(longest * 4).collect::<String>();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    line.chars().take(longest - 1).chain(['…']).collect()
}

//! Java's properties: keys and texts, a line each, which a `\` at its end continues
//! (<https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)>).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use patchline_inventory::text::value::{Entry, Kind, MOST_VALUES, Value};

use crate::config::path::Step;

/// What parts a word from the next, beside the end of a line.
const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

/// One map of all keys, in which no key lies below another.
pub(crate) fn read(text: &str) -> Result<Value<'_>, String> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let start = at + (text[at..].len() - text[at..].trim_start_matches(BLANK).len());
        let first = text[start..].chars().next();
        if matches!(first, None | Some('#' | '!' | '\n' | '\r')) {
            at = end_of_line(text, start, false);
            at += usize::from(at < text.len());
            continue;
        }
        let end = end_of_line(text, start, true);
        let key = end_of_key(text, start, end);
        let value = start_of_value(text, key, end);
        let read = |range: Range<usize>, what: &str| {
            unescaped(&text[range]).ok_or_else(|| {
                let line = text[..start].matches('\n').count() + 1;
                format!("line {line}: `\\u` without four hexadecimal digits in its {what}")
            })
        };
        let found = Value { offset: value, kind: Kind::Text(Cow::Owned(read(value..end, "value")?)) };
        entries.push(Entry { key: Cow::Owned(read(start..key, "key")?), offset: start, value: found });
        if entries.len() > MOST_VALUES {
            return Err(format!("it has more than {MOST_VALUES} values"));
        }
        at = end + usize::from(end < text.len());
    }
    Ok(Value { offset: 0, kind: Kind::Map(entries) })
}

/// The whole path is one key: `server.hosts[0]` is as it is written.
pub(crate) fn key(steps: &[Step]) -> Step {
    let mut key = String::new();
    for step in steps {
        match step {
            Step::Key(word) if key.is_empty() => key.push_str(word),
            Step::Key(word) => key.extend([".", word]),
            Step::Item(index) => key.push_str(&format!("[{index}]")),
        }
    }
    Step::Key(key)
}

/// All lines of a value, without the end of the last.
pub(crate) fn range(text: &str, value: &Value<'_>) -> Range<usize> {
    value.offset..end_of_line(text, value.offset, true)
}

/// On one line, and in signs that every reader has, whatever it takes the file's encoding for.
pub(crate) fn rewritten(new: &str) -> String {
    let mut written = String::with_capacity(new.len());
    for (at, sign) in new.char_indices() {
        match sign {
            '\\' => written.push_str("\\\\"),
            ' ' if at == 0 => written.push_str("\\ "),
            sign if sign.is_ascii() => written.push(sign),
            sign => {
                for unit in sign.encode_utf16(&mut [0; 2]) {
                    // A text takes any.
                    let _ = write!(written, "\\u{unit:04X}");
                }
            }
        }
    }
    written
}

/// Where the line ends, or the last of those that continue it.
fn end_of_line(text: &str, start: usize, continues: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if continues && bytes.get(at + 1) == Some(&b'\r') && bytes.get(at + 2) == Some(&b'\n') => {
                at += 3
            }
            // What follows may be a sign of several bytes, of which none looks like one of these.
            b'\\' if continues => at += 2,
            b'\n' | b'\r' => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_key(text: &str, start: usize, end: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < end {
        match bytes[at] {
            b'\\' => at += 2,
            b'=' | b':' | b' ' | b'\t' | b'\x0c' => return at,
            _ => at += 1,
        }
    }
    end
}

/// Behind blanks, one `=` or `:`, and blanks; each of them may go over to the next line.
fn start_of_value(text: &str, key: usize, end: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut is_parted) = (key, false);
    while at < end {
        match bytes[at] {
            b' ' | b'\t' | b'\x0c' => at += 1,
            b'\\' if bytes.get(at + 1) == Some(&b'\n') => at += 2,
            b'\\' if bytes.get(at + 1) == Some(&b'\r') => {
                at += 2 + usize::from(bytes.get(at + 2) == Some(&b'\n'));
            }
            b'=' | b':' if !is_parted => {
                is_parted = true;
                at += 1;
            }
            _ => break,
        }
    }
    at.min(end)
}

/// What a key or a value says; none if an escape is broken.
fn unescaped(written: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        if sign != '\\' {
            units.extend_from_slice(sign.encode_utf16(&mut [0; 2]));
            continue;
        }
        let Some(next) = rest.chars().next() else { break };
        rest = &rest[next.len_utf8()..];
        match next {
            'u' => {
                let digits =
                    rest.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
                units.push(u16::from_str_radix(digits, 16).ok()?);
                rest = &rest[4..];
            }
            '\r' | '\n' => {
                rest = if next == '\r' { rest.strip_prefix('\n').unwrap_or(rest) } else { rest };
                rest = rest.trim_start_matches(BLANK);
            }
            't' => units.push(u16::from(b'\t')),
            'n' => units.push(u16::from(b'\n')),
            'r' => units.push(u16::from(b'\r')),
            'f' => units.push(0x0c),
            other => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

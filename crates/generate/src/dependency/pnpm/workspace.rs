//! `pnpm-workspace.yaml`, changed where it must be and nowhere else: every other byte stays as it was, comments too.

use std::ops::Range;

use patchline_inventory::text::value::Value;
use patchline_inventory::text::yaml::yaml;

/// Whether pnpm's settings in it name this section.
pub(crate) fn has(text: &str, section: &str) -> bool {
    yaml(text).is_ok_and(|read| read.get(section).is_some())
}

/// What stands in a section, as in `overrides`.
pub(crate) fn entries(text: &str, section: &str) -> Vec<(String, String)> {
    let Ok(read) = yaml(text) else { return Vec::new() };
    let entries = read.entries_of(section).iter();
    entries.filter_map(|entry| Some((entry.key.to_string(), entry.value.text()?.to_owned()))).collect()
}

/// Puts a value under a key in the section that this way leads to; key and section are added where they are missing. None
/// where the file can't be read, or is written in a way that this does not know.
pub(crate) fn with(text: &str, way: &[&str], key: &str, value: &str) -> Option<String> {
    let changed = match section(text, way) {
        Some(place) => match line_of(text, place.clone(), key) {
            Some(line) => replaced(text, line, value)?,
            None => added(text, place, key, value),
        },
        None if way.len() == 1 => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let apart = if text.trim().is_empty() { "" } else { "\n" };
            format!("{text}{gap}{apart}{}:\n  {}: {}\n", way[0], quoted(key), plain(value))
        }
        None => return None,
    };
    // What was written is what is read, or it was not understood.
    let read = yaml(&changed).ok()?;
    let found: Option<&Value<'_>> = way.iter().try_fold(&read, |at, part| at.get(part));
    (found?.text_of(key) == Some(value)).then_some(changed)
}

/// The lines below a heading, as bytes.
fn section(text: &str, way: &[&str]) -> Option<Range<usize>> {
    let mut place = 0..text.len();
    let mut outer: Option<usize> = None;
    for part in way {
        let line = lines(text, place.clone()).find(|line| {
            outer.is_none_or(|outer| line.indent > outer)
                && (outer.is_some() || line.indent == 0)
                && line.key(text).as_deref() == Some(*part)
        })?;
        let below = lines(text, line.place.end..place.end);
        let end = below.filter(|one| one.has_content(text)).find(|one| one.indent <= line.indent);
        let last = end.map_or(place.end, |one| one.place.start);
        place = line.place.end..last;
        outer = Some(line.indent);
    }
    Some(place)
}

struct Line {
    /// With the line's end.
    place: Range<usize>,
    indent: usize,
}

impl Line {
    fn content<'a>(&self, text: &'a str) -> &'a str {
        text[self.place.clone()].trim()
    }

    fn has_content(&self, text: &str) -> bool {
        let content = self.content(text);
        !content.is_empty() && !content.starts_with('#')
    }

    fn key(&self, text: &str) -> Option<String> {
        let (key, _) = split(self.content(text))?;
        Some(key.to_owned())
    }
}

/// A key without its quotes, and what follows its colon.
fn split(content: &str) -> Option<(&str, &str)> {
    for quote in ['\'', '"'] {
        if let Some(rest) = content.strip_prefix(quote) {
            let (key, rest) = rest.split_once(quote)?;
            return Some((key, rest.trim_start().strip_prefix(':')?));
        }
    }
    match content.split_once(": ") {
        Some((key, rest)) if !key.starts_with(['#', '-']) => Some((key, rest)),
        _ => Some((content.strip_suffix(':').filter(|key| !key.starts_with(['#', '-']))?, "")),
    }
}

fn lines(text: &str, place: Range<usize>) -> impl Iterator<Item = Line> {
    let mut at = place.start;
    text[place].split_inclusive('\n').map(move |line| {
        let found =
            Line { place: at..at + line.len(), indent: line.len() - line.trim_start_matches(' ').len() };
        at += line.len();
        found
    })
}

fn line_of(text: &str, place: Range<usize>, key: &str) -> Option<Line> {
    let mut found = lines(text, place).filter(|line| line.has_content(text));
    found.find(|line| line.key(text).as_deref() == Some(key))
}

/// Another value in a line, with the quotes and the comment that it had.
fn replaced(text: &str, line: Line, value: &str) -> Option<String> {
    let (_, rest) = split(line.content(text))?;
    let start = rest.as_ptr() as usize - text.as_ptr() as usize;
    let start = start + (rest.len() - rest.trim_start().len());
    let old = rest.trim_start();
    let (length, new) = match old.chars().next()? {
        quote @ ('\'' | '"') => (old[1..].find(quote)? + 2, format!("{quote}{value}{quote}")),
        _ => (old.find(" #").map_or(old, |at| &old[..at]).trim_end().len(), plain(value)),
    };
    let mut changed = text.to_owned();
    changed.replace_range(start..start + length, &new);
    Some(changed)
}

fn added(text: &str, place: Range<usize>, key: &str, value: &str) -> String {
    let with_content: Vec<Line> = lines(text, place.clone()).filter(|line| line.has_content(text)).collect();
    let indent = with_content.first().map_or(2, |line| line.indent);
    let at = with_content.last().map_or(place.start, |line| line.place.end);
    let gap = if text[..at].ends_with('\n') || at == 0 { "" } else { "\n" };
    let line = format!("{gap}{}{}: {}\n", " ".repeat(indent), quoted(key), plain(value));
    format!("{}{line}{}", &text[..at], &text[at..])
}

fn quoted(key: &str) -> String {
    format!("'{}'", key.replace('\'', "''"))
}

/// A value as it may stand without quotes, or else with them.
fn plain(value: &str) -> String {
    let is_plain = value.starts_with(|sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '^' | '~'))
        && !value.contains([' ', '#'])
        && value.matches('.').count() > 1;
    if is_plain { value.to_owned() } else { quoted(value) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::with;

    const TEXT: &str = "packages:\n  - 'packages/*' # all\n\n# pinned\noverrides:\n  'a@^1': 1.0.0 # why\n  b: '2.0.0'\n\ncatalogs:\n  old:\n    c: ^1.0.0\ncatalog:\n  c: ^2.0.0\n";

    #[track_caller]
    fn check(way: &[&str], key: &str, value: &str, from: &str, to: &str) {
        assert_eq!(with(TEXT, way, key, value), Some(TEXT.replacen(from, to, 1)));
    }

    #[test]
    fn only_what_must_changes() {
        check(&["overrides"], "a@^1", "1.0.1", "1.0.0 # why", "1.0.1 # why");
        check(&["overrides"], "b", "2.0.1", "'2.0.0'", "'2.0.1'");
        check(&["overrides"], "d@<2", "2.0.0", "b: '2.0.0'\n", "b: '2.0.0'\n  'd@<2': 2.0.0\n");
        check(&["catalogs", "old"], "c", "^1.0.1", "^1.0.0", "^1.0.1");
        check(&["catalog"], "c", "^2.0.1", "^2.0.0", "^2.0.1");
        assert_eq!(with("", &["overrides"], "a", "1.0.1").as_deref(), Some("overrides:\n  'a': 1.0.1\n"));
        let other = "packages:\n  - a";
        let expected = "packages:\n  - a\n\noverrides:\n  'a': 1.0.1\n";
        assert_eq!(with(other, &["overrides"], "a", "1.0.1").as_deref(), Some(expected));
        assert_eq!(with("overrides: {}\n", &["overrides"], "a", "1"), None);
        assert_eq!(with(TEXT, &["catalogs", "new"], "a", "1.0.0"), None);
    }

    proptest! {
        #[test]
        fn whatever_it_holds_it_is_changed_or_left(text in any::<String>(), key in any::<String>(), value in any::<String>()) {
            for text in [text.clone(), format!("{TEXT}{text}")] {
                let _ = (with(&text, &["overrides"], &key, &value), with(&text, &["catalogs", "old"], &key, &value));
            }
        }
    }
}

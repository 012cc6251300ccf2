//! TOML (<https://toml.io>), refused where its values would take far more memory than its text.

use serde::de::{DeserializeOwned, Error as _};
use toml::de::Error;

use crate::text::value::most_values;

/// More tables than these and one for each so many bytes are refused: each takes a kilobyte, if there is only one key in it.
const TABLES_OF_ANY_TEXT: usize = 4_000;
const BYTES_OF_A_TABLE: usize = 60;

/// Reads TOML. Each value but the first follows one of three signs.
pub fn toml<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let most = most_values(text.len());
    let values = text.bytes().filter(|sign| matches!(sign, b',' | b'=' | b'[')).count();
    if values > most {
        return Err(Error::custom(format!("a text of its length has less than {most} values")));
    }
    let most = TABLES_OF_ANY_TEXT + text.len() / BYTES_OF_A_TABLE;
    match text.lines().map(tables).sum::<usize>() > most {
        true => Err(Error::custom(format!("a text of its length has less than {most} tables"))),
        false => toml::from_str(text),
    }
}

/// How many tables a line begins: by its brackets, and by the dots of its keys.
fn tables(line: &str) -> usize {
    let (mut tables, mut quote) = (0, None);
    for sign in line.bytes() {
        match (quote, sign) {
            (Some(open), _) if sign == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(sign),
            (None, b'#') => break,
            (None, b'{' | b'.') => tables += 1,
            (None, _) => {}
        }
    }
    tables + usize::from(line.trim_start().starts_with('['))
}

/// Reads a lockfile that is mostly a list of tables under one of these headings, as in `[[package]]`, table by table, for all of
/// them at once take ten times their text. Each part is handed over with the byte at which it begins; what stands before the
/// first table is one, and what follows the last table belongs to it. The places in an error are those in the whole text.
pub fn toml_in_parts<T: DeserializeOwned, E>(
    text: &str,
    headings: &[&str],
    broken: impl Fn(usize, &str) -> E,
    mut take: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let mut read = |start: usize, end: usize| {
        let part: T = toml(&text[start..end]).map_err(|error| {
            let offset = error.span().map_or(end, |span| start + span.start);
            broken(offset.min(text.len()), &error.message().replace('\n', ", "))
        })?;
        take(start, part)
    };
    let (mut start, mut offset) = (0, 0);
    for line in text.split_inclusive('\n') {
        if offset > start && headings.contains(&line.trim()) {
            read(start, offset)?;
            start = offset;
        }
        offset += line.len();
    }
    read(start, text.len())
}

#[cfg(test)]
mod tests {
    use super::toml;

    #[test]
    fn a_text_that_is_all_values_is_refused() {
        let text = |count: usize| format!("a = [{}1]", "1,".repeat(count));
        assert!(toml::<toml::Table>(&text(100_000)).is_ok());
        let error = toml::<toml::Table>(&text(200_000)).expect_err("they are too many");
        assert_eq!(error.message(), "a text of its length has less than 140000 values");
    }
}

//! TOML: tables, dotted keys and lists as values with their places, read by `toml_edit`; single values written as they were.

use std::borrow::Cow;
use std::ops::Range;

use patchline_inventory::text::flow::quoted_end;
use patchline_inventory::text::value::{DEEPEST, Entry, Kind, Value};
use toml_edit::{Document, Item, TableLike};

use crate::config::token;

pub(crate) fn read(text: &str) -> Result<Value<'_>, String> {
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{line}{}", error.message())
    })?;
    table(text, document.as_table(), 0)
}

fn table<'t>(text: &'t str, table: &dyn TableLike, depth: usize) -> Result<Value<'t>, String> {
    if depth > DEEPEST {
        return Err(format!("it is nested more than {DEEPEST} deep"));
    }
    let entry = |(key, below): (&str, &Item)| {
        let value = item(text, below, depth + 1)?;
        Ok(Entry { key: Cow::Owned(key.to_owned()), offset: value.offset, value })
    };
    let entries: Result<Vec<Entry<'t>>, String> = table.iter().map(entry).collect();
    Ok(Value { offset: 0, kind: Kind::Map(entries?) })
}

fn item<'t>(text: &'t str, item: &Item, depth: usize) -> Result<Value<'t>, String> {
    if let Some(tables) = item.as_array_of_tables() {
        let items: Result<Vec<Value<'t>>, String> =
            tables.iter().map(|below| table(text, below, depth)).collect();
        return Ok(Value { offset: 0, kind: Kind::List(items?) });
    }
    match (item.as_table_like(), item.as_value()) {
        (Some(below), _) => table(text, below, depth),
        (None, Some(found)) => value(text, found, depth),
        (None, None) => Ok(Value { offset: 0, kind: Kind::Null }),
    }
}

fn value<'t>(text: &'t str, value: &toml_edit::Value, depth: usize) -> Result<Value<'t>, String> {
    if depth > DEEPEST {
        return Err(format!("it is nested more than {DEEPEST} deep"));
    }
    let span = value.span().filter(|span| text.get(span.clone()).is_some());
    let span = span.ok_or("a value in it has no place")?;
    let kind = match value {
        toml_edit::Value::String(word) => Kind::Text(Cow::Owned(word.value().clone())),
        toml_edit::Value::Boolean(is) => Kind::Bool(*is.value()),
        toml_edit::Value::Integer(_) | toml_edit::Value::Float(_) | toml_edit::Value::Datetime(_) => {
            Kind::Number(&text[span.clone()])
        }
        toml_edit::Value::Array(items) => {
            let items: Result<Vec<Value<'t>>, String> =
                items.iter().map(|below| self::value(text, below, depth + 1)).collect();
            Kind::List(items?)
        }
        toml_edit::Value::InlineTable(below) => return table(text, below, depth),
    };
    Ok(Value { offset: span.start, kind })
}

pub(crate) fn range(text: &str, value: &Value<'_>) -> Result<Range<usize>, String> {
    let rest = &text[value.offset..];
    let length = match &value.kind {
        Kind::Map(_) | Kind::List(_) => return Err(token::NOT_SINGLE.to_owned()),
        Kind::Null => return Err("it has no value".to_owned()),
        Kind::Bool(is) => is.to_string().len(),
        Kind::Number(written) => written.len(),
        Kind::Text(_) if rest.starts_with("\"\"\"") || rest.starts_with("'''") => {
            return Err("it is a text over several lines".to_owned());
        }
        // Unlike YAML's, a text between single quotes ends at the next one.
        Kind::Text(_) if rest.starts_with('\'') => {
            rest[1..].find('\'').map(|end| end + 2).ok_or("its text has no end")?
        }
        Kind::Text(_) => quoted_end(rest, b'"').ok_or("its text has no end")?,
    };
    Ok(value.offset..value.offset + length)
}

pub(crate) fn rewritten(old: &str, new: &str) -> Result<String, String> {
    match old.as_bytes().first() {
        Some(b'\'') if !new.contains('\'') => Ok(format!("'{new}'")),
        Some(b'"' | b'\'') => Ok(token::quoted(new)),
        _ => match (kind(old), kind(new)) {
            (Some(before), Some(after)) if before == after => Ok(new.to_owned()),
            (before, _) => {
                let what = before.unwrap_or("of another type");
                Err(format!("it is {what}, `{old}`, and `{new}` is not"))
            }
        },
    }
}

/// What TOML takes a word for: readers of a whole number may not take any other.
fn kind(word: &str) -> Option<&'static str> {
    match word.trim() == word && !word.contains('#') {
        true => match word.parse::<toml_edit::Value>().ok()? {
            toml_edit::Value::Integer(_) => Some("a whole number"),
            toml_edit::Value::Float(_) => Some("a number with a fraction"),
            toml_edit::Value::Boolean(_) => Some("`true` or `false`"),
            toml_edit::Value::Datetime(_) => Some("a time"),
            toml_edit::Value::String(_) | toml_edit::Value::Array(_) | toml_edit::Value::InlineTable(_) => {
                None
            }
        },
        false => None,
    }
}

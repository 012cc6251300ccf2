//! A single value as it is written: its bytes, and the same way of writing for another.

use std::ops::Range;

use patchline_inventory::text::flow::quoted_end;
use patchline_inventory::text::value::{Kind, Value};

pub(crate) const NOT_SINGLE: &str = "it is a map or a list, and no single value";

/// The bytes of a single value that stands on one line.
pub(crate) fn range(text: &str, value: &Value<'_>) -> Result<Range<usize>, String> {
    let line = text[value.offset..].split(['\n', '\r']).next().unwrap_or_default();
    let whole = match (&value.kind, line.as_bytes().first()) {
        (Kind::Map(_) | Kind::List(_), _) => {
            return Err(NOT_SINGLE.to_owned());
        }
        (_, Some(quote @ (b'"' | b'\''))) => quoted_end(line, *quote),
        (kind, _) => {
            // In brackets a plain value ends earlier than on a line of its own.
            let ends = [line.find(" #"), None, line.find([',', ']', '}', ' '])];
            let words = ends.map(|end| line[..end.unwrap_or(line.len())].trim_end());
            words.into_iter().find(|word| !word.is_empty() && is(kind, word)).map(str::len)
        }
    };
    let length = whole.ok_or("it is empty, or goes over several lines")?;
    Ok(value.offset..value.offset + length)
}

fn is(kind: &Kind<'_>, word: &str) -> bool {
    match kind {
        Kind::Null => matches!(word, "null" | "~"),
        Kind::Bool(true) => word == "true",
        Kind::Bool(false) => word == "false",
        Kind::Number(text) => *text == word,
        Kind::Text(text) => *text == word,
        Kind::List(_) | Kind::Map(_) => false,
    }
}

/// Another value in the place of what is written, of the same type and in the same quotes.
pub(crate) fn rewritten(old: &str, new: &str) -> Result<String, String> {
    match old.as_bytes().first() {
        Some(b'"') => Ok(quoted(new)),
        Some(b'\'') => Ok(format!("'{}'", new.replace('\'', "''"))),
        _ if old == "null" || old == "~" => Err("it is `null`, which has no type to keep".to_owned()),
        _ => match (class(old), class(new)) {
            (before, after) if before == after && (before != Class::Text || is_safe(new)) => {
                Ok(new.to_owned())
            }
            (Class::Text, _) => Ok(quoted(new)),
            (Class::Number, _) => Err(format!("it is a number, `{old}`, and `{new}` is none")),
            (Class::Bool, _) => Err(format!("it is `{old}`, and `{new}` is neither `true` nor `false`")),
        },
    }
}

/// In double quotes, with what must be escaped in them escaped.
pub(crate) fn quoted(new: &str) -> String {
    serde_json::Value::from(new).to_string()
}

pub(crate) fn is_number(word: &str) -> bool {
    class(word) == Class::Number
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Number,
    Bool,
    Text,
}

fn class(word: &str) -> Class {
    match serde_json::from_str::<serde_json::Value>(word) {
        Ok(serde_json::Value::Number(_)) => Class::Number,
        Ok(serde_json::Value::Bool(_)) => Class::Bool,
        Ok(_) | Err(_) => Class::Text,
    }
}

/// Whether YAML reads it without quotes, and as a text.
fn is_safe(word: &str) -> bool {
    let odd = ["null", "~", "yes", "no", "on", "off", "y", "n", "true", "false"];
    word.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '/')
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/+ ".contains(&byte))
        && !word.ends_with(' ')
        && !odd.contains(&word.to_ascii_lowercase().as_str())
        // As in `500m` this begins with a digit, which is a text as well.
        || word.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && word.ends_with(|sign: char| sign.is_ascii_alphabetic())
            && word.parse::<f64>().is_err()
            && !word.starts_with("0x")
            && !odd.contains(&word.to_ascii_lowercase().as_str())
}

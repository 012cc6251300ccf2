//! A value of JSON or of lockfiles' YAML, and where it stands.

use std::borrow::Cow;

/// Nested deeper than this, a text is refused: no lockfile is, and recursion must end.
pub const DEEPEST: usize = 128;
/// More values than this are refused in any text.
pub const MOST_VALUES: usize = 2_000_000;

/// More values than this are refused in a text of this many bytes: `[[],[],…` would become forty times as large. Those of a
/// lockfile have more than twenty bytes each.
pub fn most_values(length: usize) -> usize {
    MOST_VALUES.min(100_000 + length / 10)
}

/// A value and the byte at which it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Value<'a> {
    pub offset: usize,
    pub kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    /// In the order of the text.
    Map(Vec<Entry<'a>>),
}

/// One key of a map, the byte at which it begins, and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    pub key: Cow<'a, str>,
    pub offset: usize,
    pub value: Value<'a>,
}

impl<'a> Value<'a> {
    /// The value of this key; of several the last, as most readers have it.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entries().iter().rev().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The text of this key.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::text)
    }

    /// Whether this key says `true`.
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.kind == Kind::Bool(true))
    }

    /// The entries of this key's map.
    pub fn entries_of(&self, key: &str) -> &[Entry<'a>] {
        self.get(key).map_or(&[], Value::entries)
    }

    /// The items of this key's list.
    pub fn items_of(&self, key: &str) -> &[Value<'a>] {
        self.get(key).map_or(&[], Value::items)
    }

    /// Its entries, when it is a map.
    pub fn entries(&self) -> &[Entry<'a>] {
        match &self.kind {
            Kind::Map(entries) => entries,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => &[],
        }
    }

    /// Its items, when it is a list.
    pub fn items(&self) -> &[Value<'a>] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => &[],
        }
    }

    /// Its text, or its number as it is written.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Number(text) => Some(text),
            Kind::Null | Kind::Bool(_) | Kind::List(_) | Kind::Map(_) => None,
        }
    }
}

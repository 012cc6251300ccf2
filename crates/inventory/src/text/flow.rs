//! What stands on one line of YAML: scalars in quotes, lists and maps in brackets, plain words.

use std::borrow::Cow;

use crate::text::pile::Pile;
use crate::text::value::{DEEPEST, Entry, Kind, Value};

/// The byte after the closing quote.
pub fn quoted_end(content: &str, quote: u8) -> Option<usize> {
    let bytes = content.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote && quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Whether quotes and brackets that open here close here.
pub fn is_whole(content: &str) -> bool {
    match content.as_bytes().first() {
        Some(quote @ (b'"' | b'\'')) => quoted_end(content, *quote).is_some(),
        Some(b'{' | b'[') => {
            let (bytes, mut at, mut open) = (content.as_bytes(), 0, 0_usize);
            while at < bytes.len() {
                match bytes[at] {
                    quote @ (b'"' | b'\'')
                        if matches!(
                            bytes.get(at.wrapping_sub(1)),
                            Some(b' ' | b',' | b'[' | b'{' | b':')
                        ) =>
                    {
                        match quoted_end(&content[at..], quote) {
                            Some(length) => at += length - 1,
                            None => return false,
                        }
                    }
                    b'{' | b'[' => open += 1,
                    b'}' | b']' => open = open.saturating_sub(1),
                    _ => {}
                }
                at += 1;
                if open == 0 {
                    return true;
                }
            }
            false
        }
        Some(_) | None => true,
    }
}

/// The value of a plain scalar.
pub fn plain_kind(plain: &str) -> Kind<'_> {
    match plain {
        "" | "~" | "null" => Kind::Null,
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        _ => Kind::Text(Cow::Borrowed(plain)),
    }
}

/// Values in brackets and quotes.
pub struct Flow<'a> {
    text: &'a str,
    /// The byte that is looked at.
    pub at: usize,
    /// What was wrong first.
    pub broken: Option<&'static str>,
    items: Pile<Value<'a>>,
    entries: Pile<Entry<'a>>,
}

impl<'a> Flow<'a> {
    pub fn of(text: &'a str) -> Self {
        Self { text, at: 0, broken: None, items: Pile::default(), entries: Pile::default() }
    }

    fn fail<T>(&mut self, what: &'static str) -> Option<T> {
        self.broken.get_or_insert(what);
        None
    }

    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text.as_bytes().get(self.at).copied()
    }

    /// The value that begins here.
    pub fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        if depth > DEEPEST {
            return self.fail("it is nested too deep");
        }
        let first = self.peek();
        let offset = self.at;
        let kind = match first {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'&' | b'*' | b'!') => return self.fail("anchors, aliases and tags are not read"),
            Some(quote @ (b'"' | b'\'')) => Kind::Text(self.quoted(quote)?),
            Some(_) => plain_kind(self.plain()),
            None => return self.fail("a value is missing here"),
        };
        Some(Value { offset, kind })
    }

    fn quoted(&mut self, quote: u8) -> Option<Cow<'a, str>> {
        let Some(length) = quoted_end(&self.text[self.at..], quote) else {
            return self.fail("this quote has no end");
        };
        let inner = self.text.get(self.at + 1..self.at + length - 1)?;
        self.at += length;
        if quote == b'\'' {
            return Some(if inner.contains("''") {
                Cow::Owned(inner.replace("''", "'"))
            } else {
                Cow::Borrowed(inner)
            });
        }
        if !inner.contains('\\') {
            return Some(Cow::Borrowed(inner));
        }
        // The escapes that emitters write are those of JSON and a few more, which stand for themselves here.
        let mut text = String::with_capacity(inner.len());
        let mut signs = inner.chars();
        while let Some(sign) = signs.next() {
            match (sign, if sign == '\\' { signs.next() } else { None }) {
                ('\\', Some('n')) => text.push('\n'),
                ('\\', Some('t')) => text.push('\t'),
                ('\\', Some(other)) => text.push(other),
                (sign, _) => text.push(sign),
            }
        }
        Some(Cow::Owned(text))
    }

    /// A plain scalar, which ends at a comma, a bracket, or a colon before a space.
    fn plain(&mut self) -> &'a str {
        let bytes = self.text.as_bytes();
        let start = self.at;
        while let Some(byte) = bytes.get(self.at) {
            let is_colon =
                *byte == b':' && matches!(bytes.get(self.at + 1), None | Some(b' ' | b',' | b'}' | b']'));
            if is_colon || matches!(byte, b',' | b'{' | b'}' | b'[' | b']') {
                break;
            }
            self.at += 1;
        }
        self.text[start..self.at].trim_end()
    }

    fn list(&mut self, depth: usize) -> Option<Kind<'a>> {
        self.at += 1;
        let start = self.items.start();
        loop {
            match self.peek() {
                Some(b']') => break,
                Some(b',') => return self.fail("a value is missing here"),
                Some(_) => {
                    let item = self.value(depth + 1)?;
                    self.items.push(item);
                }
                None => return self.fail("this list has no end"),
            }
            if !self.comma(b']')? {
                break;
            }
        }
        self.at += 1;
        Some(Kind::List(self.items.list_from(start)))
    }

    fn map(&mut self, depth: usize) -> Option<Kind<'a>> {
        self.at += 1;
        let start = self.entries.start();
        loop {
            let first = self.peek();
            let offset = self.at;
            let key = match first {
                Some(b'}') => break,
                Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
                Some(_) => Cow::Borrowed(self.plain()),
                None => return self.fail("this map has no end"),
            };
            let value = match self.peek() {
                Some(b':') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b',' | b'}') => Value { offset, kind: Kind::Null },
                        Some(_) | None => self.value(depth + 1)?,
                    }
                }
                Some(_) | None => Value { offset, kind: Kind::Null },
            };
            self.entries.push(Entry { key, offset, value });
            if !self.comma(b'}')? {
                break;
            }
        }
        self.at += 1;
        Some(Kind::Map(self.entries.list_from(start)))
    }

    /// Whether a comma stands here, which is taken, and not the end.
    fn comma(&mut self, end: u8) -> Option<bool> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Some(true)
            }
            Some(byte) if byte == end => Some(false),
            Some(_) | None => self.fail("a comma or a bracket is missing here"),
        }
    }
}

/// The value with its places moved by where its text begins.
pub fn shifted(value: Value<'_>, by: usize) -> Value<'_> {
    let kind = match value.kind {
        Kind::List(items) => Kind::List(items.into_iter().map(|item| shifted(item, by)).collect()),
        Kind::Map(entries) => Kind::Map(entries.into_iter().map(|entry| shifted_entry(entry, by)).collect()),
        kind @ (Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_)) => kind,
    };
    Value { offset: value.offset + by, kind }
}

fn shifted_entry(entry: Entry<'_>, by: usize) -> Entry<'_> {
    Entry { key: entry.key, offset: entry.offset + by, value: shifted(entry.value, by) }
}

/// A value of a text that was put together: it owns its words, and its places are where that text begins.
pub fn owned<'a>(value: Value<'_>, offset: usize) -> Value<'a> {
    let kind = match value.kind {
        Kind::Null => Kind::Null,
        Kind::Bool(value) => Kind::Bool(value),
        Kind::Number(text) => Kind::Text(Cow::Owned(text.to_owned())),
        Kind::Text(text) => Kind::Text(Cow::Owned(text.into_owned())),
        Kind::List(items) => Kind::List(items.into_iter().map(|item| owned(item, offset)).collect()),
        Kind::Map(entries) => {
            let own = |entry: Entry<'_>| Entry {
                key: Cow::Owned(entry.key.into_owned()),
                offset,
                value: owned(entry.value, offset),
            };
            Kind::Map(entries.into_iter().map(own).collect())
        }
    };
    Value { offset, kind }
}

//! The part of YAML that package managers write: blocks by indentation, lists, quoted and plain scalars, maps and lists in
//! brackets on one line, texts over several lines. Anchors, aliases and tags are refused, so no text can unfold into more
//! than it is. <https://yaml.org/spec/1.2.2/>

use std::borrow::Cow;

use crate::detector::Broken;
use crate::text::value::{DEEPEST, Entry, Kind, MOST_VALUES, Value};

/// Reads such YAML. Of several documents the last counts that is not empty.
pub fn yaml(text: &str) -> Result<Value<'_>, Broken> {
    let mut lines = Vec::new();
    let mut offset = 0;
    for raw in text.split_inclusive('\n') {
        let line = raw.trim_end_matches(['\n', '\r']);
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if content.starts_with("<<<<<<<") || content.starts_with(">>>>>>>") {
            return Err(Broken::at(text, offset, "a merge conflict is left in it"));
        }
        if line.starts_with("---") && !lines.is_empty() {
            lines.clear();
        }
        let is_mark = line.starts_with("---") || line == "..." || line.starts_with('%');
        if !is_mark {
            lines.push(Line { offset: offset + indent, indent, content });
        }
        offset += raw.len();
    }
    let mut reader = Reader { text, lines, next: 0, values: 0 };
    reader.skip_empty();
    let value = match reader.lines.get(reader.next).map(|line| line.indent) {
        Some(indent) => reader.block(indent, 0)?,
        None => Value { offset: 0, kind: Kind::Null },
    };
    reader.skip_empty();
    match reader.lines.get(reader.next) {
        Some(line) => Err(reader.broken(line.offset, "this is indented like nothing above it")),
        None => Ok(value),
    }
}

#[derive(Clone, Copy)]
struct Line<'a> {
    /// Of the content, without the indentation.
    offset: usize,
    indent: usize,
    content: &'a str,
}

struct Reader<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    next: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn broken(&self, offset: usize, what: &str) -> Broken {
        Broken::at(self.text, offset, what)
    }

    fn skip_empty(&mut self) {
        while self
            .lines
            .get(self.next)
            .is_some_and(|line| line.content.is_empty() || line.content.starts_with('#'))
        {
            self.next += 1;
        }
    }

    fn count(&mut self, offset: usize, depth: usize) -> Result<(), Broken> {
        self.values += 1;
        if depth > DEEPEST || self.values > MOST_VALUES {
            let what =
                format!("it is nested more than {DEEPEST} deep, or has more than {MOST_VALUES} values");
            return Err(Broken::at(self.text, offset, what));
        }
        Ok(())
    }

    /// The map, list or scalar whose lines have this indentation.
    fn block(&mut self, indent: usize, depth: usize) -> Result<Value<'a>, Broken> {
        let line = self.lines[self.next];
        self.count(line.offset, depth)?;
        if is_item(line.content) {
            return self.list(indent, depth);
        }
        if split_key(line.content).is_some() {
            return self.map(indent, depth);
        }
        self.next += 1;
        self.scalar(line.content, line.offset, indent, depth)
    }

    fn list(&mut self, indent: usize, depth: usize) -> Result<Value<'a>, Broken> {
        let offset = self.lines[self.next].offset;
        let mut items = Vec::new();
        loop {
            self.skip_empty();
            let Some(line) = self.lines.get(self.next).copied() else { break };
            if line.indent != indent || !is_item(line.content) {
                break;
            }
            let rest = line.content[1..].trim_start_matches(' ');
            if rest.is_empty() || rest.starts_with('#') {
                self.next += 1;
                items.push(self.below(line, indent, depth)?);
                continue;
            }
            // What follows the hyphen is a block of its own that begins further to the right.
            let shift = line.content.len() - rest.len();
            let inner = indent + shift;
            self.lines[self.next] = Line { offset: line.offset + shift, indent: inner, content: rest };
            items.push(self.block(inner, depth + 1)?);
        }
        Ok(Value { offset, kind: Kind::List(items) })
    }

    fn map(&mut self, indent: usize, depth: usize) -> Result<Value<'a>, Broken> {
        let offset = self.lines[self.next].offset;
        let mut entries = Vec::new();
        loop {
            self.skip_empty();
            let Some(line) = self.lines.get(self.next).copied() else { break };
            if line.indent != indent || is_item(line.content) {
                break;
            }
            let Some((key, rest)) = split_key(line.content) else {
                return Err(self.broken(line.offset, "a key with a colon is missing here"));
            };
            let key = match self.inline(key, line.offset, depth)?.kind {
                Kind::Text(key) => key,
                Kind::Number(key) => Cow::Borrowed(key),
                Kind::Bool(key) => Cow::Borrowed(if key { "true" } else { "false" }),
                Kind::Null => Cow::Borrowed("null"),
                Kind::List(_) | Kind::Map(_) => return Err(self.broken(line.offset, "this is no key")),
            };
            self.next += 1;
            let value = if rest.is_empty() || rest.starts_with('#') {
                self.below(line, indent, depth)?
            } else {
                let at = line.offset + (line.content.len() - rest.len());
                self.count(at, depth)?;
                self.scalar(rest, at, indent, depth)?
            };
            entries.push(Entry { key, offset: line.offset, value });
        }
        Ok(Value { offset, kind: Kind::Map(entries) })
    }

    /// The block that belongs to a key or hyphen at whose line nothing else stands.
    fn below(&mut self, line: Line<'a>, indent: usize, depth: usize) -> Result<Value<'a>, Broken> {
        self.skip_empty();
        match self.lines.get(self.next).copied() {
            Some(next) if next.indent > indent => self.block(next.indent, depth + 1),
            // A list may stand as far left as its key.
            Some(next) if next.indent == indent && is_item(next.content) && !is_item(line.content) => {
                self.count(next.offset, depth + 1)?;
                self.list(indent, depth + 1)
            }
            Some(_) | None => Ok(Value { offset: line.offset, kind: Kind::Null }),
        }
    }

    /// A scalar or a value in brackets, with its further lines.
    fn scalar(
        &mut self,
        content: &'a str,
        offset: usize,
        indent: usize,
        depth: usize,
    ) -> Result<Value<'a>, Broken> {
        if content.starts_with(['|', '>']) {
            let mut text = String::new();
            while let Some(line) = self.lines.get(self.next).copied() {
                if line.indent <= indent && !line.content.is_empty() {
                    break;
                }
                text.push_str(line.content);
                text.push('\n');
                self.next += 1;
            }
            return Ok(Value { offset, kind: Kind::Text(Cow::Owned(text)) });
        }
        if is_whole(content) {
            return self.inline(content, offset, depth);
        }
        // A quoted or plain text, or brackets, that go on below.
        let mut joined = content.to_owned();
        let first = self.next;
        while !is_whole(&joined) {
            let Some(line) = self.lines.get(self.next).copied().filter(|line| {
                line.indent > indent || line.content.is_empty() || line.content.starts_with([']', '}'])
            }) else {
                return Err(self.broken(offset, "this has no end"));
            };
            joined.push(' ');
            joined.push_str(line.content);
            self.next += 1;
            // Each line is looked through once more for each that follows.
            if joined.len() > 16 << 10 || self.next - first > 64 {
                return Err(self.broken(offset, "this goes on for more than 64 lines or 16 KiB"));
            }
        }
        let mut flow = Flow { text: &joined, at: 0, broken: None };
        let kind = flow.value(depth);
        match (kind, flow.broken) {
            (Some(kind), None) => Ok(owned(kind, offset)),
            (_, what) => Err(self.broken(offset, what.unwrap_or("this is no value"))),
        }
    }

    /// A value that stands on one line.
    fn inline(&mut self, content: &'a str, offset: usize, depth: usize) -> Result<Value<'a>, Broken> {
        if content.starts_with(['{', '[', '"', '\'']) {
            let mut flow = Flow { text: content, at: 0, broken: None };
            let value = flow.value(depth);
            let rest = content[flow.at..].trim_start();
            return match (value, flow.broken) {
                (Some(value), None) if rest.is_empty() || rest.starts_with('#') => {
                    self.values += content.bytes().filter(|byte| matches!(byte, b',' | b'{' | b'[')).count();
                    Ok(shifted(value, offset))
                }
                (_, what) => Err(self.broken(offset + flow.at, what.unwrap_or("this is no value"))),
            };
        }
        if content.starts_with(['&', '*', '!']) {
            return Err(self.broken(offset, "anchors, aliases and tags are not read"));
        }
        let plain = content.split(" #").next().unwrap_or(content).trim_end();
        Ok(Value { offset, kind: plain_kind(plain) })
    }
}

fn is_item(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

/// Key and rest of a line that is an entry of a map.
fn split_key(content: &str) -> Option<(&str, &str)> {
    let end = match content.as_bytes().first()? {
        quote @ (b'"' | b'\'') => quoted_end(content, *quote)?,
        b'{' | b'[' => return None,
        b'?' if content.starts_with("? ") => return None,
        _ => {
            let bytes = content.as_bytes();
            let colon = |at: &usize| bytes[*at] == b':' && matches!(bytes.get(at + 1), None | Some(b' '));
            (0..bytes.len()).find(colon)?
        }
    };
    let rest = content[end..].trim_start_matches(' ').strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with(' '))
        .then(|| (content[..end].trim_end(), rest.trim_start_matches(' ')))
}

/// The byte after the closing quote.
fn quoted_end(content: &str, quote: u8) -> Option<usize> {
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
fn is_whole(content: &str) -> bool {
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

fn plain_kind(plain: &str) -> Kind<'_> {
    match plain {
        "" | "~" | "null" => Kind::Null,
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        _ => Kind::Text(Cow::Borrowed(plain)),
    }
}

/// Values in brackets and quotes.
struct Flow<'a> {
    text: &'a str,
    at: usize,
    broken: Option<&'static str>,
}

impl<'a> Flow<'a> {
    fn fail<T>(&mut self, what: &'static str) -> Option<T> {
        self.broken.get_or_insert(what);
        None
    }

    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
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
        let mut items = Vec::new();
        loop {
            match self.peek() {
                Some(b']') => break,
                Some(b',') => return self.fail("a value is missing here"),
                Some(_) => items.push(self.value(depth + 1)?),
                None => return self.fail("this list has no end"),
            }
            if !self.comma(b']')? {
                break;
            }
        }
        self.at += 1;
        Some(Kind::List(items))
    }

    fn map(&mut self, depth: usize) -> Option<Kind<'a>> {
        self.at += 1;
        let mut entries = Vec::new();
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
            entries.push(Entry { key, offset, value });
            if !self.comma(b'}')? {
                break;
            }
        }
        self.at += 1;
        Some(Kind::Map(entries))
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
fn shifted(value: Value<'_>, by: usize) -> Value<'_> {
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
fn owned<'a>(value: Value<'_>, offset: usize) -> Value<'a> {
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

#[cfg(test)]
mod tests {
    use super::yaml;

    #[test]
    fn what_package_managers_write_is_read() {
        let text = "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      '@a/b':\n        version: 1.0.0(c@2.0.0) # why\n\npackages:\n  x@1:\n    resolution: {integrity: sha512-a==, tarball: \"https://x.invalid/a\"}\n    engines: {node: '>=1'}\n    cpu: [x64, arm]\n    deprecated: |-\n      use: y\n      - z\n  /y/2:\n    list:\n    - a\n    - b: 1\n      c: 2\n";
        let value = yaml(text).expect("YAML");
        assert_eq!(value.text_of("lockfileVersion"), Some("9.0"));
        let importer = &value.entries_of("importers")[0];
        assert_eq!(importer.key, ".");
        assert_eq!(
            importer.value.entries_of("dependencies")[0].value.text_of("version"),
            Some("1.0.0(c@2.0.0)")
        );
        let [x, y] = value.entries_of("packages") else { panic!("two") };
        assert_eq!(&text[x.offset..x.offset + 3], "x@1");
        assert_eq!(
            x.value.get("resolution").and_then(|map| map.text_of("tarball")),
            Some("https://x.invalid/a")
        );
        assert_eq!(x.value.items_of("cpu").len(), 2);
        assert_eq!(x.value.text_of("deprecated"), Some("use: y\n- z\n"));
        assert_eq!(y.value.items_of("list")[1].text_of("c"), Some("2"));
    }

    #[test]
    fn what_could_unfold_is_refused_with_its_place() {
        for (given, then) in [
            ("a: &x [1]\n", "line 1, column 4: anchors, aliases and tags are not read"),
            ("b:\n  - *x\n", "line 2, column 5: anchors, aliases and tags are not read"),
            ("a:\n    b: 1\n  c: 2\n", "line 3, column 3: this is indented like nothing above it"),
            ("a: [1, 2\n", "line 1, column 4: this has no end"),
            ("a: 1\n<<<<<<< ours\n", "line 2, column 1: a merge conflict is left in it"),
        ] {
            assert_eq!(yaml(given).expect_err(given).to_string(), then);
        }
        assert!(yaml(&format!("a: {}", "[".repeat(1000))).is_err());
        assert!(yaml(&"- ".repeat(100_000)).is_err());
    }
}

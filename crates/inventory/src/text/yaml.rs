//! The part of YAML that package managers write: blocks by indentation, lists, quoted and plain scalars, maps and lists in
//! brackets on one line, texts over several lines. Anchors, aliases and tags are refused, so no text can unfold into more
//! than it is. <https://yaml.org/spec/1.2.2/>

use std::borrow::Cow;

use crate::detector::Broken;
use crate::text::flow::{Flow, is_whole, owned, plain_kind, quoted_end, shifted};
use crate::text::pile::Pile;
use crate::text::value::{DEEPEST, Entry, Kind, Value, most_values};

/// Reads such YAML. Of several documents the last counts that is not empty.
pub fn yaml(text: &str) -> Result<Value<'_>, Broken> {
    let mut reader = Reader {
        text,
        at: last_document(text)?,
        line: None,
        values: 0,
        items: Pile::default(),
        entries: Pile::default(),
    };
    reader.step();
    reader.skip_empty();
    let value = match reader.line.map(|line| line.indent) {
        Some(indent) => reader.block(indent, 0)?,
        None => Value { offset: 0, kind: Kind::Null },
    };
    reader.skip_empty();
    match reader.line {
        Some(line) => Err(reader.broken(line.offset, "this is indented like nothing above it")),
        None => Ok(value),
    }
}

/// Where the last document begins.
fn last_document(text: &str) -> Result<usize, Broken> {
    let (mut start, mut offset) = (0, 0);
    for line in text.split_inclusive('\n') {
        let content = line.trim_start_matches(' ');
        if content.starts_with("<<<<<<<") || content.starts_with(">>>>>>>") {
            return Err(Broken::at(text, offset, "a merge conflict is left in it"));
        }
        offset += line.len();
        if line.starts_with("---") {
            start = offset;
        }
    }
    Ok(start)
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
    /// Where the line after the next begins.
    at: usize,
    /// The next line; none at the end.
    line: Option<Line<'a>>,
    values: usize,
    items: Pile<Value<'a>>,
    entries: Pile<Entry<'a>>,
}

impl<'a> Reader<'a> {
    fn broken(&self, offset: usize, what: &str) -> Broken {
        Broken::at(self.text, offset, what)
    }

    /// Goes on by a line; marks of documents and directives are none.
    fn step(&mut self) {
        self.line = None;
        while self.line.is_none() && self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let raw = rest.find('\n').map_or(rest, |end| &rest[..=end]);
            let line = raw.trim_end_matches(['\n', '\r']);
            let content = line.trim_start_matches(' ');
            let indent = line.len() - content.len();
            if line != "..." && !line.starts_with('%') {
                self.line = Some(Line { offset: self.at + indent, indent, content });
            }
            self.at += raw.len();
        }
    }

    fn skip_empty(&mut self) {
        while self.line.is_some_and(|line| line.content.is_empty() || line.content.starts_with('#')) {
            self.step();
        }
    }

    fn count(&mut self, offset: usize, depth: usize, values: usize) -> Result<(), Broken> {
        self.values += values;
        if depth > DEEPEST || self.values > most_values(self.text.len()) {
            let what = format!(
                "it is nested more than {DEEPEST} deep, or has more than {} values",
                most_values(self.text.len())
            );
            return Err(Broken::at(self.text, offset, what));
        }
        Ok(())
    }

    /// The map, list or scalar whose lines have this indentation.
    fn block(&mut self, indent: usize, depth: usize) -> Result<Value<'a>, Broken> {
        let Some(line) = self.line else {
            return Ok(Value { offset: self.text.len(), kind: Kind::Null });
        };
        self.count(line.offset, depth, 1)?;
        if is_item(line.content) {
            return self.list(indent, depth);
        }
        if split_key(line.content).is_some() {
            return self.map(indent, depth);
        }
        self.step();
        self.scalar(line.content, line.offset, indent, depth)
    }

    fn list(&mut self, indent: usize, depth: usize) -> Result<Value<'a>, Broken> {
        let offset = self.line.map_or(self.text.len(), |line| line.offset);
        let start = self.items.start();
        loop {
            self.skip_empty();
            let Some(line) = self.line else { break };
            if line.indent != indent || !is_item(line.content) {
                break;
            }
            let rest = line.content[1..].trim_start_matches(' ');
            if rest.is_empty() || rest.starts_with('#') {
                self.step();
                let item = self.below(line, indent, depth)?;
                self.items.push(item);
                continue;
            }
            // What follows the hyphen is a block of its own that begins further to the right.
            let shift = line.content.len() - rest.len();
            let inner = indent + shift;
            self.line = Some(Line { offset: line.offset + shift, indent: inner, content: rest });
            let item = self.block(inner, depth + 1)?;
            self.items.push(item);
        }
        Ok(Value { offset, kind: Kind::List(self.items.list_from(start)) })
    }

    fn map(&mut self, indent: usize, depth: usize) -> Result<Value<'a>, Broken> {
        let offset = self.line.map_or(self.text.len(), |line| line.offset);
        let start = self.entries.start();
        loop {
            self.skip_empty();
            let Some(line) = self.line else { break };
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
            self.step();
            let value = if rest.is_empty() || rest.starts_with('#') {
                self.below(line, indent, depth)?
            } else {
                let at = line.offset + (line.content.len() - rest.len());
                self.count(at, depth, 1)?;
                self.scalar(rest, at, indent, depth)?
            };
            self.entries.push(Entry { key, offset: line.offset, value });
        }
        Ok(Value { offset, kind: Kind::Map(self.entries.list_from(start)) })
    }

    /// The block that belongs to a key or hyphen at whose line nothing else stands.
    fn below(&mut self, line: Line<'a>, indent: usize, depth: usize) -> Result<Value<'a>, Broken> {
        self.skip_empty();
        match self.line {
            Some(next) if next.indent > indent => self.block(next.indent, depth + 1),
            // A list may stand as far left as its key.
            Some(next) if next.indent == indent && is_item(next.content) && !is_item(line.content) => {
                self.count(next.offset, depth + 1, 1)?;
                self.list(indent, depth + 1)
            }
            Some(_) | None => {
                self.count(line.offset, depth, 1)?;
                Ok(Value { offset: line.offset, kind: Kind::Null })
            }
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
            while let Some(line) = self.line {
                if line.indent <= indent && !line.content.is_empty() {
                    break;
                }
                text.push_str(line.content);
                text.push('\n');
                self.step();
            }
            return Ok(Value { offset, kind: Kind::Text(Cow::Owned(text)) });
        }
        if is_whole(content) {
            return self.inline(content, offset, depth);
        }
        // A quoted or plain text, or brackets, that go on below.
        let mut joined = content.to_owned();
        let mut lines = 0;
        while !is_whole(&joined) {
            let Some(line) = self.line.filter(|line| {
                line.indent > indent || line.content.is_empty() || line.content.starts_with([']', '}'])
            }) else {
                return Err(self.broken(offset, "this has no end"));
            };
            joined.push(' ');
            joined.push_str(line.content);
            self.step();
            lines += 1;
            // Each line is looked through once more for each that follows.
            if joined.len() > 16 << 10 || lines > 64 {
                return Err(self.broken(offset, "this goes on for more than 64 lines or 16 KiB"));
            }
        }
        let mut flow = Flow::of(&joined);
        let kind = flow.value(depth);
        match (kind, flow.broken) {
            (Some(kind), None) => Ok(owned(kind, offset)),
            (_, what) => Err(self.broken(offset, what.unwrap_or("this is no value"))),
        }
    }

    /// A value that stands on one line.
    fn inline(&mut self, content: &'a str, offset: usize, depth: usize) -> Result<Value<'a>, Broken> {
        if content.starts_with(['{', '[', '"', '\'']) {
            let values = content.bytes().filter(|byte| matches!(byte, b',' | b'{' | b'[')).count();
            self.count(offset, depth, values)?;
            let mut flow = Flow::of(content);
            let value = flow.value(depth);
            let rest = content[flow.at..].trim_start();
            return match (value, flow.broken) {
                (Some(value), None) if rest.is_empty() || rest.starts_with('#') => Ok(shifted(value, offset)),
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

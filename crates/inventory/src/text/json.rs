//! JSON with the places of its values, which `serde_json` does not tell. Also with comments and trailing commas, as
//! `bun.lock` has them. <https://www.rfc-editor.org/rfc/rfc8259>

use std::borrow::Cow;

use crate::detector::Broken;
use crate::text::pile::Pile;
use crate::text::value::{DEEPEST, Entry, Kind, Value, most_values};

/// Reads JSON.
pub fn json(text: &str) -> Result<Value<'_>, Broken> {
    read(text, false)
}

/// Reads JSON with comments and trailing commas.
pub fn jsonc(text: &str) -> Result<Value<'_>, Broken> {
    read(text, true)
}

fn read(text: &str, lenient: bool) -> Result<Value<'_>, Broken> {
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: start,
        lenient,
        values: 0,
        items: Pile::default(),
        entries: Pile::default(),
    };
    let value = reader.value(0)?;
    reader.space()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.broken("something follows after its end")),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    lenient: bool,
    values: usize,
    items: Pile<Value<'a>>,
    entries: Pile<Entry<'a>>,
}

impl<'a> Reader<'a> {
    fn broken(&self, what: &str) -> Broken {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let is_conflict =
            ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| rest.starts_with(mark.as_bytes()));
        let what = match rest.is_empty() {
            true => "it ends too early",
            false if is_conflict => "a merge conflict is left in it",
            false => what,
        };
        Broken::at(self.text, self.at, what)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) -> Result<(), Broken> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => {
                    self.at += 1;
                    // Mostly a line is indented, and by blanks.
                    let rest = &self.bytes[self.at..];
                    self.at += rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len());
                }
                Some(b'/') if self.lenient => self.comment()?,
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Broken> {
        let rest = &self.text[self.at..];
        if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return Ok(());
        }
        match rest.strip_prefix("/*").and_then(|inner| inner.find("*/")) {
            Some(length) => {
                self.at += length + 4;
                Ok(())
            }
            None => Err(self.broken("this is neither a value nor a comment that ends")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Broken> {
        self.space()?;
        self.values += 1;
        if depth > DEEPEST || self.values > most_values(self.text.len()) {
            let what = format!(
                "it is nested more than {DEEPEST} deep, or has more than {} values",
                most_values(self.text.len())
            );
            return Err(Broken::at(self.text, self.at, what));
        }
        let offset = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) | None => self.word()?,
        };
        Ok(Value { offset, kind })
    }

    fn word(&mut self) -> Result<Kind<'a>, Broken> {
        let words = [("true", Kind::Bool(true)), ("false", Kind::Bool(false)), ("null", Kind::Null)];
        for (word, kind) in words {
            if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.broken("a value is missing here"))
    }

    fn number(&mut self) -> Kind<'a> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        Kind::Number(&self.text[start..self.at])
    }

    fn list(&mut self, depth: usize) -> Result<Kind<'a>, Broken> {
        self.at += 1;
        let start = self.items.start();
        loop {
            self.space()?;
            if self.peek() == Some(b']') && (self.items.start() == start || self.lenient) {
                self.at += 1;
                break;
            }
            let item = self.value(depth + 1)?;
            self.items.push(item);
            if self.ends_after_item(b']')? {
                break;
            }
        }
        Ok(Kind::List(self.items.list_from(start)))
    }

    fn map(&mut self, depth: usize) -> Result<Kind<'a>, Broken> {
        self.at += 1;
        let start = self.entries.start();
        loop {
            self.space()?;
            if self.peek() == Some(b'}') && (self.entries.start() == start || self.lenient) {
                self.at += 1;
                break;
            }
            let offset = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.broken("a key in quotes is missing here"));
            }
            let key = self.string()?;
            self.space()?;
            if self.peek() != Some(b':') {
                return Err(self.broken("a colon is missing here"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            self.entries.push(Entry { key, offset, value });
            if self.ends_after_item(b'}')? {
                break;
            }
        }
        Ok(Kind::Map(self.entries.list_from(start)))
    }

    /// Takes the comma or the end, and says which.
    fn ends_after_item(&mut self, end: u8) -> Result<bool, Broken> {
        self.space()?;
        let next = self.peek();
        if next != Some(b',') && next != Some(end) {
            return Err(self.broken("a comma or the end of the list or map is missing here"));
        }
        self.at += 1;
        Ok(next == Some(end))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Broken> {
        self.at += 1;
        let start = self.at;
        self.at += plain_length(self.bytes.get(start..).unwrap_or_default());
        match self.peek() {
            Some(b'"') => {
                let text = &self.text[start..self.at];
                self.at += 1;
                Ok(Cow::Borrowed(text))
            }
            Some(b'\\') => self.escaped(start).map(Cow::Owned),
            Some(_) | None => Err(self.broken("a control character stands in a string")),
        }
    }

    /// The rest of a string from its first escape on.
    fn escaped(&mut self, start: usize) -> Result<String, Broken> {
        let mut string = self.text[start..self.at].to_owned();
        loop {
            let plain = self.at;
            self.at += plain_length(self.bytes.get(plain..).unwrap_or_default());
            string.push_str(&self.text[plain..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                Some(_) | None => return Err(self.broken("a control character stands in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Broken> {
        let plain = match self.bytes.get(self.at + 1).copied() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(sign @ (b'"' | b'\\' | b'/')) => char::from(sign),
            Some(b'u') => return self.unicode(),
            Some(_) | None => return Err(self.broken("this is no escape")),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, Broken> {
        let unit = |at: usize| {
            let digits = self.text.get(at..at + 4)?;
            let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            u32::from_str_radix(digits, 16).ok().filter(|_| are_digits)
        };
        let first = unit(self.at + 2).ok_or_else(|| self.broken("this is no escape"))?;
        let is_high = (0xd800..0xdc00).contains(&first);
        let is_pair = is_high && self.bytes.get(self.at + 6..self.at + 8) == Some(b"\\u");
        let second = if is_pair { unit(self.at + 8) } else { None };
        let second = second.filter(|unit| (0xdc00..0xe000).contains(unit));
        self.at += if second.is_some() { 12 } else { 6 };
        let code = second.map_or(first, |second| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        Ok(char::from_u32(code).unwrap_or('\u{fffd}'))
    }
}

/// How far a string goes before a quote, a backslash or a control character. Eight bytes at a time, for lockfiles are mostly
/// sums and addresses (the tests for a byte within a word are those of "Bit Twiddling Hacks").
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let below = |word: u64, end: u8| word.wrapping_sub(ONES * u64::from(end)) & !word & (ONES << 7);
    let mut length = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let is = |sign: u8| below(word ^ (ONES * u64::from(sign)), 1);
        // What is wrongly marked stands behind one that is rightly so.
        let marks = below(word, 0x20) | is(b'"') | is(b'\\');
        if marks != 0 {
            return length + (marks.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    let ends = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
    length + rest.iter().position(ends).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::{json, jsonc, plain_length};

    proptest! {
        #[test]
        fn a_string_goes_as_far_as_byte_by_byte(bytes in prop::collection::vec(prop::sample::select(vec![0, 0x1f, 0x20, b'!', b'"', b'#', b'[', b'\\', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff]), 0..40)) {
            let ends = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
            assert_eq!(plain_length(&bytes), bytes.iter().position(ends).unwrap_or(bytes.len()));
        }
    }

    #[track_caller]
    fn check_broken(given: &str, then: &str) {
        assert_eq!(json(given).expect_err("it is broken").to_string(), then, "{given}");
    }

    #[test]
    fn values_know_their_places() {
        let value =
            json("{\n \"a\": [1, -2.5e3, \"x\\u00e9\\n\\ud83d\\ude00\"],\n \"b\": true}").expect("JSON");
        let entries = value.entries();
        assert_eq!(entries[0].offset, 3);
        assert_eq!(entries[0].value.items()[1].text(), Some("-2.5e3"));
        assert_eq!(entries[0].value.items()[2].text(), Some("xé\n😀"));
        assert!(value.is_true("b"));
    }

    #[test]
    fn comments_and_commas_are_for_those_who_ask() {
        let text = "// x\n{ /* y */ \"a\": [1, 2,], }";
        assert!(json(text).is_err());
        assert_eq!(jsonc(text).expect("it is").items_of("a").len(), 2);
        assert!(jsonc("{} /* no end").is_err());
    }

    #[test]
    fn what_is_broken_is_told_with_its_place() {
        check_broken("", "line 1, column 1: it ends too early");
        check_broken("{\"é\": 1,\n}", "line 2, column 1: a key in quotes is missing here");
        check_broken("[1 2]", "line 1, column 4: a comma or the end of the list or map is missing here");
        check_broken("{\n<<<<<<< ours\n}", "line 2, column 1: a merge conflict is left in it");
        check_broken("{} x", "line 1, column 4: something follows after its end");
        check_broken("\"\\q\"", "line 1, column 2: this is no escape");
        let deep = "[".repeat(100_000);
        check_broken(
            &deep,
            "line 1, column 130: it is nested more than 128 deep, or has more than 110000 values",
        );
    }
}

//! The words of a build script, in Groovy or Kotlin, as far as texts, comments and braces go: no more is known of either.

use std::ops::Range;

/// Words of one script that are read.
const MOST_TOKENS: usize = 200_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// With its quotes, where it has some.
    pub(crate) range: Range<usize>,
    /// Braces around it.
    pub(crate) depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    /// A text, with how many bytes its quotes have on each side, and whether `$` puts something in.
    Text(usize, bool),
    Sign(u8),
}

impl Token {
    /// What stands between the quotes of a text.
    pub(crate) fn inner(&self) -> Range<usize> {
        match self.kind {
            Kind::Text(quotes, _) => self.range.start + quotes..self.range.end - quotes,
            Kind::Word | Kind::Sign(_) => self.range.clone(),
        }
    }

    pub(crate) fn is_sign(&self, sign: u8) -> bool {
        self.kind == Kind::Sign(sign)
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text(..))
    }
}

/// The words, with comments left out. In Groovy a text between single quotes has nothing put in.
pub(crate) fn tokens(text: &str, is_kotlin: bool) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut found, mut at, mut depth) = (Vec::new(), 0, 0_usize);
    while at < bytes.len() && found.len() < MOST_TOKENS {
        let (kind, end) = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = line_end(bytes, at);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = text[at + 2..].find("*/").map_or(bytes.len(), |length| at + 4 + length);
                continue;
            }
            quote @ (b'"' | b'\'') => {
                let (quotes, end) = quoted(bytes, at, quote);
                (Kind::Text(quotes, quote == b'"' || is_kotlin), end)
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
                (Kind::Word, at + bytes[at..].iter().take_while(|byte| is_of_word(byte)).count())
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            sign => {
                if sign == b'}' {
                    depth = depth.saturating_sub(1);
                }
                (Kind::Sign(sign), at + 1)
            }
        };
        found.push(Token { kind, range: at..end, depth });
        if kind == Kind::Sign(b'{') {
            depth += 1;
        }
        at = end;
    }
    found
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// How many quotes a text has on each side, and where it ends: at its last quote, or with its line where that is missing.
fn quoted(bytes: &[u8], at: usize, quote: u8) -> (usize, usize) {
    let is_long = bytes[at..].starts_with(&[quote; 3]);
    let quotes = if is_long { 3 } else { 1 };
    let mut end = at + quotes;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'\n' if !is_long => return (0, end),
            byte if byte == quote && (!is_long || bytes[end..].starts_with(&[quote; 3])) => {
                return (quotes, end + quotes);
            }
            _ => end += 1,
        }
    }
    (0, bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{Kind, tokens};

    #[test]
    fn texts_and_braces_are_told_from_comments() {
        let text = "a { // \"x\n b('c', \"d $e\") /* } */ }\n'''f\n'g' ''' \"open";
        let words: Vec<(&str, usize)> = tokens(text, false)
            .iter()
            .filter(|token| !matches!(token.kind, Kind::Sign(_)))
            .map(|token| (&text[token.inner()], token.depth))
            .collect();
        assert_eq!(words, [("a", 0), ("b", 1), ("c", 1), ("d $e", 1), ("f\n'g' ", 0), ("\"open", 0)]);
    }

    proptest! {
        #[test]
        fn any_text_is_cut_within_its_bounds(text in "[a-z${}'\"\\\\/*\n é]{0,40}", is_kotlin in proptest::bool::ANY) {
            let mut last = 0;
            for token in tokens(&text, is_kotlin) {
                prop_assert!(token.range.start >= last && token.inner().start <= token.inner().end);
                prop_assert!(text.get(token.inner()).is_some() && text.get(token.range.clone()).is_some());
                last = token.range.end;
            }
        }
    }
}

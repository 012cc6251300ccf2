//! The words of SQL: where quotes, dollar quotes and comments end, as PostgreSQL's scanner has it (`scan.l`, `psqlscan.l`).

/// One word of the text, or what stands between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// White space and comments.
    Blank,
    /// A name or keyword that is not quoted, or a number.
    Name,
    /// A string, a dollar-quoted string, or a quoted name.
    Quoted,
    /// One character of anything else.
    Sign,
}

/// The first word of the text; none where it is empty. What is not ended goes to the end of the text.
pub(crate) fn first(text: &str) -> Option<Word<'_>> {
    let bytes = text.as_bytes();
    let letter = text.chars().next()?;
    let (kind, length) = match (letter, bytes.get(1)) {
        (letter, _) if letter.is_ascii_whitespace() || letter == '\u{b}' => {
            (Kind::Blank, run(text, |byte| byte.is_ascii_whitespace() || byte == 0x0b))
        }
        ('-', Some(b'-')) => (Kind::Blank, text.find(['\n', '\r']).unwrap_or(text.len())),
        ('/', Some(b'*')) => (Kind::Blank, comment(bytes)),
        ('\'', _) => (Kind::Quoted, quoted(bytes, 0, b'\'', false)),
        ('"', _) => (Kind::Quoted, quoted(bytes, 0, b'"', false)),
        ('e' | 'E', Some(b'\'')) => (Kind::Quoted, quoted(bytes, 1, b'\'', true)),
        ('$', _) => match dollar_quoted(text) {
            Some(length) => (Kind::Quoted, length),
            None => (Kind::Sign, 1),
        },
        (letter, _) if begins_name(letter as u32) => (Kind::Name, run(text, continues_name)),
        (letter, _) if letter.is_ascii_digit() => {
            (Kind::Name, run(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        }
        (letter, _) => (Kind::Sign, letter.len_utf8()),
    };
    Some(Word { kind, text: &text[..length] })
}

/// All words, one after the other.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = first(rest)?;
        rest = &rest[word.text.len()..];
        Some(word)
    })
}

/// The names and signs of a statement in lower case, without blanks and strings.
pub(crate) fn plain(text: &str) -> Vec<String> {
    let bare = |word: &Word<'_>| matches!(word.kind, Kind::Name | Kind::Sign);
    words(text).filter(bare).map(|word| word.text.to_ascii_lowercase()).collect()
}

fn begins_name(letter: u32) -> bool {
    letter >= 0x80
        || letter == u32::from(b'_')
        || char::from_u32(letter).is_some_and(|letter| letter.is_ascii_alphabetic())
}

fn continues_name(byte: u8) -> bool {
    byte >= 0x80 || byte == b'_' || byte == b'$' || byte.is_ascii_alphanumeric()
}

/// Bytes at the beginning that are so. What is not ASCII is so whole or not at all.
fn run(text: &str, is_so: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|byte| !is_so(byte)).unwrap_or(text.len())
}

/// To the end of the quote that begins at `start`; two quotes are one inside.
fn quoted(bytes: &[u8], start: usize, quote: u8, escapes: bool) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if escapes => at += 2,
            byte if *byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Comments lie in each other.
fn comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = run(&text[1..], |byte| byte != b'$' && continues_name(byte)) + 1;
    let begins = text[1..].bytes().next().is_some_and(|byte| byte == b'$' || begins_name(u32::from(byte)));
    if !begins || text.as_bytes().get(tag) != Some(&b'$') {
        return None;
    }
    let mark = &text[..=tag];
    Some(text[mark.len()..].find(mark).map_or(text.len(), |at| mark.len() + at + mark.len()))
}

#[cfg(test)]
mod tests {
    use super::{Kind, plain, words};

    #[test]
    fn quotes_and_comments_end_where_postgresql_ends_them() {
        for (text, expected) in [
            ("'it''s; fine' x", vec![(Kind::Quoted, "'it''s; fine'"), (Kind::Blank, " "), (Kind::Name, "x")]),
            (r"E'a\';b'c", vec![(Kind::Quoted, r"E'a\';b'"), (Kind::Name, "c")]),
            (r"'a\';", vec![(Kind::Quoted, r"'a\'"), (Kind::Sign, ";")]),
            ("\"a;\"\"b\"", vec![(Kind::Quoted, "\"a;\"\"b\"")]),
            ("$$a;$x$b$$;", vec![(Kind::Quoted, "$$a;$x$b$$"), (Kind::Sign, ";")]),
            ("$é$ $$ ; $é$", vec![(Kind::Quoted, "$é$ $$ ; $é$")]),
            ("$1", vec![(Kind::Sign, "$"), (Kind::Name, "1")]),
            ("a$b$", vec![(Kind::Name, "a$b$")]),
            ("/* a /* ; */ b */;", vec![(Kind::Blank, "/* a /* ; */ b */"), (Kind::Sign, ";")]),
            ("-- a;\n;", vec![(Kind::Blank, "-- a;"), (Kind::Blank, "\n"), (Kind::Sign, ";")]),
            ("'never ended ;", vec![(Kind::Quoted, "'never ended ;")]),
            (r"e'\", vec![(Kind::Quoted, r"e'\")]),
        ] {
            let found: Vec<_> = words(text).map(|word| (word.kind, word.text)).collect();
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(plain("ALTER TABLE a ADD 'x' -- y\n b"), ["alter", "table", "a", "add", "b"]);
    }
}

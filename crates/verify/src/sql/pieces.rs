//! Cuts SQL into statements as psql does, so that each can be run and looked at alone. Put together, the pieces are the text.

use crate::sql::words::{Kind, first, words};

/// A part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) what: What,
    pub(crate) text: &'a str,
    /// The line of the text on which it begins, counted from 1.
    pub(crate) line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// White space and comments before or after statements, and semicolons that end nothing.
    Blank,
    /// With its semicolon, if there is one.
    Statement,
    /// What the `COPY … FROM stdin` before it reads, with the line that ends it.
    Data,
    /// A line for psql itself, as `\i other.sql`.
    Command,
}

/// The pieces of the text, in order.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let copies = pieces.iter().rev().find(|piece| piece.what != What::Blank).is_some_and(copies_in);
        let ended = pieces.last().is_some_and(|piece| piece.text.ends_with('\n'));
        let (what, length) = match copies && ended {
            true => (What::Data, data(rest)),
            false if rest.starts_with('\\') => {
                (What::Command, rest.find('\n').map_or(rest.len(), |at| at + 1))
            }
            false => match blank(rest, copies) {
                0 => (What::Statement, statement(rest)),
                length => (What::Blank, length),
            },
        };
        let (piece, after) = rest.split_at(length);
        pieces.push(Piece { what, text: piece, line });
        line += piece.bytes().filter(|byte| *byte == b'\n').count();
        rest = after;
    }
    pieces
}

/// The data of a COPY begins on the line after it.
fn blank(text: &str, copies: bool) -> usize {
    let line = text.find('\n').map_or(text.len(), |at| at + 1);
    if copies && words(&text[..line]).all(|word| word.kind == Kind::Blank) {
        return line;
    }
    let mut length = 0;
    while let Some(word) = first(&text[length..]) {
        let is_blank = word.kind == Kind::Blank || word.text == ";";
        if !is_blank {
            break;
        }
        length += word.text.len();
    }
    length
}

/// To the semicolon that ends it: one outside of parentheses and of the body of a function in standard SQL
/// (`BEGIN ATOMIC … END`).
fn statement(text: &str) -> usize {
    let (mut length, mut parentheses, mut bodies) = (0, 0_usize, 0_usize);
    let mut names: Vec<String> = Vec::new();
    while let Some(word) = first(&text[length..]) {
        length += word.text.len();
        match (word.kind, word.text) {
            (Kind::Sign, "(") => parentheses += 1,
            (Kind::Sign, ")") => parentheses = parentheses.saturating_sub(1),
            (Kind::Sign, ";") if parentheses == 0 && bodies == 0 => return length,
            (Kind::Name, name) => {
                let name = name.to_ascii_lowercase();
                match name.as_str() {
                    "begin" if makes_function(&names) => bodies += 1,
                    "case" if bodies > 0 => bodies += 1,
                    "end" => bodies = bodies.saturating_sub(1),
                    _ => {}
                }
                if names.len() < 4 {
                    names.push(name);
                }
            }
            _ => {}
        }
    }
    length
}

/// By its first words, as psql tells it.
fn makes_function(names: &[String]) -> bool {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["create", "or", "replace", kind, ..] | ["create", kind, ..] => {
            matches!(*kind, "function" | "procedure")
        }
        _ => false,
    }
}

fn copies_in(piece: &Piece<'_>) -> bool {
    let mut names = words(piece.text)
        .filter(|word| matches!(word.kind, Kind::Name | Kind::Sign | Kind::Quoted))
        .map(|word| word.text.to_ascii_lowercase());
    if piece.what != What::Statement || names.next().as_deref() != Some("copy") {
        return false;
    }
    let mut before = String::new();
    names.any(|name| std::mem::replace(&mut before, name.clone()) == "from" && name == "stdin")
}

/// To the line `\.` that ends it.
fn data(text: &str) -> usize {
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        length += line.len();
        if line.trim_end_matches(['\n', '\r']) == "\\." {
            break;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{What, pieces};

    #[track_caller]
    fn check(text: &str, expected: &[(What, usize, &str)]) {
        let found: Vec<_> = pieces(text)
            .iter()
            .filter(|piece| piece.what != What::Blank)
            .map(|piece| (piece.what, piece.line, piece.text))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn statements_end_where_psql_ends_them() {
        use What::{Command, Data, Statement};
        check(
            "-- first\nSELECT ';';\n\nSELECT 2 -- ;\n;;",
            &[(Statement, 2, "SELECT ';';"), (Statement, 4, "SELECT 2 -- ;\n;")],
        );
        let rule = "CREATE RULE r AS ON INSERT TO a DO (SELECT 1; SELECT 2);";
        check(&format!("{rule} SELECT 1"), &[(Statement, 1, rule), (Statement, 1, "SELECT 1")]);
        let body = "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;";
        check(
            &format!("{body}\nBEGIN; END;"),
            &[(Statement, 1, body), (Statement, 2, "BEGIN;"), (Statement, 2, "END;")],
        );
        check("DO $$ BEGIN PERFORM 1; END $$;", &[(Statement, 1, "DO $$ BEGIN PERFORM 1; END $$;")]);
        check(
            "COPY \"a\" (b) FROM stdin;\n1;\n'\n\\.\nSELECT 1;",
            &[
                (Statement, 1, "COPY \"a\" (b) FROM stdin;"),
                (Data, 2, "1;\n'\n\\.\n"),
                (Statement, 5, "SELECT 1;"),
            ],
        );
        check(
            "COPY a FROM stdin; SELECT 1;\n1",
            &[(Statement, 1, "COPY a FROM stdin;"), (Statement, 1, "SELECT 1;"), (Statement, 2, "1")],
        );
        check(
            "COPY a TO stdout;\nSELECT 1;",
            &[(Statement, 1, "COPY a TO stdout;"), (Statement, 2, "SELECT 1;")],
        );
        check("\\set x 1\nSELECT 1;", &[(Command, 1, "\\set x 1\n"), (Statement, 2, "SELECT 1;")]);
    }

    const SAMPLE: &str = "CREATE TABLE a (b text DEFAULT 'x;', c int); -- é;\nCOPY a FROM stdin;\n1\t;\n\\.\n/* /* */ */
CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;\n\\i x\nDO $é$ ; $é$; E'\\';' U&\"x\";";

    proptest! {
        #[test]
        fn the_pieces_of_any_text_are_the_text(
            noise in any::<String>(),
            cuts in prop::collection::vec((0..SAMPLE.len(), 0..SAMPLE.len()), 0..12),
        ) {
            let piece = |(a, b): &(usize, usize)| {
                String::from_utf8_lossy(&SAMPLE.as_bytes()[*a.min(b)..*a.max(b)]).into_owned()
            };
            let text = cuts.iter().map(piece).chain([noise]).collect::<Vec<_>>().concat();
            let found = pieces(&text);
            prop_assert!(found.iter().all(|piece| !piece.text.is_empty()));
            prop_assert_eq!(found.iter().map(|piece| piece.text).collect::<String>(), text);
        }
    }
}

//! The words of a `Gemfile`, as far as it states facts: names, texts, symbols and the signs between them. What computes is no
//! such word.

use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A bare name, as `gem` or `do`.
    Name(String),
    /// In quotes, without them.
    Text(String),
    /// `:name`.
    Symbol(String),
    /// `name:`.
    Key(String),
    /// `%w[a b]` and `%i[a b]`.
    Words(Vec<String>),
    /// `,`, `=>`, a bracket.
    Sign(&'static str),
}

/// A word and where it stands, in bytes; of a text without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) word: Word,
    pub(crate) place: Range<usize>,
}

const SIGNS: [&str; 6] = ["=>", ",", "(", ")", "[", "]"];

/// The statements of the text, each a line or several that belong together. Where it is none, the place and what stands there.
pub(crate) fn statements(text: &str) -> Result<Vec<Vec<Token>>, (usize, String)> {
    let (mut all, mut statement, mut depth): (Vec<Vec<Token>>, Vec<Token>, usize) =
        (Vec::new(), Vec::new(), 0);
    let mut at = 0;
    while let Some(sign) = text[at..].chars().next() {
        match sign {
            '\n' => {
                let is_open =
                    depth > 0 || statement.last().is_some_and(|token| token.word == Word::Sign(","));
                if !is_open && !statement.is_empty() {
                    all.push(std::mem::take(&mut statement));
                }
                at += 1;
            }
            '#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            ' ' | '\t' | '\r' => at += 1,
            // How GitHub's short names are written out stands in many a `Gemfile`; gems from git are refused anyway.
            _ if statement.is_empty() && text[at..].starts_with("git_source") => {
                let line = &text[at..at + text[at..].find('\n').unwrap_or(text.len() - at)];
                if !line.trim_end().ends_with('}') {
                    return Err((at, "`git_source` over several lines".to_owned()));
                }
                at += line.len();
            }
            _ => {
                let (token, end) = token(text, at)?;
                match token.word {
                    Word::Sign("(" | "[") => depth += 1,
                    Word::Sign(")" | "]") => depth = depth.saturating_sub(1),
                    _ => {}
                }
                statement.push(token);
                at = end;
            }
        }
    }
    if !statement.is_empty() {
        all.push(statement);
    }
    Ok(all)
}

/// The word that begins here, and where it ends.
fn token(text: &str, at: usize) -> Result<(Token, usize), (usize, String)> {
    let rest = &text[at..];
    if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        return Ok((Token { word: Word::Sign(sign), place: at..at + sign.len() }, at + sign.len()));
    }
    if let Some(quote) = rest.chars().next().filter(|sign| matches!(sign, '\'' | '"')) {
        let inner =
            quoted(rest, quote).ok_or_else(|| (at, "a text that is more than its letters".to_owned()))?;
        let place = at + 1..at + 1 + inner.len();
        let after = place.end + 1;
        // `"name": value`.
        if text[after..].starts_with(':') && !text[after..].starts_with("::") {
            return Ok((Token { word: Word::Key(inner.to_owned()), place }, after + 1));
        }
        return Ok((Token { word: Word::Text(inner.to_owned()), place }, after));
    }
    if let Some(words) = rest.strip_prefix("%w").or(rest.strip_prefix("%i")) {
        let close = match words.chars().next() {
            Some('[') => ']',
            Some('(') => ')',
            _ => return Err((at, told(rest))),
        };
        let inner = words[1..].split(close).next().unwrap_or_default();
        let is_plain = words[1..].contains(close) && !inner.contains(['\\', '#', '[', '(']);
        let end = at + 2 + 1 + inner.len() + 1;
        let listed = inner.split_whitespace().map(str::to_owned).collect();
        return match is_plain {
            true => Ok((Token { word: Word::Words(listed), place: at..end }, end)),
            false => Err((at, told(rest))),
        };
    }
    if let Some(symbol) = rest.strip_prefix(':') {
        let name = name(symbol);
        let end = at + 1 + name.len();
        return match name {
            "" => Err((at, told(rest))),
            name => Ok((Token { word: Word::Symbol(name.to_owned()), place: at..end }, end)),
        };
    }
    let name = name(rest);
    let end = at + name.len();
    match (name, &text[end..]) {
        ("", _) => Err((at, told(rest))),
        (name, after) if after.starts_with(':') && !after.starts_with("::") => {
            Ok((Token { word: Word::Key(name.to_owned()), place: at..end }, end + 1))
        }
        (name, _) => Ok((Token { word: Word::Name(name.to_owned()), place: at..end }, end)),
    }
}

/// What stands between quotes, where each letter stands for itself.
fn quoted(rest: &str, quote: char) -> Option<&str> {
    let inner = rest[1..].split(quote).next()?;
    let is_closed = rest.len() > 1 + inner.len();
    (is_closed && !inner.contains(['\\', '\n']) && !(quote == '"' && inner.contains('#'))).then_some(inner)
}

fn name(rest: &str) -> &str {
    let end = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_')).unwrap_or(rest.len());
    &rest[..end]
}

fn told(rest: &str) -> String {
    let line = rest.lines().next().unwrap_or_default().trim();
    format!("`{}`", line.chars().take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::statements;

    #[test]
    fn what_computes_is_refused_where_it_stands() {
        let check = |text: &str, then: Result<usize, usize>| {
            let found = statements(text).map(|all| all.len()).map_err(|(at, _)| at);
            assert_eq!(found, then, "{text}");
        };
        check("# a\ngem 'a', # why\n  '1'\n\ngem(\"b\",\n  [:x,\n :y])\n", Ok(2));
        check("git_source(:g) { |r| \"#{r}\" }\ngem 'a'", Ok(1));
        check("gem \"a#{1}\"", Err(4));
        check("gem 'a\\''", Err(4));
        check("gem 'a", Err(4));
        check("x = 1", Err(2));
        check("gem `id`", Err(4));
        check("ENV['A']; gem 'a'", Err(8));
        check("gem %w[a b]", Ok(1));
        check("gem %w[a #{b}]", Err(4));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(gem |'|\"|:|%w\\[|\\]|,|\n|#|git_source|}|é|a){0,30}") {
            let _ = statements(&text);
        }
    }
}

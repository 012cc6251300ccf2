//! One statement of a `Gemfile`: what it is called with.

use std::ops::Range;

use crate::dependency::bundler::token::{Token, Word};

/// A value that is written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String, Range<usize>),
    Symbol(String),
    /// `true`, `false`, `nil` and numbers.
    Bare(String),
    List(Vec<Value>),
}

/// `name values, key: value do`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) name: String,
    pub(crate) values: Vec<Value>,
    pub(crate) options: Vec<(String, Value)>,
    pub(crate) opens: bool,
}

impl Value {
    /// The texts and symbols of it.
    pub(crate) fn words(&self) -> Vec<&str> {
        match self {
            Value::Text(text, _) | Value::Symbol(text) => vec![text.as_str()],
            Value::Bare(_) => Vec::new(),
            Value::List(list) => list.iter().flat_map(Value::words).collect(),
        }
    }
}

impl Statement {
    /// None where it is more than a name with what it is called with.
    pub(crate) fn read(tokens: &[Token]) -> Option<Self> {
        let (Token { word: Word::Name(name), .. }, rest) = tokens.split_first()? else { return None };
        let mut statement = Self { name: name.clone(), ..Self::default() };
        let is = |token: Option<&Token>, word: &Word| token.is_some_and(|token| token.word == *word);
        let rest = match rest.split_last() {
            Some((last, rest)) if last.word == Word::Name("do".to_owned()) => {
                statement.opens = true;
                rest
            }
            _ => rest,
        };
        let mut rest = match (rest.first(), rest.last()) {
            (first, last) if is(first, &Word::Sign("(")) && is(last, &Word::Sign(")")) => {
                &rest[1..rest.len() - 1]
            }
            _ => rest,
        };
        while let Some(first) = rest.first() {
            if let Word::Key(key) = &first.word {
                let (value, after) = value(&rest[1..])?;
                statement.options.push((key.clone(), value));
                rest = after;
            } else {
                let (first, after) = value(rest)?;
                match (first, is(after.first(), &Word::Sign("=>"))) {
                    (Value::Symbol(key) | Value::Text(key, _), true) => {
                        let (value, after) = value(&after[1..])?;
                        statement.options.push((key, value));
                        rest = after;
                    }
                    (value, false) => {
                        statement.values.push(value);
                        rest = after;
                    }
                    (_, true) => return None,
                }
            }
            match rest.first() {
                Some(token) if token.word == Word::Sign(",") && rest.len() > 1 => rest = &rest[1..],
                Some(_) => return None,
                None => {}
            }
        }
        Some(statement)
    }
}

/// The value that the tokens begin with, and what follows it.
fn value(tokens: &[Token]) -> Option<(Value, &[Token])> {
    let (first, rest) = tokens.split_first()?;
    let value = match &first.word {
        Word::Text(text) => Value::Text(text.clone(), first.place.clone()),
        Word::Symbol(name) => Value::Symbol(name.clone()),
        Word::Words(words) => Value::List(words.iter().cloned().map(Value::Symbol).collect()),
        Word::Name(name) if matches!(name.as_str(), "true" | "false" | "nil") || is_number(name) => {
            Value::Bare(name.clone())
        }
        Word::Sign("[") => return list(rest),
        Word::Name(_) | Word::Key(_) | Word::Sign(_) => return None,
    };
    Some((value, rest))
}

/// A list of single values, behind its bracket.
fn list(mut rest: &[Token]) -> Option<(Value, &[Token])> {
    let mut values = Vec::new();
    loop {
        let (first, after) = rest.split_first()?;
        match &first.word {
            Word::Sign("]") => return Some((Value::List(values), after)),
            Word::Sign(",") => rest = after,
            Word::Sign(_) | Word::Key(_) => return None,
            Word::Name(_) | Word::Text(_) | Word::Symbol(_) | Word::Words(_) => {
                let (value, after) = value(rest)?;
                values.push(value);
                rest = after;
            }
        }
    }
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::Statement;
    use crate::dependency::bundler::token::statements;

    #[test]
    fn a_statement_is_a_name_with_what_it_is_called_with() {
        let check = |text: &str, then: Option<&str>| {
            let tokens = statements(text).unwrap();
            let read = Statement::read(&tokens[0]);
            let shown = read.map(|read| {
                let values: Vec<String> = read.values.iter().map(|value| value.words().join("+")).collect();
                let options: Vec<String> = read
                    .options
                    .iter()
                    .map(|(key, value)| format!("{key}={}", value.words().join("+")))
                    .collect();
                format!(
                    "{} {} {}{}",
                    read.name,
                    values.join(" "),
                    options.join(" "),
                    if read.opens { " do" } else { "" }
                )
            });
            assert_eq!(shown.as_deref(), then, "{text}");
        };
        check(
            "gem 'a', '~> 1', \"< 2\", require: false, :platforms => [:ruby, :mri]",
            Some("gem a ~> 1 < 2 require= platforms=ruby+mri"),
        );
        check("gem('a', ['>= 1', '< 2'])", Some("gem a >= 1+< 2 "));
        check("group :a, :b do", Some("group a b  do"));
        check("end", Some("end  "));
        check("gem 'a' if x", None);
        check("gem 'a', version", None);
        check("gem 'a',", None);
        check("'a'", None);
    }
}

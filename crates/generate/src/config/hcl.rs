//! HCL, as in Terraform: blocks by their names and labels, attributes, objects and lists as values with their places, read by
//! `hcl-edit`. What is put together by a program, as `var.size`, is an expression, and no value that could be changed.

use std::borrow::Cow;
use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::parser::parse_body;
use hcl_edit::structure::{Block, Body, Structure};
use patchline_inventory::text::flow::quoted_end;
use patchline_inventory::text::value::{Entry, Kind, Value};

use crate::config::token;

/// The reader refuses what is nested more than 64 deep, and so no limit is needed here.
pub(crate) fn read(text: &str) -> Result<Value<'_>, String> {
    let body = parse_body(text).map_err(|error| {
        let at = error.location();
        format!("line {}, column {}: {}", at.line(), at.column(), error.message())
    })?;
    self::body(text, &body)
}

/// Attributes by their names; blocks by names and labels, where several have the same they are a list.
fn body<'t>(text: &'t str, body: &Body) -> Result<Value<'t>, String> {
    let mut entries: Vec<Entry<'t>> = Vec::new();
    let mut blocks: Vec<(Vec<&str>, Vec<&Block>)> = Vec::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                entries.push(entry(attribute.key.as_str().to_owned(), expression(text, &attribute.value)?));
            }
            Structure::Block(block) => {
                let names =
                    [block.ident.as_str()].into_iter().chain(block.labels.iter().map(|label| label.as_str()));
                blocks.push((names.collect(), vec![block]));
            }
        }
    }
    // Sorting keeps those of the same names in their order.
    blocks.sort_by(|one, other| one.0.cmp(&other.0));
    blocks.dedup_by(|next, first| {
        next.0 == first.0 && {
            first.1.append(&mut next.1);
            true
        }
    });
    for (names, same) in blocks {
        let value = match same.as_slice() {
            [one] => self::body(text, &one.body)?,
            several => {
                let items: Result<Vec<Value<'t>>, String> =
                    several.iter().map(|one| self::body(text, &one.body)).collect();
                Value { offset: 0, kind: Kind::List(items?) }
            }
        };
        insert(&mut entries, &names, value);
    }
    Ok(Value { offset: 0, kind: Kind::Map(entries) })
}

/// Each label is a map of those below it. What can't be told apart stands there twice, which the search says.
fn insert<'t>(entries: &mut Vec<Entry<'t>>, names: &[&str], value: Value<'t>) {
    match names {
        [] => {}
        [last] => entries.push(entry((*last).to_owned(), value)),
        [first, rest @ ..] => {
            let last = entries.last_mut().filter(|entry| entry.key == *first);
            if let Some(Kind::Map(below)) = last.map(|entry| &mut entry.value.kind) {
                return insert(below, rest, value);
            }
            let mut below = Vec::new();
            insert(&mut below, rest, value);
            entries.push(entry((*first).to_owned(), Value { offset: 0, kind: Kind::Map(below) }));
        }
    }
}

fn entry<'t>(key: String, value: Value<'t>) -> Entry<'t> {
    Entry { key: Cow::Owned(key), offset: value.offset, value }
}

fn expression<'t>(text: &'t str, expression: &Expression) -> Result<Value<'t>, String> {
    let (at, written) = written(text, expression)?;
    let kind = match expression {
        Expression::Null(_) => Kind::Null,
        Expression::Bool(is) => Kind::Bool(*is.value()),
        Expression::String(word) if written.starts_with('"') => {
            Kind::Text(Cow::Owned(word.as_str().to_owned()))
        }
        Expression::Array(items) => {
            let items: Result<Vec<Value<'t>>, String> =
                items.iter().map(|item| self::expression(text, item)).collect();
            Kind::List(items?)
        }
        Expression::Object(object) => {
            let pair = |(key, value): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
                let key = match key {
                    ObjectKey::Ident(name) => name.as_str().to_owned(),
                    ObjectKey::Expression(Expression::String(name)) => name.as_str().to_owned(),
                    ObjectKey::Expression(other) => self::written(text, other)?.1.to_owned(),
                };
                Ok(entry(key, self::expression(text, value.expr())?))
            };
            let entries: Result<Vec<Entry<'t>>, String> = object.iter().map(pair).collect();
            Kind::Map(entries?)
        }
        _ if token::is_number(written) => Kind::Number(written),
        // Its text as a key: so two expressions differ in shape, and not only in a value.
        _ => Kind::Map(vec![Entry {
            key: Cow::Borrowed(written),
            offset: at,
            value: Value { offset: at, kind: Kind::Null },
        }]),
    };
    Ok(Value { offset: at, kind })
}

/// The bytes of an expression.
fn written<'t>(text: &'t str, expression: &Expression) -> Result<(usize, &'t str), String> {
    let span = expression.span().ok_or("a value in it has no place")?;
    let written = text.get(span.clone()).ok_or("a value in it has no place")?;
    Ok((span.start, written))
}

pub(crate) fn range(text: &str, value: &Value<'_>) -> Result<Range<usize>, String> {
    let length = match &value.kind {
        Kind::Map(entries)
            if entries.first().is_some_and(|entry| entry.offset == value.offset && value.offset > 0) =>
        {
            return Err(format!("it is an expression, `{}`, and no single value", entries[0].key));
        }
        Kind::Map(_) | Kind::List(_) => return Err(token::NOT_SINGLE.to_owned()),
        Kind::Null => return Err("it is `null`, which has no type to keep".to_owned()),
        Kind::Bool(is) => is.to_string().len(),
        Kind::Number(written) => written.len(),
        Kind::Text(_) => quoted_end(&text[value.offset..], b'"').ok_or("its text has no end")?,
    };
    Ok(value.offset..value.offset + length)
}

pub(crate) fn rewritten(old: &str, new: &str) -> Result<String, String> {
    match old.starts_with('"') {
        // In quotes `${` and `%{` begin what is computed.
        true => Ok(token::quoted(new).replace("${", "$${").replace("%{", "%%{")),
        false => token::rewritten(old, new),
    }
}

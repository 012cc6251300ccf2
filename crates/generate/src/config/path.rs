//! The way to a value, as in `spec.containers[0].resources` and `metadata.labels["a.b/c"]`.

use std::fmt;

use patchline_inventory::text::value::{Kind, Value};

/// Longer ways lead nowhere: no text is read that is nested so deep.
const MOST_STEPS: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Item(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Key(key) => write!(f, "`{key}`"),
            Step::Item(index) => write!(f, "`[{index}]`"),
        }
    }
}

/// The steps at the head of a text, and what follows them: the text from the first `=` on.
pub(crate) fn steps(text: &str) -> Result<(Vec<Step>, &str), String> {
    let (mut steps, mut rest) = (Vec::new(), text);
    loop {
        if steps.len() > MOST_STEPS {
            return Err(format!("its path has more than {MOST_STEPS} steps"));
        }
        if let Some(inner) = rest.strip_prefix("[\"") {
            let (key, after) = inner.split_once("\"]").ok_or("a `\"]` is missing in its path")?;
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']').ok_or("a `]` is missing in its path")?;
            let index = index.parse().map_err(|_| format!("`[{index}]` is no number of an item"))?;
            steps.push(Step::Item(index));
            rest = after;
        } else {
            let end = rest.find(['.', '[', '=']).unwrap_or(rest.len());
            if end == 0 {
                return Err("a step of its path is empty".to_owned());
            }
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        match rest.as_bytes().first() {
            Some(b'.') => rest = &rest[1..],
            Some(b'[') => {}
            Some(b'=') => return Ok((steps, rest)),
            Some(_) | None => return Err("a `=` with the new value is missing".to_owned()),
        }
    }
}

/// The value at the end of the way, or how far it went and what there is.
pub(crate) fn find<'v, 't>(value: &'v Value<'t>, steps: &[Step]) -> Result<&'v Value<'t>, String> {
    let mut at = value;
    for (done, step) in steps.iter().enumerate() {
        let next = match (step, &at.kind) {
            (Step::Key(key), Kind::Map(entries)) => {
                let mut found = entries.iter().filter(|entry| entry.key == *key);
                let first = found.next();
                if found.next().is_some() {
                    return Err(format!("{step} stands there more than once"));
                }
                first.map(|entry| &entry.value)
            }
            (Step::Item(index), Kind::List(items)) => items.get(*index),
            _ => None,
        };
        at = next.ok_or_else(|| {
            let way: Vec<String> = steps[..done].iter().map(Step::to_string).collect();
            let place =
                if way.is_empty() { "at the top".to_owned() } else { format!("in {}", way.join(" ")) };
            format!("there is no {step} {place}: there is {}", content(at))
        })?;
    }
    Ok(at)
}

fn content(value: &Value<'_>) -> String {
    match &value.kind {
        Kind::Map(entries) => {
            let keys: Vec<String> = entries.iter().take(12).map(|entry| format!("`{}`", entry.key)).collect();
            let more = if entries.len() > keys.len() { " and more" } else { "" };
            if keys.is_empty() { "an empty map".to_owned() } else { format!("{}{more}", keys.join(", ")) }
        }
        Kind::List(items) => format!("a list of {}", items.len()),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => "a single value".to_owned(),
    }
}

/// Whether two values are the same but for what lies at the end of the way, which is a single value in both.
pub(crate) fn same_but(left: &Value<'_>, right: &Value<'_>, steps: Option<&[Step]>) -> bool {
    match (&left.kind, &right.kind) {
        (Kind::Map(left), Kind::Map(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| {
                    let step = Step::Key(left.key.clone().into_owned());
                    left.key == right.key && same_but(&left.value, &right.value, below(steps, &step))
                })
        }
        (Kind::List(left), Kind::List(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .enumerate()
                    .all(|(index, (left, right))| same_but(left, right, below(steps, &Step::Item(index))))
        }
        (Kind::Map(_) | Kind::List(_), _) | (_, Kind::Map(_) | Kind::List(_)) => false,
        (left, right) => steps.is_some_and(<[Step]>::is_empty) || left == right,
    }
}

fn below<'s>(steps: Option<&'s [Step]>, step: &Step) -> Option<&'s [Step]> {
    steps.and_then(<[Step]>::split_first).filter(|(first, _)| *first == step).map(|(_, rest)| rest)
}

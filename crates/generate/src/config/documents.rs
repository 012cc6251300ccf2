//! The documents of one YAML text: where each begins and ends, and which of them is meant.

use patchline_inventory::text::value::Value;
use patchline_inventory::text::yaml::yaml;

use crate::config::path::Step;

/// Where each document begins and ends; a mark belongs to what follows it.
pub(crate) fn documents(text: &str) -> Vec<(usize, usize)> {
    let mut starts = vec![0];
    let (mut offset, mut has_content) = (0, false);
    for line in text.split_inclusive('\n') {
        if line.starts_with("---") && has_content {
            starts.push(offset);
            has_content = false;
        }
        let bare = line.trim_end_matches(['\n', '\r']);
        has_content |= !bare.is_empty() && !bare.starts_with(['#', '%']) && bare.trim_end() != "---";
        offset += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().copied().zip(ends).collect()
}

/// The document at the head of the way, and the way within it: `[n]` counts from the first, and `Deployment/web` or
/// `Deployment/shop/web` is what Kubernetes calls an object.
pub(crate) fn document<'s>(text: &str, steps: &'s [Step]) -> Result<(usize, usize, &'s [Step]), String> {
    let documents = documents(text);
    match (documents.as_slice(), steps.split_first()) {
        (all, Some((Step::Key(key), rest))) if key.contains('/') => {
            if let ([(start, end)], true) = (all, is_key(text, key)) {
                return Ok((*start, *end, steps));
            }
            let (start, end) = named(text, all, key)?;
            Ok((start, end, rest))
        }
        ([(start, end)], _) => Ok((*start, *end, steps)),
        (several, Some((Step::Item(index), rest))) => {
            let (start, end) =
                several.get(*index).ok_or_else(|| format!("it has {} documents", several.len()))?;
            Ok((*start, *end, rest))
        }
        (several, _) => {
            let last = several.len() - 1;
            Err(format!(
                "it has {} documents: begin the path with `[0].` to `[{last}].`, or with `KIND/NAME.`",
                several.len()
            ))
        }
    }
}

/// Whether the only document has such a key at its top.
fn is_key(text: &str, key: &str) -> bool {
    yaml(text).is_ok_and(|value| value.get(key).is_some())
}

fn named(text: &str, documents: &[(usize, usize)], name: &str) -> Result<(usize, usize), String> {
    let (mut found, mut known, mut unread) = (Vec::new(), Vec::new(), 0);
    for (start, end) in documents {
        match yaml(&text[*start..*end]) {
            Ok(value) if is_named(&value, name) => found.push((*start, *end)),
            Ok(value) => known.extend(name_of(&value)),
            Err(_) => unread += 1,
        }
    }
    match (found.as_slice(), known.len()) {
        ([one], _) => Ok(*one),
        ([], there) => {
            known.truncate(12);
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            let more = if there > known.len() { " and more" } else { "" };
            let there =
                if known.is_empty() { "none with a kind and a name".to_owned() } else { known.join(", ") };
            let unread = if unread > 0 { format!("; {unread} could not be read") } else { String::new() };
            Err(format!("no document is `{name}`: there is {there}{more}{unread}"))
        }
        (several, _) => Err(format!(
            "{} documents are `{name}`: say `KIND/NAMESPACE/NAME`, or which by `[n]`",
            several.len()
        )),
    }
}

/// The kind counts without its capitals, as with Kubernetes' own tools.
fn is_named(value: &Value<'_>, name: &str) -> bool {
    let Some(metadata) = value.get("metadata") else { return false };
    let (kind, own) = (value.text_of("kind"), metadata.text_of("name"));
    let is_kind = |asked: &str| kind.is_some_and(|kind| kind.eq_ignore_ascii_case(asked));
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [kind, name] => is_kind(kind) && own == Some(name),
        [kind, space, name] => {
            is_kind(kind) && own == Some(name) && metadata.text_of("namespace") == Some(space)
        }
        _ => false,
    }
}

fn name_of(value: &Value<'_>) -> Option<String> {
    Some(format!("{}/{}", value.text_of("kind")?, value.get("metadata")?.text_of("name")?))
}

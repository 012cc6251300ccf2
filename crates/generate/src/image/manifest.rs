//! Images in YAML: `image: name:tag` of Kubernetes and Compose, and `repository`, `tag` and `digest` beside each other, as in
//! the values of a Helm chart. Only lines are looked at, for people write these files with all that YAML and templates can do.

use std::ops::Range;

use crate::image::site::{Site, lines};

/// A line `key: value`.
struct Field<'a> {
    /// Where its key begins.
    column: usize,
    is_item: bool,
    key: &'a str,
    value: Range<usize>,
    is_quoted: bool,
}

/// The images that are named.
pub(crate) fn sites(text: &str) -> Vec<Site> {
    let mut sites = Vec::new();
    let fields = fields(text);
    for (index, field) in fields.iter().enumerate() {
        let value = &text[field.value.clone()];
        match field.key {
            "image" => sites.extend(Site::of(value, field.value.start)),
            "repository" => sites.extend(chart(text, &fields, index)),
            _ => {}
        }
    }
    sites
}

/// A repository with the tag that stands beside it.
fn chart(text: &str, fields: &[Field<'_>], index: usize) -> Option<Site> {
    let own = &fields[index];
    let repository = Site::of(&text[own.value.clone()], own.value.start)?;
    let beside = beside(fields, index);
    let of = |key: &str| beside.iter().find(|field| field.key == key && !field.value.is_empty());
    let tag = of("tag")?;
    let name = match of("registry") {
        Some(registry) => format!("{}/{}", &text[registry.value.clone()], repository.name),
        None => repository.name,
    };
    let written = &text[tag.value.clone()];
    let is_fixed =
        !written.contains(['$', '{', '}', '&', '*', '!']) && !written.contains(char::is_whitespace);
    is_fixed.then(|| Site {
        name,
        tag: Some(tag.value.clone()),
        digest: of("digest").map(|digest| digest.value.clone()),
        end_of_name: tag.value.end,
        is_plain_scalar: !tag.is_quoted,
    })
}

/// The fields of the same map: as far as nothing stands further left, and no other item begins.
fn beside<'a, 'b>(fields: &'b [Field<'a>], index: usize) -> Vec<&'b Field<'a>> {
    let column = fields[index].column;
    let mut first = index;
    while first > 0 && !fields[first].is_item_at(column) && fields[first - 1].column >= column {
        first -= 1;
    }
    let after =
        fields[first + 1..].iter().take_while(|field| field.column >= column && !field.is_item_at(column));
    fields[first..=first].iter().chain(after).filter(|field| field.column == column).collect()
}

impl Field<'_> {
    fn is_item_at(&self, column: usize) -> bool {
        self.is_item && self.column == column
    }
}

fn fields(text: &str) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut block: Option<usize> = None;
    for (start, line) in lines(text) {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') || block.is_some_and(|above| indent > above) {
            continue;
        }
        block = None;
        let item = content.trim_start_matches("- ").trim_start_matches(' ');
        let column = line.len() - item.len();
        let Some((key, rest)) = item.split_once(':') else { continue };
        if !rest.is_empty() && !rest.starts_with(' ') {
            continue;
        }
        let plain = rest.trim_start_matches(' ');
        if plain.starts_with(['|', '>']) {
            block = Some(column);
        }
        let at = start + (line.len() - plain.len());
        let (shift, length, is_quoted) = match plain.chars().next() {
            Some(quote @ ('"' | '\'')) => match plain[1..].find(quote) {
                Some(length) => (1, length, true),
                None => continue,
            },
            _ => {
                let end = if plain.starts_with('#') { 0 } else { plain.find(" #").unwrap_or(plain.len()) };
                (0, plain[..end].trim_end().len(), false)
            }
        };
        let value = at + shift..at + shift + length;
        fields.push(Field {
            column,
            is_item: column > indent,
            key: key.trim_matches(['"', '\'']),
            value,
            is_quoted,
        });
    }
    fields
}

//! `FROM` of a Dockerfile (<https://docs.docker.com/reference/dockerfile/#from>).

use std::collections::HashSet;

use crate::image::site::{Site, lines};

/// The images that stages build on, without those that are stages themselves. What belongs to another instruction, as the
/// further lines of a `RUN` and its here-documents, is none.
pub(crate) fn sites(text: &str) -> Vec<Site> {
    let (mut sites, mut stages) = (Vec::new(), HashSet::new());
    let (mut goes_on, mut document): (bool, Option<String>) = (false, None);
    for (start, line) in lines(text) {
        if let Some(end) = &document {
            if line.trim() == end {
                document = None;
            }
            continue;
        }
        let was_open = goes_on;
        let is_comment = line.trim_start().starts_with('#');
        goes_on = line.trim_end().ends_with('\\') && !is_comment || was_open && is_comment;
        if is_comment {
            continue;
        }
        document = document_of(line);
        let mut words = words(line);
        if was_open || !words.next().is_some_and(|(_, word)| word.eq_ignore_ascii_case("FROM")) {
            continue;
        }
        let mut words = words.skip_while(|(_, word)| word.starts_with("--"));
        let Some((at, image)) = words.next() else { continue };
        let is_stage = stages.contains(&image.to_ascii_lowercase());
        if words.next().is_some_and(|(_, word)| word.eq_ignore_ascii_case("AS")) {
            stages.extend(words.next().map(|(_, word)| word.to_ascii_lowercase()));
        }
        if !is_stage && image != "scratch" {
            sites.extend(Site::of(image, start + at));
        }
    }
    sites
}

/// The word that ends the here-document which a `RUN` or `COPY` begins.
fn document_of(line: &str) -> Option<String> {
    let (_, word) = line.split_once("<<")?;
    let word = word.trim_start_matches('-').trim_start_matches(['"', '\'']);
    let end = word.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(word.len());
    (end > 0).then(|| word[..end].to_owned())
}

/// Words with the byte at which each begins.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = line.as_ptr() as usize;
    line.split_whitespace().map(move |word| (word.as_ptr() as usize - base, word))
}

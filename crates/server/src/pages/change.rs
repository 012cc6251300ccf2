//! The change itself: what the fixer proposes, its diff, and what was refused before.

use maud::{Markup, html};
use patchline_model::digest::Digest;
use patchline_model::patch::Patch;
use patchline_model::stage::generate::{Candidate, Kind};

use crate::pages::words;

/// Lines of a diff that are shown.
const MOST_LINES: usize = 1500;

/// Letters of one line that are shown.
const LONGEST_LINE: usize = 400;

/// Lines up to which a diff stands open.
const SHORT: usize = 60;

/// A diff as it was read, or why it could not be.
#[derive(Clone, Debug)]
pub struct DiffText {
    pub digest: Digest,
    pub text: Result<String, String>,
}

pub fn section(patch: &Patch, diff: Option<&DiffText>) -> Option<Markup> {
    let nothing = patch.generate.no_fix.as_ref();
    let refused = &patch.generate.refused;
    let candidate = patch.candidate();
    if candidate.is_none() && nothing.is_none() && refused.is_empty() {
        return None;
    }
    Some(html! {
        h2 { "Change" }
        @if let Some(candidate) = candidate { (proposal(candidate)) (change(candidate, diff)) }
        @if let Some(reasons) = nothing {
            p { (words::chip("bad", "no fix")) " No fix could be made." }
            ul { @for reason in reasons.iter().take(20) { li { (words::linked(reason)) } } }
        }
        @if !refused.is_empty() {
            details {
                summary { (refused.len()) " refused before" }
                ul {
                    @for (candidate, why) in refused.iter().take(20) {
                        li { strong { (candidate.title) } ": " (why) " " (words::evidence(&candidate.diff, "diff")) }
                    }
                }
            }
        }
    })
}

fn proposal(candidate: &Candidate) -> Markup {
    html! {
        p.lead { (candidate.title) }
        p { (words::linked(&candidate.rationale)) }
        dl.facts {
            div { dt { "Kind" } dd { (kind(candidate.kind)) } }
            div { dt { "Made by" } dd { (candidate.fixer) ", " (candidate.author) } }
            div { dt { "Branch" } dd { code { (candidate.branch) } " at " code { (candidate.commit.short()) } } }
            div { dt { "Base" } dd { code { (candidate.base.short()) } } }
        }
        @if !candidate.moves.is_empty() {
            ul.moves aria-label="Packages that move" {
                @for moved in candidate.moves.iter().take(50) {
                    li {
                        strong { (moved.package) } " "
                        (moved.from.as_deref().unwrap_or("none")) " → " (moved.to.as_deref().unwrap_or("removed"))
                    }
                }
            }
        }
        @if !candidate.leaves.is_empty() {
            details {
                summary { "Leaves " (candidate.leaves.len()) " for another patch" }
                ul {
                    @for (finding, why) in candidate.leaves.iter().take(50) {
                        li { code { (finding.0) } ": " (why) }
                    }
                }
            }
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Code => "code",
        Kind::Dependency => "dependency",
        Kind::Config => "config",
        Kind::Schema => "schema",
        Kind::Image => "image",
        Kind::OsPackage => "OS package",
        Kind::Flag => "flag",
    }
}

fn change(candidate: &Candidate, diff: Option<&DiffText>) -> Markup {
    let files = candidate.files.len();
    let noun = if files == 1 { "file" } else { "files" };
    html! {
        @match diff.map(|diff| &diff.text) {
            Some(Ok(text)) => {
                details.diff-box open[text.lines().count() <= SHORT] {
                    summary { "Diff of " (files) " " (noun) " " span.muted { (counts(text)) } }
                    (diff_lines(text))
                }
            }
            Some(Err(error)) => p.muted { "The diff can't be shown: " (error) },
            None => {},
        }
        p { (words::evidence(&candidate.diff, "The diff as text")) }
    }
}

fn counts(text: &str) -> String {
    let of = |class: &str| text.lines().filter(|line| line_class(line) == class).count();
    format!("+{} −{}", of("add"), of("remove"))
}

/// The lines with their class; text before or after the colour says the same.
fn diff_lines(text: &str) -> Markup {
    let count = text.lines().count();
    html! {
        pre.diff tabindex="0" role="region" aria-label="Diff" {
            @for line in text.lines().take(MOST_LINES) {
                span class={ "row " (line_class(line)) } { (shortened(line)) "\n" }
            }
        }
        @if count > MOST_LINES {
            p.muted { "and " (count - MOST_LINES) " more lines" }
        }
    }
}

fn line_class(line: &str) -> &'static str {
    let heads =
        ["diff --git", "index ", "--- ", "+++ ", "new file", "deleted file", "rename ", "similarity "];
    if heads.iter().any(|head| line.starts_with(head)) {
        return "head";
    }
    match line.as_bytes().first() {
        Some(b'+') => "add",
        Some(b'-') => "remove",
        Some(b'@') => "hunk",
        _ => "same",
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::diff_lines;

    #[test]
    fn a_diff_is_bounded_and_escaped() {
        let text = format!("+<script>{}\n", "x".repeat(10_000)).repeat(5_000);
        let shown = diff_lines(&text).into_string();
        assert!(!shown.contains("<script>"), "foreign tags are escaped");
        assert!(shown.len() < 1_000_000, "{}", shown.len());
        assert!(shown.contains("and 3500 more lines"));
    }
}

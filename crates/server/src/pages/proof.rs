//! What was built and what was shown: artifact, SBOM, provenance, and each check with its evidence.

use maud::{Markup, html};
use patchline_model::patch::Patch;
use patchline_model::stage::build::{Artifact, Reproducible};
use patchline_model::stage::verify::{CheckResult, Checked};

use crate::pages::words;

/// Lines of one check that are shown; all of them are in its evidence.
const MOST_DETAILS: usize = 60;

pub fn build(patch: &Patch) -> Option<Markup> {
    if let Some(why) = &patch.build.broken {
        return Some(html! { h2 { "Build" } p { (words::chip("bad", "broken")) " " (why) } });
    }
    let pair = patch.build.built.as_ref()?;
    Some(html! {
        h2 { "Build" }
        p.lead { (pair.patch.name) " " (repeat(&pair.patch)) }
        dl.facts {
            div.wide { dt { "Digest" } dd { code.whole { (pair.patch.digest) } } }
            div { dt { "Size" } dd { (words::bytes(pair.patch.bytes)) } }
            div { dt { "Held against" } dd { code { (pair.base.digest.short()) } " " span.muted { "the base, " (words::bytes(pair.base.bytes)) } } }
            div { dt { "SBOM" } dd { (words::evidence(&pair.patch.sbom, "CycloneDX")) } }
            div { dt { "Signed statements" } dd {
                @for (number, digest) in pair.patch.evidence.iter().take(20).enumerate() {
                    @if number > 0 { ", " }
                    (words::evidence(digest, if number == 0 { "provenance" } else { "statement" }))
                }
            } }
        }
    })
}

fn repeat(artifact: &Artifact) -> Markup {
    match &artifact.reproducible {
        Reproducible::Identical => words::chip("good", "reproducible: built twice, the same bytes"),
        Reproducible::Different { second } => {
            words::chip("warn", &format!("not reproducible: the second build is {}", second.short()))
        }
        Reproducible::NotTried => words::chip("plain", "built once"),
    }
}

pub fn verification(patch: &Patch) -> Option<Markup> {
    let verdict = patch.verify.verdict.as_ref()?;
    let (class, text) = match verdict.holds() {
        true => ("good", "every check passed"),
        false => ("bad", "not shown to be a fix"),
    };
    Some(html! {
        h2 { "Verification " (words::chip(class, text)) }
        ul.checks role="list" { @for checked in &verdict.checks { li { (check(checked)) } } }
    })
}

fn check(checked: &Checked) -> Markup {
    let (class, word) = match checked.result {
        CheckResult::Passed => ("good", "passed"),
        CheckResult::Warned => ("warn", "passed, with a warning"),
        CheckResult::Skipped => ("plain", "skipped"),
        CheckResult::Failed => ("bad", "failed"),
    };
    let took = words::span(checked.milliseconds as f64 / 1000.0);
    html! {
        article.check {
            h3 { (checked.check) " " (words::chip(class, word)) span.muted.took { (took) } }
            p { (words::linked(&checked.summary)) " " (words::evidence(&checked.evidence, "evidence")) }
            @if let Some(both) = &checked.sides {
                p.muted { "Base: " (both.base) ". Patch: " (both.patch) "." }
            }
            @if !checked.details.is_empty() {
                details {
                    summary { "What was shown" }
                    pre.log tabindex="0" role="region" aria-label={ "Details of " (checked.check) } {
                        @for line in checked.details.iter().take(MOST_DETAILS) { (line) "\n" }
                        @if checked.details.len() > MOST_DETAILS {
                            "… " (checked.details.len() - MOST_DETAILS) " more lines in the evidence"
                        }
                    }
                }
            }
        }
    }
}

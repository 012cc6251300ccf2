//! What a commit of an analyzer's fix says: what was wrong, by which rule, and how it was fixed.

use std::collections::BTreeSet;

use patchline_model::id::PatchId;
use patchline_model::stage::detect::Finding;

use crate::message::{LONGEST_TEXT, LONGEST_TITLE, clean, identifier, wrap};

/// Findings that are told one by one.
const MOST_TOLD: usize = 30;

/// As in `Fix F401 of ruff in app.py`.
pub(crate) fn title(findings: &[&Finding]) -> String {
    let of = |pick: fn(&Finding) -> &str| -> Vec<String> {
        let set: BTreeSet<&str> = findings.iter().map(|finding| pick(finding)).collect();
        set.into_iter().map(|text| clean(text, LONGEST_TITLE)).collect()
    };
    let rules = of(|finding| finding.analysis().map_or("", |analysis| analysis.rule.as_str()));
    let tools = of(|finding| finding.analysis().map_or("", |analysis| analysis.tool.as_str())).join(" and ");
    let place = match of(|finding| finding.location.path.as_str()).as_slice() {
        [path] => path.clone(),
        paths => format!("{} files", paths.len()),
    };
    let count = match findings.len() {
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    let named = format!("Fix {} of {tools} in {place}", rules.join(", "));
    let counted = format!("Fix {count} of {tools} in {place}");
    let fits = |text: &String| text.chars().count() <= LONGEST_TITLE;
    [named, counted].into_iter().find(fits).unwrap_or_else(|| format!("Fix {count} of analyzers"))
}

/// Title, what was wrong, how it was fixed, and trailers; all that is foreign is cleaned.
pub(crate) fn message(patch: PatchId, title: &str, rationale: &str, findings: &[&Finding]) -> String {
    let told = findings.iter().take(MOST_TOLD).map(|finding| wrap("- ", &problem(finding)));
    let more = findings.len().saturating_sub(MOST_TOLD);
    let more = (more > 0).then(|| wrap("- ", &format!("and {more} more")));
    let problems: String = told.chain(more).collect();
    let rules: BTreeSet<String> = findings.iter().map(|finding| identifier(&finding.advisory)).collect();
    let trailers: String =
        rules.iter().filter(|rule| !rule.is_empty()).map(|rule| format!("Fixes: {rule}\n")).collect();
    let title = clean(title, LONGEST_TITLE);
    format!("{title}\n\n{problems}\n{}\nPatchline-Patch: {patch}\n{trailers}", wrap("", rationale))
}

fn problem(finding: &Finding) -> String {
    let line = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    let path = clean(&finding.location.path, LONGEST_TEXT);
    let rule = finding.analysis().map(|analysis| format!("{} {}", analysis.tool, analysis.rule));
    let summary = clean(&finding.summary, LONGEST_TEXT);
    format!("{path}{line}: {}: {summary}", clean(&rule.unwrap_or_default(), LONGEST_TEXT))
}

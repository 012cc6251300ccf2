//! From a report to findings: where in the tree each result stands, and an identity that stays when lines move.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::analyzer::{Analysis, Fix, Format};
use patchline_model::digest::Digest;
use patchline_model::id::FindingId;
use patchline_model::stage::detect::{Finding, Location, Source};
use serde_json::json;

use crate::analyzer::files::Files;
use crate::analyzer::place::{Elsewhere, Tree};
use crate::analyzer::raw::{Raw, Report};
use crate::analyzer::{cargo, eslint, fix, sarif};

/// Larger reports are not read.
pub const LARGEST_REPORT: u64 = 64 * 1024 * 1024;

/// Bytes of new text that the fixes of one report may bring; later ones count as none.
const MOST_FIXES: usize = 4 * 1024 * 1024;

/// What reports come to in a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analyzed {
    /// In the order of path and place.
    pub findings: Vec<Finding>,
    /// What the tools say that they could not look at.
    pub troubles: Vec<String>,
    /// How many results were not taken, and why.
    pub left: Vec<String>,
    /// Findings that the report itself calls new since its own baseline, or not, where it has one.
    pub since_baseline: BTreeMap<FindingId, bool>,
}

/// Reads a report that was made of this tree. `analyzer` is the service's own that wrote it, where it is one. An error says
/// what is wrong with the report.
pub fn read(bytes: &[u8], format: Format, analyzer: Option<&str>, tree: &Tree) -> Result<Analyzed, String> {
    let bytes = limited(bytes)?;
    let report = match format {
        Format::Sarif => sarif::read(bytes)?,
        Format::Eslint => eslint::read(bytes)?,
        Format::Cargo => cargo::read(bytes)?,
    };
    Ok(found(report, analyzer, tree))
}

/// Whether it is a report in SARIF that can be read, whatever it says.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    limited(bytes).and_then(sarif::read).map(drop)
}

fn limited(bytes: &[u8]) -> Result<&[u8], String> {
    match bytes.len() as u64 > LARGEST_REPORT {
        true => Err(format!("it is larger than {} MiB", LARGEST_REPORT >> 20)),
        false => Ok(bytes),
    }
}

impl Analyzed {
    /// Takes another in; what both found stays as it is here.
    pub fn take(&mut self, other: Self) {
        let known: BTreeSet<FindingId> = self.findings.iter().map(|finding| finding.id.clone()).collect();
        self.findings.extend(other.findings.into_iter().filter(|finding| !known.contains(&finding.id)));
        self.troubles.extend(other.troubles);
        self.left.extend(other.left);
        self.since_baseline.extend(other.since_baseline);
    }

    /// Puts all in order. Rules of several tools that have one name get the tool's in front.
    pub fn finish(&mut self) {
        let mut tools: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for analysis in self.findings.iter().filter_map(Finding::analysis) {
            tools.entry(analysis.rule.clone()).or_default().insert(analysis.tool.clone());
        }
        for finding in &mut self.findings {
            let Source::Analyzer(analysis) = &finding.source else { continue };
            if tools.get(&analysis.rule).is_some_and(|tools| tools.len() > 1) {
                finding.advisory = format!("{}/{}", analysis.tool, analysis.rule);
                finding.aliases = vec![analysis.rule.clone()];
            }
        }
        let place = |finding: &Finding| {
            let region = finding.analysis().and_then(|analysis| analysis.region);
            (finding.location.path.clone(), finding.location.line, region, finding.id.clone())
        };
        self.findings.sort_by_cached_key(place);
        self.troubles.sort();
        self.left.sort();
    }
}

/// What is left for fixes.
struct Room(usize);

impl Room {
    fn holds(&mut self, fix: &Fix) -> bool {
        let edits = fix.files.iter().flat_map(|file| &file.edits);
        let left = self.0.checked_sub(edits.map(|edit| edit.text.len()).sum());
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

fn found(report: Report, analyzer: Option<&str>, tree: &Tree) -> Analyzed {
    let mut analyzed = Analyzed { troubles: report.troubles, ..Analyzed::default() };
    let (mut files, mut room) = (Files::default(), Room(MOST_FIXES));
    let mut left: BTreeMap<&'static str, usize> = BTreeMap::new();
    let tools: BTreeSet<String> = report.results.iter().map(|raw| raw.tool.clone()).collect();
    let mut findings: Vec<(Finding, Option<bool>)> = Vec::new();
    for raw in report.results {
        let is_new = raw.is_new;
        match finding(raw, analyzer, tree, &mut files, &mut room) {
            Ok(finding) => findings.push((finding, is_new)),
            Err(why) => *left.entry(why).or_default() += 1,
        }
    }
    number(&mut findings);
    for (finding, is_new) in findings {
        if let Some(is_new) = is_new {
            analyzed.since_baseline.insert(finding.id.clone(), is_new);
        }
        analyzed.findings.push(finding);
    }
    let tools = tools.into_iter().collect::<Vec<_>>().join(", ");
    analyzed.left.extend(left.into_iter().map(|(why, count)| {
        let noun = if count == 1 { "result" } else { "results" };
        format!("{tools}: {count} {noun} left out: {why}")
    }));
    analyzed
}

const OUTSIDE: &str = "the file lies outside of what was scanned";
const MISSING: &str = "there is no such file here";
const CHANGED: &str = "the file is not the one of which the report was made";
const NOWHERE: &str = "the report does not say in which file";

fn finding(
    raw: Raw,
    analyzer: Option<&str>,
    tree: &Tree,
    files: &mut Files,
    room: &mut Room,
) -> Result<Finding, &'static str> {
    let address = raw.address.as_ref().ok_or(NOWHERE)?;
    let path = tree.find(address).map_err(|elsewhere| match elsewhere {
        Elsewhere::Outside => OUTSIDE,
        Elsewhere::Missing => MISSING,
    })?;
    if !tree.is_within(&path) {
        return Err(OUTSIDE);
    }
    let text = files.text(tree, &path);
    if let Some(sum) = &raw.sha256
        && files.digest(tree, &path).is_none_or(|digest| digest.hex() != sum)
    {
        return Err(CHANGED);
    }
    let bytes = text.as_ref().zip(raw.span).and_then(|(text, span)| text.bytes(span));
    if text.is_some() && raw.span.is_some() && bytes.is_none() {
        return Err(CHANGED);
    }
    let region = text.as_ref().zip(bytes).and_then(|(text, bytes)| text.region(bytes));
    let line = region.map(|region| region.line);
    let source = line.and_then(|line| text.as_ref()?.line(line)).unwrap_or_default();
    let print = print(&raw, source);
    let fix = raw.fix.as_ref().and_then(|raw| fix::resolved(raw, tree, files)).filter(|fix| room.holds(fix));
    let Raw { tool, rule, level, severity_tenths, message, .. } = raw;
    let id = FindingId(format!("{tool}:{rule}:{path}:{print}"));
    let analyzer = analyzer.map(str::to_owned);
    let advisory = rule.clone();
    let analysis = Analysis { tool, analyzer, rule, level, severity_tenths, region, print, fix };
    Ok(Finding {
        id,
        source: Source::Analyzer(Box::new(analysis)),
        advisory,
        aliases: Vec::new(),
        summary: message,
        package: None,
        location: Location { path, line },
        paths: Vec::new(),
        fixed: Vec::new(),
        severity: Vec::new(),
        informational: None,
    })
}

/// By the tool's own fingerprint where it has one, else by what stands in the line, whatever stands before it.
fn print(raw: &Raw, line: &str) -> String {
    let identity = match raw.prints.is_empty() {
        false => json!(raw.prints),
        true => json!(line.split_whitespace().collect::<Vec<_>>().join(" ")),
    };
    Digest::of(identity.to_string().as_bytes()).hex().chars().take(16).collect()
}

/// What is alike is told apart by its number from the top of the file; what is the same is there once.
fn number(findings: &mut Vec<(Finding, Option<bool>)>) {
    let region = |finding: &Finding| finding.analysis().and_then(|analysis| analysis.region);
    findings
        .sort_by_cached_key(|(finding, _)| (finding.id.clone(), region(finding), finding.summary.clone()));
    findings.dedup_by(|(again, _), (kept, _)| {
        again.id == kept.id && region(again) == region(kept) && again.summary == kept.summary
    });
    let mut counts: BTreeMap<FindingId, usize> = BTreeMap::new();
    for (finding, _) in findings {
        let count = counts.entry(finding.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            finding.id.0.push_str(&format!("#{count}"));
        }
    }
}

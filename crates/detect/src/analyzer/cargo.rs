//! What `cargo clippy --message-format json` writes, a message a line, with rustc's suggestions
//! (<https://doc.rust-lang.org/rustc/json.html>).

use std::collections::BTreeSet;

use patchline_model::analyzer::Level;
use serde::Deserialize;

use crate::analyzer::raw::{
    Address, Change, LONGEST_MESSAGE, LONGEST_NAME, MOST_RESULTS, Raw, RawFix, Report, Span, Unit, plain,
};

#[derive(Deserialize)]
struct Line {
    reason: String,
    message: Option<Diagnostic>,
    success: Option<bool>,
}

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    code: Option<Code>,
    level: String,
    spans: Vec<Part>,
    #[serde(default)]
    children: Vec<Child>,
}

#[derive(Deserialize)]
struct Child {
    message: String,
    spans: Vec<Part>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Part {
    file_name: String,
    byte_start: u64,
    byte_end: u64,
    is_primary: bool,
    suggested_replacement: Option<String>,
    suggestion_applicability: Option<String>,
}

pub(crate) fn read(bytes: &[u8]) -> Result<Report, String> {
    let (mut report, mut seen, mut ended) = (Report::default(), BTreeSet::new(), None);
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    for (number, line) in lines.filter(|(_, line)| line.starts_with(b"{")) {
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| format!("line {} is no message of cargo: {error}", number + 1))?;
        match (line.reason.as_str(), line.message) {
            ("build-finished", _) => ended = line.success,
            ("compiler-message", Some(message)) => take(message, &mut report, &mut seen)?,
            _ => {}
        }
    }
    match ended {
        Some(true) => Ok(report),
        Some(false) => {
            report.troubles.push("cargo: the build did not succeed, so not all was looked at".to_owned());
            Ok(report)
        }
        None => {
            Err("it is no output of cargo with `--message-format json`: no build was finished".to_owned())
        }
    }
}

/// What several targets have in common is said for each of them, and counts once.
fn take(
    message: Diagnostic,
    report: &mut Report,
    seen: &mut BTreeSet<(String, String, u64, String)>,
) -> Result<(), String> {
    let Some(code) = message.code else {
        if message.level == "error" {
            report.troubles.push(plain(&format!("rustc: {}", message.message), LONGEST_MESSAGE));
        }
        return Ok(());
    };
    let Some(place) = message.spans.iter().find(|span| span.is_primary).or(message.spans.first()) else {
        return Ok(());
    };
    let key = (code.code.clone(), place.file_name.clone(), place.byte_start, message.message.clone());
    if !seen.insert(key) {
        return Ok(());
    }
    if report.results.len() >= MOST_RESULTS {
        return Err(format!("it has more than {MOST_RESULTS} results"));
    }
    let fix = message.children.iter().find_map(fix);
    report.results.push(Raw {
        tool: if code.code.starts_with("clippy::") { "clippy" } else { "rustc" }.to_owned(),
        rule: plain(&code.code, LONGEST_NAME),
        level: match message.level.as_str() {
            "error" => Level::Error,
            "warning" => Level::Warning,
            _ => Level::Note,
        },
        severity_tenths: None,
        message: plain(&message.message, LONGEST_MESSAGE),
        address: Some(address(place)),
        sha256: None,
        span: span(place),
        prints: Vec::new(),
        fix,
        is_new: None,
    });
    Ok(())
}

/// Only what rustc itself would apply.
fn fix(child: &Child) -> Option<RawFix> {
    let is_sure = |part: &Part| {
        part.suggested_replacement.is_some()
            && part.suggestion_applicability.as_deref() == Some("MachineApplicable")
    };
    if child.spans.is_empty() || !child.spans.iter().all(is_sure) {
        return None;
    }
    let change = |part: &Part| {
        Some(Change { address: address(part), span: span(part)?, text: part.suggested_replacement.clone()? })
    };
    let changes = child.spans.iter().map(change).collect::<Option<Vec<Change>>>()?;
    Some(RawFix { summary: plain(&child.message, LONGEST_MESSAGE), changes, whole_lines: false })
}

fn span(part: &Part) -> Option<Span> {
    let length = part.byte_end.checked_sub(part.byte_start)?;
    Some(Span::Offsets { start: part.byte_start, length, unit: Unit::Bytes })
}

/// Relative to the top of the workspace, or absolute.
fn address(part: &Part) -> Address {
    let uri = match part.file_name.starts_with('/') {
        true => format!("file://{}", part.file_name.replace('%', "%25")),
        false => part.file_name.replace('%', "%25"),
    };
    Address { uri, ..Address::default() }
}

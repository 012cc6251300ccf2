//! The face for a person at a terminal.

use crate::report::scanned::{Row, Scanned};
use crate::report::words::{place, plain, remedy, total, use_words};

/// Each finding with its reasons, and the total.
pub fn text(scanned: &Scanned) -> String {
    let mut lines: Vec<String> = scanned.rows.iter().flat_map(finding).collect();
    lines.push(total(scanned));
    lines.join("\n")
}

fn finding(row: &Row) -> Vec<String> {
    let Row { finding, priority, used } = row;
    let package = finding.package.as_ref();
    let package = package.map(|package| format!("  {package} of {}", package.ecosystem));
    let tool = finding.analysis().map(|analysis| format!("  of {}", analysis.tool));
    let package = package.or(tool).unwrap_or_default();
    let used = used.map(|used| format!(", {}", use_words(used))).unwrap_or_default();
    let mut lines = vec![
        format!("{}  {}{package}{used}", priority.action.words(), finding.advisory),
        format!("  {}", finding.summary),
    ];
    if !finding.aliases.is_empty() {
        lines.push(format!("  also known as {}", finding.aliases.join(", ")));
    }
    lines.push(format!("  at {}", place(finding)));
    lines.extend(finding.paths.first().map(|path| format!("  path {}", path.join(" → "))));
    lines.push(format!("  {}", remedy(finding)));
    lines.extend(priority.reasons.iter().map(|reason| format!("  - {reason}")));
    lines.iter().map(|line| plain(line)).chain([String::new()]).collect()
}

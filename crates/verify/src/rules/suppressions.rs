//! A warning that is turned off is not a problem that is gone: skips, suppressions, ignored advisories in added lines.

use crate::complaint::{Complaint, Given};
use crate::kinds::FileKind;

/// Turns a test off, in any language that is known here.
const SKIPS: [&str; 19] = [
    "#[ignore",
    "@pytest.mark.skip",
    "@pytest.mark.xfail",
    "pytest.skip(",
    "@unittest.skip",
    "@skip",
    "self.skipTest(",
    "@Disabled",
    "@Ignore",
    "it.skip(",
    "test.skip(",
    "describe.skip(",
    "it.todo(",
    "xit(",
    "xtest(",
    "xdescribe(",
    "t.Skip(",
    "t.SkipNow(",
    "t.Skipf(",
];

/// Turns a scanner or a linter off.
const SILENCERS: [&str; 14] = [
    "// nosec",
    "//nosec",
    "#nosec",
    "# nosec",
    "nosemgrep",
    "noqa: S",
    "eslint-disable",
    "@SuppressWarnings",
    "@SuppressFBWarnings",
    "NOSONAR",
    "codeql[",
    "lgtm[",
    "--ignore-vuln",
    "clippy::all)]",
];

/// Files that say which advisories a scanner is to pass over.
const IGNORE_FILES: [&str; 9] = [
    "deny.toml",
    "audit.toml",
    "osv-scanner.toml",
    ".trivyignore",
    ".trivyignore.yaml",
    ".grype.yaml",
    ".snyk",
    ".nsprc",
    "audit-ci.json",
];

const ADVISORIES: [&str; 6] = ["RUSTSEC-", "CVE-", "GHSA-", "PYSEC-", "GO-20", "SNYK-"];

pub(crate) fn complaints(given: Given<'_>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in given
        .diff
        .files
        .iter()
        .filter(|file| FileKind::of(file.path()) != FileKind::Words || is_ignore_file(file.path()))
    {
        let ignores = is_ignore_file(file.path());
        for (number, line) in file.added() {
            let place = format!("{}:{number}", file.path());
            if let Some(skip) = SKIPS.iter().find(|skip| has(line, skip)) {
                complaints.push(Complaint::unless_meant(
                    given,
                    place,
                    format!("leaves a test out (`{skip}`)"),
                ));
            } else if let Some(word) = SILENCERS.iter().find(|word| has(line, word)) {
                let why = format!("turns a warning off (`{word}`) instead of what it warns of");
                complaints.push(Complaint::unless_meant(given, place, why));
            } else if ignores && ADVISORIES.iter().any(|name| line.contains(name)) {
                let why = "tells a scanner to pass over an advisory instead of removing what it speaks of";
                complaints.push(Complaint::unless_meant(given, place, why));
            }
        }
    }
    complaints
}

fn is_ignore_file(path: &str) -> bool {
    IGNORE_FILES.contains(&path.rsplit('/').next().unwrap_or(path))
}

/// Not as the end of a longer word.
fn has(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let inner = word.starts_with(|letter: char| letter.is_alphanumeric());
        !inner || before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
    })
}

//! `cargo semver-checks`, where it is installed: how it is asked, and what its report says.

use std::fs;
use std::path::Path;

const PROGRAM: &str = "cargo-semver-checks";

/// What it is asked for a crate in this folder; in words why it can't be asked.
pub(crate) fn command(folder: &Path) -> Result<Vec<String>, String> {
    const UNKNOWN: &str = "nothing says what others use: name a `command` in `[verify.api]`";
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let Ok(table) = manifest.parse::<toml::Table>() else { return Err(UNKNOWN.to_owned()) };
    let is_library = table.contains_key("lib") || folder.join("src/lib.rs").is_file();
    if !table.contains_key("package") || !is_library {
        return Err(UNKNOWN.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|at| at.join(PROGRAM).is_file()) {
        return Err(format!("{UNKNOWN}, or install `{PROGRAM}` for this library"));
    }
    // Whatever the version says: what breaks others is what is asked for.
    let words = ["cargo", "semver-checks", "--color=never", "--release-type=minor", "--baseline-root={base}"];
    Ok(words.map(str::to_owned).to_vec())
}

/// What it says is broken: the lines below `Failed in:`, else the names of the rules.
pub(crate) fn gone(report: &str) -> Vec<String> {
    let (mut items, mut rules) = (Vec::new(), Vec::new());
    let mut is_list = false;
    for line in report.lines() {
        if let Some(rule) = line.strip_prefix("--- failure ") {
            rules.push(rule.trim_end_matches(" ---").to_owned());
            is_list = false;
        } else if line.trim() == "Failed in:" {
            is_list = !rules.is_empty();
        } else if is_list && line.starts_with("  ") && !line.trim().is_empty() {
            items.push(line.trim().to_owned());
        } else {
            is_list = false;
        }
    }
    if items.is_empty() { rules } else { items }
}

#[cfg(test)]
mod tests {
    use super::gone;

    #[test]
    fn what_is_broken_is_read_from_its_report() {
        let report = "     Checking tiny v0.1.0 -> v0.1.1 (assume minor change)
     Checked [   0.009s] 196 checks: 195 pass, 1 fail, 0 warn, 49 skip

--- failure function_missing: pub fn removed or renamed ---

Description:
A publicly-visible function cannot be imported by its prior path.

Failed in:
  function tiny::half, previously in file src/lib.rs:4
  function tiny::third, previously in file src/lib.rs:5

     Summary semver requires new major version: 1 major and 0 minor checks failed
";
        let expected = [
            "function tiny::half, previously in file src/lib.rs:4",
            "function tiny::third, previously in file src/lib.rs:5",
        ];
        assert_eq!(gone(report), expected);
        assert_eq!(gone("--- failure a: b ---\n"), ["a: b"]);
        assert!(gone("error: failed to build rustdoc\nFailed in:\n  x\n").is_empty());
    }
}

//! `pyproject.toml`: which ranges a project states, and one of them put to another with every other byte as it was.

use std::collections::BTreeSet;
use std::ops::Range;

use patchline_inventory::lockfile::requirements::Wanted;
use patchline_inventory::name::normal_in;
use pep440_rs::Version;
use std::str::FromStr as _;
use toml::{Table, Value};

use crate::dependency::python::specifier::admits;

/// What a project asks for: name and range, as the standard or as Poetry writes it.
pub(crate) fn asks(text: &str) -> Vec<(String, String)> {
    let Ok(project) = text.parse::<Table>() else { return Vec::new() };
    let mut found: Vec<(String, String)> = requirements(&project)
        .into_iter()
        .filter_map(|words| {
            let wanted =
                Wanted::of(&words).filter(|wanted| !wanted.is_address && !wanted.range.is_empty())?;
            Some((wanted.normal_name(), wanted.range.to_owned()))
        })
        .collect();
    for table in poetry_tables(&project) {
        for (name, value) in table.iter().filter(|(name, _)| *name != "python") {
            // One range, or several for several platforms.
            let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            let ranges = all.iter().filter_map(|one| one.as_str().or_else(|| one.get("version")?.as_str()));
            for range in ranges.filter(|range| !range.trim().is_empty() && *range != "*") {
                found.push((normal_in("PyPI", name).into_owned(), range.to_owned()));
            }
        }
    }
    found
}

/// The text with ranges for this package that take the version, where they took the installed one; none where no range of it
/// could be changed.
pub(crate) fn relaxed(text: &str, name: &str, installed: &str, version: &str) -> Option<String> {
    let must_change = |range: &str| takes(range, installed) && !takes(range, version);
    let project = text.parse::<Table>().ok()?;
    let words: BTreeSet<String> = requirements(&project).into_iter().collect();
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for (place, literal) in literals(text) {
        let Some(wanted) = Wanted::of(&literal).filter(|_| words.contains(&literal)) else { continue };
        // Requirements stand in lists: what follows an equals sign is something else that happens to look like one.
        if text[..place.start - 1].trim_end().ends_with('=') {
            continue;
        }
        if wanted.normal_name() == name && !wanted.is_address && must_change(wanted.range) {
            let range = other_range(wanted.range, version)?;
            let at = place.start + literal.find(wanted.range)?;
            edits.push((at..at + wanted.range.len(), range));
        }
    }
    for (place, range) in poetry_ranges(text, name) {
        if must_change(&range) {
            edits.push((place, other_range(&range, version)?));
        }
    }
    edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    let mut changed = text.to_owned();
    for (place, range) in &edits {
        changed.replace_range(place.clone(), range);
    }
    // What was changed must still be the same document but for this.
    (!edits.is_empty() && changed.parse::<Table>().is_ok()).then_some(changed)
}

/// Whether a range takes the version, as the standard or as Poetry writes it.
pub(crate) fn takes(range: &str, version: &str) -> bool {
    range.split("||").any(|one| standard(one).is_some_and(|range| admits(&range, version)))
}

/// Poetry's words as those of the standard; none where they can't be read.
fn standard(range: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in range.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "*") {
        let caret = part.strip_prefix('^');
        let tilde = part.strip_prefix('~').filter(|rest| !rest.starts_with('='));
        parts.push(match (caret.or(tilde).map(str::trim), caret.is_some()) {
            (Some(base), is_caret) => {
                let release = Version::from_str(base).ok()?.release().to_vec();
                let first = release.iter().position(|number| *number != 0);
                let at = if is_caret {
                    first.unwrap_or(release.len() - 1)
                } else {
                    usize::from(release.len() > 1)
                };
                let mut upper = release[..=at].to_vec();
                upper[at] += 1;
                format!(">={base},<{}", dotted(&upper))
            }
            (None, _) if part.starts_with(|sign: char| sign.is_ascii_digit()) => format!("=={part}"),
            (None, _) => part.to_owned(),
        });
    }
    Some(parts.join(","))
}

/// The range in its own style, so that it takes the version.
fn other_range(range: &str, version: &str) -> Option<String> {
    if range.contains("||") {
        return None;
    }
    let release = Version::from_str(version).ok()?.release().to_vec();
    let changed = range.split(',').map(|part| {
        if takes(part, version) {
            return Some(part.to_owned());
        }
        let start = part.find(|sign: char| sign.is_ascii_digit())?;
        let (operator, old) = part.split_at(start);
        let old = old.trim_end();
        let parts = old.split('.').count();
        let new = match operator.trim() {
            "==" | "===" | "" if old.ends_with(".*") => {
                format!("{}.*", dotted(&padded(&release, parts - 1)))
            }
            "==" | "===" | "" | "<=" => version.to_owned(),
            "^" | "~" => dotted(&padded(&release, parts.max(release.len()))),
            "~=" => dotted(&padded(&release, parts.max(2))),
            "<" => {
                let mut upper = vec![release.first().copied().unwrap_or(0) + 1];
                upper.resize(parts, 0);
                dotted(&upper)
            }
            _ => return None,
        };
        Some(format!("{operator}{new}"))
    });
    let changed = changed.collect::<Option<Vec<String>>>()?.join(",");
    takes(&changed, version).then_some(changed)
}

fn padded(release: &[u64], parts: usize) -> Vec<u64> {
    let mut numbers = release.to_vec();
    numbers.resize(parts, 0);
    numbers
}

fn dotted(numbers: &[u64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

/// The requirements as the standard writes them.
fn requirements(project: &Table) -> Vec<String> {
    let at = |path: &[&str]| {
        let mut value = project.get(path[0])?;
        for key in &path[1..] {
            value = value.get(*key)?;
        }
        Some(value)
    };
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let lists = [at(&["project", "dependencies"]), at(&["tool", "uv", "dev-dependencies"])];
    let groups = [at(&["project", "optional-dependencies"]), at(&["dependency-groups"])];
    let groups = groups.into_iter().flatten().filter_map(Value::as_table).flat_map(Table::values);
    lists.into_iter().flatten().chain(groups).flat_map(texts).collect()
}

/// Poetry's own tables.
fn poetry_tables(project: &Table) -> Vec<&Table> {
    let Some(poetry) = project.get("tool").and_then(|tool| tool.get("poetry")) else { return Vec::new() };
    let groups = poetry.get("group").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = groups.filter_map(|group| group.get("dependencies"));
    tables
        .chain(poetry.get("dependencies"))
        .chain(poetry.get("dev-dependencies"))
        .filter_map(Value::as_table)
        .collect()
}

/// The texts in quotes of a TOML file, outside of comments, with their places. Those with escapes are left out.
fn literals(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(['"', '\'', '#']).map(|offset| at + offset) {
        let sign = &text[start..=start];
        if sign == "#" {
            at = text[start..].find('\n').map_or(text.len(), |length| start + length);
            continue;
        }
        let triple = sign.repeat(3);
        if text[start..].starts_with(&triple) {
            at = text[start + 3..].find(&triple).map_or(text.len(), |length| start + 3 + length + 3);
            continue;
        }
        let Some(end) = text[start + 1..]
            .find([sign.chars().next().unwrap_or('"'), '\n', '\\'])
            .map(|length| start + 1 + length)
        else {
            break;
        };
        match &text[end..=end] {
            "\\" => {
                // A text with an escape is passed over, its end included.
                let rest = &text[end + 1..];
                let skip = rest.char_indices().nth(1).map_or(rest.len(), |(length, _)| length);
                let close = rest[skip..].find([sign.chars().next().unwrap_or('"'), '\n']);
                at = close.map_or(text.len(), |length| end + 1 + skip + length + 1);
            }
            "\n" => at = end + 1,
            _ => {
                found.push((start + 1..end, text[start + 1..end].to_owned()));
                at = end + 1;
            }
        }
    }
    found
}

/// Where Poetry's tables state a range for this package.
fn poetry_ranges(text: &str, name: &str) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    let (mut at, mut is_inside) = (0, false);
    let all = literals(text);
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let trimmed = line.trim();
        if let Some(header) = trimmed.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default();
            is_inside = header.starts_with("tool.poetry") && header.ends_with("dependencies");
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| is_inside) else { continue };
        if normal_in("PyPI", key.trim().trim_matches(['"', '\''])) != name {
            continue;
        }
        let from = start + key.len();
        let from = if value.trim_start().starts_with('{') {
            match value.find("version") {
                Some(offset) => from + 1 + offset,
                None => continue,
            }
        } else {
            from
        };
        let literal = all.iter().find(|(place, _)| place.start > from && place.end < end);
        found.extend(literal.cloned());
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{asks, literals, relaxed, takes};

    const PROJECT: &str = r#"[project]
name = "app"
description = "a<2"   # "a<2" in a comment
dependencies = [
    "a[x]>=1,<2 ; python_version > '3'",  # keep
    'b~=1.2.0',
]
[dependency-groups]
dev = ["a<2", "c==1.0"]
[tool.poetry.dependencies]
python = "^3.10"
d = "^1.2"
e_f = { version = "~0.3", optional = true }
g = [{ version = "^1.0" }, { version = "<3", markers = "sys_platform == 'win32'" }]
"#;

    #[test]
    fn ranges_are_found_wherever_they_stand() {
        let found = asks(PROJECT);
        let found: Vec<String> = found.iter().map(|(name, range)| format!("{name} {range}")).collect();
        assert_eq!(
            found,
            ["a >=1,<2", "b ~=1.2.0", "a <2", "c ==1.0", "d ^1.2", "e-f ~0.3", "g ^1.0", "g <3"]
        );
    }

    #[test]
    fn only_the_range_changes_in_its_own_style() {
        let check = |name: &str, from_version: &str, version: &str, from: &[&str], to: &[&str]| {
            let expected =
                from.iter().zip(to).fold(PROJECT.to_owned(), |text, (from, to)| text.replace(from, to));
            assert_eq!(relaxed(PROJECT, name, from_version, version), Some(expected), "{name} {version}");
        };
        check("a", "1.0", "2.5", &["[x]>=1,<2", "[\"a<2"], &["[x]>=1,<3", "[\"a<3"]);
        check("b", "1.2.3", "2.0.1", &["~=1.2.0"], &["~=2.0.1"]);
        check("c", "1.0", "1.1", &["==1.0"], &["==1.1"]);
        check("d", "1.2", "2.4.1", &["\"^1.2\""], &["\"^2.4.1\""]);
        check("e-f", "0.3", "1.0", &["~0.3"], &["~1.0"]);
        assert_eq!(relaxed(PROJECT, "d", "1.2", "1.9"), None, "it takes that already");
        assert_eq!(relaxed(PROJECT, "unheard-of", "1", "2"), None);
    }

    #[test]
    fn poetrys_words_are_understood() {
        for (range, yes, no) in [
            ("^1.2", "1.9", "2.0"),
            ("^0.3.1", "0.3.9", "0.4.0"),
            ("~1.2.3", "1.2.9", "1.3.0"),
            ("~1", "1.9", "2.0"),
            ("1.2", "1.2.0", "1.3"),
            ("1.2.*", "1.2.7", "1.3"),
            ("<1 || >=2", "2.1", "1.5"),
            ("^0.0.3", "0.0.3", "0.0.4"),
        ] {
            assert!(takes(range, yes) && !takes(range, no), "{range}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\"|'|#|\\\\|\n|a|=|\\[|\\]|é|\\{|\"\"\"| ){0,40}", range in ".{0,20}", version in "[0-9.]{0,8}") {
            literals(&text);
            asks(&text);
            relaxed(&text, "a", "1", &version);
            super::other_range(&range, &version);
            relaxed(&format!("[project]\nname='x'\nversion='1'\ndependencies=['a{}']", range.replace(['\'', '\n'], "")), "a", "1", &version);
        }
    }
}

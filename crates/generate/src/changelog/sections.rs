//! The sections of a changelog between two versions. Pure; what it hands on is foreign text, line by line, without control
//! characters and bounded.

use std::cmp::Ordering;

use patchline_inventory::version::Scheme;

use crate::message::clean;

/// Lines of one package, and characters of one line.
pub const MOST_LINES: usize = 30;
const LONGEST_LINE: usize = 240;

/// Lines of a changelog that are read.
const MOST_READ: usize = 50_000;

/// Sections of versions above `from` and up to `to`, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub sections: Vec<Section>,
    /// Whether there was more than is shown.
    pub is_cut: bool,
}

/// What the changelog says of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub version: String,
    pub lines: Vec<String>,
}

/// Nothing where the text has no section of such a version.
pub fn between(text: &str, scheme: Scheme, from: &str, to: &str) -> Option<Excerpt> {
    let mut sections: Vec<Section> = Vec::new();
    let (mut room, mut is_cut, mut is_inside) = (MOST_LINES, false, false);
    let mut lines = text.lines().take(MOST_READ).peekable();
    let mut is_comment = false;
    while let Some(line) = lines.next() {
        let is_underlined = lines.peek().is_some_and(|next| is_rule(next));
        if let Some(version) = heading(line, is_underlined) {
            let above = matches!(scheme.compare(version, from), Some(Ordering::Greater));
            let up_to = matches!(scheme.compare(version, to), Some(Ordering::Less | Ordering::Equal));
            is_inside = above && up_to;
            if is_inside {
                sections.push(Section { version: clean(version, 60), lines: Vec::new() });
            }
            continue;
        }
        let was_comment = is_comment;
        is_comment = (is_comment || line.contains("<!--")) && !line.contains("-->");
        let Some(section) = sections.last_mut().filter(|_| is_inside && !was_comment && !is_comment) else {
            continue;
        };
        let told = plain(line);
        if told.is_empty() || is_rule(line) {
            continue;
        }
        if room == 0 {
            is_cut = true;
            continue;
        }
        room -= 1;
        section.lines.push(told);
    }
    sections.retain(|section| !section.lines.is_empty());
    (!sections.is_empty()).then_some(Excerpt { sections, is_cut })
}

/// The version that a heading names: marked by `#`, underlined, or a line that says nothing else than a version and a day.
fn heading(line: &str, is_underlined: bool) -> Option<&str> {
    let marked = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#'));
    let is_heading = marked.is_some() || is_underlined;
    // What is set in belongs to the text.
    if !is_heading && line.starts_with([' ', '\t', '-', '*', '+', '>']) && !line.starts_with("**") {
        return None;
    }
    let text = without_tags(marked.unwrap_or(line));
    let letters = |sign: char| "[](){},;:`*\"'".contains(sign) || sign.is_whitespace();
    let words: Vec<&str> = text.split(letters).filter(|word| !word.is_empty()).take(12).collect();
    let at = words.iter().position(|word| version_of(word).is_some())?;
    let before = words.get(..at)?;
    // A heading may have the package's name before the version; a sentence is none.
    let is_short = match is_heading {
        true => before.len() <= 3,
        false => {
            before.iter().all(|word| is_title(word))
                && words.len() <= at + 4
                && words.iter().skip(at + 1).all(|word| is_day(word))
        }
    };
    is_short.then(|| words.get(at).and_then(|word| version_of(word))).flatten()
}

/// `1.2.3`, `v1.2` and `1.2.3-rc.1`; a number alone and a day are no version.
fn version_of(word: &str) -> Option<&str> {
    let word = word.trim_end_matches('.');
    let version = word.strip_prefix(['v', 'V']).unwrap_or(word);
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = numbers.split('.').collect();
    let is_number =
        |part: &&str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte));
    let is_version =
        parts.len() >= 2 && parts.iter().take(2).all(is_number) && is_plain && version.len() <= 60;
    (is_version && !is_day(word)).then_some(version)
}

/// The text outside of what stands between angle brackets.
fn without_tags(text: &str) -> &str {
    text.rsplit_once('>').map_or(text, |(before, after)| if before.contains('<') { after } else { text })
}

fn is_title(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "version" | "release" | "changes" | "in" | "v")
}

/// `2026-01-31`, `2026.01.31`, `January`, `31st`, and the words around them.
fn is_day(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '.', '/']).collect();
    let has_year = parts.iter().any(|part| part.len() == 4 && part.starts_with(['1', '2']));
    let is_all_digits =
        parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let is_date = parts.len() == 3 && has_year && is_all_digits;
    let number = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_loose = parts.len() == 1 && (is_number || is_name);
    is_date || is_loose || matches!(word, "-" | "–" | "—")
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3
        && ["=", "-", "~", "^", "*"]
            .iter()
            .any(|sign| line.trim_matches(|letter| sign.contains(letter)).is_empty())
}

/// The words of a line: without marks of lists and headings, and without where links lead to.
fn plain(line: &str) -> String {
    let text = line.trim().trim_start_matches(['#', '-', '*', '+', '>']).trim_start();
    // A line that only says where links lead to.
    if text.starts_with('[') && text.contains("]: ") {
        return String::new();
    }
    let mut told = String::with_capacity(text.len());
    let mut rest = text.get(..text.len().min(4096)).or_else(|| text.get(..0)).unwrap_or_default();
    while let Some(at) = rest.find("](") {
        told.push_str(&rest[..at + 1]);
        rest = rest[at + 2..].split_once(')').map_or("", |(_, after)| after);
    }
    told.push_str(rest);
    clean(&told, LONGEST_LINE)
}

#[cfg(test)]
mod tests {
    use patchline_inventory::version::Scheme;
    use proptest::prelude::{any, proptest};

    use super::{Excerpt, MOST_LINES, between};

    fn check(text: &str, (from, to): (&str, &str), then: &[(&str, &[&str])]) {
        let found = between(text, Scheme::Loose, from, to);
        let told: Vec<(String, Vec<String>)> = found
            .map(|Excerpt { sections, .. }| {
                sections.into_iter().map(|one| (one.version, one.lines)).collect()
            })
            .unwrap_or_default();
        let then: Vec<(String, Vec<String>)> = then
            .iter()
            .map(|(version, lines)| {
                ((*version).to_owned(), lines.iter().map(|line| (*line).to_owned()).collect())
            })
            .collect();
        assert_eq!(told, then, "{text}");
    }

    #[test]
    fn the_sections_after_the_old_version_and_up_to_the_new_one() {
        let kept = "# Changelog\n\n## [Unreleased]\n- later\n\n## [1.3.0] - 2026-02-01\n### Added\n- too new\n\n## [1.2.1] - 2026-01-31\n### Fixed\n- the overflow ([#12](https://example.org/12))\n\n## 1.2.0\n* two\n\n## 1.1.0\n- old\n\n[1.2.1]: https://example.org\n";
        check(
            kept,
            ("1.1.0", "1.2.1"),
            &[("1.2.1", &["Fixed", "the overflow ([#12])"]), ("1.2.0", &["two"])],
        );
        check(kept, ("1.3.0", "1.4.0"), &[]);
        check("no version at all\n", ("1.0.0", "2.0.0"), &[]);
    }

    #[test]
    fn headings_come_in_many_forms() {
        let rows = [
            "v1.1.0 (2026-01-31)\n===================\n\nthis\n\nv1.0.0\n======\nold\n",
            "Version 1.1.0\n-------------\n- this\n\nVersion 1.0.0\n-------------\n",
            "1.1.0 / 2026-01-31\n------------------\n  * this\n",
            "Release 1.1.0 (January 31st 2026)\n- this\n\nRelease 1.0.0\n- old\n",
            "# small 1.1.0\nthis\n# small 1.0.0\nold\n",
            "## <a name=\"x\"></a> [1.1.0](https://example.org/compare/1.0.0...1.1.0) (2026-01-31)\n- this\n",
            "**1.1.0**\n- this\n**1.0.0**\n- old\n",
        ];
        for text in rows {
            check(text, ("1.0.0", "1.1.0"), &[("1.1.0", &["this"])]);
        }
    }

    #[test]
    fn a_sentence_and_a_day_are_no_headings() {
        let text = "## 1.1.0\nWe support 1.0.5 and later.\n2026.01.31 was the day\n- see 0.9.0\n";
        check(
            text,
            ("1.0.0", "1.1.0"),
            &[("1.1.0", &["We support 1.0.5 and later.", "2026.01.31 was the day", "see 0.9.0"])],
        );
    }

    #[test]
    fn comments_are_left_out_and_what_is_too_much_is_cut() {
        check("## 1.1.0\n<!-- not\n- this -->\n- that\n", ("1.0.0", "1.1.0"), &[("1.1.0", &["that"])]);
        let long = format!("## 1.1.0\n{}", "- one more\n".repeat(1000));
        let found = between(&long, Scheme::Loose, "1.0.0", "1.1.0").unwrap();
        assert!(found.is_cut && found.sections[0].lines.len() == MOST_LINES);
    }

    proptest! {
        #[test]
        fn foreign_text_is_read_within_bounds(text in any::<String>(), lines in "(#{0,3} ?\\[?v?[0-9]\\.[0-9]\\]?[ a-z\u{202e}\u{7}\\]\\(<>!-]{0,20}\n){0,40}") {
            for text in [text, lines] {
                let Some(found) = between(&text, Scheme::Loose, "0.1", "9.9") else { continue };
                let told: Vec<&String> = found.sections.iter().flat_map(|section| &section.lines).collect();
                assert!(told.len() <= MOST_LINES);
                assert!(told.iter().all(|line| line.chars().count() <= 240 && !line.contains(char::is_control)));
            }
        }
    }
}

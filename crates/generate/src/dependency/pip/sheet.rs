//! One requirements file (<https://pip.pypa.io/en/stable/reference/requirements-file-format/>): its lines with their places, and
//! a pin put to another version with every other byte as it was.

use std::collections::BTreeSet;
use std::ops::Range;

use patchline_inventory::lockfile::requirements::Wanted;
use patchline_inventory::name::normal_in;

const HASH: &str = "--hash";

/// One file, in lines as pip reads them.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// Below the folder of the service.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) lines: Vec<Line>,
}

/// A line with those that continue it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    span: Range<usize>,
    /// Joined, without its comment.
    pub(crate) words: String,
}

impl Sheet {
    pub(crate) fn of(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), lines: lines(text) }
    }

    /// The files that it includes, requirements and constraints alike.
    pub(crate) fn includes(&self) -> impl Iterator<Item = &str> {
        let options = ["--requirement", "-r", "--constraint", "-c"];
        self.lines.iter().filter_map(move |line| {
            let rest = options.iter().find_map(|option| line.words.strip_prefix(option))?;
            let file = rest.trim_start_matches('=').trim();
            (!file.is_empty() && !file.contains("://")).then_some(file)
        })
    }

    /// What the lines ask for.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = (usize, Wanted<'_>)> {
        let asks = self.lines.iter().enumerate().filter(|(_, line)| is_requirement(&line.words));
        asks.filter_map(|(at, line)| Some((at, Wanted::of(&line.words)?)))
    }

    /// Whether each package must have a hash: pip wants all or none.
    pub(crate) fn has_hashes(&self) -> bool {
        self.lines.iter().any(|line| line.words.contains(" --hash"))
    }

    /// The extras that a line asks for.
    pub(crate) fn extras(&self, line: usize) -> BTreeSet<String> {
        let words = &self.lines[line].words;
        let Some((_, rest)) = words.split_once('[') else { return BTreeSet::new() };
        // A bracket behind the version is none of the extras.
        if words.find(['=', '<', '>', ';']).is_some_and(|at| at < words.len() - rest.len()) {
            return BTreeSet::new();
        }
        let inside = rest.split(']').next().unwrap_or_default().split(',');
        inside.map(|extra| normal_in("PyPI", extra.trim()).into_owned()).collect()
    }

    /// Puts the pins of these lines to other versions, each with the hashes of that version.
    pub(crate) fn with_pins(&self, steps: &[(usize, String, Vec<String>)]) -> Option<String> {
        let mut steps: Vec<_> = steps.iter().collect();
        // From the end, so that the places before stay.
        steps.sort_by_key(|(line, ..)| std::cmp::Reverse(*line));
        let mut text = self.text.clone();
        for (line, version, hashes) in steps {
            let span = self.lines[*line].span.clone();
            let changed = with_pin(&self.text[span.clone()], version, hashes)?;
            text.replace_range(span, &changed);
        }
        Some(text)
    }
}

/// Whether the line asks for something that a registry has.
fn is_requirement(words: &str) -> bool {
    let elsewhere = ["-", ".", "/", "git+", "http://", "https://", "file:"];
    !words.is_empty() && !elsewhere.iter().any(|start| words.starts_with(start))
}

fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut all = text.split_inclusive('\n');
    while let Some(first) = all.next() {
        let start = at;
        at += first.len();
        let mut words = first.trim_end_matches(['\n', '\r']).trim_start_matches('\u{feff}').to_owned();
        while words.ends_with('\\') {
            words.pop();
            let Some(next) = all.next() else { break };
            at += next.len();
            words.push_str(next.trim_end_matches(['\n', '\r']));
        }
        let comment =
            if words.starts_with('#') { Some(0) } else { words.find(" #").or_else(|| words.find("\t#")) };
        words.truncate(comment.unwrap_or(words.len()));
        found.push(Line { span: start..at, words: words.trim().to_owned() });
    }
    found
}

/// The raw text of a line with another version, and with these hashes where it had any.
fn with_pin(raw: &str, version: &str, hashes: &[String]) -> Option<String> {
    let place = pin_in(raw)?;
    let found = hashes_in(raw);
    let mut changed = raw.to_owned();
    if let (Some(first), Some(last)) = (found.first(), found.last()) {
        let is_apart = place.end < first.start;
        if !is_apart || hashes.is_empty() || found.iter().any(|place| !raw[place.clone()].contains("sha256:"))
        {
            return None;
        }
        // What stands between two, or before the only one, stands between all.
        let between = match found.get(1) {
            Some(second) => &raw[first.end..second.start],
            None => {
                &raw[raw[..first.start].trim_end_matches([' ', '\t', '\n', '\r', '\\']).len()..first.start]
            }
        };
        let all: Vec<String> = hashes.iter().map(|hash| format!("{HASH}=sha256:{hash}")).collect();
        changed.replace_range(first.start..last.end, &all.join(between));
    }
    changed.replace_range(place, version);
    Some(changed)
}

/// Where the one version stands; none where the line says more than a pin.
fn pin_in(raw: &str) -> Option<Range<usize>> {
    let start = raw.find("==")?;
    let before = &raw[..start];
    if before.contains([';', '#', '<', '>', '!', '~', ',']) && !before.contains('[') {
        return None;
    }
    let skipped = raw[start..].find(|sign: char| sign != '=' && sign != ' ' && sign != '\t')?;
    let begin = start + skipped;
    let is_end = |sign: char| sign.is_whitespace() || matches!(sign, ',' | ';' | ')' | '\\' | '#');
    let end = raw[begin..].find(is_end).map_or(raw.len(), |length| begin + length);
    let rest = raw[end..].trim_start_matches([' ', '\t']);
    (begin < end && !rest.starts_with(',')).then_some(begin..end)
}

fn hashes_in(raw: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = raw[at..].find(HASH).map(|offset| at + offset) {
        let value = start + HASH.len();
        let skipped = raw[value..].find(|sign: char| sign != '=' && sign != ' ').unwrap_or(0);
        let begin = value + skipped;
        let end = raw[begin..]
            .find(|sign: char| sign.is_whitespace() || sign == '\\')
            .map_or(raw.len(), |length| begin + length);
        found.push(start..end);
        at = end.max(start + HASH.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::Sheet;

    #[track_caller]
    fn check(given: &str, line: usize, hashes: &[&str], then: Option<&str>) {
        let hashes = hashes.iter().map(|hash| (*hash).to_owned()).collect();
        let changed = Sheet::of("requirements.txt", given).with_pins(&[(line, "2.0".to_owned(), hashes)]);
        assert_eq!(changed.as_deref(), then, "{given}");
    }

    #[test]
    fn only_the_version_changes() {
        check("a==1.0\nb==1\n", 0, &[], Some("a==2.0\nb==1\n"));
        check("# a==1\r\na[x, y] == 1.0  # why\r\n", 1, &[], Some("# a==1\r\na[x, y] == 2.0  # why\r\n"));
        check("a===1.0 ; python_version == '3.8'", 0, &[], Some("a===2.0 ; python_version == '3.8'"));
        check("a (==1.0)\n", 0, &[], Some("a (==2.0)\n"));
        check("a==1.0,<2\n", 0, &[], None);
        check("a>=1,==1.0\n", 0, &[], None);
        check("a>=1\n", 0, &[], None);
    }

    #[test]
    fn hashes_are_those_of_the_new_version_in_the_old_style() {
        let given =
            "a==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via c\nd==1 --hash=sha256:cc\n";
        let then = "a==2.0 \\\n    --hash=sha256:11 \\\n    --hash=sha256:22 \\\n    --hash=sha256:33\n    # via c\nd==1 --hash=sha256:cc\n";
        check(given, 0, &["11", "22", "33"], Some(then));
        check(
            "a==1.0 \\\n  --hash=sha256:aa\n",
            0,
            &["11", "22"],
            Some("a==2.0 \\\n  --hash=sha256:11 \\\n  --hash=sha256:22\n"),
        );
        check(
            "a==1 --hash=sha256:aa\n",
            0,
            &["11", "22"],
            Some("a==2.0 --hash=sha256:11 --hash=sha256:22\n"),
        );
        check("a==1 --hash=sha256:aa\n", 0, &[], None);
        check("a==1 --hash=md5:aa\n", 0, &["11"], None);
    }

    #[test]
    fn a_sheet_says_what_it_asks_for_and_includes() {
        let sheet =
            Sheet::of("r.txt", "-r base.txt\n--constraint=c.txt\n-e .\nA_b[Sec,x]==1 ; os_name=='nt'\nc\n");
        assert_eq!(sheet.includes().collect::<Vec<_>>(), ["base.txt", "c.txt"]);
        let asked: Vec<(usize, String)> =
            sheet.requirements().map(|(line, wanted)| (line, wanted.normal_name())).collect();
        assert_eq!(asked, [(3, "a-b".to_owned()), (4, "c".to_owned())]);
        assert_eq!(sheet.extras(3).into_iter().collect::<Vec<_>>(), ["sec", "x"]);
        assert!(sheet.extras(4).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_the_rest_of_it_stays(
            parts in prop::collection::vec("(a|b==1|==|;|#|,| |\\\\|\n|\r\n|--hash=sha256:a|\\[x\\]|\u{feff}|é){1,12}", 0..6)
        ) {
            let text = parts.concat();
            let sheet = Sheet::of("r.txt", &text);
            let whole: String = sheet.lines.iter().map(|line| &text[line.span.clone()]).collect();
            assert_eq!(whole, text);
            for line in 0..sheet.lines.len() {
                sheet.extras(line);
                if let Some(changed) = sheet.with_pins(&[(line, "7".to_owned(), vec!["h".to_owned()])]) {
                    let (before, after) = (sheet.lines[line].span.start, text.len() - sheet.lines[line].span.end);
                    assert_eq!(&changed[..before], &text[..before]);
                    assert_eq!(&changed[changed.len() - after..], &text[text.len() - after..]);
                }
            }
        }
    }
}

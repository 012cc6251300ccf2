//! Environment markers (<https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers>),
//! as in `python_version < "3.8" and extra == "socks"`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use patchline_inventory::name::normal_in;
use pep440_rs::{Version, VersionSpecifier};

/// How deep brackets may lie.
const DEEPEST: usize = 32;
/// Longest marker, in bytes.
const LONGEST: usize = 8 << 10;

/// The values of an environment, by their names.
pub(crate) type Environment = BTreeMap<String, String>;

/// Whether a marker holds. One that can't be read holds: what it guards is better looked at than left out.
pub(crate) fn holds(marker: &str, environment: &Environment, extras: &BTreeSet<String>) -> bool {
    let Some(words) = words(marker) else { return true };
    if words.is_empty() {
        return true;
    }
    let mut reader = Reader { words, at: 0, environment, extras };
    let answer = reader.either(0);
    answer.filter(|_| reader.at == reader.words.len()).unwrap_or(true)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// A name or an operator.
    Plain(String),
    Quoted(String),
}

fn words(text: &str) -> Option<Vec<Word>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.');
        let length = match first {
            '"' | '\'' => {
                let end = rest[1..].find(first)?;
                words.push(Word::Quoted(rest[1..=end].to_owned()));
                rest = rest[end + 2..].trim_start();
                continue;
            }
            '(' | ')' => 1,
            '<' | '>' | '=' | '!' | '~' => {
                rest.find(|sign| !matches!(sign, '<' | '>' | '=' | '!' | '~')).unwrap_or(rest.len())
            }
            _ if is_name(first) => rest.find(|sign| !is_name(sign)).unwrap_or(rest.len()),
            _ => return None,
        };
        words.push(Word::Plain(rest[..length].to_owned()));
        rest = rest[length..].trim_start();
    }
    Some(words)
}

struct Reader<'a> {
    words: Vec<Word>,
    at: usize,
    environment: &'a Environment,
    extras: &'a BTreeSet<String>,
}

impl Reader<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let is_next =
            matches!(self.words.get(self.at), Some(Word::Plain(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    fn next(&mut self) -> Option<Word> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }

    fn either(&mut self, depth: usize) -> Option<bool> {
        let mut answer = self.both(depth)?;
        while self.takes("or") {
            answer |= self.both(depth)?;
        }
        Some(answer)
    }

    fn both(&mut self, depth: usize) -> Option<bool> {
        let mut answer = self.one(depth)?;
        while self.takes("and") {
            answer &= self.one(depth)?;
        }
        Some(answer)
    }

    fn one(&mut self, depth: usize) -> Option<bool> {
        if self.takes("(") {
            let answer = if depth < DEEPEST { self.either(depth + 1)? } else { return None };
            return self.takes(")").then_some(answer);
        }
        let left = self.next()?;
        let operator = match self.next()? {
            Word::Plain(word) if word == "not" => {
                self.takes("in").then(|| "not in".to_owned())?;
                "not in".to_owned()
            }
            Word::Plain(word) => word,
            Word::Quoted(_) => return None,
        };
        let right = self.next()?;
        if let (Word::Plain(name), Word::Quoted(extra)) | (Word::Quoted(extra), Word::Plain(name)) =
            (&left, &right)
            && name == "extra"
        {
            let has = self.extras.contains(&*normal_in("PyPI", extra));
            return Some(if operator == "!=" { !has } else { has });
        }
        compare(&self.value(left)?, &operator, &self.value(right)?)
    }

    fn value(&self, word: Word) -> Option<String> {
        match word {
            Word::Quoted(text) => Some(text),
            Word::Plain(name) => self.environment.get(&name.replace("os.name", "os_name")).cloned(),
        }
    }
}

fn compare(left: &str, operator: &str, right: &str) -> Option<bool> {
    match operator {
        "in" => return Some(right.contains(left)),
        "not in" => return Some(!right.contains(left)),
        _ => {}
    }
    // Both as versions where both are versions, else as texts.
    if let (Ok(version), Ok(specifier)) =
        (Version::from_str(left), VersionSpecifier::from_str(&format!("{operator}{right}")))
    {
        return Some(specifier.contains(&version));
    }
    match operator {
        "==" | "===" => Some(left == right),
        "!=" => Some(left != right),
        "<" => Some(left < right),
        "<=" => Some(left <= right),
        ">" => Some(left > right),
        ">=" => Some(left >= right),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::proptest;

    use super::{Environment, holds};

    fn here() -> Environment {
        let pairs = [
            ("python_version", "3.11"),
            ("python_full_version", "3.11.7"),
            ("sys_platform", "linux"),
            ("os_name", "posix"),
            ("platform_machine", "x86_64"),
            ("implementation_name", "cpython"),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn check(marker: &str, then: bool) {
        let extras = BTreeSet::from(["use-chardet".to_owned()]);
        assert_eq!(holds(marker, &here(), &extras), then, "{marker}");
    }

    #[test]
    fn markers_hold_as_the_standard_says() {
        check("python_version >= \"3.8\"", true);
        check("python_version < '3.10'", false);
        check("python_version > '3.9' and python_version < '3.12'", true);
        check("sys_platform == 'win32' or (os_name == 'posix' and platform_machine != 'arm64')", true);
        check("'linux' in sys_platform", true);
        check("sys_platform not in 'win32, darwin'", true);
        check("extra == 'use_chardet'", true);
        check("extra == \"socks\"", false);
        check("python_full_version < '3.11.4' and extra == 'use-chardet'", false);
        check("", true);
    }

    #[test]
    fn what_can_not_be_read_holds() {
        for marker in ["(((", "python_version", "unheard_of == 'x'", "'a", "a ? b", &"(".repeat(9000)] {
            check(marker, true);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(marker in ".{0,60}", words in "(\\(|\\)|and|or|not|in|extra|'x'|==|<| ){0,30}") {
            holds(&marker, &here(), &BTreeSet::new());
            holds(&words, &here(), &BTreeSet::new());
        }
    }
}

//! Reads a CODEOWNERS file: which of its rules is the last that matches a path, by what GitHub documents ("About code owners") and
//! as far as GitLab's sections go with that.

use std::collections::{BTreeMap, BTreeSet};

use globset::{Glob, GlobBuilder};
use patchline_model::owner::Named;

/// Longer files are left, as GitHub leaves them; in bytes.
pub const LARGEST: u64 = 3 << 20;

/// A longer line could match no path that a system knows; in bytes.
const LONGEST_LINE: usize = 4096;

/// Rules of a file: each is compiled by itself, and a file of nothing but hard ones must end.
const MOST_RULES: usize = 50_000;

/// Lines that are complained of one by one.
const MOST_WARNINGS: usize = 20;

/// The rules of one file.
#[derive(Clone, Debug, Default)]
pub struct CodeOwners {
    /// As in `.github/CODEOWNERS`.
    file: String,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    line: usize,
    /// Matching one of these is matching the rule.
    globs: Vec<String>,
    /// Empty: nobody.
    owners: String,
}

impl CodeOwners {
    /// The rules, and a sentence about each line that can't be read; such a line says nothing.
    pub fn parse(file: &str, text: &str) -> (Self, Vec<String>) {
        let mut read = Reading::default();
        let mut wrong: Vec<(usize, &str)> = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            if let Err(why) = read.take(number, line.trim()) {
                wrong.push((number, why));
            }
        }
        let told = wrong.iter().take(MOST_WARNINGS);
        let mut warnings: Vec<String> =
            told.map(|(line, why)| format!("{file}:{line} is left out: {why}")).collect();
        if let Some((line, _)) = wrong.get(MOST_WARNINGS) {
            let more = wrong.len() - MOST_WARNINGS;
            warnings.push(format!("{file}: {more} more lines are left out, from line {line} on"));
        }
        (Self { file: file.to_owned(), rules: read.rules }, warnings)
    }

    /// Who owns the files at these paths, counted from the top of the repository; nobody where no rule matches, or the last that
    /// does names nobody. All are asked at once, so that no more than one pattern is compiled at a time, and each once.
    pub fn owners<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, Named> {
        let mut open: BTreeSet<&str> = paths.into_iter().collect();
        let mut owners = BTreeMap::new();
        for rule in self.rules.iter().rev() {
            if open.is_empty() {
                break;
            }
            for path in rule.matches(&open) {
                open.remove(path);
                if !rule.owners.is_empty() {
                    let rule_name = format!("{}:{}", self.file, rule.line);
                    owners.insert(path, Named { owner: rule.owners.clone(), rule: rule_name });
                }
            }
        }
        owners
    }
}

impl Rule {
    fn matches<'a>(&self, paths: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        for text in &self.globs {
            // Compiling takes far longer than looking for a word.
            let word = longest_word(text);
            let mut likely = paths.iter().filter(|path| path.contains(word)).peekable();
            if likely.peek().is_some() {
                let matcher = glob(text).expect("it was read before").compile_matcher();
                found.extend(likely.filter(|path| matcher.is_match(path)));
            }
        }
        found
    }
}

#[derive(Default)]
struct Reading {
    /// Owners of those rules of GitLab's section that name none.
    section: String,
    rules: Vec<Rule>,
}

impl Reading {
    fn take(&mut self, number: usize, line: &str) -> Result<(), &'static str> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.len() > LONGEST_LINE {
            return Err("it is longer than 4096 bytes");
        }
        if let Some(owners) = section(line) {
            self.section.clear();
            self.section = named(owners)?;
            return Ok(());
        }
        let (pattern, owners) = divided(line);
        let written = named(owners)?;
        let globs = globs(pattern)?;
        if self.rules.len() == MOST_RULES {
            return Err("there are 50,000 rules before it");
        }
        let owners = if written.is_empty() { self.section.clone() } else { written };
        self.rules.push(Rule { line: number, globs, owners });
        Ok(())
    }
}

/// What follows a section's head, `[Name]` or `^[Name]` with a number of approvals or without; nothing where the line is none.
fn section(line: &str) -> Option<&str> {
    let head = line.strip_prefix('^').unwrap_or(line).strip_prefix('[')?;
    let (name, rest) = head.split_once(']')?;
    let number = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let rest = match number {
        Some((digits, rest)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        Some(_) | None => rest,
    };
    let is_head = !name.trim().is_empty() && (rest.is_empty() || rest.starts_with(char::is_whitespace));
    is_head.then_some(rest)
}

/// The pattern, and what follows it after the first space that no `\` stands before.
fn divided(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.find(|letter: char| {
        let ends = letter.is_whitespace() && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends
    });
    line.split_at(end.unwrap_or(line.len()))
}

/// The owners up to a comment, with one space between them.
fn named(owners: &str) -> Result<String, &'static str> {
    let words = owners.split_whitespace().take_while(|word| !word.starts_with('#'));
    let words: Vec<&str> = words.collect();
    let is_owner = |word: &&str| {
        let name = word.rsplit_once('@').map(|(_, name)| name);
        word.bytes().all(|byte| byte.is_ascii_graphic()) && name.is_some_and(|name| !name.is_empty())
    };
    if words.iter().all(is_owner) {
        Ok(words.join(" "))
    } else {
        Err("an owner is `@name`, `@organisation/team` or a mail address")
    }
}

/// The pattern as globs over whole paths: what it names, and all that lies in it where that is a folder.
fn globs(pattern: &str) -> Result<Vec<String>, &'static str> {
    if pattern.starts_with('!') {
        return Err("`!` takes nothing out in this format");
    }
    if pattern.starts_with("\\#") {
        return Err("a name that begins with `#` can't be written in this format");
    }
    let whole = escaped(pattern);
    let named = whole.strip_suffix('/').unwrap_or(&whole);
    let path = named.trim_start_matches('/');
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    // A name alone is meant wherever it stands.
    let start = if named.contains('/') || path == "**" { path.to_owned() } else { format!("**/{path}") };
    let below = format!("{start}/**");
    let texts = match (whole.ends_with('/'), name) {
        // What lies deeper is not meant by `*`, and is by `**` already.
        (false, "*") | (_, "**") => vec![start],
        (true, _) => vec![below],
        (false, _) => vec![start, below],
    };
    match texts.iter().all(|text| glob(text).is_ok()) {
        true => Ok(texts),
        false => Err("its pattern is none"),
    }
}

fn glob(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build()
}

/// The longest part of a glob that stands as it is in every path that matches.
fn longest_word(glob: &str) -> &str {
    glob.split(['*', '?', '\\', '/']).max_by_key(|word| word.len()).unwrap_or_default()
}

/// The pattern with what it takes literally and globs do not made literal.
fn escaped(pattern: &str) -> String {
    let mut glob = String::new();
    let mut is_escaped = false;
    for letter in pattern.chars() {
        // There are no ranges of letters in this format, and folders are named so.
        if matches!(letter, '[' | ']' | '{' | '}') && !is_escaped {
            glob.push('\\');
        }
        glob.push(letter);
        is_escaped = letter == '\\' && !is_escaped;
    }
    glob
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    use super::{CodeOwners, LONGEST_LINE};
    use patchline_model::owner::Named;

    impl CodeOwners {
        fn owner(&self, path: &str) -> Option<Named> {
            self.owners([path]).remove(path)
        }
    }

    fn read(text: &str) -> CodeOwners {
        let (rules, warnings) = CodeOwners::parse("CODEOWNERS", text);
        assert_eq!(warnings, Vec::<String>::new());
        rules
    }

    /// The paths among these that the pattern matches.
    #[track_caller]
    fn check(pattern: &str, matches: &[&str], others: &[&str]) {
        let rules = read(&format!("{pattern} @a"));
        for (paths, is_match) in [(matches, true), (others, false)] {
            for path in paths {
                assert_eq!(rules.owner(path).is_some(), is_match, "`{pattern}` and `{path}`");
            }
        }
    }

    #[test]
    fn a_name_alone_is_meant_everywhere_and_a_path_from_the_top() {
        check("*", &["a", "a/b.c", ".x/y"], &[]);
        check("*.js", &["a.js", "x/a.js", "x/a.js/b"], &["a.jsx", "a.JS"]);
        check("apps/", &["apps/a", "x/apps/a/b"], &["apps", "x/apps"]);
        check("/apps/", &["apps/a", "apps/a/b"], &["x/apps/a", "apps"]);
        check("docs/*", &["docs/a.md"], &["docs/b/a.md", "x/docs/a.md"]);
        check("/apps/github", &["apps/github", "apps/github/a/b"], &["apps/githubs", "x/apps/github"]);
        check("/*", &["a"], &["a/b"]);
        check("/", &[], &["a", "a/b"]);
    }

    #[test]
    fn two_asterisks_are_any_folders_and_one_is_part_of_a_name() {
        check("**/logs", &["logs/a", "build/logs/a", "deeply/nested/logs/a"], &["logs2/a"]);
        check("a/**/b", &["a/b", "a/x/b", "a/x/y/b/c"], &["x/a/b", "a/xb"]);
        check("a/**", &["a/b", "a/b/c"], &["a", "x/a/b"]);
        check("a/*/c", &["a/b/c", "a/b/c/d"], &["a/c", "a/b/b/c"]);
        check("a?c", &["abc", "x/abc"], &["ac", "a/c"]);
        check("**", &["a", "a/b"], &[]);
    }

    #[test]
    fn what_is_special_elsewhere_is_literal() {
        check("a\\ b/", &["a b/c"], &["a/c"]);
        check("{a,b}", &["{a,b}"], &["a", "b"]);
        check("/apps/[id]/*.ts", &["apps/[id]/a.ts"], &["apps/i/a.ts"]);
        check("a\\*b", &["a*b"], &["axb"]);
        check("a\\[b\\]", &["a[b]"], &["ab"]);
    }

    #[test]
    fn the_last_rule_counts_and_one_that_names_nobody_takes_a_path_out() {
        let rules = read("* @all # everything\n\n/src/ @org/b  @a x@example.org\n/src/gen\n# end\n");
        let told = |path: &str| rules.owner(path).map(|named| (named.owner, named.rule));
        let is = |owner: &str, rule: &str| Some((owner.to_owned(), rule.to_owned()));
        assert_eq!(told("a"), is("@all", "CODEOWNERS:1"));
        assert_eq!(told("src/a"), is("@org/b @a x@example.org", "CODEOWNERS:3"));
        assert_eq!(told("src/gen/a"), None);
        assert_eq!(CodeOwners::default().owner("a"), None);
    }

    #[test]
    fn a_rule_of_a_section_that_names_nobody_has_its_owners() {
        let rules = read("*.md @words\n[Code][2] @code\n*.rs\n*.py @py\n^[Rest]\n*.c\n");
        let told = |path: &str| rules.owner(path).map(|named| named.owner);
        let is = |owner: &str| Some(owner.to_owned());
        assert_eq!(
            [told("a.md"), told("a.rs"), told("a.py"), told("a.c")],
            [is("@words"), is("@code"), is("@py"), None]
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_says_nothing() {
        let long = "a".repeat(5000);
        let text = format!("* @a\n!b @b\nb a@\n\\#b @b\nb you\n{long} @b\nb\\\nb @\u{202e}b\n");
        let (rules, warnings) = CodeOwners::parse("docs/CODEOWNERS", &text);
        assert_eq!(rules.owner("b").map(|named| named.owner).as_deref(), Some("@a"));
        let lines: Vec<&str> = warnings.iter().filter_map(|one| one.split(' ').next()).collect();
        let wrong: Vec<String> = (2..=8).map(|line| format!("docs/CODEOWNERS:{line}")).collect();
        assert_eq!(lines, wrong, "{warnings:?}");
        let (_, warnings) = CodeOwners::parse("CODEOWNERS", &"!a\n".repeat(1000));
        assert_eq!(warnings.len(), 21);
        assert_eq!(warnings[20], "CODEOWNERS: 980 more lines are left out, from line 21 on");
        let (_, warnings) = CodeOwners::parse("CODEOWNERS", &"a @a\n".repeat(50_001));
        assert_eq!(warnings, ["CODEOWNERS:50001 is left out: there are 50,000 rules before it"]);
    }

    #[test]
    fn the_last_of_many_rules_counts_for_each_of_many_paths() {
        let text: String = (0..500).map(|number| format!("/dir{number}/**/a*b/ @o{number}\n")).collect();
        let rules = read(&format!("* @all\n{text}"));
        let owners = rules.owners(["dir7/x/aab/c", "dir499/ab/c", "dir500/ab/c", "dir7/ab/c"]);
        let told: Vec<&str> = owners.values().map(|named| named.owner.as_str()).collect();
        assert_eq!(told, ["@o499", "@all", "@o7", "@o7"]);
    }

    #[test]
    fn the_longest_patterns_can_be_compiled() {
        for part in ["?", "*a", "**/", "é", "{"] {
            let pattern = part.repeat((LONGEST_LINE - 4) / part.len());
            read(&format!("{pattern} @a")).owner(&part.repeat(100));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), path in any::<String>()) {
            CodeOwners::parse("CODEOWNERS", &text).0.owner(&path);
        }

        #[test]
        fn no_lines_of_what_means_something_panic_and_owners_are_plain(
            text in "([!#^*?/ab@. \\t\\\\{}\\[\\]\n,-]|\\*\\*/){0,60}", path in "[ab/.]{0,9}",
        ) {
            let (rules, warnings) = CodeOwners::parse("CODEOWNERS", &text);
            if let Some(named) = rules.owner(&path) {
                prop_assert!(named.owner.split(' ').all(|owner| owner.contains('@')));
            }
            prop_assert!(warnings.len() <= text.lines().count());
        }

        #[test]
        fn a_plain_path_matches_itself_and_what_lies_below(path in "[a-z]{1,4}(/[a-z]{1,4}){0,4}") {
            let rules = read(&format!("/{path} @a"));
            for own in [path.clone(), format!("{path}/z")] {
                prop_assert_eq!(rules.owner(&own).map(|named| named.owner), Some("@a".to_owned()));
            }
            prop_assert_eq!(rules.owner(&format!("0/{path}")).is_some(), false);
        }
    }
}

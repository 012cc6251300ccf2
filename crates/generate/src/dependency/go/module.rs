//! `go.mod`: what it requires, and what came of a change, held against the rules.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use patchline_inventory::version::Scheme;
use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::generate::Move;

use crate::fixer::Known;

/// The words of a `go.mod` (<https://go.dev/ref/mod#go-mod-file>) that count here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Module {
    /// Versions without the `v`, by module.
    pub(crate) requires: BTreeMap<String, String>,
    /// Modules that something else takes the place of.
    pub(crate) replaced: BTreeMap<String, String>,
    pub(crate) go: Option<String>,
    pub(crate) toolchain: Option<String>,
}

impl Module {
    pub(crate) fn of(text: &str) -> Self {
        let mut module = Self::default();
        let mut block: Option<&str> = None;
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let mut words: Vec<&str> =
                code.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
            if words == [")"] {
                block = None;
                continue;
            }
            if words.is_empty() {
                continue;
            }
            let verb = match block {
                Some(verb) => verb,
                None => words.remove(0),
            };
            match (verb, words.as_slice()) {
                (verb, ["("]) => block = Some(verb),
                ("go", [version]) => module.go = Some((*version).to_owned()),
                ("toolchain", [version]) => module.toolchain = Some((*version).to_owned()),
                ("require", [name, version]) => {
                    module.requires.insert((*name).to_owned(), bare(version).to_owned());
                }
                ("replace", [old, .., "=>", new]) | ("replace", [old, .., "=>", new, _]) => {
                    module.replaced.insert((*old).to_owned(), (*new).to_owned());
                }
                _ => {}
            }
        }
        module
    }
}

/// OSV writes versions of Go without the `v`.
pub(crate) fn bare(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

pub(crate) fn is_above(version: &str, other: &str) -> bool {
    order(version, other) == Some(Ordering::Greater)
}

pub(crate) fn order(left: &str, right: &str) -> Option<Ordering> {
    Scheme::named("Go")?.compare(bare(left), bare(right))
}

/// A version that was published for use: no preview, and no commit that bears no version.
pub(crate) fn is_release(version: &str) -> bool {
    !bare(version).split('+').next().unwrap_or_default().contains('-')
}

/// Whether a step between them may break what uses the module. From version 2 on, the path has the leading number.
pub(crate) fn is_major(from: &str, to: &str) -> bool {
    let head = |text: &str| {
        let mut parts = bare(text).split('.').map(str::to_owned);
        let first = parts.next();
        (first.clone(), parts.next().filter(|_| first.as_deref() == Some("0")))
    };
    head(from) != head(to)
}

/// `go.mod` with another toolchain, and nothing else of it changed.
pub(crate) fn with_toolchain(text: &str, version: &str) -> Option<String> {
    let mut is_done = false;
    let lines = text.split_inclusive('\n').map(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("toolchain"), Some(old)) if !is_done => {
                is_done = true;
                line.replacen(old, &format!("go{version}"), 1)
            }
            _ => line.to_owned(),
        }
    });
    let changed: String = lines.collect();
    is_done.then_some(changed)
}

pub(crate) fn problems(known: &dyn Known, name: &str, version: &str) -> Result<Vec<String>, Failure> {
    let ecosystem = Ecosystem("Go".to_owned());
    known.problems(&Package { ecosystem, name: name.to_owned(), version: bare(version).to_owned() })
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) moves: Vec<Move>,
    /// A sentence for each rule that was broken.
    pub(crate) violations: Vec<String>,
    /// Modules that come with a problem that there was not before.
    pub(crate) worse: Vec<String>,
}

/// What moved, and which rules that breaks.
pub(crate) fn compare(before: &Module, after: &Module, known: &dyn Known) -> Result<Comparison, Failure> {
    let mut comparison = Comparison::default();
    let mut names: Vec<&String> = before.requires.keys().chain(after.requires.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (from, to) = (before.requires.get(name), after.requires.get(name));
        if from == to {
            continue;
        }
        comparison.moves.push(Move {
            package: name.clone(),
            from: from.cloned(),
            to: to.cloned(),
            rung: None,
        });
        let Some(to) = to else { continue };
        if let Some(from) = from.filter(|from| is_above(from, to)) {
            comparison.violations.push(format!("`{name}` would go from {from} down to {to}"));
        }
        let had = from.map(|from| problems(known, name, from)).transpose()?.unwrap_or_default();
        if let Some(new) = problems(known, name, to)?.into_iter().find(|problem| !had.contains(problem)) {
            comparison.violations.push(format!("`{name} {to}` would bring {new} in"));
            comparison.worse.push(name.clone());
        }
    }
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Module, is_above, is_major, is_release, with_toolchain};

    const TEXT: &str = "module app // m\n\ngo 1.21\n\ntoolchain go1.21.3 // why\n\nrequire (\n\ta.example/x v1.2.3\n\tb.example/y/v2 v2.0.0+incompatible // indirect\n)\nrequire c.example v0.0.0-20201216223049-8b5274cf687f\nreplace a.example/z => ../z\nreplace c.example v1.0.0 => d.example v1.1.0\n";

    #[test]
    fn a_module_says_what_it_requires() {
        let module = Module::of(TEXT);
        let requires: Vec<String> =
            module.requires.iter().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(
            requires,
            [
                "a.example/x 1.2.3",
                "b.example/y/v2 2.0.0+incompatible",
                "c.example 0.0.0-20201216223049-8b5274cf687f"
            ]
        );
        assert_eq!((module.go.as_deref(), module.toolchain.as_deref()), (Some("1.21"), Some("go1.21.3")));
        assert_eq!(module.replaced.keys().collect::<Vec<_>>(), ["a.example/z", "c.example"]);
        assert_eq!(with_toolchain(TEXT, "1.21.9"), Some(TEXT.replace("go1.21.3", "go1.21.9")));
        assert_eq!(with_toolchain("module app\n", "1.21.9"), None);
    }

    #[test]
    fn versions_are_told_apart() {
        assert!(is_above("v1.10.0", "1.9.0") && is_above("0.1.0", "0.0.0-20201216223049-8b5274cf687f"));
        assert!(is_release("v2.0.0+incompatible") && !is_release("v1.0.0-rc.1"));
        assert!(
            is_major("0.1.0", "0.2.0")
                && is_major("1.9.0", "2.0.0+incompatible")
                && !is_major("1.2.3", "1.9.0")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(require|replace|=>|\\(|\\)|go|v1|\n| |//|\"){0,40}") {
            Module::of(&text);
            with_toolchain(&text, "1.2");
        }
    }
}

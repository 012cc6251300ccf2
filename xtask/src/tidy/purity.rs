//! Purity: `model` and `judge` cannot fail for outside reasons. No files, network, clock, chance, threads, `async` or
//! terminal in them, and nothing whose order differs from run to run.

use std::collections::BTreeSet;

use crate::tidy::fault::Fault;
use crate::tidy::manifest::Kind;
use crate::tidy::mentions::Mention;
use crate::tidy::sources::{Crate, Place, SourceFile, Sources};

const PURE_CRATES: [&str; 2] = ["model", "judge"];

/// What a pure crate may depend on: parsers and arithmetic.
const DEPENDENCIES: [&str; 6] = ["cvss", "semver", "serde", "serde_json", "sha2", "thiserror"];

/// Modules of the standard library that reach out of the process or depend on when one asks.
const IMPURE_MODULES: [&str; 9] = ["env", "fs", "io", "net", "os", "process", "random", "thread", "time"];

/// Of `std::sync`, what shares or computes a value once without anybody waiting for anybody.
const PURE_SYNC: [&str; 3] = ["Arc", "LazyLock", "Weak"];

const HASHED: [&str; 5] = ["HashMap", "HashSet", "hash_map", "hash_set", "RandomState"];

const IMPURE_CRATES: [&str; 4] = ["fastrand", "getrandom", "rand", "tokio"];

const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];

const LOUD_MACROS: [&str; 5] = ["dbg", "eprint", "eprintln", "print", "println"];

const RULE: &str = "purity";

const HINT_WORLD: &str = "let it come in by `Context`, or let a hand do it";
const HINT_CLOCK: &str = "let the time come in by `Context`";
const HINT_ORDER: &str = "use `BTreeMap` or `BTreeSet`: their order is the same in every run";

pub fn check(sources: &Sources) -> Vec<Fault> {
    let pure = sources.crates.iter().filter(|one| PURE_CRATES.contains(&one.name.as_str()));
    pure.flat_map(|one| {
        let files = one.files.iter().filter(|file| matches!(file.place, Place::Code { .. }));
        [check_dependencies(one), files.flat_map(check_file).collect()].concat()
    })
    .collect()
}

fn check_dependencies(one: &Crate) -> Vec<Fault> {
    let path = format!("{}/Cargo.toml", one.folder);
    let shipped = one.manifest.dependencies.iter().filter(|dependency| dependency.kind != Kind::Dev);
    let strange = shipped.filter(|dependency| !DEPENDENCIES.contains(&dependency.package.as_str()));
    strange
        .map(|dependency| {
            let what = format!("`{}` is pure and depends on `{}`", one.name, dependency.package);
            let hint = format!("a pure crate depends on {} at most", DEPENDENCIES.join(", "));
            Fault::new(RULE, &path, dependency.line, what, hint)
        })
        .collect()
}

/// At most one fault for each impure thing in a file, where it comes in first.
fn check_file(file: &SourceFile) -> Vec<Fault> {
    let mentions = &file.mentions;
    let imported = mentions.imports.iter().map(|import| &import.mention);
    let whole = imported.chain(&mentions.paths).flat_map(|mention| mentions.written_out(mention));
    let from_paths =
        whole.flat_map(|mention| impure_path(&mention).map(|(what, hint)| (mention.line, what, hint)));
    let from_macros = mentions.macros.iter().filter_map(loud_macro);
    let from_async = mentions.asyncs.iter().map(|line| {
        (*line, "is `async`".to_owned(), "a pure function answers at once; waiting is for the hands")
    });
    let mut found: Vec<_> = from_paths.chain(from_macros).chain(from_async).collect();
    found.sort();
    let mut seen = BTreeSet::new();
    found.retain(|(_, what, _)| seen.insert(what.clone()));
    found.into_iter().map(|(line, what, hint)| Fault::new(RULE, &file.path, line, what, hint)).collect()
}

fn impure_path(mention: &Mention) -> Option<(String, &'static str)> {
    let words: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    let standard = |hint, length: usize| Some((format!("uses `{}`", words[..length].join("::")), hint));
    match words.as_slice() {
        ["std", "time", ..] => standard(HINT_CLOCK, 2),
        ["std", module, ..] if IMPURE_MODULES.contains(module) => standard(HINT_WORLD, 2),
        ["std", "sync"] => {
            Some(("uses the whole of `std::sync`".to_owned(), "import by name what is used of it"))
        }
        ["std", "sync", name, ..] if !PURE_SYNC.contains(name) => {
            standard("a pure function shares nothing that changes", 3)
        }
        ["std", "collections" | "hash", name, ..] if HASHED.contains(name) => standard(HINT_ORDER, 3),
        [first, ..] if IMPURE_CRATES.contains(first) => standard(HINT_WORLD, 1),
        _ => {
            let clock = words.iter().find(|word| CLOCKS.contains(word))?;
            Some((format!("uses `{clock}`"), HINT_CLOCK))
        }
    }
}

fn loud_macro(call: &Mention) -> Option<(usize, String, &'static str)> {
    let name = call.path.last().filter(|name| LOUD_MACROS.contains(&name.as_str()))?;
    Some((call.line, format!("speaks to the terminal by `{name}!`"), "return it; only the binary prints"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::planted::{Planted, assert_caught, manifest};

    /// Given the body of a file in `model`, sees what is caught.
    #[track_caller]
    fn check_body(body: &str, expected: &[(&str, &str)]) {
        let planted = Planted::sound().with("crates/model/src/id.rs", &format!("//! Ids.\n{body}\n"));
        assert_caught(&check(&planted.sources()), expected);
    }

    /// Given one line in a file in `model`, sees that it is caught there.
    #[track_caller]
    fn check_line(line: &str, words: &str) {
        check_body(line, &[("crates/model/src/id.rs:2", words)]);
    }

    #[test]
    fn a_sound_workspace_has_no_fault() {
        check_body("use std::collections::BTreeMap;\nuse std::sync::Arc;\nuse core::time::Duration;", &[]);
    }

    #[test]
    fn each_way_out_of_the_process_is_caught() {
        for module in ["fs", "net", "process", "env", "thread", "time", "io"] {
            check_line(&format!("use std::{module};"), &format!("uses `std::{module}`"));
            check_line(&format!("fn f() {{ std::{module}::x(); }}"), &format!("uses `std::{module}`"));
        }
    }

    #[test]
    fn a_way_out_is_caught_in_a_group_in_a_macro_and_under_another_name() {
        check_line("use std::{collections::BTreeMap, fs::read};", "uses `std::fs`");
        check_line("fn f() { format!(\"{:?}\", std::env::args()); }", "uses `std::env`");
        check_line("use std as s; fn f() { s::fs::read(\"\"); }", "uses `std::fs`");
        check_line("fn f() { ::std::fs::read(\"\"); }", "uses `std::fs`");
        check_line("use std::fs::*;", "uses `std::fs`");
    }

    #[test]
    fn locks_clocks_chance_and_runtimes_are_caught() {
        check_line("use std::sync::Mutex;", "uses `std::sync::Mutex`");
        check_line("use std::sync::atomic::AtomicU64;", "uses `std::sync::atomic`");
        check_line("use elsewhere::Instant;", "uses `Instant`");
        check_line("fn f() -> u64 { rand::random() }", "uses `rand`");
        check_line("fn f() { tokio::spawn(g()); }", "uses `tokio`");
    }

    #[test]
    fn a_map_without_order_is_caught() {
        check_line("use std::collections::HashMap;", "uses `std::collections::HashMap`");
        check_line("type S = std::collections::HashSet<u8>;", "uses `std::collections::HashSet`");
    }

    #[test]
    fn async_is_caught() {
        check_line("async fn f() {}", "is `async`");
        check_line("fn f() { g(async move {}); }", "is `async`");
    }

    #[test]
    fn what_speaks_to_the_terminal_is_caught() {
        check_line("fn f() { println!(); }", "`println!`");
        check_line("fn f() { dbg!(1); }", "`dbg!`");
    }

    #[test]
    fn tests_and_other_crates_are_free() {
        check_body("#[cfg(test)]\nmod tests { use std::fs; fn f() { println!(); } }", &[]);
        let planted = Planted::sound().with("crates/detect/src/walk.rs", "//! Files.\nuse std::fs;\n");
        assert_caught(&check(&planted.sources()), &[]);
        let planted = Planted::sound().with("crates/model/tests/story.rs", "//! Story.\nuse std::fs;\n");
        assert_caught(&check(&planted.sources()), &[]);
    }

    #[test]
    fn a_dependency_that_is_not_on_the_list_is_caught() {
        let tables = "[dependencies]\nserde.workspace = true\njiff.workspace = true\n\
                      [dev-dependencies]\nproptest.workspace = true\n";
        let planted = Planted::sound().with("crates/judge/Cargo.toml", &manifest("judge", tables));
        let expected = [("crates/judge/Cargo.toml:6", "`judge` is pure and depends on `jiff`")];
        assert_caught(&check(&planted.sources()), &expected);
    }
}

//! Reads what `cargo test` writes for people: which test of which program ended how.
//!
//! On stdout stand blocks, each with a head `running 5 tests` and lines `test name ... ok`. Which program a block is
//! of, cargo says on stderr, in the same order: `Running unittests src/lib.rs (target/debug/deps/name-0123456789abcdef)`.

use std::collections::BTreeMap;

use crate::table::{Ended, Rows, Table, shortened};

/// What cargo appends to the name of a program: `-` and 16 hex digits.
const HASH_DIGITS: usize = 16;
/// Bytes of one failed test's own words that are looked at.
const MAX_BLOCK_BYTES: usize = 16 * 1024;

pub(crate) fn read(stdout: &str, stderr: &str) -> Table {
    let programs: Vec<String> = stderr.lines().filter_map(program).collect();
    let blocks = stdout.lines().filter(|line| is_head(line)).count();
    let by_program = programs.len() == blocks;
    let mut rows = Rows::new(by_program);
    stderr.lines().filter_map(failed_program).for_each(|name| rows.fail_program(&name));
    let words = words_of_failures(stdout);
    let mut program = "";
    let mut block = 0;
    let mut programs = programs.iter();
    let mut pending: Option<String> = None;
    for line in stdout.lines() {
        if is_head(line) {
            program = programs.next().filter(|_| by_program).map_or("", String::as_str);
            pending = None;
            block += 1;
            continue;
        }
        let (name, ended) = match (test(line), verdict(line)) {
            (Some((name, Some(ended))), _) => (name, ended),
            (Some((name, None)), _) => {
                // It wrote something of its own between its name and its end.
                pending = Some(name);
                continue;
            }
            (None, Some(ended)) => match pending.take() {
                Some(name) => (name, ended),
                None => continue,
            },
            (None, None) => continue,
        };
        pending = None;
        let said = words.get(&(block, name.clone())).map_or("", String::as_str);
        rows.add(program, &name, ended, said);
    }
    rows.finish()
}

/// By block and name: what stands under `---- name stdout ----`.
fn words_of_failures(stdout: &str) -> BTreeMap<(usize, String), String> {
    let mut words: BTreeMap<(usize, String), String> = BTreeMap::new();
    let mut block = 0;
    let mut of: Option<String> = None;
    for line in stdout.lines() {
        let begins = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
        match (begins, &of) {
            (Some(name), _) => of = Some(plain(name)),
            (None, _) if is_head(line) => (block, of) = (block + 1, None),
            (None, _) if line == "failures:" || line.starts_with("test result: ") => of = None,
            (None, Some(name)) => {
                let text = words.entry((block, name.clone())).or_default();
                if text.len() < MAX_BLOCK_BYTES {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            (None, None) => {}
        }
    }
    words
}

/// `running 1 test`, `running 5 tests`
fn is_head(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("running ") else { return false };
    let number = rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The program that cargo says it runs, without what changes from build to build.
fn program(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(shortened(&format!("doc-tests of {name}")));
    }
    let (source, path) = line.strip_prefix("Running ")?.strip_suffix(')')?.split_once(" (")?;
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = match file.rsplit_once('-') {
        Some((name, hash))
            if hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            name
        }
        Some(_) | None => file,
    };
    Some(shortened(&format!("{name}, {source}")))
}

/// At its end cargo lists what failed, as in "    `-p app --test api`".
fn failed_program(line: &str) -> Option<String> {
    let arguments = line.strip_prefix("    `")?.strip_suffix('`')?;
    (arguments.starts_with('-')).then(|| shortened(arguments))
}

/// The name, and the end where it stands on the same line.
fn test(line: &str) -> Option<(String, Option<Ended>)> {
    let (name, rest) = line
        .strip_prefix("test ")?
        .split_once(" ... ")
        .or_else(|| Some((line.strip_prefix("test ")?.strip_suffix(" ...")?, "")))?;
    Some((plain(name), verdict(rest)))
}

fn verdict(text: &str) -> Option<Ended> {
    let begins = |word: &str| {
        let rest = text.strip_prefix(word)?;
        (rest.is_empty() || rest.starts_with([',', ' ', ':'])).then_some(())
    };
    let words = [
        ("ok", Ended::Passed),
        ("FAILED", Ended::Failed),
        ("ignored", Ended::Ignored),
        ("bench:", Ended::Passed),
    ];
    words.into_iter().find(|(word, _)| begins(word).is_some()).map(|(_, ended)| ended)
}

/// Without what says how it is tested, and without the line of a documentation test, which moves with the code above.
fn plain(name: &str) -> String {
    let ends = [" - should panic", " - compile fail", " - compile"];
    let name = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let place = name.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (line "));
    let name = match place {
        Some((rest, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        Some(_) | None => name,
    };
    shortened(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::read;
    use crate::table::{Ended, Table};

    const STDERR: &str = "   Compiling app v0.1.0
    Finished `test` profile
     Running unittests src/lib.rs (target/debug/deps/app-0123456789abcdef)
     Running tests/api.rs (target/debug/deps/api-fedcba9876543210)
   Doc-tests app
";
    const STDOUT: &str = "
running 3 tests
test store::keeps ... ok
test store::loses - should panic ... ok
test store::slow ... ignored, takes long

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 2 tests
test keeps ... FAILED
test noisy ... something of its own
ok

failures:

---- keeps stdout ----
thread 'keeps' panicked

test result: FAILED. 1 passed; 1 failed

running 2 tests
test src/lib.rs - add (line 3) ... ok
test src/lib.rs - add (line 9) - compile fail ... FAILED
";

    fn lines(table: &Table) -> Vec<String> {
        table.tests.iter().map(|(key, ended)| format!("{} {ended:?}", key.text())).collect()
    }

    #[test]
    fn each_test_is_known_by_program_and_name() {
        let table = read(STDOUT, STDERR);
        assert!(table.by_program);
        let expected = [
            "keeps (api, tests/api.rs) Failed",
            "noisy (api, tests/api.rs) Passed",
            "store::keeps (app, unittests src/lib.rs) Passed",
            "store::loses (app, unittests src/lib.rs) Passed",
            "store::slow (app, unittests src/lib.rs) Ignored",
            "src/lib.rs - add (doc-tests of app) Passed",
            "src/lib.rs - add #2 (doc-tests of app) Failed",
        ];
        assert_eq!(lines(&table), expected);
        assert_eq!(table.count(Ended::Failed), 2);
    }

    #[test]
    fn blocks_that_no_program_answers_to_are_known_by_name_alone() {
        let table = read(STDOUT, "     Running tests/other.rs (target/debug/deps/other)\n");
        assert!(!table.by_program);
        assert_eq!(table.tests.len(), 7);
        assert!(lines(&table).contains(&"keeps Failed".to_owned()));
    }

    #[test]
    fn programs_that_failed_are_known_though_they_name_no_test() {
        let stderr = "error: 2 targets failed:\n    `-p app --lib`\n    `-p app --test api`\n";
        let failed: Vec<String> = read("", stderr).failed_programs.into_iter().collect();
        assert_eq!(failed, ["-p app --lib", "-p app --test api"]);
    }

    #[test]
    fn by_name_the_worst_of_several_counts() {
        let block = |ended: &str| format!("running 1 test\ntest same ... {ended}\n");
        let stderr = "Running a (a)\nRunning b (b)\nRunning c (c)";
        let table = read(&[block("ignored"), block("FAILED"), block("ok")].concat(), stderr);
        assert_eq!(table.tests.len(), 3);
        assert_eq!(lines(&table.by_name()), ["same Failed"]);
    }

    proptest! {
        #[test]
        fn no_output_makes_it_panic(stdout in any::<String>(), stderr in any::<String>(), cut in 0_usize..600) {
            read(&stdout, &stderr);
            let cut = cut.min(STDOUT.len());
            read(&format!("{}{stdout}{}", &STDOUT[..cut], &STDOUT[cut..]), STDERR);
        }

        #[test]
        fn any_name_is_read_back(name in "[a-z_:]{1,40}", passed in any::<bool>()) {
            let ended = if passed { "ok" } else { "FAILED" };
            let table = read(&format!("running 1 test\ntest {name} ... {ended}\n"), "");
            assert_eq!(table.tests.len(), 1);
            let (key, found) = table.tests.first_key_value().unwrap();
            assert_eq!((key.name.as_str(), *found == Ended::Passed), (name.as_str(), passed));
        }
    }
}

//! Files: each Rust file says what it is for and stays short, only a `main` ends the process, and nothing in the
//! repository speaks of the machine it was written on.

use crate::tidy::fault::Fault;
use crate::tidy::sources::{Place, SourceFile, Sources, is_rust_source};

const MOST_LINES: usize = 600;

const RULE: &str = "files";

/// Hosts of package registries, put together here so that the check does not find itself.
const REGISTRY_HOSTS: [&str; 4] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("pypi", ".org"),
];

/// Folders that exist on one machine only.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/fa", "rm/")];

/// A folder of notes beside the repository, and what stands in it.
const STEERING_FOLDER: &str = concat!("sha", "red/");
const STEERING_NOTES: [&str; 7] = ["data", "design", "hooks", "house", "reference", "style", "tools"];

pub fn check(sources: &Sources) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in &sources.texts {
        faults.extend(is_rust_source(path).then(|| check_shape(path, text)).into_iter().flatten());
        faults.extend(check_words(path, text));
    }
    faults.extend(sources.crates.iter().flat_map(|one| &one.files).filter_map(check_exit));
    faults
}

fn check_shape(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        let what = "does not begin with `//!`";
        faults.push(Fault::new(RULE, path, 1, what, "say in the first line what the file is for"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        let what = format!("has {lines} lines, {MOST_LINES} at most");
        faults.push(Fault::new(RULE, path, MOST_LINES + 1, what, "cut it where the subject changes"));
    }
    faults
}

fn check_exit(file: &SourceFile) -> Option<Fault> {
    let is_main =
        file.path.ends_with("/src/main.rs") || (file.path.contains("/src/bin/") && file.place.is_root());
    if is_main || file.place == Place::Beside {
        return None;
    }
    let mentions = &file.mentions;
    let imported = mentions.imports.iter().map(|import| &import.mention);
    let whole = imported.chain(&mentions.paths).flat_map(|mention| mentions.written_out(mention));
    let exit = whole.into_iter().find(|mention| mention.path == ["std", "process", "exit"])?;
    let hint = "return an error or an exit code; only `main` ends the process";
    Some(Fault::new(RULE, &file.path, exit.line, "ends the process by `std::process::exit`", hint))
}

fn check_words(path: &str, text: &str) -> Vec<Fault> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(before, line)| {
            let (what, hint) = forbidden_words(line)?;
            Some(Fault::new(RULE, path, before + 1, what, hint))
        })
        .collect()
}

fn forbidden_words(line: &str) -> Option<(String, &'static str)> {
    if let Some(host) = REGISTRY_HOSTS.iter().find(|host| contains_host(line, host)) {
        return Some((
            format!("names the registry host `{host}`"),
            "say the registry's name, or read it from settings",
        ));
    }
    if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| begins_a_path(line, folder)) {
        return Some((format!("names the machine's folder `{folder}`"), "use a path within the repository"));
    }
    let noted = STEERING_NOTES.iter().any(|note| begins_a_word(line, &format!("{STEERING_FOLDER}{note}")));
    noted.then(|| {
        (format!("points into `{STEERING_FOLDER}`"), "say it here, or point to a document in the repository")
    })
}

fn contains_host(line: &str, host: &str) -> bool {
    line.len() >= host.len() && line.to_ascii_lowercase().contains(host)
}

/// Whether an absolute path in the line begins so; `src/x/` is none, nor is `host.example/x/`.
fn begins_a_path(line: &str, folder: &str) -> bool {
    preceded(line, folder, |before| !before.is_alphanumeric() && !"._-~*{}$".contains(before))
}

fn begins_a_word(line: &str, word: &str) -> bool {
    preceded(line, word, |before| !before.is_alphanumeric() && !"_-".contains(before))
}

fn preceded(line: &str, needle: &str, by: impl Fn(char) -> bool) -> bool {
    line.match_indices(needle).any(|(at, _)| line[..at].chars().next_back().is_none_or(&by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::planted::{Planted, assert_caught};
    use crate::tidy::sources::LARGEST_TEXT_BYTES;

    #[track_caller]
    fn check_file(path: &str, text: &str, expected: &[(&str, &str)]) {
        let sources = Planted::sound().with(path, text).sources();
        assert_caught(&[sources.faults.clone(), check(&sources)].concat(), expected);
    }

    #[test]
    fn a_sound_workspace_has_no_fault() {
        check_file("README.md", "Patchline takes a patch from detection to rollout.\n", &[]);
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_for_is_caught() {
        let path = "crates/detect/tests/story.rs";
        check_file(path, "fn main() {}\n", &[("crates/detect/tests/story.rs:1", "does not begin")]);
    }

    #[test]
    fn a_file_of_600_lines_is_fine_and_one_more_is_caught() {
        let path = "crates/detect/src/walk.rs";
        check_file(path, &format!("//! Files.\n{}", "\n".repeat(599)), &[]);
        let place = "crates/detect/src/walk.rs:601";
        check_file(path, &format!("//! Files.\n{}", "\n".repeat(600)), &[(place, "has 601 lines")]);
    }

    #[test]
    fn fixtures_are_data() {
        check_file("crates/detect/tests/fixtures/broken.rs", "fn (\n", &[]);
    }

    #[test]
    fn only_a_main_ends_the_process() {
        let place = "crates/detect/src/walk.rs:2";
        for body in ["use std::process::exit;", "fn f() { std::process::exit(1) }"] {
            check_file(
                "crates/detect/src/walk.rs",
                &format!("//! W.\n{body}\n"),
                &[(place, "ends the process")],
            );
        }
        let text = "//! W.\nuse std::process;\nfn f() { process::exit(1) }\n";
        check_file("crates/detect/src/walk.rs", text, &[("crates/detect/src/walk.rs:3", "ends the process")]);
        for main in ["crates/detect/src/main.rs", "crates/detect/src/bin/sim.rs"] {
            check_file(main, "//! Main.\nfn main() { std::process::exit(1) }\n", &[]);
        }
    }

    #[test]
    fn a_registry_host_is_caught_anywhere() {
        for host in REGISTRY_HOSTS {
            let text = format!("name = 1\nurl = \"https://{}/x\"\n", host.to_uppercase());
            check_file("examples/shop/settings.toml", &text, &[("examples/shop/settings.toml:2", host)]);
        }
    }

    #[test]
    fn the_name_of_an_ecosystem_is_fine() {
        let text = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        check_file("Cargo.lock", text, &[]);
        check_file(
            "README.md",
            "The ecosystem is `crates.io`, the page https://crates.io/crates/syn.\n",
            &[],
        );
    }

    #[test]
    fn a_machine_path_is_caught_and_a_folder_of_that_name_is_not() {
        for folder in MACHINE_FOLDERS {
            check_file("docs/a.md", &format!("see {folder}x\n"), &[("docs/a.md:1", folder)]);
            check_file("docs/a.md", &format!("see file://{folder}x\n"), &[("docs/a.md:1", folder)]);
            check_file("docs/a.md", &format!("see src{folder}x and ${{TOP}}{folder}x\n"), &[]);
        }
    }

    #[test]
    fn a_steering_note_is_caught_and_a_folder_of_that_name_is_not() {
        let text = format!("as in {STEERING_FOLDER}design.md\n");
        check_file("docs/a.md", &text, &[("docs/a.md:1", "points into")]);
        check_file("docs/a.md", &format!("packages/{STEERING_FOLDER}index.js\n"), &[]);
    }

    #[test]
    fn what_git_and_cargo_keep_is_left_alone() {
        let text = format!("{}x\n", MACHINE_FOLDERS[0]);
        check_file("target/debug/a.d", &text, &[]);
        check_file(".git/config", &text, &[]);
        let planted =
            Planted::sound().with("examples/a/target/CACHEDIR.TAG", "").with("examples/a/target/a.d", &text);
        assert_caught(&check(&planted.sources()), &[]);
        check_file("docs/target/a.md", &text, &[("docs/target/a.md:1", "machine's folder")]);
    }

    #[test]
    fn what_git_ignores_is_left_alone() {
        let text = format!("{}x\n", MACHINE_FOLDERS[0]);
        let planted = Planted::sound().with(".gitignore", "state/\n*.log\n");
        let planted = planted.with("examples/a/state/b.txt", &text).with("c.log", &text).with("d.txt", &text);
        let git = std::process::Command::new("git")
            .args(["init", "--quiet"])
            .current_dir(planted.folder())
            .status();
        assert!(git.unwrap().success());
        assert_caught(&check(&planted.sources()), &[("d.txt:1", "machine's folder")]);
    }

    #[test]
    fn bytes_are_left_alone_and_a_huge_text_is_caught() {
        check_file("docs/a.bin", &format!("\0{}", MACHINE_FOLDERS[0]), &[]);
        let huge = "a\n".repeat(usize::try_from(LARGEST_TEXT_BYTES / 2 + 1).unwrap());
        check_file("docs/a.txt", &huge, &[("docs/a.txt:1", "more than 8 MiB")]);
    }

    #[test]
    fn broken_syntax_is_caught_where_it_breaks() {
        let place = "crates/detect/src/walk.rs:2";
        check_file("crates/detect/src/walk.rs", "//! W.\nfn (\n", &[(place, "could not be read")]);
        check_file(
            "crates/judge/Cargo.toml",
            "[package\n",
            &[("crates/judge/Cargo.toml:1", "could not be read")],
        );
    }
}

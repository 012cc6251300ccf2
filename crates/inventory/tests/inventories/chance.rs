//! Whatever the bytes, a reader answers or refuses, within bounds.

use proptest::prelude::{any, prop, proptest};

use crate::reads::{files, reads};
use crate::{javascript, languages, others, python};

/// Whole files, one of each kind at least.
fn samples() -> Vec<&'static str> {
    vec![
        javascript::NPM_3,
        javascript::NPM_1,
        javascript::YARN_1,
        javascript::BERRY,
        javascript::PNPM_9,
        javascript::PNPM_6,
        javascript::PNPM_5,
        javascript::BUN,
        python::REQUIREMENTS,
        python::POETRY,
        python::UV,
        python::PDM,
        python::PYLOCK,
        python::PIPFILE,
        languages::GO,
        languages::GEMFILE,
        languages::COMPOSER,
        others::POM,
        others::PARENT,
        others::GRADLE,
        others::GRADLE_OLD,
        others::NUGET,
        others::PACKAGES_CONFIG,
        others::DEPS,
        others::MIX,
        others::PUBSPEC,
        others::SWIFT,
        others::RENV,
        others::CONAN,
        others::FREEZE,
        others::STACK,
        others::CYCLONEDX,
        others::SPDX,
        others::WORKFLOW,
        others::DOCKERFILE,
    ]
}

/// Every detector reads it under each name, not only the one that would claim it, alone and with itself as its neighbours.
fn read_by_all(text: &str) {
    for (detector, path) in files() {
        reads(detector, &path, text, None);
        reads(detector, &path, text, Some(text));
    }
}

#[test]
fn a_file_of_another_kind_or_one_that_is_cut_off_is_read_or_refused() {
    for sample in samples() {
        read_by_all(sample);
        (0..sample.len())
            .filter(|at| at % 7 == 0 && sample.is_char_boundary(*at))
            .for_each(|at| read_by_all(&sample[..at]));
    }
}

#[test]
fn what_nests_without_end_is_refused_or_bounded() {
    for part in
        ["[", "{\"a\":", "- ", "a: {", "((", "<a>", "a:\n ", "{\"dependencies\":{\"a\":", "\"", "'", "a: [\n"]
    {
        read_by_all(&part.repeat(20_000));
        read_by_all(&format!("lockfileVersion: 9\n__metadata:\n{}", part.repeat(20_000)));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        read_by_all(&text);
    }

    #[test]
    fn lines_in_any_order_are_read_or_refused(which in any::<prop::sample::Index>(), order in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let samples = samples();
        let lines: Vec<&str> = which.get(&samples).lines().collect();
        let text: Vec<&str> = order.iter().map(|index| *index.get(&lines)).collect();
        read_by_all(&text.join("\n"));
    }

    #[test]
    fn a_file_with_bytes_changed_is_read_or_refused(which in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..128), 1..6)) {
        let mut bytes = which.get(&samples()).as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_by_all(&String::from_utf8_lossy(&bytes));
    }
}

/// More packages than are kept: no reader loses its place, and each says that there are more.
#[test]
fn too_many_packages_are_no_harm() {
    let many = |line: &dyn Fn(usize) -> String| (0..100_050).map(line).collect::<String>();
    let files = [
        ("yarn.lock", many(&|number| format!("a@{number}:\n  version \"{number}.0.0\"\n"))),
        (
            "yarn.lock",
            format!(
                "__metadata:\n  version: 8\n{}",
                many(&|number| format!(
                    "\"a{number}@npm:1\":\n  version: 1.0.0\n  resolution: \"a{number}@npm:1.0.0\"\n  dependencies:\n    a1: 1\n"
                ))
            ),
        ),
        (
            "bun.lock",
            format!(
                "{{\"lockfileVersion\": 1, \"packages\": {{{}}}}}",
                many(&|number| format!(
                    "\"a{number}\": [\"a{number}@1.0.0\", \"\", {{\"dependencies\": {{\"a1\": \"1\"}}}}, \"\"],\n"
                ))
            ),
        ),
        (
            "composer.lock",
            format!(
                "{{\"packages\": [{}{{}}]}}",
                many(&|number| format!(
                    "{{\"name\": \"a/{number}\", \"version\": \"1.0.0\", \"require\": {{\"a/1\": \"1\"}}}},"
                ))
            ),
        ),
        (
            "go.mod",
            format!("module m\nrequire (\n{})\n", many(&|number| format!("a.invalid/{number} v1.0.0\n"))),
        ),
        (
            "uv.lock",
            many(&|number| {
                format!(
                    "[[package]]\nname = \"a\"\nversion = \"{number}\"\ndependencies = [{{ name = \"a\" }}]\n"
                )
            }),
        ),
    ];
    for (path, text) in files {
        let inventory =
            crate::check::read(path, &text, &[]).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(
            (99_999..=100_000).contains(&inventory.installed.len()),
            "{path}: {}",
            inventory.installed.len()
        );
        let said = inventory.unresolved.iter().any(|one| one.what.contains("more than 100000 packages"));
        assert!(said, "{path}: {:?}", inventory.unresolved.first());
    }
}

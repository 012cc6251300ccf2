//! What kind of file a path names: a test, a lockfile or manifest, words for people, or code.

/// What a changed file is, as far as its path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Test,
    /// Names dependencies and their versions.
    Dependencies,
    /// Read by people alone.
    Words,
    Code,
}

const DEPENDENCIES: [&str; 39] = [
    "Cargo.toml",
    "Cargo.lock",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "bun.lock",
    "go.mod",
    "go.sum",
    "requirements.txt",
    "pyproject.toml",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "Pipfile",
    "Pipfile.lock",
    "pylock.toml",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "gradle.lockfile",
    "libs.versions.toml",
    "Gemfile",
    "Gemfile.lock",
    "gems.rb",
    "gems.locked",
    "composer.json",
    "composer.lock",
    "packages.lock.json",
    "packages.config",
    "mix.exs",
    "mix.lock",
    "pubspec.yaml",
    "pubspec.lock",
    "Package.resolved",
    "Package.swift",
    "conan.lock",
];

const TEST_FOLDERS: [&str; 6] = ["test", "tests", "__tests__", "spec", "specs", "testdata"];

impl FileKind {
    pub(crate) fn of(path: &str) -> Self {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let end = name.rsplit_once('.').map_or("", |(_, end)| end);
        let requirements = name.starts_with("requirements") && matches!(end, "txt" | "in");
        if DEPENDENCIES.contains(&name) || requirements {
            return Self::Dependencies;
        }
        if folders.split('/').any(|folder| TEST_FOLDERS.contains(&folder)) || is_test_name(name) {
            return Self::Test;
        }
        let words = matches!(end, "md" | "rst" | "adoc" | "txt")
            || ["LICENSE", "COPYING", "NOTICE", "AUTHORS", "CODEOWNERS"]
                .iter()
                .any(|words| name.starts_with(words));
        if words { Self::Words } else { Self::Code }
    }
}

/// The names by which tools find tests.
fn is_test_name(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let inner: Vec<&str> = name.split('.').collect();
    let java = ["Test.java", "Tests.java", "IT.java", "Test.kt", "Tests.kt", "Test.scala", "Spec.scala"];
    name.ends_with("_test.go")
        || (name.ends_with(".py")
            && (stem.starts_with("test_") || stem.ends_with("_test") || stem == "conftest"))
        || (name.ends_with(".rs") && (stem == "tests" || stem.ends_with("_tests")))
        || java.iter().any(|end| name.ends_with(end))
        || (inner.len() > 2 && inner[1..inner.len() - 1].iter().any(|part| matches!(*part, "test" | "spec")))
        || name.ends_with("_spec.rb")
        || name.ends_with("_test.rb")
}

#[cfg(test)]
mod tests {
    use super::FileKind;

    #[test]
    fn a_path_says_what_a_file_is() {
        for (path, kind) in [
            ("src/lib.rs", FileKind::Code),
            ("crates/a/tests/api.rs", FileKind::Test),
            ("src/tests.rs", FileKind::Test),
            ("src/contest.rs", FileKind::Code),
            ("store_test.go", FileKind::Test),
            ("pkg/test_store.py", FileKind::Test),
            ("src/store.test.ts", FileKind::Test),
            ("src/test.ts", FileKind::Code),
            ("src/main/java/org/x/StoreTest.java", FileKind::Test),
            ("sub/Cargo.lock", FileKind::Dependencies),
            ("gems.locked", FileKind::Dependencies),
            ("requirements-dev.txt", FileKind::Dependencies),
            ("README.md", FileKind::Words),
            ("LICENSE-MIT", FileKind::Words),
            (".github/workflows/ci.yml", FileKind::Code),
        ] {
            assert_eq!(FileKind::of(path), kind, "{path}");
        }
    }
}

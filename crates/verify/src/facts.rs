//! What lockfiles and gemspecs say of a package: its licence, and what it runs where it is installed or built. Pure.

use serde_json::Value;

/// What a package says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) licence: Option<String>,
    /// What it runs on the machine that installs or builds it, as in `build.rs` or `postinstall`.
    pub(crate) runs: Vec<String>,
}

impl Manifest {
    fn running(what: &str, does: bool) -> Self {
        Self { licence: None, runs: does.then(|| what.to_owned()).into_iter().collect() }
    }
}

/// From this format of `pnpm-lock.yaml` on it does not say what is built.
const FIRST_SILENT_PNPM: u32 = 9;

/// From `pnpm-lock.yaml`.
pub(crate) fn pnpm(lockfile: &str, name: &str, version: &str) -> Option<Manifest> {
    let format = lockfile.lines().find_map(|line| line.strip_prefix("lockfileVersion:"))?;
    let major: u32 = format.trim().trim_matches(['\'', '"']).split('.').next()?.parse().ok()?;
    if major >= FIRST_SILENT_PNPM {
        return None;
    }
    let depth = |line: &str| line.len() - line.trim_start().len();
    let is_it = |line: &str| {
        let key = line.trim().trim_end_matches(':').trim_matches('\'').trim_start_matches('/');
        let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix(['@', '/'])) else {
            return false;
        };
        // What follows in brackets, or after `_`, are its peers.
        rest.split(['(', '_']).next() == Some(version)
    };
    let mut lines =
        lockfile.lines().skip_while(|line| !(line.ends_with(':') && depth(line) == 2 && is_it(line)));
    lines.next()?;
    let mut entry = lines.take_while(|line| line.trim().is_empty() || depth(line) > 2);
    Some(Manifest::running("an install script", entry.any(|line| line.trim() == "requiresBuild: true")))
}

/// From `composer.lock`.
pub(crate) fn composer(lockfile: &str, name: &str, version: &str) -> Option<Manifest> {
    let lock: Value = serde_json::from_str(lockfile).ok()?;
    let lists = ["packages", "packages-dev"].map(|list| lock.get(list).and_then(Value::as_array));
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let bare = |version: &str| version.trim_start_matches('v').to_owned();
    let is_it = |value: &&Value| {
        text(value, "name").is_some_and(|found| found.eq_ignore_ascii_case(name))
            && text(value, "version").is_some_and(|found| bare(&found) == bare(version))
    };
    let package = lists.into_iter().flatten().flatten().find(is_it)?;
    let licences = package.get("license").and_then(Value::as_array);
    let licences: Vec<&str> = licences.into_iter().flatten().filter_map(Value::as_str).collect();
    let plugin = text(package, "type").is_some_and(|kind| kind == "composer-plugin");
    let licence = (!licences.is_empty()).then(|| licences.join(" or "));
    Some(Manifest { licence, ..Manifest::running("a plugin of Composer", plugin) })
}

/// From `uv.lock` or `poetry.lock`: what has no wheel is built where it is installed.
pub(crate) fn python(lockfile: &str, name: &str, version: &str) -> Option<Manifest> {
    let lock: toml::Table = lockfile.parse().ok()?;
    let text =
        |table: &toml::Table, key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let packages = lock.get("package")?.as_array()?.iter().filter_map(toml::Value::as_table);
    let mut named = packages.filter(|package| {
        text(package, "name").is_some_and(|found| normal(&found) == normal(name))
            && text(package, "version").as_deref() == Some(version)
    });
    let package = named.next()?;
    let list = |key: &str| package.get(key).and_then(toml::Value::as_array);
    let is_wheel = |file: &toml::Value| {
        file.get("file").and_then(toml::Value::as_str).is_some_and(|name| name.ends_with(".whl"))
    };
    let (wheel, source) = match list("files").filter(|files| !files.is_empty()) {
        Some(files) => (files.iter().any(is_wheel), files.iter().any(|file| !is_wheel(file))),
        None => (list("wheels").is_some_and(|wheels| !wheels.is_empty()), package.contains_key("sdist")),
    };
    (wheel || source).then(|| Manifest::running("the build of its source, for it has no wheel", !wheel))
}

/// From a gemspec as RubyGems writes it where it installs a gem.
pub(crate) fn gem(gemspec: &str) -> Manifest {
    let list = |key: &str| -> Option<Vec<String>> {
        let line = gemspec
            .lines()
            .find_map(|line| line.trim().strip_prefix("s.")?.strip_prefix(key)?.strip_prefix(" = "))?;
        let inner = line.trim().strip_prefix('[')?.split(']').next()?;
        let words =
            inner.split(',').map(|word| word.trim().trim_end_matches(".freeze").trim_matches('"').to_owned());
        Some(words.filter(|word| !word.is_empty()).collect())
    };
    let licences = list("licenses").unwrap_or_default();
    Manifest {
        licence: (!licences.is_empty()).then(|| licences.join(" or ")),
        runs: list("extensions").unwrap_or_default(),
    }
}

/// Python takes several spellings of a name.
fn normal(name: &str) -> String {
    name.replace(['_', '.'], "-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Manifest, composer, gem, pnpm, python};

    fn manifest(licence: Option<&str>, runs: &[&str]) -> Manifest {
        Manifest {
            licence: licence.map(str::to_owned),
            runs: runs.iter().map(|run| (*run).to_owned()).collect(),
        }
    }

    const PNPM: &str = "lockfileVersion: '6.0'\npackages:\n\n  /esbuild@0.17.0:\n    resolution: {integrity: x}\n    requiresBuild: true\n
  /@a/b@1.0.0(c@2.0.0):\n    resolution: {integrity: x}\n\n  /old/1.0.0:\n    requiresBuild: true\n";
    const COMPOSER: &str = r#"{"packages": [{"name": "a/plugin", "version": "v1.2.0", "type": "composer-plugin", "license": ["MIT", "GPL-2.0-only"]}],
        "packages-dev": [{"name": "a/b", "version": "1.0.0", "type": "library"}]}"#;
    const UV: &str = "[[package]]\nname = \"built\"\nversion = \"1.0\"\nsdist = { url = \"x\" }\n
[[package]]\nname = \"a-b\"\nversion = \"2.0\"\nsdist = { url = \"x\" }\nwheels = [{ url = \"x\" }]\n
[[package]]\nname = \"own\"\nversion = \"0.1\"\nsource = { virtual = \".\" }\n";
    const POETRY: &str =
        "[[package]]\nname = \"built\"\nversion = \"1.0\"\nfiles = [{ file = \"built-1.0.tar.gz\" }]\n
[[package]]\nname = \"both\"\nversion = \"1.0\"\nfiles = [{ file = \"b.tar.gz\" }, { file = \"b.whl\" }]\n";
    const GEM: &str = "Gem::Specification.new do |s|\n  s.licenses = [\"MIT\".freeze, \"Ruby\".freeze]\n  s.extensions = [\"ext/extconf.rb\".freeze]\nend\n";

    #[test]
    fn what_a_file_says_is_read_and_no_more() {
        let script = manifest(None, &["an install script"]);
        assert_eq!(pnpm(PNPM, "esbuild", "0.17.0"), Some(script.clone()));
        assert_eq!(pnpm(PNPM, "old", "1.0.0"), Some(script));
        assert_eq!(pnpm(PNPM, "@a/b", "1.0.0"), Some(manifest(None, &[])));
        assert_eq!(pnpm(PNPM, "esbuild", "0.17.1"), None);
        assert_eq!(
            pnpm("lockfileVersion: '9.0'\npackages:\n  esbuild@0.17.0:\n    x: 1\n", "esbuild", "0.17.0"),
            None
        );
        let plugin = manifest(Some("MIT or GPL-2.0-only"), &["a plugin of Composer"]);
        assert_eq!(composer(COMPOSER, "A/plugin", "1.2.0"), Some(plugin));
        assert_eq!(composer(COMPOSER, "a/b", "1.0.0"), Some(manifest(None, &[])));
        let build = manifest(None, &["the build of its source, for it has no wheel"]);
        assert_eq!(python(UV, "built", "1.0"), Some(build.clone()));
        assert_eq!(python(UV, "A_b", "2.0"), Some(manifest(None, &[])));
        assert_eq!(python(UV, "own", "0.1"), None);
        assert_eq!(python(POETRY, "built", "1.0"), Some(build));
        assert_eq!(python(POETRY, "both", "1.0"), Some(manifest(None, &[])));
        assert_eq!(gem(GEM), manifest(Some("MIT or Ruby"), &["ext/extconf.rb"]));
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(
            noise in any::<String>(),
            which in 0..5_usize,
            cut in (0..200_usize, 0..200_usize),
        ) {
            let sample = [PNPM, COMPOSER, UV, POETRY, GEM][which];
            let (a, b) = (cut.0.min(sample.len()), cut.1.min(sample.len()));
            let text = format!("{}{noise}{}", &sample[..a], &sample[b..]);
            for name in ["esbuild", "", noise.as_str()] {
                let _ = (pnpm(&text, name, "1.0"), composer(&text, name, "1.0"), python(&text, name, "1.0"), gem(&text));
            }
        }
    }
}

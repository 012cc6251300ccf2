//! What lies on this disk about a package: its licence, and what it runs when it is installed or built. No registry is asked.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use patchline_model::package::{Ecosystem, Package};
use patchline_sandbox::rust::rust_environment;
use serde_json::Value;

use crate::check::Side;
use crate::facts::{self, Manifest};

const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Folders in one folder that are looked at.
const MAX_FOLDERS: usize = 20_000;

/// The package as one side has it; none where it does not lie here.
pub(crate) fn manifest(side: &Side, folder: &str, package: &Package) -> Option<Manifest> {
    let places = [side.tree.join(folder), side.tree.clone()];
    if package.ecosystem == Ecosystem::crates_io() {
        return cargo(&package.name, &package.version, &places);
    }
    match package.ecosystem.0.as_str() {
        "npm" => places.iter().find_map(|place| npm(place, &package.name, &package.version)),
        "PyPI" => places.iter().find_map(|place| python(place, &package.name, &package.version)),
        "RubyGems" => places.iter().find_map(|place| gem(place, &package.name, &package.version)),
        "Packagist" => places.iter().find_map(|place| {
            facts::composer(&text(&place.join("composer.lock"))?, &package.name, &package.version)
        }),
        _ => None,
    }
}

/// From the registry's sources in cargo's home, or vendored.
fn cargo(name: &str, version: &str, places: &[PathBuf]) -> Option<Manifest> {
    let home = rust_environment().get("CARGO_HOME").map(|home| Path::new(home).join("registry/src"));
    let sources = home.iter().flat_map(|home| folders(home));
    let vendored = places.iter().map(|place| place.join("vendor"));
    let named = format!("{name}-{version}");
    let candidates = sources.chain(vendored).flat_map(|at| [at.join(&named), at.join(name)]);
    for folder in candidates {
        let Some(table) = text(&folder.join("Cargo.toml")).and_then(|text| text.parse::<toml::Table>().ok())
        else {
            continue;
        };
        let package = table.get("package").and_then(toml::Value::as_table)?;
        let get = |key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        if get("version").is_some_and(|found| found != version) {
            continue;
        }
        let script = match package.get("build") {
            Some(toml::Value::Boolean(false)) => None,
            Some(toml::Value::String(script)) => Some(script.clone()),
            Some(_) | None => folder.join("build.rs").is_file().then(|| "build.rs".to_owned()),
        };
        let of_library = |key: &str| table.get("lib")?.get(key)?.as_bool();
        let macros = of_library("proc-macro").or_else(|| of_library("proc_macro")) == Some(true);
        let macros = macros.then(|| "its macros in the compiler".to_owned());
        return Some(Manifest {
            licence: get("license").or_else(|| get("license-file")),
            runs: script.into_iter().chain(macros).collect(),
        });
    }
    None
}

/// From `node_modules`, or from what the lockfile says of it.
fn npm(place: &Path, name: &str, version: &str) -> Option<Manifest> {
    const SCRIPTS: [&str; 3] = ["preinstall", "install", "postinstall"];
    let is_it = |value: &Value| value.get("version").and_then(Value::as_str) == Some(version);
    let text_of = |value: &Value| {
        let licence = value.get("license")?;
        licence.as_str().or_else(|| licence.get("type")?.as_str()).map(str::to_owned)
    };
    let json = |path: &Path| text(path).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    if let Some(value) = json(&place.join("node_modules").join(name).join("package.json")).filter(is_it) {
        let has = |script: &&&str| value.get("scripts").and_then(|scripts| scripts.get(**script)).is_some();
        let runs = SCRIPTS.iter().filter(has).map(|script| (*script).to_owned()).collect();
        return Some(Manifest { licence: text_of(&value), runs });
    }
    if let Some(lock) = text(&place.join("pnpm-lock.yaml")) {
        return facts::pnpm(&lock, name, version);
    }
    let lock = json(&place.join("package-lock.json"))?;
    let packages = lock.get("packages").and_then(Value::as_object)?;
    let end = format!("node_modules/{name}");
    let entry = packages.iter().find(|(path, value)| path.ends_with(&end) && is_it(value))?.1;
    let runs = entry.get("hasInstallScript").and_then(Value::as_bool) == Some(true);
    Some(Manifest {
        licence: text_of(entry),
        runs: runs.then(|| "an install script".to_owned()).into_iter().collect(),
    })
}

/// What is installed says its licence, a lockfile whether it must be built.
fn python(place: &Path, name: &str, version: &str) -> Option<Manifest> {
    let locks = ["uv.lock", "poetry.lock"].iter().filter_map(|lock| text(&place.join(lock)));
    let locked = locks.into_iter().find_map(|lock| facts::python(&lock, name, version));
    match (installed(place, name, version), locked) {
        (Some(installed), Some(locked)) => Some(Manifest { runs: locked.runs, ..installed }),
        (installed, locked) => installed.or(locked),
    }
}

/// From where Bundler puts gems of a project.
fn gem(place: &Path, name: &str, version: &str) -> Option<Manifest> {
    let rubies = folders(&place.join("vendor/bundle/ruby"));
    let gemspec = format!("{name}-{version}.gemspec");
    let written = rubies.iter().find_map(|ruby| text(&ruby.join("specifications").join(&gemspec)))?;
    Some(facts::gem(&written))
}

/// From a `site-packages` in the tree (core metadata, `License-Expression` or `License`).
fn installed(place: &Path, name: &str, version: &str) -> Option<Manifest> {
    let plain = name.replace(['-', '.'], "_").to_lowercase();
    let environments = [".venv", "venv"].map(|name| place.join(name).join("lib"));
    let sites = environments.iter().flat_map(|lib| folders(lib)).map(|python| python.join("site-packages"));
    let named = format!("{plain}-{version}.dist-info");
    let is_it = |path: &PathBuf| {
        path.file_name().is_some_and(|found| {
            found.to_string_lossy().replace(['-', '.'], "_").to_lowercase() == named.replace(['-', '.'], "_")
        })
    };
    let info = sites.flat_map(|site| folders(&site)).find(is_it)?;
    let metadata = text(&info.join("METADATA"))?;
    let head = metadata.split("\n\n").next().unwrap_or_default();
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let licence = field("License-Expression:").or_else(|| field("License:"));
    Some(Manifest { licence: licence.filter(|licence| !licence.is_empty()), runs: Vec::new() })
}

fn folders(at: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(at).into_iter().flatten().filter_map(Result::ok);
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.truncate(MAX_FOLDERS);
    folders
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = fs::File::open(path).ok().filter(|file| file.metadata().is_ok_and(|found| found.is_file()))?;
    file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

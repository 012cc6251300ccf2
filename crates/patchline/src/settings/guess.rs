//! A cargo project without settings: what cargo's own conventions say. It can be fixed and proven, not rolled out.

use std::path::Path;

use patchline_model::service::{Build, CommandLine, Name, Service, Tier};
use serde::Deserialize;

use crate::exit::Trouble;
use crate::settings::text::read;

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

/// The service that a `Cargo.toml` suggests.
pub fn cargo_service(folder: &Path, top: &Path, within: String) -> Result<Service, Trouble> {
    let path = folder.join("Cargo.toml");
    let text = read(&path)?;
    let manifest: Manifest = toml::from_str(&text)
        .map_err(|error| Trouble::input(format!("could not read {}: {}", path.display(), error.message())))?;
    let folder_name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = manifest.package.map_or(folder_name, |package| package.name);
    Ok(Service {
        name: plain_name(&name),
        owner: "unowned".to_owned(),
        tier: Tier::try_from(3).map_err(|error| Trouble::input(error.to_string()))?,
        repository: top.display().to_string(),
        folder: within,
        build: Build {
            prepare: Some(words(&["cargo", "fetch", "--locked"])),
            command: words(&["cargo", "build", "--locked", "--offline"]),
            // Empty: whatever cargo says that it made.
            artifact: String::new(),
        },
        test: Some(words(&["cargo", "test", "--locked", "--offline"])),
        agents: Vec::new(),
        reproducers: Vec::new(),
        run: None,
        verification: Default::default(),
    })
}

/// Manifests of what is shipped as its source, as far as anybody said.
const MANIFESTS: [&str; 7] = [
    "package.json",
    "pyproject.toml",
    "requirements.txt",
    "requirements",
    "go.mod",
    "composer.json",
    "Gemfile",
];

/// The first of them that is there; `requirements` is a folder.
pub fn source_manifest(folder: &Path) -> Option<&'static str> {
    MANIFESTS.into_iter().find(|name| folder.join(name).exists())
}

/// The service that a manifest of an interpreted language suggests: nothing is built, and nothing is tested.
pub fn source_service(folder: &Path, top: &Path, within: String, manifest: &str) -> Result<Service, Trouble> {
    #[derive(Deserialize)]
    struct Named {
        name: Option<String>,
        project: Option<Box<Named>>,
    }
    let named = match manifest {
        "package.json" | "composer.json" => {
            serde_json::from_str::<Named>(&read(&folder.join(manifest))?).ok()
        }
        "pyproject.toml" => toml::from_str::<Named>(&read(&folder.join(manifest))?).ok(),
        _ => None,
    };
    let named = named.and_then(|named| named.name.or(named.project.and_then(|project| project.name)));
    let folder_name = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = named.or_else(folder_name).unwrap_or_default();
    Ok(Service {
        name: plain_name(name.rsplit('/').next().unwrap_or_default()),
        owner: "unowned".to_owned(),
        tier: Tier::try_from(3).map_err(|error| Trouble::input(error.to_string()))?,
        repository: top.display().to_string(),
        folder: within,
        build: Build { prepare: None, command: words(&[]), artifact: String::new() },
        test: None,
        agents: Vec::new(),
        reproducers: Vec::new(),
        run: None,
        verification: Default::default(),
    })
}

fn words(words: &[&str]) -> CommandLine {
    CommandLine(words.iter().map(|word| (*word).to_owned()).collect())
}

/// A package's name as a service's name.
pub fn plain_name(name: &str) -> Name {
    let lower = name.to_lowercase();
    let plain: String = lower
        .chars()
        .map(|letter| if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '-' })
        .collect();
    let trimmed: String =
        plain.trim_start_matches(|letter: char| !letter.is_ascii_lowercase()).chars().take(63).collect();
    trimmed.parse().unwrap_or_else(|_| "project".parse().expect("`project` is a name"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{plain_name, source_manifest, source_service};

    #[test]
    fn any_package_name_gives_a_service_name() {
        assert_eq!(plain_name("My_Crate").as_str(), "my-crate");
        assert_eq!(plain_name("9lives").as_str(), "lives");
        assert_eq!(plain_name("日本").as_str(), "project");
    }

    #[test]
    fn a_source_project_is_named_by_its_manifest_or_else_by_its_folder() {
        let check = |file: &str, text: &str, then: &str| {
            let top = tempfile::tempdir().expect("a folder");
            let folder = top.path().join("the_app");
            fs::create_dir_all(folder.join(file).parent().expect("a parent")).expect("folders");
            fs::write(folder.join(file), text).expect("a file");
            let manifest = source_manifest(&folder).expect("it is one");
            let service = source_service(&folder, top.path(), "the_app".to_owned(), manifest);
            assert_eq!(service.expect("a service").name.as_str(), then, "{file}");
        };
        check("package.json", r#"{ "name": "@scope/shop" }"#, "shop");
        check("pyproject.toml", "[project]\nname = \"web_shop\"\n", "web-shop");
        check("pyproject.toml", "[tool.poetry]\nname = 3\n", "the-app");
        check("requirements.txt", "a==1\n", "the-app");
        check("requirements/base.txt", "a==1\n", "the-app");
        check("composer.json", r#"{ "name": "us/shop" }"#, "shop");
        check("Gemfile", "gem 'a'\n", "the-app");
        check("go.mod", "module example.org/shop\n", "the-app");
    }
}

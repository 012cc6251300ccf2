//! What of a project's settings yarn may see: none of it is code. The others (its own release of yarn, plugins, secrets) stay
//! outside.

use std::env;
use std::fs;
use std::path::Path;

use patchline_inventory::text::value::Value;
use patchline_inventory::text::yaml::yaml;

use crate::dependency::node::settings::Addresses;

/// Settings of berry that have a part in what the lockfile says, or in whom it asks.
const KEPT: [&str; 13] = [
    "cacheMigrationMode",
    "catalog",
    "catalogs",
    "compressionLevel",
    "defaultProtocol",
    "enableTransparentWorkspaces",
    "nodeLinker",
    "npmMinimalAgeGate",
    "npmPreapprovedPackages",
    "npmRegistryServer",
    "npmScopes",
    "packageExtensions",
    "unsafeHttpWhitelist",
];

/// The settings of berry that are kept, in the words of the file.
pub(crate) fn kept(text: &str) -> String {
    let (mut kept, mut keeps) = (String::new(), false);
    for line in text.split_inclusive('\n') {
        let begins = line.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '"');
        if begins {
            let key = line.split(':').next().unwrap_or_default().trim_matches('"');
            keeps = KEPT.contains(&key);
        }
        // A value in braces stands for a variable of the environment, which may hold a secret.
        let is_secret = line.contains("${") || line.contains("Auth");
        if keeps && !is_secret {
            kept.push_str(line);
        }
    }
    kept
}

/// Which code of its own a project has yarn run.
pub(crate) fn own_code(text: &str) -> Vec<&'static str> {
    let Ok(settings) = yaml(text) else { return Vec::new() };
    ["yarnPath", "plugins"].into_iter().filter(|key| settings.get(key).is_some()).collect()
}

/// The addresses that berry's settings name.
pub(crate) fn of_berry(text: &str) -> Addresses {
    let settings = yaml(text).ok();
    let text_of = |value: Option<&Value<'_>>| {
        value
            .and_then(|value| value.text_of("npmRegistryServer"))
            .filter(|text| !text.contains("${"))
            .map(str::to_owned)
    };
    let mut found = Addresses {
        main: env::var("YARN_NPM_REGISTRY_SERVER").ok().or(text_of(settings.as_ref())),
        ..Addresses::default()
    };
    for scope in settings.iter().flat_map(|settings| settings.entries_of("npmScopes")) {
        if let Some(address) = text_of(Some(&scope.value)) {
            found.scoped.insert(format!("@{}", scope.key), address);
        }
    }
    found
}

/// The addresses that the settings of yarn 1 name: its own file wins over npm's.
pub(crate) fn of_classic(project: &Path) -> Addresses {
    let mut found = Addresses::read(project);
    let own = fs::read_to_string(project.join(".yarnrc")).unwrap_or_default();
    let named = own.lines().find_map(|line| line.trim().strip_prefix("registry "));
    let named = named.map(|address| address.trim().trim_matches('"').to_owned());
    found.main = env::var("YARN_REGISTRY").ok().or(named).or(found.main);
    found
}

/// Whether yarn 1 keeps packages in a folder of the project, which would have to change with the lockfile.
pub(crate) fn keeps_packages(project: &Path) -> bool {
    let own = fs::read_to_string(project.join(".yarnrc")).unwrap_or_default();
    own.lines().any(|line| line.trim().trim_start_matches('"').starts_with("yarn-offline-mirror"))
}

#[cfg(test)]
mod tests {
    use super::{kept, of_berry, own_code};

    #[test]
    fn neither_code_nor_secrets_are_kept() {
        let text = "yarnPath: .yarn/releases/yarn-4.cjs\nplugins:\n  - path: x.cjs\n    spec: y\n# why\nnpmScopes:\n  a:\n    npmRegistryServer: https://a.example\n    npmAuthToken: secret\nnpmRegistryServer: \"https://r.example\"\npackageExtensions:\n  \"b@*\":\n    dependencies:\n      c: ${C}\n";
        let expected = "npmScopes:\n  a:\n    npmRegistryServer: https://a.example\nnpmRegistryServer: \"https://r.example\"\npackageExtensions:\n  \"b@*\":\n    dependencies:\n";
        assert_eq!(kept(text), expected);
        assert_eq!(own_code(text), ["yarnPath", "plugins"]);
        let found = of_berry(text);
        assert_eq!(found.main.as_deref(), Some("https://r.example"));
        assert_eq!(found.scoped["@a"], "https://a.example");
    }
}

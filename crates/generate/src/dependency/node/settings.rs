//! Which registry npm would ask: by its own settings, of which nothing but addresses is read.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

/// The addresses that settings name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) main: Option<String>,
    /// By scope, as in `@scope`.
    pub(crate) scoped: BTreeMap<String, String>,
}

impl Addresses {
    /// What the environment says wins over the project, and the project over the user.
    pub(crate) fn read(project: &Path) -> Self {
        let mut found = Self::default();
        for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY"] {
            found.main = found.main.or_else(|| env::var(name).ok());
        }
        let files = [Some(project.join(".npmrc")), env::home_dir().map(|home| home.join(".npmrc"))];
        for file in files.into_iter().flatten() {
            found.take(&fs::read_to_string(file).unwrap_or_default());
        }
        found
    }

    /// What a `.npmrc` adds to what is known already.
    fn take(&mut self, text: &str) {
        for line in text.lines().filter_map(|line| line.split_once('=')) {
            let (key, value) = (line.0.trim(), line.1.trim().trim_matches('"'));
            // A value in braces stands for a variable of the environment, which may hold a secret.
            if value.is_empty() || value.contains("${") {
                continue;
            }
            match key.strip_suffix(":registry") {
                Some(scope) if scope.starts_with('@') => {
                    self.scoped.entry(scope.to_owned()).or_insert_with(|| value.to_owned());
                }
                _ if key == "registry" => {
                    self.main.get_or_insert_with(|| value.to_owned());
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;

    #[test]
    fn only_addresses_are_read_and_the_nearer_file_wins() {
        let mut found = Addresses::default();
        found.take("registry = \"https://near.example/\"\n@a:registry=https://a.example\n//near.example/:_authToken=secret\n");
        found.take("registry=https://far.example\n@b:registry=${B}\n; registry=x\n");
        assert_eq!(found.main.as_deref(), Some("https://near.example/"));
        assert_eq!(
            found.scoped.into_iter().collect::<Vec<_>>(),
            [("@a".to_owned(), "https://a.example".to_owned())]
        );
    }
}

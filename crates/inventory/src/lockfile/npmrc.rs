//! `.npmrc` (<https://docs.npmjs.com/cli/configuring-npm/npmrc>), as far as it says from which registry the packages of a
//! scope come. npm, yarn 1, pnpm and Bun go by it.

use std::collections::BTreeMap;

use crate::detector::beside;

const FILE: &str = ".npmrc";

/// More scopes than these are not read.
const MOST_SCOPES: usize = 1000;

/// Where the one lies that holds for the lockfile at this path; none for a file that is no lockfile of such a tool.
pub fn of(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_lockfile = ["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock"]
        .contains(&name);
    is_lockfile.then(|| beside(path, FILE)).flatten()
}

/// The registries' addresses by scope, as in `@example`.
pub fn registries(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with('@'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let scoped = pairs.filter_map(|(key, value)| Some((key.trim().strip_suffix(":registry")?, value.trim())));
    scoped
        .take(MOST_SCOPES)
        .map(|(scope, address)| (scope.to_owned(), address.trim_matches('"').to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{of, registries};

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = registries(&text);
            let _ = registries(&format!("@{text}:registry={text}"));
        }
    }

    #[test]
    fn a_scope_has_the_registry_that_is_stated_for_it() {
        let text = "; a comment\nregistry=https://npm.invalid\n@corp:registry = \"https://npm.corp.invalid/\"\n@x:other=1\n//npm.corp.invalid/:_authToken=${TOKEN}\n";
        let said: Vec<(String, String)> = registries(text).into_iter().collect();
        assert_eq!(said, [("@corp".to_owned(), "https://npm.corp.invalid/".to_owned())]);
        assert_eq!(of("web/yarn.lock").as_deref(), Some("web/.npmrc"));
        assert_eq!(of("web/.npmrc"), None);
    }
}

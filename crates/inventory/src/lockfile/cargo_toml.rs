//! `Cargo.toml` (<https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html>), as far as it says what a
//! dependency is for: `Cargo.lock` has them all in one list.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::detector::{Neighbours, Scope, beside};
use crate::text::toml::toml;

const FILE: &str = "Cargo.toml";

/// The widest use first.
const LISTS: [(&str, Scope); 3] =
    [("dependencies", Scope::Normal), ("build-dependencies", Scope::Build), ("dev-dependencies", Scope::Dev)];

/// What the packages of the repository want, by their names: the packages that each names, with the widest use of each.
pub type Wants = BTreeMap<String, BTreeMap<String, Scope>>;

/// The manifests that a lockfile or a manifest leads to: the one beside it, members that are written out, and all that
/// dependencies lie at. Members that only a pattern names are found where another package needs them.
pub fn others(path: &str, text: &str) -> Vec<String> {
    if !path.ends_with(FILE) {
        return beside(path, FILE).into_iter().collect();
    }
    let Ok(manifest) = toml::<Table>(text) else { return Vec::new() };
    let workspace = manifest.get("workspace").and_then(Value::as_table);
    let members =
        ["members", "default-members"].into_iter().filter_map(|list| workspace?.get(list)?.as_array());
    let is_plain = |member: &&str| !member.contains(['*', '?', '[']);
    let members = members.flatten().filter_map(Value::as_str).filter(is_plain);
    let lists =
        lists(&manifest).chain(workspace.and_then(|workspace| dependencies(workspace, "dependencies")));
    let places = lists.flatten().filter_map(|(_, wanted)| wanted.get("path")?.as_str());
    members.chain(places).filter_map(|folder| beside(path, &format!("{folder}/{FILE}"))).collect()
}

/// What the manifests say that were found for the lockfile at this path.
pub fn wants(path: &str, neighbours: &Neighbours) -> Wants {
    let read = |text: &String| toml::<Table>(text).ok();
    let top = beside(path, FILE).and_then(|top| neighbours.get(&top)).and_then(read);
    let shared = top.as_ref().and_then(|top| dependencies(top.get("workspace")?.as_table()?, "dependencies"));
    let mut wants = Wants::new();
    for manifest in neighbours.values().filter_map(read) {
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let Some(name) = name else { continue };
        let own = wants.entry(name.to_owned()).or_default();
        for (list, scope) in LISTS {
            for (key, wanted) in of_list(&manifest, list).flatten() {
                let is_shared = wanted.get("workspace").and_then(Value::as_bool) == Some(true);
                let stated =
                    shared.filter(|_| is_shared).and_then(|shared| shared.get(key)).unwrap_or(wanted);
                let package = stated.get("package").and_then(Value::as_str).unwrap_or(key);
                let is_optional = wanted.get("optional").and_then(Value::as_bool) == Some(true);
                let scope = if is_optional { Scope::Optional } else { scope };
                let kept = own.entry(package.to_owned()).or_insert(scope);
                *kept = scope.min(*kept);
            }
        }
    }
    wants
}

fn lists(manifest: &Table) -> impl Iterator<Item = &Table> {
    LISTS.iter().flat_map(|(list, _)| of_list(manifest, list))
}

/// A list of dependencies for all platforms, and those of the same kind for some.
fn of_list<'a>(manifest: &'a Table, list: &'static str) -> impl Iterator<Item = &'a Table> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flatten().filter_map(|(_, target)| target.as_table());
    [manifest].into_iter().chain(targets).filter_map(move |table| dependencies(table, list))
}

fn dependencies<'a>(table: &'a Table, list: &str) -> Option<&'a Table> {
    table.get(list)?.as_table()
}

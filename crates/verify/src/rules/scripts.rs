//! Lifecycle scripts: what npm runs on every machine that installs the package, before anybody has looked.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::complaint::{Complaint, Given};

const LIFECYCLE: [&str; 9] = [
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
    "prepublish",
    "prepublishOnly",
    "prepack",
];

pub(crate) fn complaints(given: Given<'_>) -> Vec<Complaint> {
    let manifests = given
        .diff
        .files
        .iter()
        .map(|file| file.path())
        .filter(|path| path.rsplit('/').next() == Some("package.json"));
    manifests
        .flat_map(|path| {
            let before = scripts(given.text(&given.case.base, path));
            let after = scripts(given.text(&given.case.patch, path));
            let new = after.into_iter().filter(move |(name, command)| before.get(name) != Some(command));
            new.map(move |(name, command)| {
                let command: String = command.chars().take(80).collect();
                let why =
                    format!("adds the lifecycle script `{name}`, which runs at every install: `{command}`");
                Complaint::unless_meant(given, path, why)
            })
        })
        .collect()
}

fn scripts(text: Option<String>) -> BTreeMap<String, String> {
    let value: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let scripts = value.get("scripts").and_then(Value::as_object);
    let named = |(name, command): (&String, &Value)| {
        LIFECYCLE
            .contains(&name.as_str())
            .then(|| (name.clone(), command.as_str().unwrap_or_default().to_owned()))
    };
    scripts.into_iter().flatten().filter_map(named).collect()
}

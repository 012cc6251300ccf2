//! The repository's own packages: what yarn 1 keeps in no lockfile.

use std::fs;
use std::path::Path;

use patchline_inventory::lockfile::package_json::wanted;
use patchline_model::failure::Failure;

use crate::dependency::node::files::read;
use crate::dependency::yarn::lock::Ask;

/// Folders that are looked at for packages of a workspace.
const MOST_FOLDERS: usize = 20_000;
const DEEPEST: usize = 12;

/// Each package's folder, the top's first, with what it asks for.
pub(crate) fn own(top: &Path) -> Result<Vec<(String, Vec<Ask>)>, Failure> {
    let root = read(&top.join("package.json"))?;
    let globs = globs(&root);
    let mut found = vec![(".".to_owned(), asks(&root))];
    let mut open: Vec<(String, usize)> = if globs.is_empty() { Vec::new() } else { vec![(String::new(), 0)] };
    let mut seen = 0;
    while let Some((folder, depth)) = open.pop() {
        seen += 1;
        if seen > MOST_FOLDERS {
            break;
        }
        let Ok(entries) = fs::read_dir(top.join(&folder)) else { continue };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name != "node_modules" && !name.starts_with('.'))
            .collect();
        names.sort();
        for name in names {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let manifest = top.join(&path).join("package.json");
            if is_member(&globs, &path) && manifest.is_file() {
                found.push((path.clone(), asks(&read(&manifest)?)));
            }
            if depth < DEEPEST {
                open.push((path, depth + 1));
            }
        }
    }
    Ok(found)
}

fn asks(manifest: &str) -> Vec<Ask> {
    wanted(manifest).into_iter().map(|wanted| (wanted.name, wanted.range)).collect()
}

/// The list of `workspaces`, which may stand under `packages`.
fn globs(manifest: &str) -> Vec<String> {
    let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap_or_default();
    let workspaces = &manifest["workspaces"];
    let list = workspaces.as_array().or_else(|| workspaces["packages"].as_array());
    let texts = list.into_iter().flatten().filter_map(|glob| glob.as_str());
    texts.map(|glob| glob.trim_start_matches("./").trim_end_matches('/').to_owned()).collect()
}

fn is_member(globs: &[String], path: &str) -> bool {
    let path: Vec<&str> = path.split('/').collect();
    let fits = |glob: &str| matches(&glob.split('/').collect::<Vec<_>>(), &path);
    let excluded = globs.iter().filter_map(|glob| glob.strip_prefix('!')).any(fits);
    !excluded && globs.iter().any(|glob| fits(glob))
}

/// `*` stands for any signs of one folder's name, `**` for any folders.
fn matches(glob: &[&str], path: &[&str]) -> bool {
    match (glob.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            matches(rest, path) || path.split_first().is_some_and(|(_, below)| matches(glob, below))
        }
        (Some((part, rest)), Some((name, below))) => part_matches(part, name) && matches(rest, below),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn part_matches(part: &str, name: &str) -> bool {
    let Some((start, end)) = part.split_once('*') else { return part == name };
    let long_enough = name.len() >= start.len() + end.len();
    long_enough && name.starts_with(start) && (end.contains('*') || name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::{globs, is_member};

    #[test]
    fn members_are_found_by_their_globs() {
        let manifest =
            r#"{ "workspaces": { "packages": ["./packages/*", "apps/**", "tools-*", "!packages/old"] } }"#;
        let globs = globs(manifest);
        for (path, is) in [
            ("packages/a", true),
            ("packages/a/b", false),
            ("packages/old", false),
            ("apps/a/b", true),
            ("tools-x", true),
            ("tool", false),
        ] {
            assert_eq!(is_member(&globs, path), is, "{path}");
        }
    }
}

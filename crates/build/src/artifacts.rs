//! What a build left: the file that was asked for, or a list of everything that was made.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use patchline_model::digest::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The list of everything that was made, in the tree's top folder.
pub(crate) const LIST: &str = "patchline-artifacts.json";
/// The archive of the source, in the tree's top folder.
pub(crate) const SOURCE: &str = "patchline-source.tar";
const CHUNK_BYTES: usize = 128 * 1024;
const MAX_NAMES: usize = 20;
const MAX_FILES: usize = 10_000;

/// A file with its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
}

/// Why there is no artifact.
#[derive(Debug, Error)]
pub(crate) enum NoArtifact {
    /// The build ended well and left something else.
    #[error("{0}")]
    Missing(String),
    #[error("could not read `{}`: {source}", path.display())]
    Disk { path: PathBuf, source: io::Error },
}

/// One line of the list.
#[derive(Serialize)]
struct Listed {
    name: String,
    sha256: String,
    bytes: u64,
}

/// The file at `artifact`, relative to the service's folder. It must be a plain file inside the tree: a link that
/// leads out of it would let a build pass off any file of the machine as its own.
pub(crate) fn named(tree: &Path, folder: &str, artifact: &str) -> Result<Left, NoArtifact> {
    let relative = Path::new(folder).join(artifact);
    if !is_inside(&relative) {
        return Err(NoArtifact::Missing(format!("`{}` is no place inside the tree", relative.display())));
    }
    let path = tree.join(&relative);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(tree, &relative)),
        Err(source) => return Err(NoArtifact::Disk { path, source }),
    };
    if !metadata.is_file() || !lies_within(&path, tree)? {
        return Err(NoArtifact::Missing(format!("`{}` is not a plain file", relative.display())));
    }
    measured(path)
}

/// Writes the list of the programs, or where there are none the libraries, that `cargo build` said it made.
pub(crate) fn discovered(tree: &Path, messages: &str) -> Result<Left, NoArtifact> {
    let mut files = made(tree, messages);
    if files.len() > MAX_FILES {
        return Err(NoArtifact::Missing(format!(
            "the build left {} files, more than {MAX_FILES}",
            files.len()
        )));
    }
    let mut list = Vec::with_capacity(files.len());
    while let Some(name) = files.pop_first() {
        let left = named(tree, "", &name)?;
        list.push(Listed { name, sha256: left.digest.hex().to_owned(), bytes: left.bytes });
    }
    if list.is_empty() {
        return Err(NoArtifact::Missing("the build left neither a program nor a library".to_owned()));
    }
    let path = tree.join(LIST);
    let text = serde_json::to_string_pretty(&list).expect("the list has text keys only");
    let written = fs::remove_file(&path).or_else(absent_is_fine).and_then(|()| fs::write(&path, text + "\n"));
    written.map_err(|source| NoArtifact::Disk { path: path.clone(), source })?;
    measured(path)
}

/// What the build left behind at that place by link or name is not followed.
fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Names relative to the tree.
fn made(tree: &Path, messages: &str) -> BTreeSet<String> {
    let mut programs = BTreeSet::new();
    let mut libraries = BTreeSet::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        if message.reason != "compiler-artifact" || !Path::new(&message.manifest_path).starts_with(tree) {
            continue;
        }
        let own = |path: &String| Some(Path::new(path).strip_prefix(tree).ok()?.to_str()?.to_owned());
        programs.extend(message.executable.iter().filter_map(own));
        let passing = |kind: &String| kind == "proc-macro" || kind == "custom-build";
        if !message.target.kind.iter().any(passing) {
            let kept = |path: &&String| [".rlib", ".so", ".a"].iter().any(|end| path.ends_with(end));
            libraries.extend(message.filenames.iter().filter(kept).filter_map(own));
        }
    }
    if programs.is_empty() { libraries } else { programs }
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: String,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    filenames: Vec<String>,
    executable: Option<String>,
}

#[derive(Default, Deserialize)]
struct Target {
    #[serde(default)]
    kind: Vec<String>,
}

/// The digest and the length of a file, read piece by piece.
pub(crate) fn digest_of(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&chunk[..count]);
        bytes += count as u64;
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((format!("sha256:{hex}").parse().expect("32 bytes have 64 hex digits"), bytes))
}

/// Whether a relative path stays below where it begins.
pub(crate) fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

pub(crate) fn measured(path: PathBuf) -> Result<Left, NoArtifact> {
    let (digest, bytes) =
        digest_of(&path).map_err(|source| NoArtifact::Disk { path: path.clone(), source })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Left { path, name, digest, bytes })
}

fn lies_within(path: &Path, tree: &Path) -> Result<bool, NoArtifact> {
    let real = |path: &Path| {
        path.canonicalize().map_err(|source| NoArtifact::Disk { path: path.to_owned(), source })
    };
    Ok(real(path)?.starts_with(real(tree)?))
}

/// Says what was expected, and what the nearest folder holds instead.
fn missing(tree: &Path, relative: &Path) -> NoArtifact {
    let expected = relative.display();
    let nearest = relative.ancestors().skip(1).find(|folder| tree.join(folder).is_dir());
    let nearest = nearest.unwrap_or(Path::new(""));
    let mut names: Vec<String> = fs::read_dir(tree.join(nearest))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    let more = if names.len() > MAX_NAMES { ", …" } else { "" };
    names.truncate(MAX_NAMES);
    let place = match nearest.to_string_lossy() {
        top if top.is_empty() => "the top folder".to_owned(),
        folder => format!("`{folder}`"),
    };
    let there = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") + more };
    NoArtifact::Missing(format!("the build ended well, but `{expected}` is not there; {place} holds {there}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::{any, proptest};

    use super::{discovered, made, named};

    #[test]
    fn a_missing_file_is_told_with_what_is_there() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("app/target/release")).unwrap();
        fs::write(tree.path().join("app/target/release/other"), "x").unwrap();
        let why = named(tree.path(), "app", "target/release/program").unwrap_err().to_string();
        let expected = "the build ended well, but `app/target/release/program` is not there; \
                        `app/target/release` holds other";
        assert_eq!(why, expected);
        assert!(
            named(tree.path(), "", "none/at/all")
                .unwrap_err()
                .to_string()
                .contains("the top folder holds app")
        );
    }

    #[test]
    fn a_build_cannot_pass_off_a_file_of_the_machine() {
        let tree = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), tree.path().join("link")).unwrap();
        std::os::unix::fs::symlink(outside.path(), tree.path().join("folder")).unwrap();
        for name in ["link", "folder/secret", "../secret", "/etc/passwd"] {
            assert!(named(tree.path(), "", name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_list_names_programs_and_libraries_only_where_there_are_none() {
        let tree = tempfile::tempdir().unwrap();
        let top = tree.path().to_str().unwrap();
        for name in ["program", "libown.rlib", "libforeign.rlib"] {
            fs::write(tree.path().join(name), name).unwrap();
        }
        let artifact = |folder: &str, kind: &str, file: &str, executable: bool| {
            let executable = if executable { format!("\"{folder}/{file}\"") } else { "null".to_owned() };
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{folder}/Cargo.toml","target":{{"kind":["{kind}"]}},"filenames":["{folder}/{file}"],"executable":{executable}}}"#
            )
        };
        let own = artifact(top, "lib", "libown.rlib", false);
        let foreign = artifact("/elsewhere", "lib", "libforeign.rlib", false);
        let macros = artifact(top, "proc-macro", "libforeign.so", false);
        let program = artifact(top, "bin", "program", true);
        let libraries = format!("not json\n{own}\n{foreign}\n{macros}\n{{\"reason\":\"build-finished\"}}");
        discovered(tree.path(), &libraries).unwrap();
        let list = fs::read_to_string(tree.path().join("patchline-artifacts.json")).unwrap();
        assert!(list.contains("\"libown.rlib\"") && !list.contains("foreign"), "{list}");
        assert!(list.contains("\"bytes\": 11"), "{list}");
        discovered(tree.path(), &format!("{libraries}\n{program}")).unwrap();
        let list = fs::read_to_string(tree.path().join("patchline-artifacts.json")).unwrap();
        assert!(list.contains("\"program\"") && !list.contains("libown"), "{list}");
        let why = discovered(tree.path(), &foreign).unwrap_err().to_string();
        assert!(why.contains("neither a program nor a library"), "{why}");
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(text in any::<String>(), path in "[ -~]{0,40}") {
            made(Path::new("/tree"), &text);
            made(Path::new("/tree"), &format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/tree/{path}","filenames":["{path}"]}}"#
            ));
        }
    }
}

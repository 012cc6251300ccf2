//! What a build put into the artifact: traces of crates in what cargo left and in the artifact's own bytes.
//!
//! Cargo writes for each compiled crate which files it read (`target/*/deps/*.d`); a crate of a registry lies in a folder
//! `name-version`. The same folders stand in a binary, in the places that panics name.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::check::Side;

/// Files of a build that are looked at, bytes of one, bytes of an artifact.
const MAX_FILES: usize = 50_000;
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;
const MAX_ARTIFACT_BYTES: u64 = 2 * 1024 * 1024 * 1024;
const CHUNK: usize = 1024 * 1024;

/// Where traces of one version were looked for, and one that was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Traces {
    /// Lists of sources that cargo left.
    pub(crate) lists: usize,
    pub(crate) found: Option<String>,
}

/// Looks for this version of a crate in what the side's build left.
pub(crate) fn traces(side: &Side, folder: &str, name: &str, version: &str) -> io::Result<Traces> {
    let needle = format!("/{name}-{version}/");
    let mut traces = Traces::default();
    let mut targets = vec![side.tree.join(folder).join("target"), side.tree.join("target")];
    targets.dedup();
    for list in targets.iter().map(|target| lists(target)).collect::<io::Result<Vec<_>>>()?.concat() {
        traces.lists += 1;
        let mut text = String::new();
        // A list that is no text, or too long, says nothing.
        let read = fs::File::open(&list)?.take(MAX_FILE_BYTES).read_to_string(&mut text);
        if read.is_ok() && text.contains(&needle) && traces.found.is_none() {
            let name = list.file_name().unwrap_or_default().to_string_lossy().into_owned();
            traces.found = Some(format!("compiled for `{name}`"));
        }
    }
    if traces.found.is_none() && side.artifact.is_file() && holds(&side.artifact, needle.as_bytes())? {
        traces.found = Some("named in the artifact's bytes".to_owned());
    }
    Ok(traces)
}

/// The lists of sources in the `deps` folders below a target folder: `release/deps`, `<triple>/release/deps`.
fn lists(target: &Path) -> io::Result<Vec<PathBuf>> {
    let mut lists = Vec::new();
    let mut open = vec![(target.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let deps = folder.file_name().is_some_and(|name| name == "deps");
        for entry in entries {
            let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
            if kind.is_dir() && depth < 3 {
                open.push((path, depth + 1));
            } else if kind.is_file() && deps && path.extension().is_some_and(|end| end == "d") {
                lists.push(path);
            }
            if lists.len() > MAX_FILES {
                return Ok(lists);
            }
        }
    }
    Ok(lists)
}

/// Whether the bytes stand in the file, also across the borders of what is read at a time.
fn holds(path: &Path, needle: &[u8]) -> io::Result<bool> {
    let mut file = fs::File::open(path)?.take(MAX_ARTIFACT_BYTES);
    let mut window = Vec::with_capacity(CHUNK + needle.len());
    loop {
        let kept = window.len().min(needle.len().saturating_sub(1));
        window.drain(..window.len() - kept);
        if (&mut file).take(CHUNK as u64).read_to_end(&mut window)? == 0 {
            return Ok(false);
        }
        if window.windows(needle.len()).any(|here| here == needle) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::traces;
    use crate::sample::side;

    #[test]
    fn a_version_is_found_in_cargos_lists_and_in_the_artifact() {
        let folder = tempfile::tempdir().unwrap();
        let side = side(folder.path());
        let deps = folder.path().join("target/release/deps");
        fs::create_dir_all(&deps).unwrap();
        fs::write(deps.join("yaml-1.d"), "x: /registry/src/index/yaml-0.4.1/src/lib.rs\n").unwrap();
        let mut bytes = vec![b'x'; 1024 * 1024 - 5];
        bytes.extend(b"/cargo/registry/src/i/time-0.1.43/src/lib.rs\0");
        fs::write(&side.artifact, bytes).unwrap();
        let found = |name: &str, version: &str| traces(&side, "", name, version).unwrap().found;
        assert_eq!(found("yaml", "0.4.1").as_deref(), Some("compiled for `yaml-1.d`"));
        assert_eq!(found("yaml", "0.4.0"), None);
        assert_eq!(found("time", "0.1.43").as_deref(), Some("named in the artifact's bytes"));
        assert_eq!(traces(&side, "", "time", "0.1").unwrap().lists, 1, "the folder is the top here");
    }
}

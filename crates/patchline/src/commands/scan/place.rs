//! Where the places of a scan begin: at the PATH itself where there is one, else at the nearest folder above all of them.

use std::path::{Path, PathBuf};

use crate::exit::Trouble;

pub struct Place {
    /// The common folder's name.
    pub name: String,
    /// From the top of the repository to the common folder, with `/`.
    pub within: String,
    /// For each PATH the folder that its places begin at, below the common one.
    pub folders: Vec<String>,
}

impl Place {
    pub fn of(paths: &[PathBuf]) -> Result<Self, Trouble> {
        let roots = paths.iter().map(|path| real(path).map(|real| folder_of(&real).to_owned()));
        let roots: Vec<PathBuf> = roots.collect::<Result<_, _>>()?;
        let mut common = roots.first().cloned().unwrap_or_default();
        while !roots.iter().all(|root| root.starts_with(&common)) && common.pop() {}
        let name = common.file_name().map(|name| name.to_string_lossy().into_owned());
        // A worktree's `.git` is a file.
        let top = common.ancestors().find(|folder| folder.join(".git").exists());
        let within = top.map(|top| below(&common, top)).unwrap_or_default();
        let folders = roots.iter().map(|root| below(root, &common)).collect();
        Ok(Self { name: name.unwrap_or_else(|| "project".to_owned()), within, folders })
    }
}

/// The path without links.
pub fn real(path: &Path) -> Result<PathBuf, Trouble> {
    let real = path.canonicalize();
    real.map_err(|error| Trouble::input(format!("could not read `{}`: {error}", path.display())))
}

/// The folder itself, or the one that the file lies in.
pub fn folder_of(path: &Path) -> &Path {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if path.is_dir() { path } else { above.unwrap_or(Path::new(".")) }
}

/// From one folder to another below it, with `/`.
pub fn below(folder: &Path, top: &Path) -> String {
    let rest = folder.strip_prefix(top).unwrap_or(Path::new(""));
    let parts: Vec<_> = rest.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

//! Reads `patchline.toml`: every wrong key and value is shown with file, line, caret and what to do.

mod agent;
mod analyzer;
mod caret;
mod file;
pub mod fixing;
mod guess;
mod order;
mod reproducer;
mod rewrite;
mod rollout;
mod scan;
mod slo;
pub mod text;
mod unreadable;
mod value;
mod verification;
mod ways;
mod window;

use std::path::{Path, PathBuf};

use patchline_model::scanning::Scanning;
use patchline_model::service::Service;
use patchline_sandbox::Git;

use crate::exit::{Exit, Trouble};
use crate::settings::caret::Source;
use crate::settings::fixing::Fixing;
use crate::settings::text::read;

/// A package's name as a service's name.
pub fn plain_name(name: &str) -> patchline_model::service::Name {
    guess::plain_name(name)
}

/// The file's name.
pub const FILE: &str = "patchline.toml";

/// The service in this folder: from its `patchline.toml`, or, for a cargo project without one, by cargo's own
/// conventions and without a rollout.
pub async fn service(folder: &Path) -> Result<Service, Trouble> {
    let folder = canonical(folder)?;
    let top = top_of(&folder).await?;
    let within = folder.strip_prefix(&top).unwrap_or(Path::new("")).to_string_lossy().into_owned();
    let path = folder.join(FILE);
    let text = if path.exists() { Some(read(&path)?) } else { None };
    if let Some(text) = text.filter(|text| !scan::are_all(text)) {
        let source = Source { path: path.display().to_string(), text: &text };
        return file::service(&source, &top, &within).map_err(|problem| problem.trouble(&source));
    }
    let guessed = if folder.join("Cargo.toml").exists() {
        Some(guess::cargo_service(&folder, &top, within)?)
    } else if let Some(manifest) = guess::source_manifest(&folder) {
        Some(guess::source_service(&folder, &top, within, manifest)?)
    } else {
        None
    };
    if let Some(mut service) = guessed {
        service.verification.scanning = scanning(&folder)?;
        return Ok(service);
    }
    let message = format!("{} has neither a {FILE} nor a manifest that Patchline knows", folder.display());
    Err(Trouble::input(message).hint("`patchline init` writes a patchline.toml"))
}

/// What the folder's `patchline.toml` says, if there is one; asks no git, so it serves where there is no repository.
pub fn described(folder: &Path) -> Result<Option<Service>, Trouble> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = read(&path)?;
    if scan::are_all(&text) {
        return Ok(None);
    }
    let source = Source { path: path.display().to_string(), text: &text };
    file::service(&source, folder, "").map(Some).map_err(|problem| problem.trouble(&source))
}

/// How fixes are made and told, as the folder's `patchline.toml` says; as usual where there is none.
pub fn fixing(folder: &Path) -> Result<Fixing, Trouble> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Fixing::default());
    }
    let text = read(&path)?;
    let source = Source { path: path.display().to_string(), text: &text };
    fixing::fixing(&source).map_err(|problem| problem.trouble(&source))
}

/// How packages are matched, as the folder's `patchline.toml` says; as usual where there is none.
pub fn scanning(folder: &Path) -> Result<Scanning, Trouble> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Scanning::default());
    }
    let text = read(&path)?;
    let source = Source { path: path.display().to_string(), text: &text };
    scan::scanning(&source).map_err(|problem| problem.trouble(&source))
}

fn canonical(folder: &Path) -> Result<PathBuf, Trouble> {
    let found = folder.canonicalize();
    found.map_err(|error| Trouble::input(format!("could not open {}: {error}", folder.display())))
}

async fn top_of(folder: &Path) -> Result<PathBuf, Trouble> {
    Git::top(folder).await.map_err(|error| {
        let missing = matches!(error, patchline_sandbox::GitError::ToolMissing { .. });
        let exit = if missing { Exit::Tool } else { Exit::Input };
        let mut trouble = Trouble::new(exit, error.to_string());
        trouble.hint = Some(match error.hint() {
            Some(hint) => hint.to_owned(),
            None => "Patchline works on git repositories: `git init`, and commit the project".to_owned(),
        });
        trouble
    })
}

//! `fix --edit`: other values in files of settings, as a change on its way through the same line.

use std::collections::BTreeMap;
use std::path::Path;

use patchline_conductor::failures::git_failure;
use patchline_conductor::home::Home;
use patchline_generate::config::change::Edit;
use patchline_generate::message::clean;
use patchline_model::actor::Actor;
use patchline_model::digest::Commit;
use patchline_model::service::Service;
use patchline_model::stage::detect::Subject;
use patchline_sandbox::{Git, GitError};

use crate::commands::fix::written;
use crate::exit::Trouble;

/// Larger files are not read.
const LARGEST: usize = 8 << 20;

/// What the patch is for, with the change as a commit on top of the base.
pub async fn subject(
    edits: &[Edit],
    service: &Service,
    base: &Commit,
    by: &Actor,
    home: &Home,
) -> Result<Subject, Trouble> {
    let git = Git::at(Path::new(&service.repository));
    let known = git.files_of(base.as_str()).await.map_err(failed)?;
    let mut texts: BTreeMap<String, (String, String)> = BTreeMap::new();
    for edit in edits {
        let path = Path::new(&service.folder).join(&edit.file).to_string_lossy().into_owned();
        if !texts.contains_key(&path) {
            let text = read(&git, base, &known, &path).await?;
            texts.insert(path.clone(), (text.clone(), text));
        }
        let Some((_, text)) = texts.get_mut(&path) else { continue };
        *text = edit.put(text).map_err(Trouble::input)?;
    }
    let changed: Vec<(String, String)> = texts
        .into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|(path, (_, after))| (path, after))
        .collect();
    if changed.is_empty() {
        return Err(Trouble::input(format!("{} says so already", base.short())));
    }
    let asked: Vec<String> = edits.iter().map(|edit| format!("{} to {}", edit.path, edit.value)).collect();
    let title = clean(&format!("Set {}", asked.join(", ")), 100);
    written::subject(title, &changed, &git, base, by, home).await
}

async fn read(git: &Git, base: &Commit, known: &[String], path: &str) -> Result<String, Trouble> {
    let missing = || Trouble::input(format!("{} has no file `{path}`", base.short()));
    if !known.iter().any(|file| file == path) {
        return Err(missing().hint("name it from the service's folder; only what is committed is looked at"));
    }
    let bytes = git.show(base.as_str(), path).await.map_err(failed)?.ok_or_else(missing)?;
    if bytes.len() > LARGEST {
        return Err(Trouble::input(format!("`{path}` has more than {LARGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Trouble::input(format!("`{path}` is no text in UTF-8")))
}

fn failed(error: GitError) -> Trouble {
    git_failure(&error).into()
}

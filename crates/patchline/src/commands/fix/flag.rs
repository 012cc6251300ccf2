//! `fix --flag`: a feature flag turned off or on where it is defined, as a change on its way through the same line.

use std::path::Path;

use patchline_conductor::failures::git_failure;
use patchline_conductor::home::Home;
use patchline_generate::config::change::Edit;
use patchline_generate::config::flag::Flag;
use patchline_model::actor::Actor;
use patchline_model::digest::Commit;
use patchline_model::service::Service;
use patchline_model::stage::detect::Subject;
use patchline_sandbox::{Git, GitError};

use crate::commands::fix::edit;
use crate::exit::Trouble;

/// Larger files are not read.
const LARGEST: usize = 8 << 20;

/// What the patch is for. A flag that several files define is an error: nobody can say which one counts.
pub async fn subject(
    flags: &[Flag],
    service: &Service,
    base: &Commit,
    by: &Actor,
    home: &Home,
) -> Result<Subject, Trouble> {
    let files = files(&Git::at(Path::new(&service.repository)), service, base).await?;
    let mut edits = Vec::new();
    for flag in flags {
        let found: Vec<Edit> = files.iter().filter_map(|(path, text)| flag.edit(path, text)).collect();
        match found.as_slice() {
            [one] => edits.push(one.clone()),
            [] => {
                let text = format!("no file of {} defines the flag `{}`", service.name, flag.name);
                return Err(Trouble::input(text).hint(
                    "it is looked for below `flags` in JSON and YAML; `--edit` changes any other value",
                ));
            }
            several => {
                let names: Vec<String> = several.iter().map(|edit| format!("`{}`", edit.file)).collect();
                let text = format!("the flag `{}` is defined in {}", flag.name, names.join(", "));
                return Err(
                    Trouble::input(text).hint("say which by `--edit FILE:flags[\"NAME\"].state=DISABLED`")
                );
            }
        }
    }
    edit::subject(&edits, service, base, by, home).await
}

/// The JSON and YAML of the service, by paths from its folder.
async fn files(git: &Git, service: &Service, base: &Commit) -> Result<Vec<(String, String)>, Trouble> {
    let mut files = Vec::new();
    for path in git.files_of(base.as_str()).await.map_err(failed)? {
        let Ok(own) = Path::new(&path).strip_prefix(&service.folder) else { continue };
        // A `:` ends the file's name in an edit.
        let can =
            [".json", ".yaml", ".yml"].iter().any(|ending| path.ends_with(ending)) && !path.contains(':');
        if !can {
            continue;
        }
        let bytes = git.show(base.as_str(), &path).await.map_err(failed)?.unwrap_or_default();
        if let (true, Ok(text)) = (bytes.len() <= LARGEST, String::from_utf8(bytes)) {
            files.push((own.to_string_lossy().into_owned(), text));
        }
    }
    Ok(files)
}

fn failed(error: GitError) -> Trouble {
    git_failure(&error).into()
}

//! `fix --flag`: a feature flag turned off or on where it is defined, as a change on its way through the same line.

use std::collections::BTreeMap;
use std::path::Path;

use patchline_conductor::failures::git_failure;
use patchline_conductor::home::Home;
use patchline_generate::config::change::Edit;
use patchline_generate::config::flag::Flag;
use patchline_generate::message::clean;
use patchline_model::actor::Actor;
use patchline_model::digest::Commit;
use patchline_model::service::Service;
use patchline_model::stage::detect::Subject;
use patchline_sandbox::{Git, GitError};

use crate::commands::fix::edit;
use crate::exit::Trouble;
use crate::terminal::note;

/// Larger files are not read.
const LARGEST: usize = 8 << 20;
/// Most files that are named because they could not be read.
const MOST_NAMED: usize = 8;

/// The JSON and YAML of the service, by paths from its folder.
#[derive(Default)]
struct Files {
    texts: Vec<(String, String)>,
    /// What could not be read, with why.
    unread: BTreeMap<String, String>,
}

/// What the patch is for. A flag that several files define is an error: nobody can say which one counts.
pub async fn subject(
    flags: &[Flag],
    service: &Service,
    base: &Commit,
    by: &Actor,
    home: &Home,
) -> Result<Subject, Trouble> {
    let Files { texts, mut unread } = files(&Git::at(Path::new(&service.repository)), service, base).await?;
    let mut edits = Vec::new();
    for flag in flags {
        let mut found: Vec<Edit> = Vec::new();
        for (path, text) in &texts {
            match flag.edit(path, text) {
                Ok(edit) => found.extend(edit),
                Err(why) => drop(unread.insert(path.clone(), why)),
            }
        }
        match found.as_slice() {
            [one] => edits.push(one.clone()),
            [] => {
                let unread = told(&unread).map(|told| format!("; {told}")).unwrap_or_default();
                let text = format!("no file of {} defines the flag `{}`{unread}", service.name, flag.name);
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
    // One of them may define the flag as well.
    if let Some(told) = told(&unread) {
        note(&format!("warning: {told}"));
    }
    edit::subject(&edits, service, base, by, home).await
}

async fn files(git: &Git, service: &Service, base: &Commit) -> Result<Files, Trouble> {
    let mut files = Files::default();
    for path in git.files_of(base.as_str()).await.map_err(failed)? {
        let Ok(own) = Path::new(&path).strip_prefix(&service.folder) else { continue };
        if ![".json", ".yaml", ".yml"].iter().any(|ending| path.ends_with(ending)) {
            continue;
        }
        let own = own.to_string_lossy().into_owned();
        if own.contains(':') {
            files.unread.insert(own, "a `:` in its name ends it in an edit".to_owned());
            continue;
        }
        let bytes = git.show(base.as_str(), &path).await.map_err(failed)?.unwrap_or_default();
        let text = match bytes.len() {
            0..=LARGEST => String::from_utf8(bytes).map_err(|_| "it is no text in UTF-8".to_owned()),
            _ => Err(format!("it has more than {LARGEST} bytes")),
        };
        match text {
            Ok(text) => files.texts.push((own, text)),
            Err(why) => drop(files.unread.insert(own, why)),
        }
    }
    Ok(files)
}

/// How many files could not be read, and which.
fn told(unread: &BTreeMap<String, String>) -> Option<String> {
    let named: Vec<String> = unread
        .iter()
        .take(MOST_NAMED)
        .map(|(path, why)| format!("`{}` ({})", clean(path, 100), clean(why, 100)))
        .collect();
    let more = unread.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let count = match unread.len() {
        0 => return None,
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    Some(format!("{count} of JSON and YAML could not be read: {}{more}", named.join(", ")))
}

fn failed(error: GitError) -> Trouble {
    git_failure(&error).into()
}

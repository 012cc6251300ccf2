//! `fix --image`: another tag of an image wherever the service names it, as a change on its way through the same line.

use std::path::Path;

use patchline_conductor::failures::git_failure;
use patchline_conductor::home::Home;
use patchline_generate::image::change::{Image, can_name, names};
use patchline_generate::image::registry::digest;
use patchline_model::actor::Actor;
use patchline_model::digest::Commit;
use patchline_model::service::Service;
use patchline_model::stage::detect::Subject;
use patchline_sandbox::{Git, GitError};

use crate::commands::fix::written;
use crate::exit::Trouble;
use crate::terminal::note;

/// Larger files are not read.
const LARGEST: usize = 8 << 20;
/// Names of images that an error lists.
const MOST_NAMES: usize = 12;

/// What the patch is for, with the change as a commit on top of the base.
pub async fn subject(
    images: &[Image],
    service: &Service,
    base: &Commit,
    by: &Actor,
    home: &Home,
) -> Result<Subject, Trouble> {
    let git = Git::at(Path::new(&service.repository));
    let changed = changed(images, &git, service, base).await?;
    let asked: Vec<String> = images.iter().map(|image| format!("{} to {}", image.name, image.tag)).collect();
    let title = format!("Update {}", asked.join(", "));
    written::subject(title, &changed, &git, base, by, home).await
}

/// The files of the service that name these images, with their new text.
async fn changed(
    images: &[Image],
    git: &Git,
    service: &Service,
    base: &Commit,
) -> Result<Vec<(String, String)>, Trouble> {
    let files = files(git, service, base).await?;
    let mut seen: Vec<String> = files.iter().flat_map(|(path, text)| names(path, text)).collect();
    seen.sort();
    seen.dedup();
    if let Some(image) = images.iter().find(|image| !seen.contains(&image.name)) {
        let more = if seen.len() > MOST_NAMES { " and others" } else { "" };
        let known: Vec<String> = seen.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
        let there = if known.is_empty() { "none at all".to_owned() } else { known.join(", ") };
        let text = format!("no Dockerfile and no YAML of {} names the image `{}`", service.name, image.name);
        return Err(Trouble::input(text).hint(format!("in {} there are {there}{more}", base.short())));
    }
    let images = with_digests(images, &files).await?;
    let mut changed = Vec::new();
    for (path, before) in files {
        let mut text = before.clone();
        for image in &images {
            text = image.put(&path, &text).map_err(Trouble::input)?;
        }
        if text != before {
            changed.push((path, text));
        }
    }
    match changed.is_empty() {
        true => Err(Trouble::input(format!("{} names these images so already", base.short()))),
        false => Ok(changed),
    }
}

/// Where a file names an image by its digest and none was given, its registry is asked.
async fn with_digests(images: &[Image], files: &[(String, String)]) -> Result<Vec<Image>, Trouble> {
    let mut images = images.to_vec();
    for image in images.iter_mut().filter(|image| image.digest.is_none()) {
        if files.iter().any(|(path, text)| image.is_named_by_digest(path, text)) {
            let found = digest(&image.name, &image.tag).await?;
            note(&format!("{}:{} is {found}", image.name, image.tag));
            image.digest = Some(found);
        }
    }
    Ok(images)
}

/// What can name images, as far as it is text.
async fn files(git: &Git, service: &Service, base: &Commit) -> Result<Vec<(String, String)>, Trouble> {
    let mut files = Vec::new();
    for path in git.files_of(base.as_str()).await.map_err(failed)? {
        if !Path::new(&path).starts_with(&service.folder) || !can_name(&path) {
            continue;
        }
        let bytes = git.show(base.as_str(), &path).await.map_err(failed)?.unwrap_or_default();
        if let (true, Ok(text)) = (bytes.len() <= LARGEST, String::from_utf8(bytes)) {
            files.push((path, text));
        }
    }
    Ok(files)
}

fn failed(error: GitError) -> Trouble {
    git_failure(&error).into()
}

//! `pr`: the text of a pull request for a patch's branch, in Markdown. It prints, and asks no forge for anything.

use std::path::{Path, PathBuf};

use patchline_conductor::blocking::blocking;
use patchline_generate::changelog::shipped::excerpt;
use patchline_generate::message::clean;
use patchline_model::patch::Patch;
use patchline_model::stage::generate::Candidate;
use patchline_review::pull_request::{TEMPLATE, Told, pull_request};
use patchline_review::template::LARGEST;
use serde_json::json;

use crate::cli::{Format, PrArguments};
use crate::exit::{Exit, Trouble};
use crate::settings;
use crate::terminal::say;
use crate::wire;

/// Packages whose changelogs are looked for.
const MOST_PACKAGES: usize = 10;

pub async fn run(arguments: PrArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let home = wire::home(data.as_deref())?;
    let conductor = wire::conductor(&home)?;
    let id = arguments.patch;
    let known = conductor.patch(id).await?;
    let known = known.ok_or_else(|| Trouble::new(Exit::Refused, format!("{id} does not exist")))?;
    let patch = &known.patch;
    let Some(candidate) = patch.candidate() else {
        return Err(Trouble::new(Exit::Refused, format!("{id} has no change that could be asked for"))
            .hint(format!("`patchline explain {id}` shows where it stands")));
    };
    let (template, name) = template(patch)?;
    let told = blocking(|| changelogs(&home.cache(), patch, candidate));
    let text = pull_request(patch, candidate, &told, &template)
        .map_err(|wrong| Trouble::input(format!("{name}:{}: {}", wrong.line, wrong.message)))?;
    match arguments.format {
        Format::Table => say(text.trim_end()),
        Format::Json => {
            let title = clean(&candidate.title, 100);
            say(&json!({ "title": title, "branch": candidate.branch, "text": text }).to_string());
        }
    }
    Ok(Exit::Done)
}

/// The service's own template as it is now, or the built-in one; with its name for errors.
fn template(patch: &Patch) -> Result<(String, String), Trouble> {
    let built_in = || (TEMPLATE.to_owned(), "the built-in template".to_owned());
    let Some(opening) = &patch.opening else { return Ok(built_in()) };
    let folder = Path::new(&opening.service.repository).join(&opening.service.folder);
    let Some(file) = settings::fixing(&folder)?.template else { return Ok(built_in()) };
    let path = folder.join(&file);
    let failed = |why: String| {
        Trouble::input(format!("could not read the template `{}`: {why}", path.display()))
            .hint("`template` under [fix] names it, seen from the service's folder")
    };
    let bytes = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?.len();
    if bytes > LARGEST as u64 {
        return Err(failed(format!("it has more than {LARGEST} bytes")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    Ok((text, path.display().to_string()))
}

/// What the packages that are fixed say of their new versions, as far as they are unpacked here.
fn changelogs(cache: &Path, patch: &Patch, candidate: &Candidate) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    let removed = patch.findings().iter().filter(|finding| candidate.removes.contains(&finding.id));
    for package in removed.filter_map(|finding| finding.package.as_ref()) {
        let step = candidate.moves.iter().find(|step| {
            step.package == package.name && step.from.as_deref() == Some(package.version.as_str())
        });
        let Some(to) = step.and_then(|step| step.to.as_deref()) else { continue };
        if told.iter().any(|one| one.package == package.name) || told.len() >= MOST_PACKAGES {
            continue;
        }
        if let Some((file, excerpt)) = excerpt(cache, package, to) {
            let sections =
                excerpt.sections.into_iter().map(|section| (section.version, section.lines)).collect();
            told.push(Told { package: package.name.clone(), file, sections, is_cut: excerpt.is_cut });
        }
    }
    told
}

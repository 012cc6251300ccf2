//! `report`: a person's report of a problem, with what shows it, as a finding that the service's agents try to fix.

mod how;
mod shown;

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use patchline_conductor::failures::git_failure;
use patchline_conductor::schedule::head;
use patchline_model::digest::{Commit, Digest};
use patchline_model::id::PatchId;
use patchline_model::service::{Reproducer, Service};
use patchline_model::stage::detect::{Location, Opening, Report, Subject, Until};
use patchline_model::stage::terms::Terms;
use patchline_sandbox::Git;
use serde_json::json;

use crate::cli::ReportArguments;
use crate::commands::fix::{self, carried_out};
use crate::commands::person::person;
use crate::commands::report::how::{how, line};
use crate::exit::{Exit, Trouble};
use crate::settings;
use crate::terminal::note;
use crate::wire;

/// Bytes of the text.
const LONGEST_TEXT: u64 = 64 << 10;

pub async fn run(arguments: ReportArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    fix::need_git()?;
    if let Some(id) = patch_of(&arguments.path) {
        return shown::run(id, arguments, data).await;
    }
    if arguments.finding.is_some() {
        return Err(
            Trouble::usage("`--finding` is of a patch").hint("as in `patchline report P-7 --finding NAME`")
        );
    }
    let by = person(arguments.by.as_deref())?;
    let mut service = settings::service(&arguments.path).await?;
    if arguments.rollout && service.run.is_none() {
        return Err(fix::nowhere_to_run(&service));
    }
    let base = head(&service).await.map_err(fix::no_commit)?;
    let report = report(&arguments, &service, &base, by.name()).await?;
    match how(&arguments, &service)? {
        Some(how) => service.reproducers.push(Reproducer { advisory: report.name.clone(), how }),
        None => note(
            "nothing shows this problem, so no fixer's change could be proven to remove it; `--reproducer` or `--test` \
             names what does",
        ),
    }
    let works = wire::works(wire::home(data.as_deref())?)?;
    let until = if arguments.rollout { Until::Rollout } else { Until::Verify };
    let subject = Subject::Report(Box::new(report));
    let key = Digest::of(json!([service, base, subject, until]).to_string().as_bytes());
    let key = format!("report:{}", key.hex());
    let repository = PathBuf::from(&service.repository);
    let opening = Opening { service, base, subject, until, terms: Terms::default() };
    let id = works.conductor.open_again(&key, by, opening).await?;
    carried_out(&works, &repository, id, arguments.format).await
}

/// The patch that is meant; a folder that is called so is a folder.
fn patch_of(path: &Path) -> Option<PatchId> {
    let text = path.to_str().filter(|text| text.starts_with("P-") && !path.exists())?;
    text.parse().ok()
}

async fn report(
    arguments: &ReportArguments,
    service: &Service,
    base: &Commit,
    reporter: &str,
) -> Result<Report, Trouble> {
    let (title, reason) =
        (line("--title", arguments.title.as_deref())?, line("--reason", arguments.reason.as_deref())?);
    let text = arguments.text.as_deref().map(text).transpose()?.unwrap_or_default();
    let place = match &arguments.file {
        None => None,
        Some(file) => Some(Location { path: committed(file, service, base).await?, line: arguments.line }),
    };
    let name = Digest::of(json!([service.name, title, reason, text, place]).to_string().as_bytes());
    let name = format!("report-{}", &name.hex()[..10]);
    Ok(Report { name, title, reason, text, place, reporter: reporter.to_owned() })
}

fn text(from: &str) -> Result<String, Trouble> {
    let failed = |error: std::io::Error| Trouble::input(format!("could not read `{from}`: {error}"));
    let mut bytes = Vec::new();
    match from {
        "-" => std::io::stdin().take(LONGEST_TEXT + 1).read_to_end(&mut bytes).map_err(failed)?,
        path => {
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(LONGEST_TEXT + 1).read_to_end(&mut bytes).map_err(failed)?
        }
    };
    if bytes.len() as u64 > LONGEST_TEXT {
        return Err(Trouble::input(format!("`{from}` has more than {LONGEST_TEXT} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Trouble::input(format!("`{from}` is no text in UTF-8")))
}

/// The path from the repository's top, if the base has such a file.
async fn committed(file: &str, service: &Service, base: &Commit) -> Result<String, Trouble> {
    let plain =
        Path::new(file).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = file.trim_start_matches("./");
    let path = if service.folder.is_empty() { file.to_owned() } else { format!("{}/{file}", service.folder) };
    let missing = || {
        Trouble::input(format!("`{file}` is no file in {}", base.short()))
            .hint("name it as it is seen from the project's folder; only what is committed is looked at")
    };
    if !plain {
        return Err(missing());
    }
    let there = Git::at(Path::new(&service.repository)).show(base.as_str(), &path).await;
    there.map_err(|error| Trouble::from(git_failure(&error)))?.map(|_| path).ok_or_else(missing)
}

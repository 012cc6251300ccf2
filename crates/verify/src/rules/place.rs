//! Where a patch may not reach: out of the service's folder, through links, into what runs elsewhere, past what can be read.

use std::path::{Component, Path};

use crate::complaint::{Complaint, Given};
use crate::diff::{File, Kind};
use crate::kinds::FileKind;

const LINK: &str = "120000";
const SUBMODULE: &str = "160000";

/// What runs with the rights of the forge or of the build server.
const PIPELINES: [&str; 12] = [
    ".github/workflows/",
    ".github/actions/",
    ".gitlab-ci.yml",
    ".circleci/",
    "Jenkinsfile",
    ".buildkite/",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    ".travis.yml",
    ".drone.yml",
    ".woodpecker",
    ".ci/",
];

pub(crate) fn complaints(given: Given<'_>) -> Vec<Complaint> {
    given.diff.files.iter().flat_map(|file| of_file(given, file)).collect()
}

fn of_file(given: Given<'_>, file: &File) -> Vec<Complaint> {
    let path = file.path();
    let mut complaints = Vec::new();
    if [&file.old, &file.new].into_iter().flatten().any(|path| leads_out(Path::new(path))) {
        complaints.push(Complaint::refused(path, "leads out of the repository"));
    }
    let folder = &given.case.service.folder;
    // A workspace keeps its lockfile and manifest above its members.
    let shared = FileKind::of(path) == FileKind::Dependencies;
    if !folder.is_empty() && !Path::new(path).starts_with(folder) && !shared {
        complaints.push(Complaint::refused(path, format!("lies outside of the service's folder `{folder}`")));
    }
    match file.mode.as_deref().filter(|_| file.new.is_some()) {
        Some(LINK) => complaints.push(link(path, file)),
        Some(SUBMODULE) => complaints.push(Complaint::unless_meant(
            given,
            path,
            "moves a submodule, whose code is not in this diff",
        )),
        Some(_) | None => {}
    }
    if file.binary {
        let why = "is binary: nobody can read what changes";
        complaints.push(match FileKind::of(path) {
            FileKind::Test => Complaint::told(path, why),
            FileKind::Dependencies | FileKind::Words | FileKind::Code => {
                Complaint::unless_meant(given, path, why)
            }
        });
    }
    if !is_repinned(given, file)
        && PIPELINES
            .iter()
            .any(|pipeline| path.starts_with(pipeline) || path.contains(&format!("/{pipeline}")))
    {
        let why = "changes what the build server runs, which is no part of a fix";
        complaints.push(Complaint::unless_meant(given, path, why));
    }
    complaints
}

/// Whether the fixer of actions changed lines that name one, and no others.
fn is_repinned(given: Given<'_>, file: &File) -> bool {
    let mut lines = file.hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.kind != Kind::Kept);
    let names_one = |text: &str| text.trim_start().trim_start_matches("- ").trim_start().starts_with("uses:");
    given.case.candidate.fixer.split('+').any(|name| name == "actions")
        && lines.all(|line| names_one(&line.text))
}

fn leads_out(path: &Path) -> bool {
    !path.components().all(|part| matches!(part, Component::Normal(_)))
        || path.components().any(|part| part.as_os_str() == ".git")
}

/// What a link leads to is its content.
fn link(path: &str, file: &File) -> Complaint {
    let mut lines = file.hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.kind == Kind::Added);
    let target = lines.next().map_or("", |line| line.text.as_str());
    let mut depth = path.matches('/').count();
    let inside = !target.starts_with('/')
        && Path::new(target).components().all(|part| match part {
            Component::Normal(_) => {
                depth += 1;
                true
            }
            Component::CurDir => true,
            Component::ParentDir => {
                let fits = depth > 0;
                depth = depth.saturating_sub(1);
                fits
            }
            Component::RootDir | Component::Prefix(_) => false,
        });
    match inside {
        true => Complaint::told(path, format!("is a link to `{target}`")),
        false => {
            Complaint::refused(path, format!("is a link to `{target}`, which leads out of the repository"))
        }
    }
}

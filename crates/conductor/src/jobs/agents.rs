//! Asks the service's agents for what no other fixer can do: a report, with what its reproducer shows on the base, or what an
//! analyzer finds and nobody fixed.

use std::time::Duration;

use patchline_build::builder::{Built, Made};
use patchline_generate::agent::assignment::{Assignment, Shown};
use patchline_generate::agent::compete::{Competed, compete};
use patchline_generate::agent::record::{Answer, Kept};
use patchline_generate::fixer::{Proposal, Request};
use patchline_model::failure::{Failure, in_full};
use patchline_model::patch::Patch;
use patchline_model::reproducer::How;
use patchline_model::service::{CommandLine, Reproducer, Service};
use patchline_model::stage::detect::{Location, Opening, Report};
use patchline_sandbox::{Foreign, Git, SandboxError, rust_environment};
use serde_json::{Value, json};

use crate::failures::git_failure;
use crate::hands::Hands;
use crate::jobs::build::make;

/// How long the reproducer may take on the base, and bytes kept of what it writes.
const DEADLINE: Duration = Duration::from_secs(600);
const OUTPUT: usize = 32 * 1024;

/// What the agents propose, and what is to be said of them in the evidence.
pub async fn from_agents(
    hands: &Hands,
    opening: &Opening,
    patch: &Patch,
    report: &Report,
    request: &Request,
) -> Result<(Proposal, Option<Value>), Failure> {
    let service = &opening.service;
    let no_fix = |reason: String| Ok((Proposal::NoFix { reasons: vec![reason], log: String::new() }, None));
    if service.agents.is_empty() {
        return no_fix(format!(
            "nobody is there to fix {}: add an `[[agent]]` to `patchline.toml`, or hand a change over with `patchline fix --from`",
            report.name
        ));
    }
    let Some(reproducer) = service.reproducer(&[&report.name]) else {
        return no_fix(format!(
            "{} has no reproducer, so nothing could show that a change removes it; report it with `--reproducer` or `--test`",
            report.name
        ));
    };
    let shown = match make(hands, service, &opening.base, false).await? {
        Built::Broken { why, .. } => {
            return no_fix(format!("the base does not build, so no patch can be held against it: {why}"));
        }
        Built::Artifact(made) => shown(hands, service, request, reproducer, &made).await?,
    };
    let assignment = Assignment {
        agents: service.agents.clone(),
        name: report.name.clone(),
        title: report.title.clone(),
        reason: report.reason.clone(),
        text: report.text.clone(),
        place: report.place.as_ref().map(place),
        reproducer: shown,
        refused: refused(patch),
    };
    asked(hands, &assignment, request).await
}

/// What agents propose where the fixers had nothing, for one finding of the service's own analyzers: it is proven by their looking
/// again. Where there is none, or nobody to ask, the fixers' reasons stand.
pub async fn instead_of_fixers(
    hands: &Hands,
    opening: &Opening,
    patch: &Patch,
    reasons: Vec<String>,
    request: &Request,
) -> Result<(Proposal, Option<Value>), Failure> {
    let agents = &opening.service.agents;
    let own = request.findings.iter().find_map(|finding| {
        let analysis = finding.analysis()?;
        Some((finding, analysis, analysis.analyzer.as_ref()?))
    });
    let (false, Some((finding, analysis, analyzer))) = (agents.is_empty(), own) else {
        return Ok((Proposal::NoFix { reasons, log: String::new() }, None));
    };
    // By what the analyzer itself is run with, nobody proves that it finds nothing.
    let analyzers = opening.service.verification.analyzers.iter();
    let words = analyzers.filter(|one| one.name == *analyzer).flat_map(|one| one.command.clone());
    let files = named_in(&opening.service, request, &words.collect::<Vec<String>>()).await?;
    let assignment = Assignment {
        agents: agents.clone(),
        name: finding.advisory.clone(),
        title: format!("{} in {}", analysis.rule, finding.location.path),
        reason: finding.summary.clone(),
        text: String::new(),
        place: Some(place(&finding.location)),
        reproducer: Shown {
            command: format!(
                "the analyzer `{analyzer}` finds `{}` there, and must find nothing new",
                analysis.rule
            ),
            output: String::new(),
            files,
        },
        refused: refused(patch),
    };
    let one = Request { findings: vec![finding.clone()], ..request.clone() };
    let (proposal, told) = asked(hands, &assignment, &one).await?;
    let proposal = match proposal {
        Proposal::NoFix { reasons: more, log } => {
            Proposal::NoFix { reasons: reasons.into_iter().chain(more).collect(), log }
        }
        Proposal::Candidate { mut candidate, diff, log } => {
            let others = request.findings.iter().filter(|other| other.id != finding.id);
            let why = "agents are asked for one finding in a patch".to_owned();
            candidate.leaves.extend(others.map(|other| (other.id.clone(), why.clone())));
            Proposal::Candidate { candidate, diff, log }
        }
    };
    Ok((proposal, told))
}

async fn asked(
    hands: &Hands,
    assignment: &Assignment,
    request: &Request,
) -> Result<(Proposal, Option<Value>), Failure> {
    let Competed { proposal, asked } = compete(assignment, request, &hands.sandbox).await?;
    let told = asked.iter().map(|kept| told(hands, kept)).collect::<Result<Vec<Value>, Failure>>()?;
    Ok((proposal, Some(Value::Array(told))))
}

fn place(location: &Location) -> String {
    location.line.map_or_else(|| location.path.clone(), |line| format!("{}:{line}", location.path))
}

/// Whose candidates verification refused, and why.
fn refused(patch: &Patch) -> Vec<(String, String)> {
    let refused = patch.generate.refused.iter();
    refused.map(|(candidate, why)| (candidate.fixer.clone(), why.clone())).collect()
}

/// One agent, with its task and what it wrote among the blobs.
fn told(hands: &Hands, kept: &Kept) -> Result<Value, Failure> {
    let Kept { record, task, log } = kept;
    let (task, log) = (hands.attestor.keep(task.as_bytes())?, hands.attestor.keep(log.as_bytes())?);
    if task != record.prompt {
        return Err(Failure::permanent(format!("the task of {} is not the one that was kept", record.agent)));
    }
    let (commit, refused) = match &record.answer {
        Answer::Commit(commit) => (Some(commit), None),
        Answer::Refused(why) => (None, Some(why)),
    };
    Ok(json!({
        "name": record.agent, "model": record.model, "prompt": record.prompt, "tokens": record.tokens,
        "rounds": record.rounds, "milliseconds": record.milliseconds, "isolation": record.isolation,
        "commit": commit, "refused": refused, "log": log,
    }))
}

/// Runs what shows the problem on the base, for the agent to read. Nothing is judged by it: that is the check's.
async fn shown(
    hands: &Hands,
    service: &Service,
    request: &Request,
    reproducer: &Reproducer,
    made: &Made,
) -> Result<Shown, Failure> {
    let artifact = made.artifact.to_string_lossy();
    let (words, writable) = match &reproducer.how {
        How::Command(words) => {
            (words.iter().map(|word| word.replace("{artifact}", &artifact)).collect(), Vec::new())
        }
        How::Test(_) => match &service.test {
            Some(CommandLine(words)) => (words.clone(), vec![made.tree.clone()]),
            None => (Vec::new(), Vec::new()),
        },
        How::File(by) => {
            let file = made.tree.join(&service.folder).join(&by.path);
            let words = by.arguments.iter().map(|word| word.replace("{file}", &file.to_string_lossy()));
            ([artifact.clone().into_owned()].into_iter().chain(words).collect(), Vec::new())
        }
        How::Http(_) => (Vec::new(), Vec::new()),
    };
    let output = if words.is_empty() {
        String::new()
    } else {
        let mut environment = rust_environment();
        environment.extend(made.environment.clone());
        let foreign = Foreign {
            writable,
            readable: vec![made.tree.clone()],
            environment,
            deadline: DEADLINE,
            output_limit: OUTPUT,
            ..Foreign::new(&words, &made.tree.join(&service.folder))
        };
        match hands.sandbox.run(&foreign).await {
            Ok(finished) => {
                let place = made.tree.display().to_string();
                format!("{}\n{}", finished.combined(), finished.ending()).replace(&place, ".")
            }
            Err(error @ (SandboxError::ToolMissing { .. } | SandboxError::PathMissing { .. })) => {
                in_full(&error)
            }
            Err(error) => return Err(Failure::transient(in_full(&error)).with_hint(error.hint())),
        }
    };
    let files = files(service, request, reproducer).await?;
    Ok(Shown { command: command(reproducer, service), output, files })
}

/// What a person would type, or whatever else says how it is shown.
fn command(reproducer: &Reproducer, service: &Service) -> String {
    match &reproducer.how {
        How::Command(words) => words.join(" "),
        How::Test(by) => {
            let suite = service.test.as_ref().map(|test| format!(", run by `{test}`")).unwrap_or_default();
            format!("the test `{}` fails, and says `{}`{suite}", by.name, by.reason)
        }
        How::File(by) => format!("the built program fails on `{}`, and says `{}`", by.path, by.reason),
        How::Http(requests) => {
            let paths = requests.iter().map(|asked| format!("{} {}", asked.method, asked.path));
            format!("requests to the running service: {}", paths.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The files of the base that the reproducer names.
async fn files(
    service: &Service,
    request: &Request,
    reproducer: &Reproducer,
) -> Result<Vec<String>, Failure> {
    let named: &[String] = match &reproducer.how {
        How::Command(words) => words,
        How::Test(by) => &by.files,
        How::File(by) => std::slice::from_ref(&by.path),
        How::Http(_) => &[],
    };
    named_in(service, request, named).await
}

/// The files of the base that stand among these words, alone or after a `=`, as paths from the repository's top.
async fn named_in(service: &Service, request: &Request, words: &[String]) -> Result<Vec<String>, Failure> {
    let all = Git::at(&request.repository).tree_files(request.base.as_str()).await;
    let all = all.map_err(|error| git_failure(&error))?;
    let from_top = |path: &str| {
        let path = path.trim_start_matches("./");
        if service.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", service.folder) }
    };
    let parts =
        words.iter().flat_map(|word| [Some(word.as_str()), word.split_once('=').map(|(_, rest)| rest)]);
    Ok(parts.flatten().map(from_top).filter(|path| all.contains(path)).collect())
}

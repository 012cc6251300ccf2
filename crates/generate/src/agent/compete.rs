//! Agents compete: candidate number N is that of the next agent in order whose change keeps to its budget. Who was asked is not
//! asked again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use patchline_model::agent::{Agent, Way};
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::agent::assignment::Assignment;
use crate::agent::bounds::committed;
use crate::agent::record::{Answer, Kept, Record};
use crate::agent::worksite::Worksite;
use crate::agent::{command, endpoint, files, task};
use crate::failures::{of_file, of_git};
use crate::fixer::{Proposal, Request};
use crate::message;

/// A proposal, and every agent that was asked for this one, the last one being whose it is.
#[derive(Debug)]
pub struct Competed {
    pub proposal: Proposal,
    pub asked: Vec<Kept>,
}

/// Asks those who were not asked yet.
pub async fn compete(
    assignment: &Assignment,
    request: &Request,
    sandbox: &Sandbox,
) -> Result<Competed, Failure> {
    let agents = &assignment.agents;
    let folder = request.work.join("agents");
    let place = |fixer: &str| agents.iter().position(|agent| agent.fixer() == fixer);
    let first = assignment.refused.iter().filter_map(|(fixer, _)| place(fixer)).max().map_or(0, |at| at + 1);
    let mut asked = Vec::new();
    for (position, agent) in agents.iter().enumerate().skip(first) {
        let kept = match Kept::read(&folder, position, &agent.name) {
            Some(kept) => kept,
            None => {
                let kept =
                    Work { agent, assignment, request, sandbox, folder: &folder, position }.done().await?;
                kept.write(&folder, position)?;
                kept
            }
        };
        let answer = kept.record.answer.clone();
        asked.push(kept);
        if let Answer::Commit(commit) = answer {
            let proposal = candidate(agent, assignment, request, commit, &asked).await?;
            return Ok(Competed { proposal, asked });
        }
    }
    let reasons = agents
        .iter()
        .enumerate()
        .map(|(position, agent)| {
            let refused = assignment.refused.iter().find(|(fixer, _)| *fixer == agent.fixer());
            let why =
                match (refused, Kept::read(&folder, position, &agent.name).map(|kept| kept.record.answer)) {
                    (Some((_, why)), _) => format!("verification refused its change: {why}"),
                    (None, Some(Answer::Refused(why))) => why,
                    (None, Some(Answer::Commit(_)) | None) => {
                        "what it answered is not known any more".to_owned()
                    }
                };
            format!("agent `{}`: {why}", agent.name)
        })
        .collect();
    Ok(Competed { proposal: Proposal::NoFix { reasons, log: log(&asked) }, asked })
}

/// One agent at work.
struct Work<'a> {
    agent: &'a Agent,
    assignment: &'a Assignment,
    request: &'a Request,
    sandbox: &'a Sandbox,
    folder: &'a Path,
    position: usize,
}

impl Work<'_> {
    async fn done(&self) -> Result<Kept, Failure> {
        match &self.agent.way {
            Way::Command(by) => self.by_command(by).await,
            Way::Endpoint(by) => self.by_endpoint(by).await,
        }
    }

    async fn by_command(&self, by: &patchline_model::agent::ByCommand) -> Result<Kept, Failure> {
        let began = Instant::now();
        let task = task::task(self.assignment, self.agent, &self.request.folder);
        let isolation = command::isolation(by, self.sandbox);
        let kept = |answer, log, rounds| {
            let record = Record {
                agent: self.agent.name.clone(),
                model: None,
                prompt: Digest::of(task.as_bytes()),
                tokens: None,
                rounds,
                milliseconds: milliseconds(began),
                isolation: isolation.clone(),
                answer,
            };
            Kept { record, task: task.clone(), log }
        };
        if !self.sandbox.is_isolated() {
            let why = "it was not asked: without namespaces nothing would keep it in its folder and off the network; install \
                       bubblewrap";
            return Ok(kept(Answer::Refused(why.to_owned()), String::new(), 0));
        }
        let file = self.path("md");
        fs::create_dir_all(self.folder)
            .and_then(|()| fs::write(&file, &task))
            .map_err(|error| of_file("write an agent's task", error))?;
        let site = Worksite::open(self.request, &self.path("work")).await?;
        let ran = command::run(self.agent, by, &self.request.repository, &site, &file, self.sandbox).await;
        let answer = match &ran {
            Ok(command::Ran { refused: Some(why), .. }) => Ok(Answer::Refused(why.clone())),
            Ok(_) => self.answer(&site).await,
            Err(failure) => Err(failure.clone()),
        };
        site.close().await;
        Ok(kept(answer?, ran?.log, 1))
    }

    async fn by_endpoint(&self, by: &patchline_model::agent::Endpoint) -> Result<Kept, Failure> {
        let began = Instant::now();
        let mut task = task::task(self.assignment, self.agent, &self.request.folder);
        task.push_str(&files::shown(self.assignment, self.request).await?);
        let asked = endpoint::ask(self.agent, by, &task, self.request, &self.path("work")).await?;
        let answer = match asked.site {
            Err(why) => Answer::Refused(why),
            Ok(site) => {
                let answer = self.answer(&site).await;
                site.close().await;
                answer?
            }
        };
        let record = Record {
            agent: self.agent.name.clone(),
            model: Some(by.model.clone()),
            prompt: Digest::of(task.as_bytes()),
            tokens: Some(asked.tokens),
            rounds: asked.rounds,
            milliseconds: milliseconds(began),
            isolation:
                "nothing of it runs here; its diff is applied in a worktree, and its endpoint alone is asked"
                    .to_owned(),
            answer,
        };
        Ok(Kept { record, task, log: asked.log })
    }

    async fn answer(&self, site: &Worksite) -> Result<Answer, Failure> {
        Ok(match committed(self.agent, self.assignment, self.request, site).await? {
            Ok(commit) => Answer::Commit(commit),
            Err(why) => Answer::Refused(why),
        })
    }

    fn path(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}-{}.{what}", self.position, self.agent.name))
    }
}

/// The commit as a candidate, on its branch.
async fn candidate(
    agent: &Agent,
    assignment: &Assignment,
    request: &Request,
    commit: Commit,
    asked: &[Kept],
) -> Result<Proposal, Failure> {
    let git = Git::at(&request.repository);
    let (base, head) = (request.base.as_str(), commit.as_str());
    let diff = git.diff(base, head).await.map_err(of_git)?;
    let files = git.changed_files(base, head).await.map_err(of_git)?;
    if let Some(branch) = &request.branch {
        git.branch_set(branch, head).await.map_err(of_git)?;
    }
    let candidate = Candidate {
        number: request.number,
        fixer: agent.fixer(),
        kind: Kind::Code,
        title: message::clean(&format!("Fix: {}", assignment.title), 100),
        rationale: format!(
            "The agent `{}` proposes it for {}: {}",
            agent.name,
            message::clean(&assignment.name, 120),
            message::clean(&assignment.reason, 400)
        ),
        author: request.author.clone(),
        branch: request.branch.clone().unwrap_or_default(),
        base: request.base.clone(),
        commit,
        diff: Digest::of(diff.as_bytes()),
        files,
        moves: Vec::new(),
        removes: request.findings.iter().map(|finding| finding.id.clone()).collect(),
        leaves: Vec::new(),
    };
    Ok(Proposal::Candidate { candidate: Box::new(candidate), diff, log: log(asked) })
}

fn log(asked: &[Kept]) -> String {
    let told = |kept: &Kept| {
        let why = match &kept.record.answer {
            Answer::Commit(commit) => format!("made {}", commit.short()),
            Answer::Refused(why) => format!("refused: {why}"),
        };
        format!("== agent {}: {why}\n{}\n", kept.record.agent, kept.log)
    };
    asked.iter().map(told).collect()
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

//! What agents are asked: a problem, what shows it, and who is asked in which order.

use patchline_model::agent::Agent;

/// Everything about one problem that every agent is told.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// In the order in which they are asked.
    pub agents: Vec<Agent>,
    /// The finding's own name.
    pub name: String,
    pub title: String,
    pub reason: String,
    /// What else the reporter had to say.
    pub text: String,
    /// `path:line`, where it was seen.
    pub place: Option<String>,
    pub reproducer: Shown,
    /// The fixer of each candidate that was refused, and what verification said.
    pub refused: Vec<(String, String)>,
}

/// What shows the problem.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// As a person would type it.
    pub command: String,
    /// What it wrote on the base, and how it ended.
    pub output: String,
    /// Paths from the repository's top that are part of it, and nobody's to change.
    pub files: Vec<String>,
}

//! Triage: how urgent a finding is, for whom, until when. Pure facts to decision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analyzer::{Analysis, Level};
use crate::context::Context;
use crate::id::FindingId;
use crate::owner::Owners;
use crate::service::Service;
use crate::stage::detect::Finding;
use crate::time::Timestamp;
use crate::triage::action::Action;
use crate::triage::cvss::{self, Score};
use crate::triage::sla;

/// Triage's answer about one finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Priority {
    pub finding: FindingId,
    pub action: Action,
    pub due: Option<Timestamp>,
    /// Whom the repository names for the finding's file, or else the service's owner.
    pub owner: String,
    pub score: Option<Score>,
    /// Why, in whole sentences, most important first.
    pub reasons: Vec<String>,
}

/// The priorities of a patch's findings, most urgent first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub priorities: Vec<Priority>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Prioritised { priorities: Vec<Priority> },
}

/// Ranks findings for this service, the most urgent first.
pub fn prioritise(
    cx: Context<'_>,
    service: &Service,
    findings: &[Finding],
    owners: &Owners,
) -> Vec<Priority> {
    let mut priorities = priorities(cx, service, findings, owners);
    priorities.sort_by(|a, b| b.action.cmp(&a.action).then_with(|| a.finding.cmp(&b.finding)));
    priorities
}

/// As [`prioritise`], in the order of the findings.
pub fn priorities(
    cx: Context<'_>,
    service: &Service,
    findings: &[Finding],
    owners: &Owners,
) -> Vec<Priority> {
    let mut scores = Scores::new();
    findings.iter().map(|finding| priority(cx, (service, owners), finding, &mut scores)).collect()
}

/// What vectors come to, each reckoned once: a lockfile's findings share most of theirs.
type Scores<'a> = BTreeMap<&'a str, Option<Score>>;

fn priority<'a>(
    cx: Context<'_>,
    (service, owners): (&Service, &Owners),
    finding: &'a Finding,
    scores: &mut Scores<'a>,
) -> Priority {
    let tier = service.tier.number();
    let (action, score, mut reasons) = match finding.analysis() {
        Some(analysis) => {
            let (action, reason) = of_analysis(analysis, tier);
            (action, None, vec![reason])
        }
        None => of_advisory(finding, tier, scores),
    };
    reasons.push(format!("{} is {} (1 is critical, 4 internal).", service.name, service.tier));
    reasons.push(match (finding.analysis(), finding.fixed.first()) {
        (Some(analysis), _) if analysis.fix.is_some() => "A fix comes with the report.".to_owned(),
        (Some(_), _) => "No fix comes with the report.".to_owned(),
        (None, Some(version)) => format!("A fix is published: {version}."),
        (None, None) if finding.package.is_none() => "What fixes it is a change of the code.".to_owned(),
        (None, None) => "No fixed version is published.".to_owned(),
    });
    let due = sla::due(cx.policy, service.tier, action, cx.now);
    if let Some(due) = due {
        reasons.push(format!("Due {} by the policy for {}.", due.date(), service.tier));
    }
    let named = owners.get(&finding.id);
    if let Some(named) = named {
        reasons.push(format!("`{}` names its owner, {}.", named.rule, named.owner));
    }
    let owner = named.map_or(&service.owner, |named| &named.owner).clone();
    Priority { finding: finding.id.clone(), action, due, owner, score, reasons }
}

/// The decision table for what analyzers find: severity where it is stated, else level; × tier.
fn of_analysis(analysis: &Analysis, tier: u8) -> (Action, String) {
    let tool = &analysis.tool;
    if let (Some(tenths), Some(severity)) = (analysis.severity_tenths, analysis.severity()) {
        let action = match tenths {
            90.. => Action::ActNow,
            70.. if tier <= 2 => Action::ActNow,
            40.. => Action::Schedule,
            _ => Action::Watch,
        };
        return (action, format!("{tool} states a security severity of {severity} of 10."));
    }
    let action = match analysis.level {
        Level::Error => Action::Schedule,
        Level::Warning if tier <= 2 => Action::Schedule,
        Level::Warning | Level::Note | Level::None => Action::Watch,
    };
    (action, format!("{tool} gives it the level `{}`, and no severity.", analysis.level.word()))
}

/// The decision table for advisories: score × tier × whether a fix exists.
fn of_advisory<'a>(
    finding: &'a Finding,
    tier: u8,
    scores: &mut Scores<'a>,
) -> (Action, Option<Score>, Vec<String>) {
    let score = finding
        .severity
        .iter()
        .filter_map(|vector| scores.entry(vector).or_insert_with(|| cvss::score(vector)).clone())
        .max_by(|a, b| a.value.total_cmp(&b.value));
    let mut reasons = Vec::new();
    let action = match (&finding.informational, &score, finding.fixed.is_empty()) {
        (Some(kind), _, _) => {
            reasons.push(format!("The advisory is informational (`{kind}`), not a vulnerability."));
            Action::Watch
        }
        (None, Some(score), no_fix) => {
            reasons.push(format!(
                "CVSS base score {:.1} ({}) from `{}`.",
                score.value, score.rating, score.vector
            ));
            let pressing = score.value >= 9.0 || (score.value >= 7.0 && tier <= 2);
            match (pressing, no_fix) {
                (true, _) => Action::ActNow,
                (false, false) if score.value >= 4.0 || tier <= 2 => Action::Schedule,
                (false, _) => Action::Watch,
            }
        }
        (None, None, no_fix) => {
            reasons.push("No CVSS vector is published; a missing score is not a low score.".to_owned());
            if no_fix && tier > 2 { Action::Watch } else { Action::Schedule }
        }
    };
    (action, score, reasons)
}

pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::Prioritised { priorities } => state.priorities.clone_from(priorities),
    }
}

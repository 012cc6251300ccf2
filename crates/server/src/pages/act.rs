//! The buttons: what a person may ask of this patch now. Without JavaScript the same commands are named instead.

use maud::{Markup, html};
use patchline_conductor::conductor::Around;
use patchline_model::patch::Patch;
use patchline_model::pipeline::retry;
use patchline_model::stage::approve::allowed;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::review::End;
use patchline_model::view::board::waits_at_gate;

use crate::pages::decision;

/// A button: the action, its words, its weight, and what is asked before it is done.
struct Button {
    action: &'static str,
    words: &'static str,
    class: &'static str,
    confirm: Option<&'static str>,
}

pub fn section(patch: &Patch, around: &Around) -> Option<Markup> {
    let asked = decision::asked(patch);
    let buttons = if asked.is_some() { gate_buttons() } else { buttons(patch) };
    let review = patch.review.afterwards.is_some().then(review_button);
    let refused = |button: &Button| match button.action {
        "promote" => around.hold.is_some(),
        "review" => false,
        // Another was promoted over it, or moves the service now.
        _ if patch.review.end == Some(End::Promoted) => around.stays.is_some(),
        _ => false,
    };
    let buttons: Vec<Button> = buttons.into_iter().chain(review).filter(|button| !refused(button)).collect();
    if buttons.is_empty() {
        return None;
    }
    let roles = decision::missing_roles(patch);
    let title = if asked.is_some() { "Your word" } else { "Steer" };
    Some(html! {
        h2 { (title) }
        form.act data-patch=(patch.id) data-dossier=[asked.map(|decision| decision.dossier.as_str())] {
            div.fields {
                label for="act-by" { "Your name"
                    input #act-by name="by" autocomplete="name" maxlength="200" required;
                }
                @if asked.is_some() {
                    label for="act-role" { "As"
                        select #act-role name="role" { @for role in &roles { option value=(role) { (role) } } }
                    }
                }
                label.wide for="act-reason" { @if asked.is_some() { "Comment" } @else { "Reason" }
                    input #act-reason name="reason" autocomplete="off" maxlength="2000";
                }
            }
            div.buttons {
                @for button in &buttons {
                    button id={ "act-" (button.action.split(' ').next().unwrap_or_default()) } type="submit" name="action" value=(button.action)
                        class=(button.class) data-confirm=[button.confirm] { (button.words) }
                }
            }
            output role="status" aria-live="polite" {}
        }
        noscript {
            p.muted { "The buttons need JavaScript. In a terminal: "
                @for (index, button) in buttons.iter().enumerate() {
                    @if index > 0 { ", " }
                    code { "patchline " (button.action) " " (patch.id) }
                }
            }
        }
    })
}

fn gate_buttons() -> Vec<Button> {
    vec![
        Button { action: "approve", words: "Approve", class: "primary", confirm: None },
        Button {
            action: "reject",
            words: "Reject",
            class: "danger",
            confirm: Some("Reject this patch for good?"),
        },
    ]
}

/// What passed in an emergency is owed a look by somebody else, wherever the patch stands by then. What they found is the reason.
fn review_button() -> Button {
    Button { action: "review", words: "Close the review", class: "", confirm: None }
}

/// What the patch would not refuse now.
fn buttons(patch: &Patch) -> Vec<Button> {
    let abort = Button {
        action: "abort",
        words: "Abort",
        class: "quiet",
        confirm: Some("Give this patch up? A canary is taken back first."),
    };
    let rollback = Button { action: "rollback", words: "Roll back", class: "danger", confirm: None };
    let promote = Button {
        action: "promote",
        words: "Promote",
        class: "",
        confirm: Some("Skip the remaining steps? The judge stays armed."),
    };
    let steady = if patch.rollout.paused.is_some() {
        Button { action: "resume", words: "Resume", class: "primary", confirm: None }
    } else if waits_at_gate(patch) {
        Button { action: "resume", words: "Open the gate", class: "primary", confirm: None }
    } else {
        Button { action: "pause", words: "Pause", class: "", confirm: None }
    };
    let retry = Button {
        action: "retry",
        words: "Try again",
        class: "",
        confirm: Some("Ask the gate anew, and roll the same artifact out again?"),
    };
    let with_loss = Button {
        action: "rollback --accept-data-loss",
        words: "Roll back, with loss",
        class: "danger",
        confirm: Some("What this patch did to the data is not undone. Take it back all the same?"),
    };
    let is_bound = patch.rollout.no_way_back().is_some();
    let recall = Button {
        action: "rollback",
        words: "Take it back",
        class: "danger",
        confirm: Some("Start the version before again, and take this one back?"),
    };
    if patch.review.end == Some(End::Promoted) {
        return vec![if is_bound { with_loss } else { recall }];
    }
    if patch.has_ended() && retry::why_not(patch).is_none() {
        return vec![retry];
    }
    if patch.has_ended() || patch.opening.is_none() {
        return Vec::new();
    }
    let rollback = if is_bound { with_loss } else { rollback };
    match &patch.rollout.phase {
        Phase::Idle if !patch.goes_to_rollout() => vec![abort],
        Phase::Idle if !allowed(&patch.approve) || patch.rollout.hurried => vec![steady, abort],
        Phase::Idle => vec![steady, promote, abort],
        Phase::Halted { .. } => vec![promote, rollback],
        Phase::Preparing | Phase::Filling { .. } | Phase::Watching { .. } | Phase::Baking
            if patch.rollout.hurried =>
        {
            vec![steady, rollback]
        }
        Phase::Preparing | Phase::Filling { .. } | Phase::Watching { .. } | Phase::Baking => {
            vec![rollback, steady, promote]
        }
        Phase::Growing | Phase::Switching | Phase::Finishing => vec![rollback, steady],
        Phase::Recalling => vec![promote],
        Phase::Promoted | Phase::RollingBack | Phase::Retiring | Phase::RolledBack => Vec::new(),
    }
}

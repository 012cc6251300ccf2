//! Due dates: what the organisation promised itself, by tier and action.

use crate::policy::Policy;
use crate::service::Tier;
use crate::time::{Seconds, Timestamp};
use crate::triage::action::Action;

const DAY: u64 = 86_400;

/// When this must be done; `None` for what is only watched.
pub fn due(policy: &Policy, tier: Tier, action: Action, now: Timestamp) -> Option<Timestamp> {
    let row = usize::from(tier.number() - 1);
    let days = match action {
        Action::ActNow => policy.act_now_days[row],
        Action::Schedule => policy.schedule_days[row],
        Action::Watch | Action::NotAffected => return None,
    };
    Some(now.after(Seconds(days.saturating_mul(DAY))))
}

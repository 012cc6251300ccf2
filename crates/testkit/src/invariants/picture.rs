//! What people hold, as it was acknowledged, without the model: stops, freezes, and the hours of the services.

use patchline_model::line::{self, Scope};
use patchline_model::service::Service;
use patchline_model::time::Timestamp;
use patchline_model::window::Window;

use crate::scene::Scene;

/// Everything that was acknowledged, and is not lifted.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    stops: Vec<Scope>,
    freezes: Vec<Frozen>,
}

#[derive(Clone, Debug)]
struct Frozen {
    number: u32,
    scope: Scope,
    from: Timestamp,
    until: Timestamp,
    hotfix_passes: bool,
}

impl Picture {
    pub fn takes(&mut self, event: &line::Event) {
        match &event.fact {
            line::Fact::Stopped { scope, .. } => self.stops.push(scope.clone()),
            line::Fact::Started { scope, .. } => self.stops.retain(|stopped| stopped != scope),
            line::Fact::Frozen { freeze, scope, from, until, hotfix_passes, .. } => {
                self.freezes.push(Frozen {
                    number: *freeze,
                    scope: scope.clone(),
                    from: *from,
                    until: *until,
                    hotfix_passes: *hotfix_passes,
                });
            }
            line::Fact::Thawed { freeze, .. } => self.freezes.retain(|frozen| frozen.number != *freeze),
        }
    }

    /// Whether a patch of this service may neither begin nor grow at this time.
    pub fn holds(
        &self,
        scene: &Scene,
        service: &Service,
        urgent: bool,
        emergency: bool,
        at: Timestamp,
    ) -> bool {
        let about = |scope: &Scope| match scope {
            Scope::Everything => true,
            Scope::Service(name) => *name == service.name,
            Scope::Tier(tier) => *tier == service.tier,
        };
        let frozen =
            |it: &Frozen| about(&it.scope) && it.from <= at && at < it.until && !(it.hotfix_passes && urgent);
        let windows = service.run.as_ref().map_or(&[][..], |run| &run.windows);
        let is_shut = !urgent && !windows.is_empty() && !windows.iter().any(|it| shows(scene, it, at));
        // What was planned an emergency passes, and no stop.
        let planned = is_shut || self.freezes.iter().any(frozen);
        self.stops.iter().any(about) || (planned && !emergency)
    }
}

/// Whether the town's clock shows a time within this window; every day is among its days.
fn shows(scene: &Scene, window: &Window, at: Timestamp) -> bool {
    let known = &scene.zones[&window.zone].0;
    let offset = if at >= known[1].0 { known[1].1 } else { known[0].1 };
    let seconds = at.0.div_euclid(1000) + i64::from(offset);
    let shown = format!(
        "{:02}:{:02}",
        seconds.div_euclid(3600).rem_euclid(24),
        seconds.div_euclid(60).rem_euclid(60)
    );
    let (from, to) = (window.from.to_string(), window.to.to_string());
    if from < to { from <= shown && shown < to } else { shown >= from || shown < to }
}

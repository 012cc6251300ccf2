//! `set` and `rollback --set`: the members of a set, their order, how they stand, and all of them taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use patchline_conductor::conductor::Conductor;
use patchline_conductor::turn::SubmitError;
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::id::PatchId;
use patchline_model::service::Name;
use patchline_model::stage::rollout;
use patchline_model::stage::set::{Set, Standing};
use patchline_model::view::board::card;
use patchline_model::view::{story, stuck};
use serde_json::json;
use tokio::sync::watch;

use crate::cli::{Format, SetArguments};
use crate::exit::{Exit, Trouble};
use crate::terminal::{note, say, table};
use crate::wire::{self, Works};

/// How long the way back of a whole set may take before the command says that it goes on.
const PATIENCE: Duration = Duration::from_secs(120);

const LOOK: Duration = Duration::from_millis(200);

/// Shows a set.
pub async fn run(arguments: SetArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let conductor = wire::conductor(&wire::home(data.as_deref())?)?;
    let set = known(&conductor, &arguments.name).await?;
    let mut rows = Vec::new();
    for (id, member) in &set.members {
        let known = conductor.patch(*id).await?;
        let why = known.as_ref().and_then(|known| stuck::why(&set, &known.patch, &known.events));
        let card = known.map(|known| card(&known.patch));
        let after: Vec<String> = member.after.iter().map(PatchId::to_string).collect();
        let (service, doing) =
            card.map(|card| (card.service, card.outcome.unwrap_or(card.doing))).unwrap_or_default();
        rows.push((id.to_string(), service, after, word(member.standing), why.unwrap_or(doing)));
    }
    match arguments.format {
        Format::Json => {
            let members = rows.iter().map(|(id, service, after, standing, doing)| {
                json!({ "id": id, "service": service, "after": after, "standing": standing, "doing": doing })
            });
            let told = json!({ "set": arguments.name, "members": members.collect::<Vec<_>>() });
            say(&told.to_string());
        }
        Format::Table => {
            let heading = ["patch", "service", "after", "standing", "state"].map(str::to_owned).to_vec();
            let rows = rows.into_iter().map(|(id, service, after, standing, doing)| {
                vec![id, service, after.join(" "), standing.to_owned(), doing]
            });
            table(&[heading].into_iter().chain(rows).collect::<Vec<_>>());
        }
    }
    Ok(Exit::Done)
}

/// Takes every member back whose version is there. The order is kept by the members themselves; so it goes on even if
/// this process dies between two words.
pub async fn rollback(
    name: &Name,
    by: &Actor,
    reason: &str,
    accepts_loss: bool,
    data: Option<PathBuf>,
) -> Result<Exit, Trouble> {
    let works = wire::works(wire::home(data.as_deref())?)?;
    let conductor = &works.conductor;
    let members = known(conductor, name).await?.way_back();
    if members.is_empty() {
        say(&format!("{name}: no member's version is there"));
        return Ok(Exit::Done);
    }
    for id in &members {
        let reason = reason.to_owned();
        let command = if accepts_loss {
            rollout::Command::RollbackWithLoss { reason }
        } else {
            rollout::Command::Rollback { reason }
        };
        let command = Command { by: by.clone(), ask: Ask::Rollout(command) };
        match conductor.submit(*id, command, None).await {
            Ok(events) => {
                for line in events.iter().filter_map(story::line) {
                    say(&format!("{id}: {}", line.text));
                }
            }
            // The others are asked all the same; who can't go back yet follows its set.
            Err(SubmitError::Rejected(rejection)) => note(&rejection.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    see_it_done(&works, name, members.into_iter().collect()).await
}

async fn see_it_done(works: &Works, name: &Name, members: BTreeSet<PatchId>) -> Result<Exit, Trouble> {
    let (stop, stopped) = watch::channel(false);
    let driven = tokio::spawn(works.driver().run(Some(members), stopped));
    let back = async {
        let mut told: BTreeMap<PatchId, String> = BTreeMap::new();
        loop {
            let set = known(&works.conductor, name).await?;
            if set.way_back().is_empty() {
                return Ok::<_, Trouble>(());
            }
            for (id, why) in stuck(&works.conductor, &set).await? {
                // The same obstacle is told once, however often it is tried.
                let is_news = told.get(&id).is_none_or(|before| obstacle(before) != obstacle(&why));
                if is_news {
                    note(&format!("{id} is not back yet: {why}"));
                    told.insert(id, why);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let back = tokio::time::timeout(PATIENCE, back).await;
    stop.send_replace(true);
    // It ends by itself once it was told to stop; what it could not do is said below.
    let _ = driven.await;
    match back {
        Ok(back) => {
            back?;
            say(&format!("{name}: every member is back"));
            Ok(Exit::Done)
        }
        Err(_) => {
            let set = known(&works.conductor, name).await?;
            let stuck = stuck(&works.conductor, &set).await?;
            let left = set.way_back().into_iter().map(|id| match stuck.get(&id) {
                Some(why) => format!("{id} ({why})"),
                None => id.to_string(),
            });
            let left: Vec<String> = left.collect();
            let text =
                format!("of {name}, {} are still there after {} s", left.join(", "), PATIENCE.as_secs());
            Err(Trouble::storage(text)
                .hint("`patchline set` shows what they wait for; `patchline serve` goes on with it"))
        }
    }
}

/// Why members whose version is there are not back yet, where it can be said.
async fn stuck(conductor: &Conductor, set: &Set) -> Result<BTreeMap<PatchId, String>, Trouble> {
    let mut stuck = BTreeMap::new();
    for id in set.way_back() {
        let known = conductor.patch(id).await?;
        if let Some(why) = known.and_then(|known| stuck::why(set, &known.patch, &known.events)) {
            stuck.insert(id, why);
        }
    }
    Ok(stuck)
}

/// What is told, without the number of the try.
fn obstacle(why: &str) -> &str {
    why.split_once(" failed: ").map_or(why, |(_, obstacle)| obstacle)
}

async fn known(conductor: &Conductor, name: &Name) -> Result<Set, Trouble> {
    let set = conductor.board([]).await?.sets.remove(name);
    set.ok_or_else(|| {
        Trouble::new(Exit::Refused, format!("there is no set `{name}`"))
            .hint("`patchline fix --set NAME` opens a patch in one")
    })
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Waits => "waits",
        Standing::Moves => "is rolled out",
        Standing::Runs => "runs",
        Standing::Halted => "halted",
        Standing::Returns => "goes back",
        Standing::Covered => "was built upon",
        Standing::Ended => "is not there",
    }
}

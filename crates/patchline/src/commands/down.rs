//! `down`: stops the instances and the proxy of a service, drained. `serve` leaves them running on purpose.

use std::path::PathBuf;

use patchline_conductor::establish::{run_and_target, site};

use crate::cli::DownArguments;
use crate::exit::{Exit, Trouble};
use crate::terminal::say;
use crate::{settings, wire};

pub async fn run(arguments: DownArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let service = settings::service(&arguments.path).await?;
    let works = wire::works(wire::home(data.as_deref())?)?;
    let (run, target) = run_and_target(&works.hands, &service)?;
    let lock = service.lock().unwrap_or_default();
    if let Some(patch) = works.conductor.board([]).await?.locks.get(&lock) {
        let text = format!("{patch} is moving {lock}");
        return Err(Trouble::new(Exit::Refused, text)
            .hint(format!("`patchline serve` carries it on; `patchline abort {patch}` takes it back now")));
    }
    let site = site(&works.hands, &service, run, &[])?;
    if target.observe(&site).await?.is_none() {
        say(&format!("nothing of {} runs in {}", service.name, run.environment));
        return Ok(Exit::Done);
    }
    target.stop(&site).await?;
    say(&format!("{} is drained and stopped in {}", service.name, run.environment));
    Ok(Exit::Done)
}

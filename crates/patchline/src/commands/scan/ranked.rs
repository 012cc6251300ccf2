//! How urgent findings are to the service that they were found in.

use std::path::Path;

use patchline_conductor::clock;
use patchline_model::context::{Board, Context};
use patchline_model::owner::Owners;
use patchline_model::policy::Policy;
use patchline_model::service::{Build, CommandLine, Service, Tier};
use patchline_model::stage::detect::Finding;
use patchline_model::stage::triage::{Priority, priorities};

use crate::commands::scan::place::folder_of;
use crate::exit::Trouble;
use crate::settings;

/// Ranks by the tier that the service's settings state, in the order of the findings.
pub fn ranked(service: &Service, findings: &[Finding]) -> Vec<Priority> {
    let board = Board::default();
    let policy = Policy::default();
    let cx = Context { now: clock::now(), policy: &policy, board: &board };
    priorities(cx, service, findings, &Owners::new())
}

/// The service whose settings lie at the path, or an internal one where there are none.
pub fn service_at(path: &Path) -> Result<Service, Trouble> {
    if let Some(service) = settings::described(folder_of(path))? {
        return Ok(service);
    }
    Ok(Service {
        name: settings::plain_name("project"),
        owner: "unowned".to_owned(),
        tier: Tier::try_from(3).map_err(|error| Trouble::input(error.to_string()))?,
        repository: String::new(),
        folder: String::new(),
        build: Build { prepare: None, command: CommandLine(Vec::new()), artifact: String::new() },
        test: None,
        agents: Vec::new(),
        reproducers: Vec::new(),
        run: None,
        verification: Default::default(),
    })
}

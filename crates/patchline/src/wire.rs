//! The only place that names adapters: opens the data folder and puts the hands together.

use patchline_model::failure::{Failure, FailureClass, in_full};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use patchline_approve::policy::Gate;
use patchline_build::SandboxBuilder;
use patchline_conductor::attest::Attestor;
use patchline_conductor::conductor::Conductor;
use patchline_conductor::driver::{Driver, Notice};
use patchline_conductor::hands::Hands;
use patchline_conductor::home::Home;
use patchline_evidence::{Blobs, EvidenceError, SigningKey};
use patchline_ledger::sqlite::Sqlite;
use patchline_model::policy::Policy;
use patchline_model::service::Run;
use patchline_rollout::capability::carries;
use patchline_rollout::process::target::Processes;
use patchline_sandbox::Sandbox;

use crate::exit::Trouble;
use crate::terminal;

/// Refuses a service's rollout that its target can't carry.
pub fn check_target(run: &Run) -> Result<(), Failure> {
    match run.target.as_str() {
        Processes::NAME => carries(Processes::NAME, Processes::CAPABILITIES, &run.plan),
        other => Err(Failure::permanent(format!("there is no target `{other}`"))
            .of(FailureClass::Input)
            .with_hint("use \"process\"")),
    }
}

/// Everything that a command needs to drive patches.
pub struct Works {
    pub home: Home,
    pub conductor: Arc<Conductor>,
    pub hands: Arc<Hands>,
}

/// The folder for the ledger and the evidence: as named, or in the user's data folder.
pub fn data_folder(named: Option<&Path>) -> Result<PathBuf, Trouble> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let from =
        |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = from("XDG_DATA_HOME").or_else(|| from("HOME").map(|home| home.join(".local/share")));
    let base = base.ok_or_else(|| {
        Trouble::storage("there is no home folder to keep the ledger in").hint("name a folder with `--data`")
    })?;
    Ok(base.join("patchline"))
}

/// Opens the data folder, and makes it if it is not there.
pub fn home(data: Option<&Path>) -> Result<Home, Trouble> {
    let folder = data_folder(data)?;
    Home::open(&folder).map_err(|error| {
        let hint = "look at its rights and at the free space, or name another folder with `--data`";
        Trouble::storage(format!("could not use the data folder {}: {error}", folder.display())).hint(hint)
    })
}

/// The ledger alone, for commands that only ask or decide.
pub fn conductor(home: &Home) -> Result<Arc<Conductor>, Trouble> {
    let store = Sqlite::open(&home.ledger())?;
    Ok(Conductor::new(Arc::new(store), Policy::default()))
}

/// The key with which this place signs, for commands that need nothing else of the works.
pub fn attestor(home: &Home) -> Result<Attestor, Trouble> {
    let blobs = Blobs::open(&home.blobs()).map_err(evidence)?;
    let key = SigningKey::load_or_create(&home.key()).map_err(evidence)?;
    Ok(Attestor::new(blobs, key))
}

/// The ledger with every hand.
pub fn works(home: Home) -> Result<Works, Trouble> {
    let conductor = conductor(&home)?;
    let attestor = attestor(&home)?;
    let sandbox = Sandbox::probe().hiding(home.root());
    let binary = std::env::current_exe()
        .map_err(|error| Trouble::storage(format!("could not find the running binary: {error}")))?;
    let hands = Hands {
        attestor,
        fixers: patchline_generate::fixers::fixers(&sandbox),
        builder: Box::new(SandboxBuilder::new(sandbox.clone())),
        checks: patchline_verify::checks(),
        gate: Gate::shipped(),
        targets: vec![Box::new(Processes { binary, hosts: home.sites() })],
        judges: Mutex::new(BTreeMap::new()),
        sandbox,
        home: home.clone(),
    };
    Ok(Works { home, conductor, hands: Arc::new(hands) })
}

impl Works {
    /// The loop over these patches, telling troubles to the terminal.
    pub fn driver(&self) -> Arc<Driver> {
        let notice: Notice = Arc::new(|text: &str| terminal::note(&format!("notice: {text}")));
        Driver::new(Arc::clone(&self.conductor), Arc::clone(&self.hands), notice)
    }
}

fn evidence(error: EvidenceError) -> Trouble {
    Trouble::storage(in_full(&error))
}

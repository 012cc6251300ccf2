//! A service under Patchline: the data folder, the conductor that is started and killed, the ledger, and what really runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use patchline_conductor::conductor::Conductor;
use patchline_ledger::sqlite::Sqlite;
use patchline_ledger::store::StoreError;
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command as Asked};
use patchline_model::event::{Event, Fact};
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::replay;
use patchline_model::policy::Policy;
use patchline_model::service::Service;
use patchline_model::stage::approve::{self, Answer};
use patchline_model::stage::detect::{Opening, Subject, Until};
use patchline_model::stage::plan::Observed;
use patchline_model::stage::rollout;
use patchline_model::stage::terms::Terms;
use patchline_rollout::process::target::Processes;
use patchline_rollout::target::{Site as TargetSite, Target as _};
use tokio::runtime::Runtime;

use crate::processes::{Process, processes_of};
use crate::project::{CANARIES, Change, INSTANCES, Project};

/// Who may approve: somebody else than the author.
pub const REVIEWER: &str = "Robin Reviewer <robin@example.com>";

/// Who wrote the changes.
pub const DEVELOPER: &str = "Dana Developer <dana@example.com>";

/// The variable by which an instance is known.
const INSTANCE: &str = "PATCHLINE_INSTANCE";

pub struct Site {
    root: PathBuf,
    pub project: Project,
    pub port: u16,
    runtime: Runtime,
    conductor: Arc<Conductor>,
    /// Every instance that was ever seen, by version.
    instances: BTreeMap<String, BTreeSet<i32>>,
}

impl Site {
    /// A project and an empty data folder below `root`.
    pub fn create(root: &Path) -> Self {
        let port = free_port();
        let project = Project::create(&root.join("project"), port);
        for folder in ["data", "temporary"] {
            fs::create_dir_all(root.join(folder)).expect("a folder is made");
        }
        let store = Sqlite::open(&root.join("data/ledger.sqlite")).expect("the ledger opens");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let conductor = Conductor::new(Arc::new(store), Policy::default());
        Self { root: root.to_owned(), project, port, runtime, conductor, instances: BTreeMap::new() }
    }

    /// The folder of everything.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Starts the conductor. It is killed with SIGKILL, and never told to stop.
    pub fn serve(&self) -> Child {
        self.serve_in(&[])
    }

    /// The same, with these variables in its environment.
    pub fn serve_in(&self, variables: &[(&str, &Path)]) -> Child {
        let errors = File::options().create(true).append(true).open(self.notices_file()).expect("a log");
        let output = errors.try_clone().expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchline"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.data());
        command.arg(self.project.folder()).env("TMPDIR", self.temporary()).current_dir("/");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().expect("the conductor starts")
    }

    /// What all conductors have said so far.
    pub fn notices(&self) -> String {
        fs::read_to_string(self.notices_file()).unwrap_or_default()
    }

    /// The same, and what the service's host and its instances have noted: for who wants to know why something failed.
    pub fn story(&self) -> String {
        let host = self.target().directory(&self.target_site());
        let instances = fs::read_dir(host.join("log")).into_iter().flatten().flatten();
        let logs = [host.join("host.log")].into_iter().chain(instances.map(|log| log.path()));
        let noted =
            logs.filter_map(|path| Some(format!("{}:\n{}", path.display(), fs::read_to_string(&path).ok()?)));
        [self.notices()].into_iter().chain(noted).collect::<Vec<_>>().join("\n")
    }

    /// Opens a patch for a change, straight in the ledger.
    pub fn open(&self, change: &Change) -> PatchId {
        self.open_as(change, self.project.service(change))
    }

    /// Opens it with other settings than the project's own.
    pub fn open_as(&self, change: &Change, service: Service) -> PatchId {
        self.open_on(change, service, Terms::default())
    }

    /// Opens it with what a person states about it.
    pub fn open_on(&self, change: &Change, service: Service, terms: Terms) -> PatchId {
        let opening = Opening {
            service,
            base: change.base.clone(),
            subject: Subject::Change {
                title: change.name.clone(),
                report: change.name.clone(),
                answers: Vec::new(),
                commit: change.commit.clone(),
                author: DEVELOPER.to_owned(),
            },
            until: Until::Rollout,
            terms,
        };
        let opened = self.conductor.open(&change.name, Actor::person(DEVELOPER), opening);
        self.runtime.block_on(opened).expect("the patch is opened")
    }

    /// Every event of a patch, read from the file.
    pub fn events(&self, id: PatchId) -> Result<Vec<Event>, StoreError> {
        self.runtime.block_on(self.conductor.store().read(id, 0))
    }

    /// A patch as the ledger has it now.
    pub fn patch(&self, id: PatchId) -> Patch {
        replay(Patch::new(id), &self.events(id).expect("the ledger can be read"))
    }

    /// Approves what a patch asks for now, if it asks. Answers its version, and whether it is closed.
    pub fn look_after(&self, id: PatchId) -> (u64, bool) {
        let patch = self.patch(id);
        let considered = patch.approve.considered == patch.approve.approvals.len();
        if let Some(decision) = patch.approve.decision.as_ref().filter(|_| considered)
            && let Answer::Needs(roles) = &decision.answer
        {
            for role in roles {
                let ask = Ask::Approve(approve::Command::Approve {
                    role: role.clone(),
                    dossier: decision.dossier.clone(),
                    comment: String::new(),
                });
                let asked = Asked { by: Actor::person(REVIEWER), ask };
                let done = self.runtime.block_on(self.conductor.submit(id, asked, None));
                done.expect("the approval is taken");
            }
        }
        (patch.version, patch.is_closed())
    }

    /// There are never more instances than the plan allows, of any version, and before promotion no more canaries; and
    /// nothing is started a second time.
    #[track_caller]
    pub fn check_instances(&mut self, id: PatchId) {
        let mut running: BTreeMap<String, u32> = BTreeMap::new();
        for process in processes_of(&self.root) {
            let version =
                process.variable("PATCHLINE_VERSION").filter(|_| process.variable(INSTANCE).is_some());
            let Some(version) = version else { continue };
            *running.entry(version.to_owned()).or_default() += 1;
            let known = self.instances.entry(version.to_owned()).or_default();
            known.insert(process.pid);
            let started = known.len();
            assert!(started <= INSTANCES as usize, "{started} instances of {version} were started");
        }
        // The ledger is read after the processes: what is not decided there now was not decided then.
        let events = self.events(id).expect("the ledger can be read");
        let promotes =
            events.iter().any(|event| matches!(event.fact, Fact::Rollout(rollout::Event::PromotionDecided)));
        let new = replay(Patch::new(id), &events).new_version();
        for (version, count) in running {
            let is_canary = new.as_ref().is_some_and(|new| new.artifact.as_str() == version);
            let most = if is_canary && !promotes { CANARIES } else { INSTANCES };
            assert!(count <= most, "{count} instances of {version}, and {most} are allowed");
        }
    }

    /// What the service's own host says of what runs; it outlives the conductor.
    pub fn observed(&self) -> Option<Observed> {
        self.runtime.block_on(self.target().observe(&self.target_site())).expect("the host answers")
    }

    /// Stops the service's instances and their host, as a person would.
    #[track_caller]
    pub fn stop(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchline"));
        command.args(["down", "--data"]).arg(self.data()).arg(self.project.folder()).stdin(Stdio::null());
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Files that killed conductors have left in the temporary folder.
    pub fn temporary_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.temporary()).expect("the temporary folder is there");
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    fn target(&self) -> Processes {
        Processes { binary: env!("CARGO_BIN_EXE_patchline").into(), hosts: self.data().join("sites") }
    }

    fn target_site(&self) -> TargetSite {
        let name = "tiny".parse().expect("it is a name");
        TargetSite { service: name, run: self.project.run(), executables: Default::default() }
    }

    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("temporary")
    }

    fn notices_file(&self) -> PathBuf {
        self.root.join("notices")
    }
}

/// The service's host and its instances: they are meant to outlive the conductor.
pub fn belongs_to_the_service(process: &Process) -> bool {
    process.variable(INSTANCE).is_some()
        || process.arguments.iter().any(|argument| argument == "process-host")
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("it has an address").port()
}

//! The migration lint: what a schema patch does to a database, seen by applying it to one.

use std::io;
use std::time::Duration;

use patchline_model::failure::Failure;
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::{Migrations, Strictness};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::check::{Case, Check, Shown};
use crate::migration::concerns::{Concern, Weight, concerns, locks, quote};
use crate::migration::files::{Migration, Plan, Script, plan, texts};
use crate::migration::names::is_repeatable;
use crate::migration::run::{Refused, Step, look, run};
use crate::migration::schema::difference;
use crate::migration::snapshot::Snapshot;
use crate::outcome::{Record, count};
use crate::postgres::client::Client;
use crate::postgres::scratch_server::{ScratchServer, programs};

/// For all of it, on an empty database.
const DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Concerns that stand in the summary.
const FEW: usize = 3;

/// Applies the migrations of both sides.
#[derive(Clone, Copy, Debug)]
pub struct MigrationLint;

/// What was seen of one statement.
struct Seen {
    place: String,
    said: String,
    concerns: Vec<Concern>,
}

#[async_trait::async_trait]
impl Check for MigrationLint {
    fn name(&self) -> &'static str {
        "migration-lint"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let skipped =
            |why: &str| Shown { result: CheckResult::Skipped, ..Record::default().shown(why.to_owned()) };
        let Some(settings) = &case.service.verification.migrations else {
            return Ok(skipped("no migration is known: name their `files` in `[verify.migrations]`"));
        };
        let of = |tree: &std::path::Path| texts(settings, &tree.join(&case.service.folder));
        let before = match of(&case.base.tree) {
            Ok(before) => before,
            Err(error) => return Ok(skipped(&format!("the base's migrations can't be read: {error}"))),
        };
        let after = match of(&case.patch.tree) {
            Ok(after) => after,
            Err(error) => {
                let summary = format!("the patch's migrations can't be read: {error}");
                record.fail("migrations", &summary);
                return Ok(record.shown(summary));
            }
        };
        let plan = plan(&before, after);
        if plan.new.is_empty() && plan.odd.is_empty() {
            return Ok(skipped("the patch changes no migration"));
        }
        let mut lint =
            Lint { settings, case, plan: &plan, record, said: Vec::new(), at: None, statements: 0 };
        for (path, why) in &plan.odd {
            lint.say(path, why, false);
        }
        if !plan.new.is_empty() {
            lint.applied().await;
        }
        Ok(lint.shown())
    }
}

/// Grows while migrations are applied.
struct Lint<'a> {
    settings: &'a Migrations,
    case: &'a Case,
    plan: &'a Plan,
    record: Record,
    /// What was complained of, refusals first.
    said: Vec<(bool, String)>,
    /// The migration of the patch that is being applied.
    at: Option<String>,
    statements: usize,
}

impl Lint<'_> {
    /// On a server of its own; without one nothing is shown.
    async fn applied(&mut self) {
        let Some(programs) = programs() else {
            return self.nothing("there is no PostgreSQL server to try them on: install `postgresql`");
        };
        let server = match ScratchServer::initialised(programs, &self.case.sandbox).await {
            Ok(server) => server,
            Err(why) => return self.nothing(&format!("no PostgreSQL server can be made here: {why}")),
        };
        let deadline = self.case.patience.unwrap_or(DEADLINE);
        let worked = {
            let serving = server.serve(deadline * 2);
            let working = timeout(deadline, self.work(&server));
            tokio::select! {
                ended = serving => Err(ended),
                worked = working => match worked {
                    Ok(worked) => worked.map_err(|error| error.to_string()),
                    Err(_) => Err(format!("it does not end within {} s", deadline.as_secs())),
                },
            }
        };
        if let Err(why) = worked {
            match self.at.take() {
                Some(path) => self.say(&path, &why, true),
                None => self.nothing(&why),
            }
        }
    }

    async fn work(&mut self, server: &ScratchServer) -> io::Result<()> {
        let mut client = server.connect().await.map_err(io::Error::other)?;
        let plan = self.plan;
        let applied = plan.applied.iter().map(|migration| &migration.up);
        for script in plan.setup.iter().chain(applied) {
            if let Err(refused) = apply(&mut client, script).await? {
                let (place, why) = told(script, &refused);
                self.nothing(&format!("what the base has does not run here: {place}: {why}"));
                return Ok(());
            }
        }
        let initial = look(&mut client).await?;
        for migration in &plan.new {
            self.at = Some(migration.up.path.clone());
            if !self.one(&mut client, server, migration, &initial).await? {
                break;
            }
        }
        self.at = None;
        Ok(())
    }

    /// Up, and where there is a way down, down and up again. Whether the next one can follow.
    async fn one(
        &mut self,
        client: &mut Client<UnixStream>,
        server: &ScratchServer,
        migration: &Migration,
        initial: &Snapshot,
    ) -> io::Result<bool> {
        let Migration { up, down } = migration;
        let schema = async || server.schema().await.map_err(io::Error::other);
        let before = if down.is_some() { schema().await? } else { String::new() };
        let watch = |step: &Step| Seen {
            place: format!("{}:{}", up.path, step.line),
            said: format!("`{}` {}", quote(&step.text), locks(initial, step)),
            concerns: concerns(initial, step),
        };
        let steps = match run(client, up, Some(&watch)).await? {
            Ok(steps) => steps,
            Err(refused) => return Ok(self.refused(up, &refused, "")),
        };
        for Seen { place, said, concerns } in &steps {
            self.statements += 1;
            self.record.detail(format!("{place}: {said}"));
            if concerns.is_empty() {
                self.record.passed([place.clone()]);
            }
            concerns.iter().for_each(|concern| self.weigh(place, concern.weight, &concern.why));
        }
        let Some(down) = down else {
            if self.plan.goes_down && !is_repeatable(&up.path) {
                self.weigh(
                    &up.path,
                    Weight::Irreversible,
                    "has no way down, which others here have: add one",
                );
            }
            return Ok(true);
        };
        if let Err(refused) = apply(client, down).await? {
            return Ok(self.refused(down, &refused, "the way down fails: "));
        }
        if let Some(why) = difference(&before, &schema().await?) {
            let why = format!("the way down does not lead back: {why}");
            self.weigh(&down.path, Weight::Irreversible, &why);
        }
        match apply(client, up).await? {
            Ok(_) => Ok(true),
            Err(refused) => Ok(self.refused(up, &refused, "it can't be applied again after its way down: ")),
        }
    }

    fn refused(&mut self, script: &Script, refused: &Refused, what: &str) -> bool {
        let (place, why) = told(script, refused);
        self.say(&place, &format!("{what}{why}"), true);
        false
    }

    /// By the settings; where it is stated that there is no way back, none is missed.
    fn weigh(&mut self, place: &str, weight: Weight, why: &str) {
        let refused = match weight {
            Weight::Told => false,
            Weight::Blocking => self.settings.blocking == Strictness::Refuse,
            Weight::Irreversible => {
                self.record.irreversible(format!("{place}: {why}"));
                self.settings.irreversible == Strictness::Refuse && self.case.forward_only.is_none()
            }
        };
        self.say(place, why, refused);
    }

    fn say(&mut self, place: &str, why: &str, refused: bool) {
        match refused {
            true => self.record.fail(place, why),
            false => self.record.warn(place, why),
        }
        self.said.push((refused, format!("{place}: {why}")));
    }

    fn nothing(&mut self, why: &str) {
        self.record.skip("migrations", why);
        self.said.push((false, why.to_owned()));
    }

    fn shown(mut self) -> Shown {
        self.record
            .sides(count(self.plan.applied.len(), "migration"), format!("{} more", self.plan.new.len()));
        self.said.sort_by_key(|(refused, _)| !refused);
        let few: Vec<String> = self.said.iter().take(FEW).map(|(_, why)| why.clone()).collect();
        let summary = match self.said.len().saturating_sub(FEW) {
            _ if few.is_empty() => format!(
                "{} of {} applied: nobody is kept waiting, and nothing is lost",
                count(self.statements, "statement"),
                count(self.plan.new.len(), "migration")
            ),
            0 => few.join("; "),
            more => format!("{}; and {more} more", few.join("; ")),
        };
        self.record.shown(summary)
    }
}

/// Without looking.
async fn apply(client: &mut Client<UnixStream>, script: &Script) -> io::Result<Result<(), Refused>> {
    Ok(run::<_, ()>(client, script, None).await?.map(drop))
}

fn told(script: &Script, refused: &Refused) -> (String, String) {
    (format!("{}:{}", script.path, refused.line), format!("`{}` {}", quote(&refused.text), refused.why))
}

//! The format of `patchline.toml`, and what its values must be.

use std::path::Path;

use patchline_model::service::{Build, CommandLine, Name, Run, Service, Tier};
use patchline_model::verification::Verification;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::agent::{AgentSection, agents_of};
use crate::settings::analyzer::{AnalyzerSection, analyzers};
use crate::settings::caret::{Problem, Source};
use crate::settings::fixing::{FixSection, fixing_of};
use crate::settings::reproducer::{ReproducerSection, reproducer};
use crate::settings::rewrite::{RewriteSection, with_rewrites};
use crate::settings::rollout::{GuardsSection, RolloutSection, RunSection, run_of};
use crate::settings::scan::{ScanSection, scanning_of};
use crate::settings::slo::{SloSection, slo_of};
use crate::settings::unreadable::unreadable;
use crate::settings::value::{command, inside, parsed, text};
use crate::settings::verification::{
    BenchSection, CoverageSection, TestSection, VerifySection, test_of, verification_of,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    service: ServiceSection,
    build: Option<BuildSection>,
    test: Option<TestSection>,
    verify: Option<VerifySection>,
    coverage: Option<CoverageSection>,
    bench: Option<BenchSection>,
    #[serde(default)]
    reproducer: Vec<ReproducerSection>,
    #[serde(default)]
    analyzer: Vec<AnalyzerSection>,
    #[serde(default)]
    rewrite: Vec<RewriteSection>,
    #[serde(default)]
    agent: Vec<AgentSection>,
    run: Option<RunSection>,
    rollout: Option<RolloutSection>,
    guards: Option<GuardsSection>,
    slo: Option<Spanned<SloSection>>,
    scan: Option<ScanSection>,
    fix: Option<FixSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceSection {
    name: Spanned<String>,
    owner: Spanned<String>,
    tier: Spanned<u8>,
    repository: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BuildSection {
    command: Option<Spanned<Vec<String>>>,
    artifact: Option<Spanned<String>>,
    prepare: Option<Spanned<Vec<String>>>,
}

/// The service that the file describes.
pub fn service(source: &Source<'_>, top: &Path, folder: &str) -> Result<Service, Problem> {
    let file: File = toml::from_str(source.text).map_err(|error| unreadable(&error))?;
    if let Some(repository) = &file.service.repository
        && repository.get_ref() != "."
    {
        let message = "`repository` can only be \".\": the file lies in the repository that it describes";
        return Err(Problem::at(repository.span(), message));
    }
    if let Some(fix) = &file.fix {
        fixing_of(fix)?;
    }
    let run = match (file.run, file.rollout) {
        (Some(run), Some(rollout)) => {
            let slo = file.slo.as_ref().map(|written| slo_of(written.get_ref())).transpose()?;
            Some(Run { slo, ..run_of(run, rollout, file.guards)? })
        }
        (None, None) if let Some(slo) = &file.slo => {
            let message = "an [slo] section needs [run] and [rollout] sections";
            return Err(
                Problem::at(slo.span(), message).hint("without them nothing is rolled out or counted")
            );
        }
        (None, None) => None,
        (Some(run), None) => {
            let message = "a [run] section needs a [rollout] section";
            return Err(Problem::at(run.health.span(), message).hint("add [rollout], or leave [run] out"));
        }
        (None, Some(rollout)) => {
            let message = "a [rollout] section needs a [run] section";
            return Err(
                Problem::at(rollout.target.span(), message).hint("add [run] with `health` and `instances`")
            );
        }
    };
    let (test, suite) = test_of(file.test.as_ref())?;
    let verification =
        verification_of(suite, file.verify.as_ref(), file.coverage.as_ref(), file.bench.as_ref())?;
    let analyzers = with_rewrites(analyzers(&file.analyzer)?, &file.rewrite)?;
    let scanning = file.scan.as_ref().map(scanning_of).transpose()?.unwrap_or_default();
    let verification = Verification { analyzers, scanning, ..verification };
    Ok(Service {
        name: parsed::<Name>(&file.service.name)?,
        owner: text(&file.service.owner, "owner")?,
        tier: Tier::try_from(*file.service.tier.get_ref())
            .map_err(|error| Problem::at(file.service.tier.span(), error.to_string()))?,
        repository: top.display().to_string(),
        folder: folder.to_owned(),
        build: file.build.as_ref().map_or(Ok(source_build()), build)?,
        test,
        reproducers: file
            .reproducer
            .iter()
            .map(|section| reproducer(section, run.is_some()))
            .collect::<Result<_, _>>()?,
        run,
        verification,
        agents: agents_of(&file.agent)?,
    })
}

/// Without a command nothing is compiled, and the source is the artifact.
fn source_build() -> Build {
    Build { prepare: None, command: CommandLine(Vec::new()), artifact: String::new() }
}

fn build(section: &BuildSection) -> Result<Build, Problem> {
    let prepare = section.prepare.as_ref().map(command).transpose()?;
    match (&section.command, &section.artifact) {
        (Some(written), Some(artifact)) => {
            Ok(Build { prepare, command: command(written)?, artifact: inside(artifact)? })
        }
        (None, None) => Ok(Build { prepare, ..source_build() }),
        (Some(written), None) => {
            let problem = Problem::at(written.span(), "a build with a `command` needs an `artifact`");
            Err(problem.hint("name the file that the command leaves"))
        }
        (None, Some(artifact)) => {
            let problem = Problem::at(artifact.span(), "an `artifact` needs the `command` that makes it");
            Err(problem.hint("without both, the artifact is an archive of the folder's source"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use patchline_model::cohort::{Cohort, Condition, Field};
    use patchline_model::service::ReloadSignal;
    use patchline_model::share::Share;
    use patchline_model::stage::pause::{PauseExit, PauseLimit};
    use patchline_model::stage::plan::{
        BlueGreen, Hot, InstanceGuards, Rolling, Smoke, Strategy, WatchedEnd,
    };
    use patchline_model::time::Seconds;
    use proptest::prelude::{any, proptest};

    use super::service;
    use crate::settings::caret::Source;
    use patchline_model::stage::budget::Slo;

    const GOOD: &str = include_str!("../../../../examples/notebook/patchline.toml");

    fn complaint(text: &str) -> (String, Option<String>) {
        let source = Source { path: "patchline.toml".to_owned(), text };
        let problem = service(&source, Path::new("/srv"), "").unwrap_err();
        let trouble = problem.trouble(&source);
        (trouble.excerpt.unwrap_or(trouble.message), trouble.hint)
    }

    #[test]
    fn the_example_is_read() {
        let source = Source { path: "patchline.toml".to_owned(), text: GOOD };
        let read = service(&source, Path::new("/srv"), "").unwrap();
        assert_eq!(read.name.as_str(), "notebook");
        assert_eq!(read.lock().as_deref(), Some("notebook/production"));
    }

    #[test]
    fn a_wrong_key_is_shown_with_a_caret_and_the_right_one() {
        let (shown, hint) = complaint(&GOOD.replace("owner =", "ovner ="));
        assert!(shown.contains("patchline.toml:4") || shown.contains("ovner"), "{shown}");
        assert!(shown.contains('^'), "{shown}");
        assert_eq!(hint.as_deref(), Some("did you mean `owner`?"));
    }

    #[test]
    fn a_wrong_value_is_shown_where_it_stands() {
        let (shown, _) = complaint(&GOOD.replace("share = 0.25", "share = 25"));
        assert!(shown.contains("25 is not a share"), "{shown}");
        assert!(shown.contains('^'), "{shown}");
    }

    #[test]
    fn what_leaves_the_folder_is_refused() {
        let (shown, _) =
            complaint(&GOOD.replace("target/release/notebook\"\nprepare", "../../etc/passwd\"\nprepare"));
        assert!(shown.contains("inside the service's folder"), "{shown}");
    }

    /// The example with another `[rollout]` section.
    fn with_rollout(section: &str) -> String {
        let (before, rest) = GOOD.split_once("[rollout]").unwrap();
        let (_, after) = rest.split_once("[guards]").unwrap();
        let common = "environment = \"production\"\ntarget = \"process\"\ndeadline_seconds = 300";
        format!("{before}[rollout]\n{common}\n{section}\n[guards]{after}")
    }

    fn ordered(keys: &str) -> String {
        format!("strategy = \"rolling\"\nbake_seconds = 9\n{keys}")
    }

    fn strategy(section: &str) -> Strategy {
        let text = with_rollout(section);
        let source = Source { path: "patchline.toml".to_owned(), text: &text };
        let read = service(&source, Path::new("/srv"), "").unwrap_or_else(|problem| panic!("{problem:?}"));
        read.run.unwrap().plan.strategy
    }

    #[test]
    fn a_pause_has_a_limit_and_an_exit() {
        let plan = |keys: &str| {
            let section = format!("{CANARY}steps = [{{ share = 0.25, bake_seconds = 60 }}]\n{keys}");
            let text = with_rollout(&section);
            let source = Source { path: "patchline.toml".to_owned(), text: &text };
            let read = service(&source, Path::new("/srv"), "").map_err(|problem| format!("{problem:?}"));
            read.map(|service| service.run.expect("it runs").plan.pause)
        };
        assert_eq!(plan(""), Ok(PauseLimit::default()));
        let told = plan("pause_deadline_seconds = 3600\nat_pause_deadline = \"hold\"");
        assert_eq!(told, Ok(PauseLimit { deadline: Seconds(3600), exit: PauseExit::Hold }));
        let told = plan("at_pause_deadline = \"resume\"").expect("it is right");
        assert_eq!(told.exit, PauseExit::Resume);
        for wrong in ["at_pause_deadline = \"never\"", "pause_deadline_seconds = 0"] {
            assert!(plan(wrong).is_err(), "{wrong}");
        }
    }

    const SHADOW: &str = "strategy = \"shadow\"\nshadow_seconds = 9\nbake_seconds = 9\n";

    const CANARY: &str = "strategy = \"canary\"\ncanary_instances = 1\n";

    #[test]
    fn each_strategy_has_its_keys_and_its_defaults() {
        let steps = "steps = [{ share = 0.25, bake_seconds = 60, gate = true }]\n";
        let Strategy::Canary(canary) = strategy(&format!("{CANARY}{steps}")) else { panic!("a canary") };
        assert!(canary.steps[0].gate && canary.end.is_none());
        let Strategy::Canary(canary) = strategy(&format!("{CANARY}{steps}bake_seconds = 30")) else {
            panic!("a canary")
        };
        let end = WatchedEnd { bake: Seconds(30), hold_back: Share::from_fraction(0.05).unwrap() };
        assert_eq!(canary.end, Some(end));
        let rolling = Rolling { batch: 1, max_unavailable: 0, bake: Seconds(20), order: None };
        assert_eq!(strategy("strategy = \"rolling\"\nbake_seconds = 20"), Strategy::Rolling(rolling));
        let names = |order: &str| {
            let text = format!("strategy = \"rolling\"\nbake_seconds = 20\npartition = 1\norder = {order}");
            let Strategy::Rolling(rolling) = strategy(&text) else { panic!("rolling") };
            let order = rolling.order.expect("it has an order");
            assert_eq!(order.partition, 1);
            order.names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names("\"ordinal\""), ["2", "1", "0"]);
        assert_eq!(names("[\"left\", \"right\", \"leader\"]"), ["left", "right", "leader"]);
        let hot = Hot { batch: 1, bake: Seconds(20) };
        assert_eq!(strategy("strategy = \"hot\"\nbake_seconds = 20"), Strategy::Hot(hot));
        let blue_green = BlueGreen {
            preview: Seconds(0),
            bake: Seconds(20),
            hold_back: Share::NONE,
            smoke: Some(Smoke { command: vec!["try".to_owned(), "{address}".to_owned()] }),
        };
        let text =
            "strategy = \"blue_green\"\nbake_seconds = 20\nhold_back = 0\nsmoke = [\"try\", \"{address}\"]";
        assert_eq!(strategy(&text.replace("= 0\n", "= 0.0\n")), Strategy::BlueGreen(blue_green));
    }

    #[test]
    fn users_and_requests_are_told_apart_as_the_file_says() {
        let token = |text: &str| text.parse().unwrap();
        let steps = "steps = [{ share = 0.25, bake_seconds = 60 }]\n";
        let Strategy::Canary(canary) =
            strategy(&format!("{CANARY}{steps}cohort = {{ cookie = \"session\" }}"))
        else {
            panic!("a canary")
        };
        assert_eq!(canary.cohort, Some(Cohort { by: Field::Cookie(token("session")), only: None }));
        let cohort = "cohort = { header = \"x-user\", only = { header = \"x-beta\", values = [\"1\"] } }";
        let Strategy::Flag(flag) =
            strategy(&format!("strategy = \"flag\"\nflag = \"new-parser\"\n{steps}{cohort}"))
        else {
            panic!("a flag")
        };
        let only = Condition { field: Field::Header(token("x-beta")), values: vec!["1".to_owned()] };
        assert_eq!(flag.cohort, Cohort { by: Field::Header(token("x-user")), only: Some(only) });
        let Strategy::Shadow(shadow) =
            strategy("strategy = \"shadow\"\nmirror = 0.5\nshadow_seconds = 60\nbake_seconds = 30")
        else {
            panic!("a shadow")
        };
        let share = |fraction| Share::from_fraction(fraction).unwrap();
        assert_eq!(shadow.mirror.methods, ["GET", "HEAD"]);
        assert_eq!((shadow.mirror.share, shadow.mirror.control), (share(0.5), share(0.1)));
        assert_eq!((shadow.instances, shadow.most_mismatches), (1, share(0.01)));
        assert_eq!(shadow.end, WatchedEnd { bake: Seconds(30), hold_back: share(0.05) });
    }

    #[test]
    fn a_plan_that_could_not_work_is_refused_where_it_stands() {
        let steps = "steps = [{ share = 0.97, bake_seconds = 3 }]\n";
        let rows = [
            ("strategy = \"warm\"".to_owned(), "is not a strategy"),
            ("strategy = \"hot\"\nbatch = 1".to_owned(), "needs `bake_seconds`"),
            ("strategy = \"hot\"\nbake_seconds = 1\nbatch = 64".to_owned(), "fewer than `instances`"),
            (CANARY.to_owned(), "needs `steps`"),
            (format!("{CANARY}{steps}batch = 2"), "`batch` belongs to the strategy \"rolling\""),
            (format!("{CANARY}{steps}hold_back = 0.1"), "without `bake_seconds`"),
            (format!("{CANARY}{steps}bake_seconds = 9"), "more than the last step leaves"),
            (format!("{CANARY}{steps}bake_seconds = 9\nhold_back = 0.0"), "above 0"),
            (format!("{CANARY}steps = [{{ share = 0.5, bake_seconds = 300 }}]"), "the bakes take 300 s"),
            ("strategy = \"rolling\"".to_owned(), "needs `bake_seconds`"),
            ("strategy = \"rolling\"\nbake_seconds = 9\nbatch = 3".to_owned(), "fewer than `instances`"),
            ("strategy = \"rolling\"\nbake_seconds = 9\nmax_unavailable = 2".to_owned(), "at most `batch`"),
            ("strategy = \"rolling\"\nbake_seconds = 200".to_owned(), "the bakes take 400 s"),
            (ordered("order = \"name\""), "a list of the instances' names"),
            (ordered("order = [\"a\", \"b\"]"), "2 different names for 3 instances"),
            (ordered("order = [\"a\", \"b\", \"a\"]"), "2 different names for 3 instances"),
            (ordered("order = [\"a\", \"b\", \"c d\"]"), "is not a name"),
            (ordered("order = \"ordinal\"\nmax_unavailable = 1"), "always go first"),
            (ordered("order = \"ordinal\"\npartition = 3"), "fewer than `instances`"),
            (ordered("partition = 1"), "no effect without `order`"),
            (format!("{CANARY}{steps}order = \"ordinal\""), "`order` belongs to the strategy \"rolling\""),
            ("strategy = \"blue_green\"\nbake_seconds = 9\nhold_back = 0.5".to_owned(), "below 0.5"),
            (
                "strategy = \"blue_green\"\nbake_seconds = 9\nsmoke = [\"true\"]".to_owned(),
                "must name `{address}`",
            ),
            ("strategy = \"blue_green\"\nbake_seconds = 9\nsteps = []".to_owned(), "`steps` belongs to"),
            ("strategy = \"ab\"".to_owned(), "is not a strategy"),
            (format!("{CANARY}{steps}cohort = {{}}"), "one `header` or by one `cookie`"),
            (format!("{CANARY}{steps}cohort = {{ cookie = \"a b\" }}"), "is not a name"),
            (
                format!(
                    "{CANARY}{steps}cohort = {{ cookie = \"a\", only = {{ header = \"b\", values = [] }} }}"
                ),
                "`values` is empty",
            ),
            (format!("{CANARY}{steps}mirror = 0.5"), "`mirror` belongs to the strategy \"shadow\""),
            (format!("strategy = \"flag\"\nflag = \"new\"\n{steps}"), "needs `cohort`"),
            (format!("{SHADOW}mirror = 0.0"), "above 0"),
            (format!("{SHADOW}mirror = 0.5\nmethods = [\"get\"]"), "is not a method"),
            (format!("{SHADOW}mirror = 0.5\nmost_mismatches = 0.6"), "below 0.5"),
            (format!("{SHADOW}mirror = 0.5\nhold_back = 0.0"), "above 0"),
            (format!("{SHADOW}mirror = 0.5\nheaders = [\"a b\"]"), "is not a name"),
            ("strategy = \"shadow\"\nmirror = 0.5\nshadow_seconds = 9".to_owned(), "needs `bake_seconds`"),
        ];
        for (section, expected) in rows {
            let (shown, _) = complaint(&with_rollout(&section));
            assert!(shown.contains(expected) && shown.contains('^'), "{section}\n{shown}");
        }
    }

    #[test]
    fn a_program_reads_the_artifact_and_is_told_by_a_signal() {
        let with = |lines: &str| GOOD.replacen("[run]\n", &format!("[run]\n{lines}\n"), 1);
        let text = with("program = \"/usr/bin/env\"\nreload_signal = \"SIGUSR2\"");
        let source = Source { path: "patchline.toml".to_owned(), text: &text };
        let read = service(&source, Path::new("/srv"), "").unwrap_or_else(|problem| panic!("{problem:?}"));
        let run = read.run.unwrap();
        assert_eq!(
            (run.program.as_deref(), run.reload_signal),
            (Some("/usr/bin/env"), ReloadSignal::SigUsr2)
        );
        for (lines, expected) in
            [("program = \"env\"", "an absolute path"), ("reload_signal = \"SIGKILL\"", "\"SIGHUP\"")]
        {
            let (shown, _) = complaint(&with(lines));
            assert!(shown.contains(expected) && shown.contains('^'), "{lines}\n{shown}");
        }
    }

    #[test]
    fn a_single_instance_can_not_be_converted_with_nothing_to_compare_it_with() {
        let text =
            with_rollout("strategy = \"hot\"\nbake_seconds = 1").replace("instances = 3", "instances = 1");
        let (shown, _) = complaint(&text);
        assert!(shown.contains("at least two `instances`") && shown.contains('^'), "{shown}");
    }

    #[test]
    fn an_objective_is_read_and_one_that_makes_no_sense_is_refused_where_it_stands() {
        let read = |section: &str| {
            let text = format!("{GOOD}\n[slo]\n{section}\n");
            let source = Source { path: "patchline.toml".to_owned(), text: &text };
            let service = service(&source, Path::new("/srv"), "");
            service.map(|service| service.run.unwrap().slo).map_err(|problem| problem.message)
        };
        let slo = Slo { availability: 0.999, period: Seconds(30 * 86_400) };
        assert_eq!(read("availability = 0.999\nperiod_days = 30").unwrap(), Some(slo));
        assert!(read("availability = 99.9\nperiod_days = 30").unwrap_err().contains("between 0 and 1"));
        assert!(read("availability = 0.999\nperiod_days = 0").unwrap_err().contains("between 1 and 90"));
        assert!(read("availability = 0.999").is_err());
    }

    #[test]
    fn what_is_held_against_instances_has_its_defaults_and_can_be_switched_off() {
        let read = |section: &str| {
            let text = with_rollout("strategy = \"rolling\"\nbake_seconds = 20")
                .replace("[guards]\n", &format!("[guards]\n{section}\n"));
            let source = Source { path: "patchline.toml".to_owned(), text: &text };
            let service = service(&source, Path::new("/srv"), "");
            service
                .map(|service| service.run.unwrap().plan.guards.instances)
                .map_err(|problem| problem.message)
        };
        let usual = InstanceGuards {
            incidents: true,
            memory_margin: Some(0.5),
            cpu_margin: Some(0.5),
            needs_memory: false,
            needs_cpu: false,
        };
        assert_eq!(read("").unwrap(), usual);
        let wider = InstanceGuards {
            incidents: false,
            memory_margin: Some(2.0),
            cpu_margin: None,
            needs_memory: true,
            needs_cpu: false,
        };
        assert_eq!(read("incidents = false\nmemory_margin = 2.0\ncpu = false").unwrap(), wider);
        assert!(read("memory_margin = 0.0").unwrap_err().contains("a number from 0.01 to 1000"));
        assert!(read("cpu_margin = nan").unwrap_err().contains("a number from 0.01 to 1000"));
        assert!(read("cpu = false\ncpu_margin = 0.5").unwrap_err().contains("no effect with `cpu = false`"));
    }

    #[test]
    fn a_window_is_read_and_one_that_never_opens_is_refused_where_it_stands() {
        let plan = "strategy = \"rolling\"\nbake_seconds = 20\n[[rollout.window]]\n";
        let good =
            "days = [\"mon\", \"tue\"]\nfrom = \"09:00\"\nto = \"16:30\"\ntime_zone = \"Europe/Berlin\"";
        let text = with_rollout(&format!("{plan}{good}"));
        let source = Source { path: "patchline.toml".to_owned(), text: &text };
        let read = service(&source, Path::new("/srv"), "").unwrap_or_else(|problem| panic!("{problem:?}"));
        assert_eq!(read.run.unwrap().windows[0].to_string(), "mon tue 09:00 to 16:30 in Europe/Berlin");
        for (from, to, expected) in [
            ("[\"mon\", \"tue\"]", "[]", "never opens"),
            ("09:00", "16:30", "never opens"),
            ("09:00", "24:00", "never opens"),
            ("09:00", "9:00", "is not a time of the day"),
            ("16:30", "24:01", "is not a time of the day"),
            ("mon", "monday", "is not a day"),
            ("Europe/Berlin", "Mars/Olympus", "is not a time zone"),
            ("time_zone", "timezone", "timezone"),
        ] {
            let (shown, _) = complaint(&with_rollout(&format!("{plan}{}", good.replace(from, to))));
            assert!(shown.contains(expected) && shown.contains('^'), "{from} as {to}\n{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), at in 0..GOOD.len()) {
            let cut: String = GOOD.chars().take(at).collect();
            for text in [text, cut] {
                let source = Source { path: "p".to_owned(), text: &text };
                if let Err(problem) = service(&source, Path::new("/srv"), "") {
                    let _ = problem.trouble(&source);
                }
            }
        }
    }
}

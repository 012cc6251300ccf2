//! What a world consists of before anything happens: services, patches, and what is true of them.

use std::collections::BTreeMap;

use patchline_model::cohort::{Cohort, Condition, Field};
use patchline_model::digest::{Commit, Digest};
use patchline_model::id::{FindingId, PatchId};
use patchline_model::policy::Policy;
use patchline_model::service::{Build, CommandLine, Name, Run, Service, Tier};
use patchline_model::share::Share;
use patchline_model::stage::budget::Slo;
use patchline_model::stage::detect::{Finding, Location, Opening, Source, Subject, Until};
use patchline_model::stage::pause::{PauseExit, PauseLimit};
use patchline_model::stage::plan::{
    BlueGreen, Canary, Exit, Flag, Guards, Hot, InstanceGuards, Order, Plan, Rolling, Shadow, Smoke, Step,
    Strategy, Version, WatchedEnd,
};
use patchline_model::stage::safety::{Irreversible, NoReturn};
use patchline_model::stage::terms::{Membership, Terms};
use patchline_model::stage::traffic::Mirror;
use patchline_model::time::{Seconds, Timestamp};
use patchline_model::window::{Day, MinuteOfDay, Offsets, Window};

use crate::chance::Chance;

/// 2026-01-01T00:00:00Z, a Thursday.
pub const BEGINNING: i64 = 1_767_225_600_000;

/// Who lives in this world; the first one writes the patches.
pub const PEOPLE: [&str; 4] =
    ["Ann <ann@example.com>", "Bob <bob@example.com>", "Cem <cem@example.com>", "Dee <dee@example.com>"];

/// Roles that may be asked for.
pub const ROLES: [&str; 2] = ["owner", "security"];

#[derive(Clone, Debug)]
pub struct Scene {
    pub seed: u64,
    pub policy: Policy,
    pub services: Vec<Place>,
    pub patches: Vec<Planned>,
    /// Steps of the random part.
    pub steps: u64,
    pub has_two_drivers: bool,
    /// The one place whose clock the windows go by: it is set once, in the middle of everything.
    pub zones: BTreeMap<String, Offsets>,
}

/// A service and what runs there at first.
#[derive(Clone, Debug)]
pub struct Place {
    pub service: Service,
    pub stable: Version,
    pub error_rate: f64,
    pub requests_per_second: u64,
}

/// What is true of a patch before anybody knows.
#[derive(Clone, Debug)]
pub struct Planned {
    pub id: PatchId,
    pub service: usize,
    pub opens_at_step: u64,
    pub until: Until,
    pub findings: Vec<Finding>,
    pub base: Commit,
    /// Candidates that a fixer can think of; with the last, `NoFix`.
    pub candidates: u32,
    /// Candidates, from the first on, that don't build; and those that fail a check.
    pub unbuildable: u32,
    pub unproven: u32,
    /// Roles that the policy asks for; none is allowed by itself.
    pub needs: Vec<String>,
    pub denied: bool,
    /// Error rate of the new version.
    pub error_rate: f64,
    /// How often its answers differ from those of the version that runs.
    pub differs: f64,
    /// Its instances end again and again.
    pub crashes: bool,
    /// What is built turns out to be what runs already.
    pub builds_the_same: Option<Digest>,
    /// A smoke test finds something.
    pub smokes: bool,
    /// A person states that the old version can't undo it.
    pub is_forward_only: bool,
    /// It belongs to the world's set, and comes after these.
    pub in_set: bool,
    pub after: Vec<PatchId>,
    /// The older patch whose place it takes, if that one is under way by then.
    pub supersedes: Option<PatchId>,
}

impl Scene {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::of(seed, &[1]);
        let mut services: Vec<Place> =
            (0..chance.between(1, 3)).map(|number| place(&mut chance, number)).collect();
        let mut clocks = Chance::of(seed, &[3]);
        let zones = BTreeMap::from([(ZONE.to_owned(), offsets(&mut clocks))]);
        for place in &mut services {
            let Some(run) = place.service.run.as_mut() else { continue };
            if clocks.one_in(3) {
                run.windows = windows(&mut clocks, &zones[ZONE]);
            }
            run.slo = clocks.one_in(3).then_some(SLO);
        }
        let mut patches: Vec<Planned> =
            (1..=chance.between(1, 4)).map(|id| planned(&mut chance, id, &services)).collect();
        if patches.len() > 1 && chance.one_in(2) {
            belong_together(&mut chance, &mut patches);
        }
        take_places(&mut Chance::of(seed, &[4]), &mut patches);
        Self {
            seed,
            policy: Policy { longest_wait: Seconds(8), ..Policy::default() },
            services,
            patches,
            steps: chance.between(120, 260),
            has_two_drivers: chance.one_in(2),
            zones,
        }
    }

    pub fn planned(&self, id: PatchId) -> &Planned {
        let index = usize::try_from(id.0.saturating_sub(1)).unwrap_or(0);
        &self.patches[index]
    }

    pub fn place_of(&self, id: PatchId) -> &Place {
        &self.services[self.planned(id).service]
    }

    /// From when on the old version can't undo this patch, if ever: as a person states it, or by the files of every
    /// candidate.
    pub fn no_return(&self, id: PatchId) -> Option<NoReturn> {
        let rule = &self.place_of(id).service.run.as_ref()?.plan.irreversible;
        (self.planned(id).is_forward_only || !rule.paths.is_empty()).then_some(rule.from)
    }

    /// The command with which the patch begins.
    pub fn opening(&self, id: PatchId, is_under_way: impl Fn(PatchId) -> bool) -> Opening {
        let planned = self.planned(id);
        Opening {
            service: self.services[planned.service].service.clone(),
            base: planned.base.clone(),
            subject: Subject::Scan { only: Vec::new(), reports: Vec::new() },
            until: planned.until,
            terms: Terms {
                forward_only: planned.is_forward_only.then(|| "it drops a column".to_owned()),
                set: planned
                    .in_set
                    .then(|| Membership { name: name("together"), after: planned.after.clone() }),
                origin: None,
                supersedes: planned.supersedes.filter(|other| is_under_way(*other)),
            },
        }
    }
}

impl Planned {
    pub fn commit(&self, number: u32) -> Commit {
        commit(&format!("candidate {number} of {}", self.id))
    }

    pub fn artifact(&self, number: u32) -> Digest {
        let new = || Digest::of(format!("artifact {number} of {}", self.id).as_bytes());
        self.builds_the_same.clone().unwrap_or_else(new)
    }

    pub fn dossier(&self, number: u32) -> Digest {
        Digest::of(format!("dossier {number} of {}", self.id).as_bytes())
    }
}

/// So strict that a stable version of this world may break it.
const SLO: Slo = Slo { availability: 0.9995, period: Seconds(30 * 86_400) };

/// The place whose clock the windows go by.
const ZONE: &str = "Nowhere/Town";

/// Some hours from UTC; a minute or two into the world the clock is set a minute back or forth.
fn offsets(chance: &mut Chance) -> Offsets {
    let hours = chance.below(24).cast_signed() as i32 - 12;
    let change = Timestamp(BEGINNING + (chance.between(40, 150) * 1000).cast_signed());
    let set = if chance.one_in(2) { 60 } else { -60 };
    Offsets(vec![(Timestamp(0), hours * 3600), (change, hours * 3600 + set)])
}

/// Open in some of the first minutes, and later on for good: a world that waits for next week tells nothing.
fn windows(chance: &mut Chance, offsets: &Offsets) -> Vec<Window> {
    let local = BEGINNING + i64::from(offsets.0[0].1) * 1000;
    let begin = local.div_euclid(60_000).rem_euclid(24 * 60);
    let time = |minute: i64| {
        let minute = (begin + minute).rem_euclid(24 * 60);
        MinuteOfDay::parse(&format!("{:02}:{:02}", minute / 60, minute % 60)).expect("a time of the day")
    };
    let (first, second) = (chance.below(2).cast_signed(), chance.between(4, 5).cast_signed());
    let spans = [(first, first + 1), (second, second + 12 * 60)];
    let window = |(from, to)| Window {
        days: Day::ALL.to_vec(),
        from: time(from),
        to: time(to),
        zone: ZONE.to_owned(),
    };
    spans.into_iter().map(window).collect()
}

fn commit(text: &str) -> Commit {
    Digest::of(text.as_bytes()).hex()[..40].parse().expect("forty hex digits are a commit")
}

fn name(text: &str) -> Name {
    text.parse().expect("the world's names are plain")
}

fn place(chance: &mut Chance, number: u64) -> Place {
    let label = format!("service-{number}");
    let words = |text: &str| CommandLine(vec![text.to_owned()]);
    let service = Service {
        name: name(&label),
        owner: PEOPLE[1].to_owned(),
        tier: Tier::try_from(chance.between(1, 4) as u8).expect("1 to 4 are tiers"),
        repository: format!("/repositories/{label}"),
        folder: String::new(),
        build: Build { prepare: None, command: words("make"), artifact: "app".to_owned() },
        test: Some(words("test")),
        agents: Vec::new(),
        reproducers: Vec::new(),
        verification: Default::default(),
        run: Some(Run {
            environment: name("production"),
            target: "fake".to_owned(),
            program: None,
            reload_signal: Default::default(),
            arguments: Vec::new(),
            health: "/health".to_owned(),
            port: 0,
            plan: plan(chance),
            windows: Vec::new(),
            slo: None,
        }),
    };
    let stable = Version { artifact: Digest::of(label.as_bytes()), label: label.into() };
    Place {
        service,
        stable,
        error_rate: *chance.pick(&[0.0, 0.001, 0.01]),
        requests_per_second: *chance.pick(&[0, 60, 300, 900]),
    }
}

fn plan(chance: &mut Chance) -> Plan {
    let mut instances = chance.between(1, 4) as u32;
    let strategy = match chance.below(9) {
        0..=2 => Strategy::Canary(canary(chance)),
        3 | 4 => Strategy::Rolling(rolling(chance, instances)),
        5 => Strategy::Flag(flag(chance)),
        6 => Strategy::Shadow(shadow(chance)),
        7 => {
            instances = instances.max(2);
            Strategy::Hot(hot(chance, instances))
        }
        _ => Strategy::BlueGreen(BlueGreen {
            preview: Seconds(chance.between(1, 5)),
            bake: Seconds(chance.between(2, 8)),
            hold_back: share(*chance.pick(&[0, 50_000, 100_000, 200_000])),
            smoke: chance
                .one_in(2)
                .then(|| Smoke { command: vec!["try".to_owned(), "{address}".to_owned()] }),
        }),
    };
    Plan {
        instances,
        strategy,
        guards: Guards {
            alpha: 0.01,
            beta: 0.05,
            error_margin: 0.02,
            latency: false,
            instances: InstanceGuards {
                incidents: true,
                memory_margin: Some(0.5),
                cpu_margin: Some(0.5),
                ..InstanceGuards::default()
            },
        },
        deadline: Seconds(chance.between(40, 120)),
        start_deadline: Seconds(chance.between(15, 30)),
        missing_limit: chance.between(3, 8) as u32,
        at_deadline: if chance.one_in(2) { Exit::Hold } else { Exit::Rollback },
        pause: PauseLimit {
            deadline: Seconds(chance.between(8, 60)),
            exit: *chance.pick(&[PauseExit::Rollback, PauseExit::Resume, PauseExit::Hold]),
        },
        irreversible: irreversible(chance),
    }
}

fn irreversible(chance: &mut Chance) -> Irreversible {
    let paths = if chance.one_in(6) { vec!["*.lock".to_owned()] } else { Vec::new() };
    let from = if chance.one_in(2) { NoReturn::Start } else { NoReturn::Share };
    Irreversible { paths, from }
}

fn share(ppm: u32) -> Share {
    Share::try_from(ppm).expect("below the whole")
}

fn canary(chance: &mut Chance) -> Canary {
    let plans: [&[u32]; 3] = [&[50_000, 250_000, 500_000], &[100_000, 500_000], &[200_000]];
    let shares = *chance.pick(&plans);
    let bake = Seconds(chance.between(2, 8));
    let end = chance.one_in(2).then(|| WatchedEnd {
        bake: Seconds(chance.between(2, 8)),
        hold_back: share(*chance.pick(&[50_000, 100_000])),
    });
    let mut step = |ppm: &u32| Step { share: share(*ppm), bake, gate: chance.one_in(4) };
    let steps = shares.iter().map(&mut step).collect();
    Canary { instances: 1, steps, end, cohort: chance.one_in(3).then(cohort) }
}

fn cohort() -> Cohort {
    let token = |text: &str| text.parse().expect("the world's names are plain");
    let only = Condition { field: Field::Header(token("x-beta")), values: vec!["1".to_owned()] };
    Cohort { by: Field::Cookie(token("session")), only: Some(only) }
}

fn flag(chance: &mut Chance) -> Flag {
    let Canary { steps, end, .. } = canary(chance);
    Flag { flag: "new-way".parse().expect("the world's names are plain"), cohort: cohort(), steps, end }
}

fn shadow(chance: &mut Chance) -> Shadow {
    let mirror = Mirror {
        share: share(*chance.pick(&[500_000, 1_000_000])),
        methods: vec!["GET".to_owned()],
        headers: Vec::new(),
        control: Share::NONE,
    };
    let end = WatchedEnd { bake: Seconds(chance.between(2, 8)), hold_back: share(50_000) };
    Shadow { instances: 1, mirror, bake: Seconds(chance.between(2, 8)), most_mismatches: share(10_000), end }
}

fn rolling(chance: &mut Chance, instances: u32) -> Rolling {
    let batch = chance.between(1, u64::from(instances.saturating_sub(1).max(1))) as u32;
    let most = u64::from(batch.min(instances - 1));
    let max_unavailable = chance.between(0, most) as u32;
    let order = (instances > 1 && chance.one_in(2)).then(|| order(chance, instances));
    Rolling { batch, max_unavailable, bake: Seconds(chance.between(2, 6)), order }
}

/// The highest number first, or as somebody has written it down.
fn order(chance: &mut Chance, instances: u32) -> Order {
    let numbers = (0..instances).rev().map(|number| number.to_string());
    let names: Vec<String> = if chance.one_in(2) {
        numbers.collect()
    } else {
        ["leader", "left", "right", "spare"]
            .iter()
            .take(instances as usize)
            .map(|it| (*it).to_owned())
            .collect()
    };
    let names = names.iter().map(|text| text.parse().expect("the world's names are plain")).collect();
    let partition = if chance.one_in(2) { chance.below(u64::from(instances)) as u32 } else { 0 };
    Order { names, partition }
}

fn hot(chance: &mut Chance, instances: u32) -> Hot {
    let batch = chance.between(1, u64::from(instances - 1)) as u32;
    Hot { batch, bake: Seconds(chance.between(2, 6)) }
}

fn planned(chance: &mut Chance, id: u64, services: &[Place]) -> Planned {
    let service = chance.below(services.len() as u64) as usize;
    let findings = (0..chance.between(0, 6).min(2)).map(|number| finding(id, number)).collect();
    let asks: [&[&str]; 4] = [&[], &[], &ROLES[..1], &ROLES];
    let needs = *chance.pick(&asks);
    Planned {
        id: PatchId(id),
        service,
        opens_at_step: chance.below(30),
        until: if chance.one_in(10) { Until::Verify } else { Until::Rollout },
        findings,
        base: commit(&format!("base {service}")),
        candidates: chance.between(0, 8).min(3) as u32,
        unbuildable: u32::from(chance.one_in(8)),
        unproven: chance.below(8).saturating_sub(5) as u32,
        needs: needs.iter().map(|role| (*role).to_owned()).collect(),
        denied: chance.one_in(20),
        error_rate: *chance.pick(&[0.0, 0.001, 0.01, 0.08, 0.4]),
        smokes: chance.one_in(4),
        is_forward_only: chance.one_in(8),
        differs: *chance.pick(&[0.0, 0.0, 0.3]),
        crashes: chance.one_in(6),
        in_set: false,
        after: Vec::new(),
        supersedes: None,
        builds_the_same: chance.one_in(16).then(|| services[service].stable.artifact.clone()),
    }
}

/// To be acted on now, which makes a hotfix; and routine.
const URGENT: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
const MILD: &str = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N";
/// Most of the patches form a set, each after some of those before it; they are rather good, or nothing would come after.
fn belong_together(chance: &mut Chance, patches: &mut [Planned]) {
    let mut members: Vec<PatchId> = Vec::new();
    for patch in patches {
        if chance.one_in(6) {
            continue;
        }
        patch.in_set = true;
        patch.until = Until::Rollout;
        patch.after = members.iter().copied().filter(|_| chance.one_in(2)).collect();
        members.push(patch.id);
        if !chance.one_in(3) {
            patch.error_rate = 0.0;
            (patch.unbuildable, patch.unproven, patch.denied) = (0, 0, false);
            patch.candidates = patch.candidates.max(1);
        }
    }
}

/// Some patches are to replace an older one of the same service.
fn take_places(chance: &mut Chance, patches: &mut [Planned]) {
    for index in 1..patches.len() {
        let (before, rest) = patches.split_at_mut(index);
        let older = before.iter().rev().find(|older| older.service == rest[0].service);
        rest[0].supersedes = older.map(|older| older.id).filter(|_| chance.one_in(3));
    }
}

fn finding(patch: u64, number: u64) -> Finding {
    let advisory = format!("EXAMPLE-{patch}-{number}");
    Finding {
        id: FindingId(advisory.to_lowercase()),
        source: Source::Lockfile,
        advisory,
        aliases: Vec::new(),
        summary: "an example".to_owned(),
        package: None,
        location: Location { path: "Cargo.lock".to_owned(), line: Some(7) },
        paths: Vec::new(),
        fixed: vec!["1.0.1".to_owned()],
        severity: vec![if patch.is_multiple_of(2) { URGENT } else { MILD }.to_owned()],
        informational: None,
    }
}

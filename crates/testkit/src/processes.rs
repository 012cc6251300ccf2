//! The processes behind a fake target's instances: which is which, what each was told to serve, and what it serves.

use patchline_model::cohort::Token;
use patchline_model::digest::Digest;
use patchline_model::stage::plan::{Arm, Process, Usage};

use crate::chance::Chance;
use crate::fault::Fault;

/// One instance. It stays the same process whatever it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    pub process: Process,
    /// What it serves, and says of itself.
    pub serves: Digest,
    /// Its health answer was seen by this host.
    has_said: bool,
    /// What its link points at.
    linked: Digest,
    is_signalled: bool,
    /// It takes over nothing that it is told from now on.
    is_deaf: bool,
    lived_millis: u64,
    /// No other may have it at the same time.
    name: Option<Token>,
}

/// A fresh instance burns thrice the processor time of one that is warm, for so long, and has a third of its memory.
const COLD_MILLIS: u64 = 20_000;

#[derive(Clone, Debug, Default)]
pub struct Processes {
    living: Vec<Living>,
    started: u64,
}

impl Processes {
    pub fn serving(&self, artifact: &Digest) -> u32 {
        count(self.living.iter().filter(|one| one.serves == *artifact))
    }

    /// What the host takes for converted: by the instances' own word, or, with a fault, by what it asked for.
    pub fn confirmed(&self, artifact: &Digest, fault: Option<Fault>) -> u32 {
        match fault {
            Some(Fault::ConversionIsHoped) => count(self.living.iter().filter(|one| one.linked == *artifact)),
            _ => self.serving(artifact),
        }
    }

    /// Those that have said that they serve this.
    pub fn said(&self, artifact: &Digest, fault: Option<Fault>) -> Vec<Process> {
        let hoped = fault == Some(Fault::ConversionIsHoped);
        let is_one = |one: &&Living| if hoped { one.linked == *artifact } else { one.serves == *artifact };
        let said = self.living.iter().filter(|one| one.has_said).filter(is_one);
        said.map(|one| one.process).collect()
    }

    pub fn all(&self) -> impl Iterator<Item = Process> {
        self.living.iter().map(|one| one.process)
    }

    /// As many processes of a version as it has instances: what is missing starts, what is too much ends.
    pub fn fit(&mut self, artifact: &Digest, instances: u32) {
        let mut there = 0;
        self.living.retain_mut(|one| {
            if one.serves != *artifact {
                return true;
            }
            there += 1;
            // Who was told to convert and did not is told to stay.
            one.linked = one.serves.clone();
            there <= instances
        });
        for _ in there..instances {
            self.start(artifact);
        }
    }

    /// Time passes for all of them.
    pub fn live(&mut self, millis: u64) {
        self.living.iter_mut().for_each(|one| one.lived_millis += millis);
    }

    /// An instance of this version ends, and is started anew.
    pub fn crash(&mut self, artifact: &Digest) {
        if let Some(place) = self.living.iter().position(|one| one.serves == *artifact) {
            let name = self.living.remove(place).name;
            self.start(artifact);
            self.living.last_mut().into_iter().for_each(|one| one.name = name.clone());
        }
    }

    /// What those that are healthy use.
    pub fn usage(&self, artifact: &Digest, healthy: u32) -> Vec<Usage> {
        let of_version = self.living.iter().filter(|one| one.serves == *artifact);
        let used = |one: &Living| {
            let cold = one.lived_millis.min(COLD_MILLIS);
            Usage {
                instance: one.process.started.to_string(),
                memory_bytes: (100 << 20) * (cold + COLD_MILLIS / 2) / (COLD_MILLIS * 3 / 2),
                cpu_millis: (one.lived_millis + 2 * cold) / 5,
            }
        };
        of_version.take(healthy as usize).map(used).collect()
    }

    /// Those of before instances had names are given one that is their version's.
    pub fn give_names(&mut self, wanted: &[Arm]) {
        for arm in wanted {
            for name in &arm.names {
                let is_taken = self.living.iter().any(|one| one.name.as_ref() == Some(name));
                let is_nameless =
                    |one: &&mut Living| one.name.is_none() && one.serves == arm.version.artifact;
                if let (false, Some(one)) = (is_taken, self.living.iter_mut().find(is_nameless)) {
                    one.name = Some(name.clone());
                }
            }
        }
    }

    /// Who has a name that its version is not to have ends.
    pub fn end_strays(&mut self, chance: &mut Chance, wanted: &[Arm], calm: bool) {
        self.living.retain(|one| {
            let arm = wanted.iter().find(|arm| arm.version.artifact == one.serves);
            let names = arm.map_or(&[][..], |arm| &arm.names);
            let is_wanted = one.name.as_ref().is_some_and(|name| names.contains(name));
            is_wanted || (!calm && chance.one_in(3))
        });
    }

    /// A name that nobody has is taken.
    pub fn start_named(&mut self, chance: &mut Chance, wanted: &[Arm], calm: bool, fault: Option<Fault>) {
        for arm in wanted {
            for name in &arm.names {
                let is_taken = self.living.iter().any(|one| {
                    let hides =
                        fault == Some(Fault::NamesAreTakenTwice) && one.serves != arm.version.artifact;
                    one.name.as_ref() == Some(name) && !hides
                });
                if !is_taken && (calm || !chance.one_in(3)) {
                    self.start(&arm.version.artifact);
                    self.living.last_mut().into_iter().for_each(|one| one.name = Some(name.clone()));
                }
            }
        }
    }

    /// The names of those that are healthy.
    pub fn names(&self, artifact: &Digest, healthy: u32) -> Vec<Token> {
        let of_version = self.living.iter().filter(|one| one.serves == *artifact);
        of_version.take(healthy as usize).filter_map(|one| one.name.clone()).collect()
    }

    /// A name that two have.
    pub fn twice(&self) -> Option<&Token> {
        let names: Vec<&Token> = self.living.iter().filter_map(|one| one.name.as_ref()).collect();
        names.iter().enumerate().find(|(place, name)| names[..*place].contains(*name)).map(|(_, name)| *name)
    }

    /// A new host, which knows only what it is told from now on.
    pub fn forget(&mut self) {
        self.living.iter_mut().for_each(|one| one.has_said = false);
    }

    /// One turn of a host that converts: it repoints and signals whom it must, and hears what became of it. `wanted` is
    /// how many are to serve each version; the first is the one to fall back to.
    pub fn convert(
        &mut self,
        chance: &mut Chance,
        wanted: &[(Digest, u32)],
        calm: bool,
        fault: Option<Fault>,
    ) {
        let Some((fallback, _)) = wanted.first() else { return };
        let total: u32 = wanted.iter().map(|(_, instances)| instances).sum();
        let may = |chance: &mut Chance, one_in: u64| !calm && chance.one_in(one_in);
        self.living.iter_mut().for_each(|one| one.has_said |= calm || !chance.one_in(5));
        for one in &mut self.living {
            if wanted.iter().all(|(version, _)| *version != one.linked) {
                one.linked = one.serves.clone();
            }
        }
        for (to, instances) in wanted {
            let heading =
                |living: &[Living], it: &Digest| count(living.iter().filter(|one| one.linked == *it));
            for (from, most) in wanted.iter().filter(|(from, _)| from != to) {
                while heading(&self.living, to) < *instances && heading(&self.living, from) > *most {
                    let one = self.living.iter_mut().find(|one| one.linked == *from);
                    let Some(one) = one else { break };
                    one.linked = to.clone();
                    // Killed between link and signal: the next turn signals.
                    one.is_signalled = !may(chance, 6);
                    one.is_deaf |= to != fallback && may(chance, 12);
                }
            }
        }
        let mut dead = Vec::new();
        for one in &mut self.living {
            if one.serves == one.linked {
                continue;
            }
            if !std::mem::replace(&mut one.is_signalled, true) {
                continue;
            }
            let goes_back = one.linked == *fallback;
            if may(chance, 30) || (goes_back && one.is_deaf && (calm || chance.one_in(4))) {
                // It died, or could not be converted back and is replaced.
                dead.push(one.process);
            } else if !one.is_deaf && (calm || !chance.one_in(3)) {
                one.serves = one.linked.clone();
            }
        }
        let leave_first = fault == Some(Fault::ReplacedLeaveFirst);
        self.living.retain(|one| !dead.contains(&one.process));
        let missing = total.saturating_sub(count(self.living.iter()));
        let late = if leave_first { u32::try_from(dead.len()).unwrap_or(0) } else { 0 };
        for _ in 0..missing.saturating_sub(late) {
            self.start(fallback);
        }
    }

    fn start(&mut self, artifact: &Digest) {
        self.started += 1;
        let process = Process { pid: u32::try_from(self.started).unwrap_or(u32::MAX), started: self.started };
        self.living.push(Living {
            process,
            serves: artifact.clone(),
            has_said: false,
            linked: artifact.clone(),
            is_signalled: true,
            is_deaf: false,
            lived_millis: 0,
            name: None,
        });
    }
}

fn count<'a>(living: impl Iterator<Item = &'a Living>) -> u32 {
    u32::try_from(living.count()).unwrap_or(u32::MAX)
}

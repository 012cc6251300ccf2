//! One change of a build for one vulnerable module, and the files with several of them done.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::stage::generate::Rung;

use crate::dependency::gradle::build::{Build, Written};
use crate::dependency::gradle::pin::{Pin, pins};
use crate::dependency::maven::splice::{Splice, spliced};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) target: String,
    pub(crate) rung: Rung,
    /// What then is asked for, by module: where that is written, and the version.
    pub(crate) stated: BTreeMap<String, (String, String)>,
    /// What may move by itself; what it leads to may move, too.
    pub(crate) raised: BTreeSet<String>,
    splices: BTreeMap<String, Vec<Splice>>,
    pins: BTreeMap<String, Vec<Pin>>,
}

impl Step {
    pub(crate) fn of(target: &str, rung: Rung) -> Self {
        Self {
            target: target.to_owned(),
            rung,
            stated: BTreeMap::new(),
            raised: BTreeSet::new(),
            splices: BTreeMap::new(),
            pins: BTreeMap::new(),
        }
    }

    /// The version of a module is another one in the lockfile alone.
    pub(crate) fn locked(mut self, module: &str, version: &str) -> Self {
        self.stated.insert(module.to_owned(), ("the lockfile".to_owned(), version.to_owned()));
        self.raised.insert(module.to_owned());
        self
    }

    /// It is another one where it is written; `text` is what stands there then.
    pub(crate) fn stating(mut self, module: &str, written: &Written, text: &str, version: &str) -> Self {
        self.stated.insert(module.to_owned(), (written.place(), version.to_owned()));
        self.raised.extend(written.names.iter().cloned());
        self.splices.entry(written.file.clone()).or_default().push(written.splice(text));
        self
    }

    /// A constraint in this script asks for it.
    pub(crate) fn constraining(mut self, script: &str, bucket: &str, module: &str, version: &str) -> Self {
        self.stated.insert(module.to_owned(), (format!("`{script}`"), version.to_owned()));
        self.raised.insert(module.to_owned());
        let pin = (bucket.to_owned(), module.to_owned(), version.to_owned());
        self.pins.entry(script.to_owned()).or_default().push(pin);
        self
    }

    /// Both at once, under the later rung.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.rung = self.rung.max(other.rung);
        self.stated.extend(other.stated);
        self.raised.extend(other.raised);
        for (file, splices) in other.splices {
            self.splices.entry(file).or_default().extend(splices);
        }
        for (file, pins) in other.pins {
            self.pins.entry(file).or_default().extend(pins);
        }
        self
    }
}

/// The files that change with these steps, or why that can't be.
pub(crate) fn texts(build: &Build, steps: &[Step]) -> Result<BTreeMap<String, String>, String> {
    let files: BTreeSet<&String> =
        steps.iter().flat_map(|step| step.splices.keys().chain(step.pins.keys())).collect();
    let mut changed = BTreeMap::new();
    for path in files {
        let file = build.files.get(path).ok_or_else(|| format!("`{path}` is no script that can be read"))?;
        let mut splices: Vec<Splice> =
            steps.iter().filter_map(|step| step.splices.get(path)).flatten().cloned().collect();
        let mut entries: Vec<Pin> = Vec::new();
        for pin in steps.iter().filter_map(|step| step.pins.get(path)).flatten() {
            if !entries.contains(pin) {
                entries.push(pin.clone());
            }
        }
        if !entries.is_empty() {
            let splice = pins(&file.text, file.is_kotlin(), &entries);
            splices.push(splice.ok_or_else(|| {
                format!("`{path}` has no block of `dependencies` in which a constraint could stand")
            })?);
        }
        let text = spliced(&file.text, &splices)
            .ok_or_else(|| format!("two modules need another version in the same place of `{path}`"))?;
        changed.insert(path.clone(), text);
    }
    Ok(changed)
}

//! The files of one environment: a requirements file with all that it includes, and with those that include it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;

use patchline_inventory::Detector as _;
use patchline_inventory::detector::beside;
use patchline_inventory::lockfile::requirements::Requirements;
use patchline_model::failure::Failure;

use crate::dependency::flat::{Pin, Wish};
use crate::dependency::pip::sheet::Sheet;
use crate::dependency::python::settings::Addresses;
use crate::failures::of_file;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;
/// Files of one service.
const MOST_SHEETS: usize = 200;
/// Where requirements files lie beside the top.
const FOLDERS: [&str; 2] = ["", "requirements"];

/// Files that make one environment, by their paths below the folder.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) sheets: BTreeMap<String, Sheet>,
    /// What is only a source of such a file, as in `requirements.in`.
    sources: Vec<Sheet>,
}

/// The sets of a folder.
pub(crate) fn sets(folder: &Path) -> Result<Vec<Set>, Failure> {
    let mut sets: Vec<Set> = Vec::new();
    for root in roots(folder)? {
        let mut sheets = BTreeMap::new();
        let mut open = vec![root];
        while let Some(path) = open.pop() {
            if sheets.contains_key(&path) || sheets.len() >= MOST_SHEETS {
                continue;
            }
            let Some(text) = read(folder, &path)? else { continue };
            let sheet = Sheet::of(&path, &text);
            open.extend(sheet.includes().filter_map(|file| beside(&path, file)));
            sheets.insert(path, sheet);
        }
        // What shares a file is one environment: a pin must suit all that use it.
        let (shared, apart): (Vec<Set>, Vec<Set>) =
            sets.into_iter().partition(|set| set.sheets.keys().any(|path| sheets.contains_key(path)));
        sets = apart;
        shared.into_iter().for_each(|set| sheets.extend(set.sheets));
        sets.push(Set { sheets, sources: Vec::new() });
    }
    for set in &mut sets {
        for path in set.sheets.keys() {
            let Some(source) = path.strip_suffix(".txt").map(|stem| format!("{stem}.in")) else { continue };
            if let Some(text) = read(folder, &source)? {
                set.sources.push(Sheet::of(&source, &text));
            }
        }
    }
    Ok(sets)
}

fn roots(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for place in FOLDERS {
        let Ok(entries) = fs::read_dir(folder.join(place)) else { continue };
        for entry in entries {
            let entry = entry.map_err(|error| of_file("list a folder", error))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if place.is_empty() { name } else { format!("{place}/{name}") };
            if Requirements.kind().claims(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.truncate(MOST_SHEETS);
    Ok(found)
}

/// An ordinary file of the worktree, in which no part of the way is a link; none where there is none.
fn read(folder: &Path, path: &str) -> Result<Option<String>, Failure> {
    let mut place = folder.to_owned();
    for part in path.split('/') {
        place.push(part);
        if place.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
            return Ok(None);
        }
    }
    if !place.is_file() {
        return Ok(None);
    }
    let mut text = String::new();
    let read = fs::File::open(&place).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(of_file(&format!("read `{path}`"), error)),
        Ok(_) if text.len() as u64 > LARGEST => {
            Err(Failure::permanent(format!("could not use `{path}`: it has more than {LARGEST} bytes")))
        }
        Ok(_) => Ok(Some(text)),
    }
}

impl Set {
    /// What is pinned, by normal name.
    pub(crate) fn pins(&self) -> BTreeMap<String, Pin> {
        let mut pins: BTreeMap<String, Pin> = BTreeMap::new();
        for sheet in self.sheets.values() {
            for (line, wanted) in sheet.requirements() {
                let Some(version) = wanted.pin().filter(|_| !wanted.is_address) else { continue };
                let pin = pins.entry(wanted.normal_name()).or_insert_with(|| Pin {
                    name: wanted.name.to_owned(),
                    version: version.to_owned(),
                    ..Pin::default()
                });
                pin.extras.extend(sheet.extras(line));
                if pin.version != version {
                    let (one, other) = (&pin.version, version);
                    pin.fixed = Some(format!("`{}` is pinned twice, to {one} and to {other}", pin.name));
                }
                if wanted.range.contains(',') {
                    pin.fixed = Some(format!(
                        "`{}` is pinned by `{}`, which says more than a version",
                        pin.name, wanted.range
                    ));
                }
            }
        }
        let ranges = self.sheets.values().chain(&self.sources);
        for sheet in ranges {
            for (line, wanted) in sheet.requirements() {
                let Some(pin) = pins.get_mut(&wanted.normal_name()) else { continue };
                pin.extras.extend(sheet.extras(line));
                let is_source = !self.sheets.contains_key(&sheet.path);
                if !wanted.range.is_empty() && !wanted.is_address && (is_source || wanted.pin().is_none()) {
                    let (range, by) = (wanted.range.to_owned(), format!("`{}`", sheet.path));
                    pin.wishes.push(Wish { range, by, may_change: false });
                }
            }
        }
        pins
    }

    /// Whether pip takes nothing that is not listed.
    pub(crate) fn is_closed(&self) -> bool {
        self.sheets.values().any(Sheet::has_hashes)
    }

    /// What the files say of where packages come from.
    pub(crate) fn take_options(&self, addresses: &mut Addresses) {
        let lines = self.sheets.values().flat_map(|sheet| &sheet.lines);
        lines.filter(|line| line.words.starts_with('-')).for_each(|line| addresses.take_option(&line.words));
    }

    /// The files with these versions, each with its hashes; of a package that can't be written so, its name.
    pub(crate) fn with(
        &self,
        steps: &BTreeMap<String, (String, Vec<String>)>,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut changed = BTreeMap::new();
        for (path, sheet) in &self.sheets {
            let mut here = Vec::new();
            for (line, wanted) in sheet.requirements().filter(|(_, wanted)| wanted.pin().is_some()) {
                if let Some((version, hashes)) = steps.get(&wanted.normal_name()) {
                    here.push((line, version.clone(), hashes.clone()));
                }
            }
            if here.is_empty() {
                continue;
            }
            match sheet.with_pins(&here) {
                Some(text) => changed.insert(path.clone(), text),
                None => {
                    let broken =
                        here.iter().find(|step| sheet.with_pins(std::slice::from_ref(step)).is_none());
                    let line = broken.map_or("", |(line, ..)| sheet.lines[*line].words.as_str());
                    return Err(line.split(['=', ' ', '[']).next().unwrap_or_default().to_owned());
                }
            };
        }
        Ok(changed)
    }

    /// All that is asked for from a registry, a line each, with these versions in place of those that are pinned.
    pub(crate) fn asked(&self, steps: &BTreeMap<String, String>, without: &BTreeSet<String>) -> String {
        let mut asked = BTreeSet::new();
        for sheet in self.sheets.values() {
            for (line, wanted) in sheet.requirements() {
                let name = wanted.normal_name();
                if wanted.is_address || without.contains(&name) {
                    continue;
                }
                let extras: Vec<String> = sheet.extras(line).into_iter().collect();
                let range = match (wanted.pin(), steps.get(&name)) {
                    (Some(_), Some(to)) => format!("=={to}"),
                    _ => wanted.range.to_owned(),
                };
                let words = sheet.lines[line].words.split(" --").next().unwrap_or_default();
                let marker =
                    words.split_once(';').map(|(_, marker)| format!(" ;{marker}")).unwrap_or_default();
                let extras =
                    if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
                asked.insert(format!("{}{extras}{range}{marker}\n", wanted.name));
            }
        }
        asked.into_iter().collect()
    }
}

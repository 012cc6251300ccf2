//! Measures the advisory index. Each says what it did, and on a second line in figures what that took.
//!
//! - `generate FOLDER ROWS` writes OSV records as databases have them, the same each time.
//! - `change FOLDER ECOSYSTEM COUNT TO` writes as many of them again, changed later.
//! - `import FOLDER INDEX` makes the index, or takes in what changed.
//! - `lockfile PATH ECOSYSTEM-PACKAGES COUNT` writes a `package-lock.json`, of which three in ten packages may be known.
//! - `scan INDEX PATH` scans it, `cold INDEX PATH` after the index was taken out of the memory of the system.
//! - `zip FOLDER ECOSYSTEM TO` puts records together as databases hand them out.
//! - `match INDEX ECOSYSTEM PACKAGES` asks for packages.
//! - `fleet FOLDER ECOSYSTEM-PACKAGES COUNT` writes a tree with as many lockfiles of a thousand packages.

mod chance;
mod lockfiles;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use patchline_detect::{Advisories, import, scan};
use patchline_model::package::{Ecosystem, Package};

use crate::chance::Chance;

/// Ecosystem, its share of the rows in percent, rows a record, packages for a thousand rows, and how versions look.
const SHAPES: [(&str, u64, u64, u64, Look); 8] = [
    ("npm", 8, 1, 700, Look::Dotted),
    ("PyPI", 3, 1, 300, Look::Dotted),
    ("Maven", 3, 2, 250, Look::Dotted),
    ("Go", 2, 1, 300, Look::Dotted),
    ("Debian:12", 12, 3, 40, Look::Debian),
    ("Ubuntu:22.04:LTS", 24, 12, 60, Look::Debian),
    ("SUSE:Linux Enterprise Server 15 SP5", 26, 40, 60, Look::Rpm),
    ("Red Hat:enterprise_linux:9::appstream", 22, 30, 60, Look::Rpm),
];

const WORDS: [&str; 16] = [
    "a crafted",
    "request",
    "lets",
    "remote",
    "attackers",
    "read",
    "memory",
    "of the",
    "parser",
    "when",
    "input",
    "is",
    "not checked",
    "before",
    "use;",
    "upgrade",
];

#[derive(Clone, Copy)]
enum Look {
    Dotted,
    Debian,
    Rpm,
}

/// What was measured, by name.
type Figures = BTreeMap<&'static str, f64>;

fn main() -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut figures = Figures::new();
    let said = match words.as_slice() {
        ["generate", folder, rows] => generate(Path::new(folder), rows.parse()?)?,
        ["import", folder, index] => import_all(Path::new(folder), Path::new(index), &mut figures)?,
        ["change", folder, ecosystem, count, to] => {
            change(Path::new(folder), ecosystem, count.parse()?, Path::new(to))?
        }
        ["lockfile", path, known, count] => lockfiles::one(Path::new(path), known.parse()?, count.parse()?)?,
        ["scan", index, path] => scanned(Path::new(index), Path::new(path))?,
        ["cold", index, path] => {
            forget(Path::new(index))?;
            let began = Instant::now();
            let said = scanned(Path::new(index), Path::new(path))?;
            figures.insert("cold_seconds", began.elapsed().as_secs_f64());
            said
        }
        ["zip", folder, ecosystem, to] => zip(Path::new(folder), ecosystem, Path::new(to))?,
        ["match", index, ecosystem, packages] => ask(Path::new(index), ecosystem, packages.parse()?)?,
        ["fleet", folder, known, count] => {
            lockfiles::fleet(Path::new(folder), known.parse()?, count.parse()?)?
        }
        _ => return Err("the first lines of this example say what it takes".into()),
    };
    figures.insert("seconds", began.elapsed().as_secs_f64());
    figures.insert("cpu_seconds", cpu_seconds()?);
    figures.insert("memory_mb", most_memory_kb()? as f64 / 1e3);
    writeln!(std::io::stdout(), "{said}\n{}", serde_json::to_string(&figures)?)?;
    Ok(())
}

fn generate(folder: &Path, rows: u64) -> Result<String, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let mut bytes = 0;
    for (number, (ecosystem, share, a_record, packages, look)) in SHAPES.into_iter().enumerate() {
        let rows = rows * share / 100;
        let packages = (rows * packages / 1000).max(1);
        let path = folder.join(format!("{}.jsonl", ecosystem.split(':').next().unwrap_or_default()));
        let mut out = BufWriter::new(File::create(&path)?);
        let mut chance = Chance(number as u64);
        for record in 0..rows / a_record {
            let mut details = String::new();
            for _ in 0..40 + chance.below(80) {
                details.push_str(WORDS[chance.below(16) as usize]);
                details.push(' ');
            }
            let parts: Vec<String> =
                (0..a_record).map(|_| part(&mut chance, ecosystem, packages, look)).collect();
            writeln!(
                out,
                r#"{{"schema_version":"1.7.3","id":"{}-{number}-{record}","modified":"2026-01-{:02}T01:02:03Z","published":"2025-01-01T00:00:00Z","aliases":["CVE-{}-{record}"],"summary":"{}","details":"{details}\n\nMore.","severity":[{{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H"}}],"affected":[{}],"references":[{{"type":"WEB","url":"https://advisories.invalid/{record}"}}]}}"#,
                if matches!(look, Look::Dotted) { "GHSA" } else { "DSA" },
                1 + chance.below(28),
                2015 + chance.below(11),
                &details[..60],
                parts.join(","),
            )?;
        }
        out.flush()?;
        bytes += fs::metadata(&path)?.len();
    }
    Ok(format!("{} MB of JSON", bytes / 1_000_000))
}

fn part(chance: &mut Chance, ecosystem: &str, packages: u64, look: Look) -> String {
    // A few packages have most of the rows.
    let at = chance.below(1 << 20) as f64 / f64::from(1 << 20);
    let package = (at * at * at * packages as f64) as u64;
    let fixed = version(chance, look);
    let events = match chance.below(10) {
        0 => r#"{"introduced":"0"}"#.to_owned(),
        1..=6 => format!(r#"{{"introduced":"0"}},{{"fixed":"{fixed}"}}"#),
        7 | 8 => format!(r#"{{"introduced":"{}"}},{{"fixed":"{fixed}"}}"#, version(chance, look)),
        _ => format!(r#"{{"introduced":"1.0"}},{{"last_affected":"{fixed}"}}"#),
    };
    format!(
        r#"{{"package":{{"ecosystem":"{ecosystem}","name":"package-{package}","purl":"pkg:x/package-{package}"}},"ranges":[{{"type":"ECOSYSTEM","events":[{events}]}}],"database_specific":{{"source":"https://advisories.invalid/all.json"}}}}"#
    )
}

/// Fixes of one package come in few versions, as several advisories are fixed by one.
fn version(chance: &mut Chance, look: Look) -> String {
    let (major, minor, patch) = (chance.below(4), chance.below(12), chance.below(8));
    match look {
        Look::Dotted => format!("{major}.{minor}.{patch}"),
        Look::Debian => format!("{major}.{minor}.{patch}-{}ubuntu0.{}", 1 + patch % 3, minor % 4),
        Look::Rpm => format!("{major}.{minor}.{patch}-150400.{}.{}.1", minor % 5, patch % 4),
    }
}

fn import_all(folder: &Path, index: &Path, figures: &mut Figures) -> Result<String, Box<dyn Error>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        bytes += fs::metadata(&path)?.len();
        paths.push(path);
    }
    let imported = import(&paths, index)?;
    let advisories = Advisories::open(index)?;
    let (mut rows, mut packages, mut matching, mut whole) = (0, 0, 0, 0);
    for image in advisories.sources().flat_map(patchline_detect::Shelf::layers) {
        rows += image.header.rows;
        packages += image.header.packages;
        matching += image.size_for_matching();
        whole += image.size();
    }
    figures.insert("json_mb", bytes as f64 / 1e6);
    figures.insert("matching_mb", matching as f64 / 1e6);
    figures.insert("mapped_mb", whole as f64 / 1e6);
    Ok(format!(
        "{} records, {rows} rows of {packages} packages, from {} MB",
        imported.records,
        bytes / 1_000_000
    ))
}

/// Three in ten of the packages are known to the index, which is more than lockfiles have.
fn ask(index: &Path, ecosystem: &str, packages: u64) -> Result<String, Box<dyn Error>> {
    let advisories = Advisories::open(index)?;
    let mut chance = Chance(7);
    let (mut problems, mut with) = (0, 0);
    let known = advisories.sources().find(|shelf| ecosystem.starts_with(&shelf.base.header.ecosystem));
    let known = known.map_or(1, |shelf| shelf.base.header.packages * 2);
    let began = Instant::now();
    for number in 0..packages {
        let name = match number % 10 < 3 {
            true => format!("package-{}", chance.below(known)),
            false => format!("unheard-of-{number}"),
        };
        let package =
            Package { ecosystem: Ecosystem(ecosystem.to_owned()), name, version: "2.5.0".to_owned() };
        let found = advisories.of(&package)?.problems.len();
        problems += found;
        with += usize::from(found > 0);
    }
    Ok(format!(
        "{problems} problems in {with} of {packages} packages, asked in {:.1} ms",
        began.elapsed().as_secs_f64() * 1e3
    ))
}

/// The first records of an ecosystem again, as if they had been changed a month later.
fn change(folder: &Path, ecosystem: &str, count: usize, to: &Path) -> Result<String, Box<dyn Error>> {
    let file = BufReader::new(File::open(folder.join(format!("{ecosystem}.jsonl")))?);
    fs::create_dir_all(to)?;
    let mut out = BufWriter::new(File::create(to.join("changed.jsonl"))?);
    for line in file.lines().take(count) {
        writeln!(out, "{}", line?.replacen(r#""modified":"2026-01"#, r#""modified":"2026-02"#, 1))?;
    }
    out.flush()?;
    Ok(format!("{count} records of {ecosystem}"))
}

fn scanned(index: &Path, path: &Path) -> Result<String, Box<dyn Error>> {
    let advisories = Advisories::open(index)?;
    let scan = scan(path, &advisories)?;
    Ok(format!("{} findings in {} packages", scan.findings.len(), scan.inventory.len()))
}

/// Asks the system to drop what it holds of the files; they were written and synced long ago.
fn forget(index: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(index)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// Seconds that all cores worked for this process.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(") ").ok_or("no name in /proc/self/stat")?;
    let ticks = |field: usize| rest.split(' ').nth(field).ok_or("too little in /proc/self/stat");
    let ticks = ticks(11)?.parse::<u64>()? + ticks(12)?.parse::<u64>()?;
    // A tick is a hundredth of a second for whoever reads this file.
    Ok(ticks as f64 / 100.0)
}

/// Each record as a file of its own, as the public bucket has them.
fn zip(folder: &Path, ecosystem: &str, to: &Path) -> Result<String, Box<dyn Error>> {
    fs::create_dir_all(to.parent().ok_or("it needs a folder")?)?;
    let file = BufReader::new(File::open(folder.join(format!("{ecosystem}.jsonl")))?);
    let mut out = zip::ZipWriter::new(BufWriter::new(File::create(to)?));
    let options = zip::write::SimpleFileOptions::default();
    let mut count = 0;
    for line in file.lines() {
        let line = line?;
        let id = line.split('"').nth(7).ok_or("a record without an id")?;
        out.start_file(format!("{id}.json"), options)?;
        out.write_all(line.as_bytes())?;
        count += 1;
    }
    out.finish()?.flush()?;
    Ok(format!("{count} records of {ecosystem}"))
}

fn most_memory_kb() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

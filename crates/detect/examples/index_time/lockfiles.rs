//! Lockfiles as npm writes them, made up, the same each time.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::chance::Chance;

/// Names that all lockfiles of a fleet have among them, each in as many versions.
const NAMES: u64 = 20_000;
const VERSIONS: u64 = 5;
/// Packages of a lockfile.
const PACKAGES: u64 = 1000;
/// What the folder itself asks for.
const DIRECT: u64 = 60;
const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One lockfile, in which three in ten packages may be known to the index, which is more than lockfiles have.
pub fn one(path: &Path, known: u64, count: u64) -> Result<String, Box<dyn Error>> {
    let mut chance = Chance(7);
    let mut out = r#"{"lockfileVersion":3,"packages":{"":{"name":"measured","version":"1.0.0"}"#.to_owned();
    for number in 0..count {
        let name = match number % 10 < 3 {
            true => format!("package-{}", chance.below(known)),
            false => format!("unheard-of-{number}"),
        };
        write!(
            out,
            r#","node_modules/{name}":{{"version":"2.5.0","resolved":"https://packages.invalid/{name}.tgz","integrity":"sha512-{number}"}}"#
        )?;
    }
    out.push_str("}}");
    fs::write(path, out)?;
    Ok(format!("{count} packages"))
}

/// A folder for each service of a fleet, with a lockfile of a thousand packages that need each other.
pub fn fleet(folder: &Path, known: u64, count: u64) -> Result<String, Box<dyn Error>> {
    let names = names(known);
    let mut bytes = 0;
    for service in 0..count {
        let folder = folder.join(format!("team-{:02}/service-{service:05}", service % 50));
        fs::create_dir_all(&folder)?;
        let text = lockfile(service, &names)?;
        bytes += text.len();
        fs::write(folder.join("package-lock.json"), text)?;
    }
    Ok(format!("{count} lockfiles of {PACKAGES} packages, {} MB", bytes / 1_000_000))
}

/// Three in ten are known to the index.
fn names(known: u64) -> Vec<String> {
    let mut chance = Chance(11);
    let mut met = HashMap::new();
    let names = (0..NAMES).map(|number| match number % 10 < 3 {
        true => {
            let name = format!("package-{}", chance.below(known));
            let again = met.entry(name.clone()).or_insert(0);
            *again += 1;
            if *again > 1 { format!("unheard-of-{number}") } else { name }
        }
        false => format!("unheard-of-{number}"),
    });
    names.collect()
}

fn lockfile(service: u64, names: &[String]) -> Result<String, Box<dyn Error>> {
    let mut chance = Chance(1_000_003 * service + 5);
    // Steps that meet every name once before any comes again.
    let (start, step) = (chance.below(NAMES), 20 * chance.below(NAMES / 20) + 3);
    let chosen: Vec<&str> =
        (0..PACKAGES).map(|number| names[((start + number * step) % NAMES) as usize].as_str()).collect();
    let mut out = format!(
        "{{\n  \"name\": \"service-{service}\",\n  \"version\": \"1.0.0\",\n  \"lockfileVersion\": 3,\n  \"requires\": true,\n  \"packages\": {{\n    \"\": {{\n      \"name\": \"service-{service}\",\n      \"version\": \"1.0.0\",\n"
    );
    needs(&mut out, "dependencies", chosen.iter().copied().take((DIRECT / 2) as usize))?;
    needs(
        &mut out,
        "devDependencies",
        chosen.iter().copied().skip((DIRECT / 2) as usize).take((DIRECT / 2) as usize),
    )?;
    out.push_str("      \"license\": \"MIT\"\n    }");
    for (number, name) in chosen.iter().enumerate() {
        write!(
            out,
            ",\n    \"node_modules/{name}\": {{\n      \"version\": \"2.5.{}\",\n      \"resolved\": \"https://packages.invalid/{name}/-/{name}-2.5.0.tgz\",\n      \"integrity\": \"sha512-",
            chance.below(VERSIONS)
        )?;
        (0..86).for_each(|_| out.push(char::from(SIGNS[chance.below(64) as usize])));
        out.push_str("==\",\n");
        if chance.below(10) < 4 {
            out.push_str("      \"dev\": true,\n");
        }
        // Those that come later, so that all are reached and none by a circle; three in two, as in lockfiles at hand.
        let later = chosen.len() - number - 1;
        let first = DIRECT as usize + number * 3 / 2;
        let needed = (0..chance.below(4).min(later as u64)).map(|more| match more {
            0 if first < chosen.len() => chosen[first],
            _ => chosen[number + 1 + chance.below(later as u64) as usize],
        });
        let mut needed: Vec<&str> = needed.collect();
        needed.sort_unstable();
        needed.dedup();
        needs(&mut out, "dependencies", needed.into_iter())?;
        out.push_str(
            "      \"license\": \"MIT\",\n      \"engines\": {\n        \"node\": \">=6\"\n      }\n    }",
        );
    }
    out.push_str("\n  }\n}\n");
    Ok(out)
}

fn needs<'a>(
    out: &mut String,
    list: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), std::fmt::Error> {
    let mut between = format!("      \"{list}\": {{\n");
    let mut is_any = false;
    for name in names {
        write!(out, "{between}        \"{name}\": \"^2.5.0\"")?;
        between = ",\n".to_owned();
        is_any = true;
    }
    if is_any {
        out.push_str("\n      },\n");
    }
    Ok(())
}

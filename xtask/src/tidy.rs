//! `cargo xtask tidy`: checks that the house is as it is meant to be, and says where it is not.

mod fault;
mod files;
mod floors;
mod loops;
mod manifest;
mod mentions;
#[cfg(test)]
mod planted;
mod purity;
mod sources;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use fault::Fault;
use sources::Sources;

/// Prints every fault and one closing line. Fails if there is a fault.
pub fn run(root: &Path) -> Result<ExitCode> {
    let begun = Instant::now();
    let sources = Sources::read(root)?;
    let faults = check(&sources);
    for fault in &faults {
        println!("{fault}");
    }
    let files: usize = sources.crates.iter().map(|one| one.files.len()).sum();
    let seen = format!("{} texts, {files} Rust files, {} crates", sources.texts.len(), sources.crates.len());
    let seconds = begun.elapsed().as_secs_f64();
    match faults.len() {
        0 => println!("tidy: no fault in {seen} ({seconds:.1} s)"),
        1 => println!("tidy: 1 fault in {seen} ({seconds:.1} s)"),
        count => println!("tidy: {count} faults in {seen} ({seconds:.1} s)"),
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(sources: &Sources) -> Vec<Fault> {
    let checks = [floors::check, loops::check, purity::check, files::check];
    let mut faults = sources.faults.clone();
    faults.extend(checks.iter().flat_map(|check| check(sources)));
    faults.sort();
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use planted::Planted;

    #[test]
    fn the_house_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let sources = Sources::read(root).unwrap();
        assert!(sources.crates.iter().any(|one| one.name == "model"), "the crates were not found");
        let shown: Vec<String> = check(&sources).iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{} faults:\n{}", shown.len(), shown.join("\n"));
    }

    #[test]
    fn a_tiny_workspace_is_tidy_until_a_fault_is_planted() {
        assert_eq!(check(&Planted::sound().sources()), []);
        let planted = Planted::sound().with("crates/model/src/id.rs", "// Ids.\nuse std::fs;\n");
        let rules: Vec<_> = check(&planted.sources()).iter().map(|fault| (fault.line, fault.rule)).collect();
        assert_eq!(rules, [(1, "files"), (2, "purity")]);
    }

    #[test]
    fn a_fault_reads_as_place_reason_rule_and_hint() {
        let planted = Planted::sound().with("crates/model/src/id.rs", "//! Ids.\nuse std::fs;\n");
        let shown = check(&planted.sources())[0].to_string();
        let expected = "crates/model/src/id.rs:2: uses `std::fs` (purity)\n  \
                        hint: let it come in by `Context`, or let a hand do it";
        assert_eq!(shown, expected);
    }
}

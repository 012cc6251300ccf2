//! Scans, `init` and `--help`: what they print, and the exit codes that scripts rely on.

use std::fs;

use tempfile::TempDir;

use crate::cargo_project::{CLEAN, VULNERABLE, cargo_project, git};
use crate::run::{check, json, patchline, text};

#[test]
fn a_clean_project_scans_with_0() {
    let folder = TempDir::new().unwrap();
    let project = folder.path().join("project");
    cargo_project(&project, CLEAN, &[]);
    let data = folder.path().join("data");
    let scan = check(&mut patchline(&["--data", text(&data), "scan", text(&project)]), 0, &[]);
    assert!(scan.out.contains("0 findings in 1 packages"), "{}", scan.out);
    let scan = &mut patchline(&["--data", text(&data), "scan", "--format", "json", text(&project)]);
    assert_eq!(json(&check(scan, 0, &[]))["findings"], serde_json::json!([]));
    assert!(!data.exists(), "a scan leaves nothing");
}

#[test]
fn a_vulnerable_package_scans_with_1_and_with_everything_that_a_script_needs() {
    let folder = TempDir::new().unwrap();
    let project = folder.path().join("project");
    cargo_project(&project, VULNERABLE, &[]);
    let data = folder.path().join("data");
    let scan = &mut patchline(&["--data", text(&data), "scan", "--format", "json", text(&project)]);
    let value = json(&check(scan, 1, &[]));
    let finding = &value["findings"][0];
    assert_eq!(value["findings"].as_array().unwrap().len(), 1, "{value}");
    assert_eq!(finding["id"], "RUSTSEC-2018-0006");
    assert!(finding["aliases"].as_array().unwrap().contains(&"CVE-2018-20993".into()), "{finding}");
    assert_eq!(finding["package"]["name"], "yaml-rust");
    assert_eq!(finding["package"]["version"], "0.4.0");
    assert_eq!(finding["source"]["path"], "Cargo.lock");
    let line = VULNERABLE.lines().position(|line| line == "name = \"yaml-rust\"").unwrap();
    let stated = finding["source"]["line"].as_u64().unwrap();
    assert!((line as u64..=line as u64 + 1).contains(&stated), "line {stated} is not that of the package");
    let path = finding["paths"][0].as_array().unwrap();
    assert!(path.first().unwrap().as_str().unwrap().contains("small"), "{finding}");
    assert!(path.last().unwrap().as_str().unwrap().contains("yaml-rust"), "{finding}");
    assert_eq!(finding["fixed"][0], "0.4.1");
    assert!(finding["severity"][0].as_str().unwrap().starts_with("CVSS:3"), "{finding}");
    assert!(finding["priority"]["action"].is_string(), "{finding}");
}

#[test]
fn a_scan_counts_every_ecosystem_and_groups_what_it_cannot_judge() {
    let folder = TempDir::new().unwrap();
    let project = folder.path().join("project");
    let lock = r#"{ "lockfileVersion": 3, "packages": { "": { "name": "web" }, "node_modules/a": { "version": "1.0.0" } } }"#;
    let others = [("web/package-lock.json", lock), ("requirements.txt", "flask\nsix>=1\nurllib3==1.26.5\n")];
    cargo_project(&project, VULNERABLE, &others);
    let data = folder.path().join("data");
    let scan = check(
        &mut patchline(&["--data", text(&data), "scan", text(&project)]),
        1,
        &[
            "1 packages of npm were not judged: there are no advisories of it here",
            "warning: requirements.txt: 2 packages can't be judged: flask: no version is pinned; six: `>=1` is a range",
        ],
    );
    assert!(scan.out.contains("in 5 packages (1 PyPI, 3 crates.io, 1 npm)"), "{}", scan.out);
    assert!(scan.out.contains("yaml-rust 0.4.0 of crates.io, direct\n"), "{}", scan.out);
    let scan = &mut patchline(&["--data", text(&data), "scan", "--format", "json", text(&project)]);
    let value = json(&check(scan, 1, &[]));
    assert_eq!(
        (&value["findings"][0]["relation"], &value["findings"][0]["scope"]),
        (&"direct".into(), &"normal".into())
    );
    let unresolved = value["unresolved"].as_array().unwrap();
    let flask = unresolved.iter().find(|one| one["package"] == "flask");
    assert_eq!(flask.unwrap()["line"], 1, "{unresolved:?}");
}

#[test]
fn what_makes_a_scan_fail_can_be_chosen() {
    let folder = TempDir::new().unwrap();
    let project = folder.path().join("project");
    cargo_project(&project, VULNERABLE, &[]);
    let data = folder.path().join("data");
    for (least, code) in [("never", 0), ("watch", 1), ("schedule", 1)] {
        let arguments = ["--data", text(&data), "scan", "--fail-on", least, text(&project)];
        check(&mut patchline(&arguments), code, &[]);
    }
}

#[test]
fn a_folder_that_is_not_there_can_t_be_scanned() {
    check(&mut patchline(&["scan", "/nowhere/at/all"]), 3, &["could not read `/nowhere/at/all`"]);
}

#[test]
fn a_folder_without_a_lockfile_is_not_taken_for_clean() {
    let folder = TempDir::new().unwrap();
    check(&mut patchline(&["scan", text(folder.path())]), 0, &["warning: ", "no lockfile"]);
}

#[test]
fn nothing_to_fix_is_a_good_end() {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, CLEAN, &[]);
    check(&mut patchline(&["--data", text(&data), "fix", text(&project)]), 0, &[]);
    assert_eq!(git(&project, &["branch", "--list", "patchline/*"]), "");
}

#[test]
fn init_writes_settings_that_can_be_read_and_never_over_others() {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, CLEAN, &[]);
    check(&mut patchline(&["init", text(&project)]), 0, &[]);
    let settings = project.join("patchline.toml");
    let written = fs::read_to_string(&settings).unwrap();
    check(&mut patchline(&["--data", text(&data), "fix", text(&project)]), 0, &[]);
    check(&mut patchline(&["init", text(&project)]), 7, &["is there already", "hint: "]);
    assert_eq!(fs::read_to_string(&settings).unwrap(), written);
    check(&mut patchline(&["init", "/nowhere/at/all"]), 3, &["is not a folder"]);
}

#[test]
fn help_tells_of_every_command() {
    let help = check(&mut patchline(&["--help"]), 0, &[]);
    for command in
        ["init", "scan", "fix", "demo", "serve", "status", "explain", "approve", "rollback", "db", "judge"]
    {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command} is not in\n{}", help.out);
        check(&mut patchline(&[command, "--help"]), 0, &[]);
    }
    assert!(!help.out.contains("process-host"), "what is no person's business is not shown");
    let version = check(&mut patchline(&["--version"]), 0, &[]);
    assert!(version.out.contains(env!("CARGO_PKG_VERSION")));
    check(&mut patchline(&["scam"]), 2, &["scam"]);
    check(&mut patchline(&["serve", "--listen", "0.0.0.0:80"]), 2, &["loopback"]);
    check(&mut patchline(&["pause", "seven"]), 2, &["seven"]);
}

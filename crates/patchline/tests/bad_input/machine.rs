//! A machine that lacks something: a tool, the network, a port, room on the disk.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::cargo_project::{CLEAN, VULNERABLE, cargo_project, git};
use crate::run::{check, patchline, run, text};

const TOOL: i32 = 4;
const NETWORK: i32 = 5;
const STORAGE: i32 = 6;

#[test]
fn without_git_or_cargo_the_missing_one_is_named() {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, VULNERABLE, &[]);
    let (empty, only_git) = (folder.path().join("empty"), folder.path().join("git"));
    fs::create_dir_all(&empty).unwrap();
    fs::create_dir_all(&only_git).unwrap();
    symlink(find("git").unwrap(), only_git.join("git")).unwrap();

    let with = |path: &Path, arguments: &[&str]| {
        let mut command = patchline(arguments);
        command.env("PATH", path);
        command
    };
    let fix = ["--data", text(&data), "fix", text(&project)];
    check(&mut with(&empty, &fix), TOOL, &["`git`", "hint: "]);
    check(&mut with(&only_git, &fix), TOOL, &["`cargo`", "hint: "]);
    check(&mut with(&empty, &["--data", text(&data), "serve", text(&project)]), TOOL, &["`git`", "hint: "]);
    // What needs no tool works without any.
    check(&mut with(&empty, &["--data", text(&data), "scan", text(&project)]), 1, &[]);
}

#[test]
fn a_toolchain_that_is_not_installed_is_a_missing_tool() {
    if find("rustup").is_none() {
        eprintln!("skipped: there is no rustup here, so no toolchain can be missing");
        return;
    }
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, VULNERABLE, &[("rust-toolchain.toml", "[toolchain]\nchannel = \"1.1.0\"\n")]);
    let mut fix = patchline(&["--data", text(&data), "fix", text(&project)]);
    fix.env_remove("RUSTUP_AUTO_INSTALL").env_remove("RUSTUP_TOOLCHAIN");
    check(&mut fix, TOOL, &["1.1.0", "hint: "]);
}

/// A proxy at a port where nobody listens keeps every request on this machine.
#[test]
fn without_the_network_a_fix_says_so_and_makes_no_branch() {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, VULNERABLE, &[]);
    // Outside of the temporary folder, of which every foreign command has its own.
    let home =
        tempfile::Builder::new().prefix("cargo-home-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let closed = "127.0.0.1:1";
    let configuration = format!("[http]\nproxy = \"http://{closed}\"\n[net]\nretry = 0\n");
    fs::write(home.path().join("config.toml"), configuration).unwrap();
    let mut fix = patchline(&["--data", text(&data), "fix", text(&project)]);
    fix.env("CARGO_HOME", home.path()).env("https_proxy", format!("http://{closed}"));
    check(&mut fix, NETWORK, &["network could not be reached", "hint: ", "cargo fetch"]);
    assert_eq!(git(&project, &["branch", "--list", "patchline/*"]), "", "no branch was made");
    assert_eq!(git(&project, &["status", "--porcelain"]), "", "the checkout is untouched");
    assert_eq!(git(&project, &["worktree", "list"]).lines().count(), 1, "no worktree is left");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, CLEAN, &[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = ["--data", text(&data), "serve", "--listen", &address, text(&project)];
    check(&mut patchline(&serve), STORAGE, &["could not listen", &address, "hint: ", "--listen"]);
}

#[test]
fn a_data_folder_that_can_t_be_made_is_named() {
    let folder = TempDir::new().unwrap();
    let project = folder.path().join("project");
    cargo_project(&project, VULNERABLE, &[]);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for data in ["/proc/nope", text(&file)] {
        for command in
            [&["status"][..], &["fix", text(&project)], &["serve", text(&project)], &["db", "status"]]
        {
            let arguments = [&["--data", data], command].concat();
            check(&mut patchline(&arguments), STORAGE, &[data, "hint: ", "--data"]);
        }
    }
    check(patchline(&["explain", "P-1"]).env_remove("HOME"), STORAGE, &["hint: ", "--data"]);
}

#[test]
fn a_disk_that_is_full_or_read_only_is_told_of() {
    let folder = TempDir::new().unwrap();
    let (project, data) = (folder.path().join("project"), folder.path().join("data"));
    cargo_project(&project, VULNERABLE, &[]);
    fs::create_dir_all(&data).unwrap();
    // A mount that nobody else sees; it is gone with the command.
    let mounted = |options: &str, arguments: &[&str]| {
        let script = "mount -t tmpfs -o \"$1\" none \"$2\" && shift 2 && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", options, text(&data)]).args(arguments);
        command
    };
    if find("unshare").is_none() || run(&mut mounted("size=64k", &["true"])).code != 0 {
        eprintln!("skipped: nothing can be mounted here, so no disk can be full");
        return;
    }
    let binary = env!("CARGO_BIN_EXE_patchline");
    let fix = [binary, "--data", text(&data), "fix", text(&project)];
    check(&mut mounted("size=64k", &fix), STORAGE, &["hint: ", "free space"]);
    assert_eq!(git(&project, &["branch", "--list", "patchline/*"]), "", "no branch was made");
    // Room for the first facts, and not for much more: it ends, and does not try for ever.
    check(&mut mounted("size=200k", &fix), STORAGE, &["hint: "]);
    check(&mut mounted("ro", &fix), STORAGE, &[text(&data), "hint: "]);
    check(&mut mounted("ro", &[binary, "--data", text(&data), "status"]), STORAGE, &[text(&data), "hint: "]);
    assert_eq!(git(&project, &["status", "--porcelain"]), "", "the checkout is untouched");
}

/// The program of this name on the search path.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

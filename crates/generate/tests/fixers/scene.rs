//! What the tests of fixers need: a project under git, what is known to be bad, and a server on loopback in a registry's
//! place.
#![allow(dead_code, reason = "no test needs all of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use patchline_generate::fixer::Known;
use patchline_generate::{Fixer, Looks, Proposal, Request};
use patchline_model::analyzer::Analyzer;
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::{FindingId, PatchId};
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::detect::{Finding, Location, Source};
use patchline_model::stage::generate::Candidate;
use tempfile::TempDir;

/// A service without analyzers.
#[derive(Debug)]
pub struct NobodyLooks;

#[async_trait::async_trait]
impl Looks for NobodyLooks {
    fn analyzer(&self, _: &str) -> Option<&Analyzer> {
        None
    }

    async fn findings(&self, _: &Commit) -> Result<Vec<Finding>, Failure> {
        Ok(Vec::new())
    }
}

/// Packages with a problem, by name and version.
#[derive(Clone, Debug, Default)]
pub struct Bad(pub BTreeSet<(String, String)>);

impl Bad {
    pub fn of(packages: &[(&str, &str)]) -> Self {
        Self(packages.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect())
    }
}

impl Known for Bad {
    fn problems(&self, package: &Package) -> Result<Vec<String>, Failure> {
        let is_bad = self.0.contains(&(package.name.clone(), package.version.clone()));
        Ok(is_bad.then(|| format!("X-{}", package.name)).into_iter().collect())
    }
}

/// A repository with one commit.
pub struct Scene {
    pub folder: TempDir,
    pub work: TempDir,
}

impl Scene {
    pub fn of(files: &[(&str, &str)]) -> Self {
        let scene = Self {
            folder: tempfile::tempdir().expect("a folder"),
            work: tempfile::tempdir().expect("a folder"),
        };
        scene.git(&["init", "--quiet", "--initial-branch=main"]);
        for (path, text) in files {
            let path = scene.folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        scene.git(&["add", "--all"]);
        scene.git(&[
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@example.org",
            "commit",
            "--quiet",
            "-m",
            "base",
        ]);
        scene
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(self.folder.path()).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = command.output().expect("git runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// A file as it is in the commit.
    pub fn show(&self, commit: &str, path: &str) -> String {
        self.git(&["show", &format!("{commit}:{path}")]) + "\n"
    }

    /// Asks for what is bad and stands in this file.
    pub fn request(&self, ecosystem: &str, path: &str, installed: &[(&str, &str)], bad: &Bad) -> Request {
        let findings = installed.iter().map(|(name, version)| Finding {
            id: FindingId(format!("{name}@{version}")),
            source: Source::Lockfile,
            advisory: format!("X-{name}"),
            aliases: Vec::new(),
            summary: "A problem".to_owned(),
            package: Some(Package {
                ecosystem: Ecosystem(ecosystem.to_owned()),
                name: (*name).to_owned(),
                version: (*version).to_owned(),
            }),
            location: Location { path: path.to_owned(), line: None },
            paths: Vec::new(),
            fixed: Vec::new(),
            severity: Vec::new(),
            informational: None,
        });
        Request {
            patch: PatchId(7),
            number: 1,
            repository: self.folder.path().to_owned(),
            folder: String::new(),
            base: self.git(&["rev-parse", "HEAD"]).parse().expect("a commit"),
            findings: findings.collect(),
            refused: Vec::new(),
            branch: Some("patchline/P-7".to_owned()),
            work: self.work.path().join("worktrees"),
            cache: self.work.path().join("cache"),
            committed_at: 1_700_000_000,
            author: "Patchline <patchline@example.org>".to_owned(),
            known: Arc::new(bad.clone()),
            looks: Arc::new(NobodyLooks),
        }
    }

    /// Nothing of the user's is touched, and nothing is left behind.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!(self.git(&["status", "--porcelain", "--branch"]), "## main");
        assert_eq!(self.git(&["worktree", "list"]).lines().count(), 1);
        let left = fs::read_dir(self.work.path().join("worktrees")).expect("it was made").count();
        assert_eq!(left, 0);
    }
}

/// The candidate that the fixer proposes.
pub async fn candidate(fixer: &dyn Fixer, request: &Request) -> Candidate {
    match fixer.propose(request).await {
        Ok(Proposal::Candidate { candidate, diff, .. }) => {
            assert_eq!(candidate.diff, Digest::of(diff.as_bytes()));
            *candidate
        }
        Ok(Proposal::NoFix { reasons, log }) => panic!("no fix: {reasons:?}\n{log}"),
        Err(failure) => panic!("{failure:?}"),
    }
}

/// The reasons why it proposes none.
pub async fn no_fix(fixer: &dyn Fixer, request: &Request) -> Vec<String> {
    match fixer.propose(request).await {
        Ok(Proposal::NoFix { reasons, .. }) => reasons,
        Ok(Proposal::Candidate { candidate, .. }) => panic!("{candidate:?}"),
        Err(failure) => panic!("{failure:?}"),
    }
}

/// As in `a 1.0.0 -> 1.0.1`.
pub fn moves(candidate: &Candidate) -> Vec<String> {
    let text = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    let moves = candidate.moves.iter();
    moves.map(|step| format!("{} {} -> {}", step.package, text(&step.from), text(&step.to))).collect()
}

/// Whether a program is there; a test that needs it says so where it is not.
pub fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: `{program}` is not installed");
    }
    there
}

/// A program of this name and leading version: of those that `cargo xtask test` brings, or else on `PATH`. A test that needs
/// it says so where it is not.
pub fn tool(name: &str, major: u32) -> Option<PathBuf> {
    let brought = std::env::var_os("PATCHLINE_NODE_TOOLS").map(PathBuf::from);
    let brought = brought.map(|tools| tools.join(format!("{name}{major}/node_modules/.bin/{name}")));
    let found = brought.into_iter().chain([PathBuf::from(name)]).find(|program| {
        let said = Command::new(program).arg("--version").current_dir("/").output();
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).starts_with(&format!("{major}.")))
    });
    if found.is_none() {
        eprintln!("skipped: `{name}` {major} is not installed");
    }
    found
}

/// Answers GET by path until it is dropped; what it does not have is not found.
pub struct Server {
    pub address: SocketAddr,
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn of<Body: Into<Vec<u8>>>(pages: BTreeMap<String, Body>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"), pages)
    }

    /// On a port that was taken before, for pages that name it.
    pub fn on<Body: Into<Vec<u8>>>(listener: TcpListener, pages: BTreeMap<String, Body>) -> Self {
        let pages: BTreeMap<String, Vec<u8>> =
            pages.into_iter().map(|(path, body)| (path, body.into())).collect();
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (pages, seen) = (Arc::new(pages), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, seen) = (Arc::clone(&pages), Arc::clone(&seen));
                thread::spawn(move || answer(&stream, &pages, &seen));
            }
        });
        Self { address, asked }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(mut stream: &TcpStream, pages: &BTreeMap<String, Vec<u8>>, seen: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(path) = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)) else { return };
    let _ = lines.take_while(|line| !line.is_empty()).count();
    seen.lock().expect("nobody panics with it").push(path.clone());
    let (status, body) = match pages.get(&path.to_lowercase()) {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", "{}".as_bytes()),
    };
    let kind =
        if path.starts_with("/simple/") { "application/vnd.pypi.simple.v1+json" } else { "application/json" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Who asks may have gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// The address of a server that wants to know who asks, whatever is asked.
pub fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = lines.take_while(|line| !line.is_empty()).count();
            let head = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            // Who asks may have gone.
            let _ = stream.write_all(head.as_bytes());
        }
    });
    format!("http://{address}")
}

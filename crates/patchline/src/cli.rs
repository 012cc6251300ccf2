//! Every command and every flag.

mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use patchline_generate::config::change::Edit;
use patchline_generate::config::flag::Flag;
use patchline_generate::image::change::Image;
use patchline_model::id::PatchId;
use patchline_model::service::{Name, Tier};
use patchline_model::time::Timestamp;

use crate::cli::values::{freeze, loopback, moment, tier};

/// Takes a software patch from detection to rollout, and back again when the world gets worse.
#[derive(Debug, Parser)]
#[command(name = "patchline", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Folder for the ledger, the evidence and the work in progress [default: the user's data folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "PATCHLINE_DATA")]
    pub data: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a `patchline.toml` for a project
    Init(InitArguments),
    /// Find vulnerable dependencies
    Scan(ScanArguments),
    /// Make a fix, prove it, and leave a branch and a report
    Fix(FixArguments),
    /// Print the text of a pull request for a patch's branch
    Pr(PrArguments),
    /// Report a problem, and let the service's agents try to fix it
    Report(ReportArguments),
    /// Say in numbers what a service's rollout will see, before anything moves
    Plan(PlanArguments),
    /// Watch a real vulnerability go all the way, and a bad patch come back
    Demo(DemoArguments),
    /// Run the conductor, the API and the pages
    Serve(ServeArguments),
    /// Stop a service's instances and proxy, which `serve` leaves running
    Down(DownArguments),
    /// Show where each patch stands
    Status(StatusArguments),
    /// Show why a patch may or may not move, and what the judge saw
    Explain(ExplainArguments),
    /// Approve what a patch asks for, in your own name
    Approve(ApproveArguments),
    /// Hold a rollout where it is; the judge stays armed
    Pause(ControlArguments),
    /// Let a paused rollout go on, and open the gate at which it waits
    Resume(ControlArguments),
    /// Promote the new version without waiting for more evidence
    Promote(ControlArguments),
    /// Give a patch up; a rollout under way is taken back first
    Abort(ControlArguments),
    /// Take the new version back now, even after its promotion as long as it runs
    Rollback(RollbackArguments),
    /// Bring a patch's fix to other branches that have the problem, each proven by itself
    Backport(BackportArguments),
    /// Take a patch's change out of the source again, as a patch of its own
    Revert(RevertArguments),
    /// Close the review that an emergency owes; another person than the one who let it pass
    Review(ReviewArguments),
    /// Show the members of a set, their order, and how they stand
    Set(SetArguments),
    /// Try a patch again that was taken back, from the gate on and with the same artifact
    Retry(ControlArguments),
    /// Stop everything that goes forward, or let it go on
    #[command(subcommand)]
    Line(LineCommand),
    /// Say when nothing may begin or grow
    #[command(subcommand)]
    Freeze(FreezeCommand),
    /// The advisory database
    #[command(subcommand)]
    Db(DbCommand),
    /// Judge canaries from JSON lines
    Judge(JudgeCommand),
    /// The process that holds a service's proxy and instances
    #[command(hide = true)]
    ProcessHost(ProcessHostArguments),
}

#[derive(Debug, Args)]
pub struct InitArguments {
    /// The project's folder
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = SCAN_HELP)]
pub struct ScanArguments {
    /// Folders, lockfiles, images, archives of a root, binaries; of several, places are told from the nearest folder above
    /// all of them
    #[arg(default_value = ".", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Folder of imported advisories [default: `advisories` in the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub db: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Face::Table)]
    pub format: Face,
    /// Least action that makes the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Schedule)]
    pub fail_on: FailOn,
    /// Reports of analyzers that ran elsewhere, in SARIF; their paths count from the top of the repository
    #[arg(long, value_name = "FILE")]
    pub sarif: Vec<PathBuf>,
    /// Run the analyzers of the `patchline.toml` in each PATH: commands of that file, in the sandbox
    #[arg(long)]
    pub analyzers: bool,
    /// Only what this revision or range brought in or changed, as in `main` or `v1.0..v1.1`; a revision alone counts what is
    /// not committed, too
    #[arg(long, value_name = "REV")]
    pub changed: Option<String>,
    /// Use no network. It is so anyway, but for analyzers that ask for it: a scan goes by the advisories at hand, and where
    /// none were imported by the built-in ones, with a warning
    #[arg(long)]
    pub offline: bool,
    /// Days after which advisories that the scan needs are old [default: as `patchline.toml` says, else 7]
    #[arg(long, value_name = "DAYS", env = "PATCHLINE_STALE_AFTER")]
    pub stale_after: Option<u32>,
    /// Whether old advisories are a warning or an error, exit code 8 [default: as `patchline.toml` says, else `warn`]
    #[arg(long, value_enum, env = "PATCHLINE_STALE")]
    pub stale: Option<Stale>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stale {
    Warn,
    Error,
}

const SCAN_HELP: &str = "\
Exit codes:
  0  nothing at or above `--fail-on`
  1  something at or above `--fail-on`
  2  the command line is wrong
  3  a PATH, a lockfile, `patchline.toml`, the advisories or a revision can't be read
  4  `--changed` needs git, and it is not installed
  6  the data folder or the disk does not work
  8  old advisories are an error (`--stale error`, or `patchline.toml`), and the scan needs such";

#[derive(Debug, Args)]
pub struct FixArguments {
    /// The project's folder, inside a git repository
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Only these advisories, rules or packages; with `--from` those that the change claims to fix
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Take a person's change instead of making one: a branch, a commit, or a file with a diff (`-`: standard input)
    #[arg(long, value_name = "CHANGE")]
    pub from: Option<String>,
    /// What the change is called [default: the first line of its commit]
    #[arg(long, value_name = "TEXT", requires = "from")]
    pub title: Option<String>,
    /// Another tag of an image, wherever Dockerfiles and YAML name it; `NAME=TAG@sha256:…` says its digest, too
    #[arg(long, value_name = "NAME=TAG", conflicts_with_all = ["from", "only", "sarif"])]
    pub image: Vec<Image>,
    /// Another value in a file of JSON, YAML, TOML, HCL or properties, as in `k8s/app.yaml:spec.replicas=3`; may be given several times
    #[arg(long, value_name = "FILE:PATH=VALUE", conflicts_with_all = ["from", "only", "sarif", "image"])]
    pub edit: Vec<Edit>,
    /// Turn a feature flag `off` or `on` in the service's file of flagd that has it; may be given several times
    #[arg(long, value_name = "NAME=off", conflicts_with_all = ["from", "only", "sarif", "image", "edit"])]
    pub flag: Vec<Flag>,
    /// The branch or commit that needs the fix [default: what is checked out]; settings are those of the checkout
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// Reports of analyzers that ran elsewhere, in SARIF; their paths count from the top of the repository
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub sarif: Vec<PathBuf>,
    /// All findings in one patch, and not one patch for each priority and owner
    #[arg(long)]
    pub one_patch: bool,
    /// Say what would be changed, and leave no branch and no record
    #[arg(long, conflicts_with_all = ["rollout", "set", "forward_only", "supersedes", "from", "image", "edit"])]
    pub dry_run: bool,
    /// Take the fix all the way onto every instance, and not only to a proven branch
    #[arg(long)]
    pub rollout: bool,
    /// Why running the old version again does not undo this change; it is rolled out, and never taken back by itself
    #[arg(long, value_name = "REASON")]
    pub forward_only: Option<String>,
    /// Put it into this set: patches that are rolled out in order, and taken back together
    #[arg(long, value_name = "NAME")]
    pub set: Option<Name>,
    /// In its set it comes after this patch; may be given several times
    #[arg(long, value_name = "PATCH", requires = "set")]
    pub after: Vec<PatchId>,
    /// It takes the place of this older patch, which ends, or is taken back, before this one begins
    #[arg(long, value_name = "PATCH")]
    pub supersedes: Option<PatchId>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct PrArguments {
    /// The patch, as in `P-7`
    pub patch: PatchId,
    /// Markdown, or `json` with the title and the branch
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The project's folder, inside a git repository; or a patch that is open, as in `P-7`, to add what shows its finding
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// What is wrong, in one line; of a folder's report required
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// How it shows, in a sentence; with `--test` words that stand in what the failing test says; of a folder's report required
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Of a patch with several findings the one that is shown, by any of its names
    #[arg(long, value_name = "NAME", conflicts_with_all = ["title", "text", "file", "rollout"])]
    pub finding: Option<String>,
    /// A file with as much more as there is to say (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub text: Option<String>,
    /// Where it was seen: a path inside the project's folder
    #[arg(long, value_name = "PATH")]
    pub file: Option<String>,
    #[arg(long, value_name = "NUMBER", requires = "file", value_parser = clap::value_parser!(u32).range(1..))]
    pub line: Option<u32>,
    /// A test of the suite that fails because of it
    #[arg(long, value_name = "NAME", conflicts_with = "reproducer")]
    pub test: Option<String>,
    /// Take the fix all the way onto every instance, and not only to a proven branch
    #[arg(long)]
    pub rollout: bool,
    /// Who reports it [default: who is logged in]
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// A command that exits with 1 where the problem is there and with 0 where it is not, `{artifact}` being what was built;
    /// the last flag: everything after it is the command
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    pub reproducer: Vec<String>,
}

#[derive(Debug, Args)]
pub struct BackportArguments {
    pub patch: PatchId,
    /// A branch, or any commit; may be given several times
    #[arg(long, value_name = "BRANCH", required = true)]
    pub to: Vec<String>,
    /// Who asks for it [default: who is logged in]
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct RevertArguments {
    pub patch: PatchId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Take it all the way onto every instance, and not only to a proven branch
    #[arg(long)]
    pub rollout: bool,
    /// Who asks for it [default: who is logged in]
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
}

#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The folder with the service's `patchline.toml`
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Requests a second to the whole service; without it they are counted where the service runs
    #[arg(long, value_name = "NUMBER")]
    pub rps: Option<f64>,
    /// How often the stable version fails, as a fraction [default: as counted, else 0.001]
    #[arg(long, value_name = "FRACTION")]
    pub base_error_rate: Option<f64>,
    /// Suggest a first share and steps with which a regression fails at most so many requests before it is taken back
    #[arg(long, value_name = "REQUESTS")]
    pub budget: Option<f64>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct DemoArguments {
    /// What is printed: the story, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Leave the pages up until Ctrl-C
    #[arg(long)]
    pub serve: bool,
    /// Loopback address of the pages
    #[arg(long, default_value = "127.0.0.1:0", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Keep the folder with the repository, the ledger and the evidence
    #[arg(long)]
    pub keep: bool,
}

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Folders with a `patchline.toml`
    #[arg(default_value = ".")]
    pub services: Vec<PathBuf>,
    /// Loopback address of the API and the pages
    #[arg(long, default_value = "127.0.0.1:7700", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Seconds between scans
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..))]
    pub interval: u64,
}

#[derive(Debug, Args)]
pub struct DownArguments {
    /// The folder with the service's `patchline.toml`
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

#[derive(Debug, Args)]
pub struct StatusArguments {
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The patch, as in `P-7`
    pub patch: PatchId,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct ApproveArguments {
    /// The patch, as in `P-7`
    pub patch: PatchId,
    /// Your name; the author of a patch can't approve it
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
    /// The role in which you approve
    #[arg(long, default_value = "owner")]
    pub role: String,
    /// The digest of what you were shown; without it, what is shown now is approved
    #[arg(long, value_name = "DIGEST")]
    pub dossier: Option<String>,
    #[arg(long, default_value = "")]
    pub comment: String,
    /// It can't wait for others, for a freeze, or for a window, for this reason; a review is owed afterwards
    #[arg(long, value_name = "REASON", conflicts_with_all = ["comment", "reject"])]
    pub emergency: Option<String>,
    /// Say no instead, for this reason
    #[arg(long, value_name = "REASON")]
    pub reject: Option<String>,
}

#[derive(Debug, Args)]
pub struct ControlArguments {
    /// The patch, as in `P-7`
    pub patch: PatchId,
    /// Your name, for the record
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
    #[arg(long, default_value = "")]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct ReviewArguments {
    /// The patch, as in `P-7`
    pub patch: PatchId,
    /// Your name, for the record
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
    /// What you found: whether it was right to let it pass, and what follows
    #[arg(long)]
    pub note: String,
}

#[derive(Debug, Args)]
pub struct SetArguments {
    /// The set's name
    pub name: Name,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The patch, as in `P-7`
    #[arg(required_unless_present = "set")]
    pub patch: Option<PatchId>,
    /// Take back every member of this set, the last first
    #[arg(long, value_name = "NAME", conflicts_with = "patch")]
    pub set: Option<Name>,
    /// Your name, for the record
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Take back what can't be undone, for this reason
    #[arg(long, value_name = "REASON", conflicts_with = "reason")]
    pub accept_data_loss: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum LineCommand {
    /// Let nothing begin, grow or be promoted any more, at once; judges stay armed, and what is taken back goes on
    Stop(StopArguments),
    /// Let everything go on where it stands
    Start(StartArguments),
    /// Show what is stopped and frozen, and who said so
    Status(StatusArguments),
}

#[derive(Debug, Args)]
pub struct StopArguments {
    /// Why; everybody who is held by it reads this
    #[arg(long)]
    pub reason: String,
    /// Only this service
    #[arg(long, value_name = "NAME")]
    pub service: Option<Name>,
    /// Your name, for the record
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
}

#[derive(Debug, Args)]
pub struct StartArguments {
    #[arg(long, default_value = "")]
    pub reason: String,
    /// The stop of this service alone
    #[arg(long, value_name = "NAME")]
    pub service: Option<Name>,
    /// Your name, for the record
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum FreezeCommand {
    /// From then until then, let nothing begin or grow
    Add(FreezeArguments),
    /// Show the freezes that are in force or ahead
    List(StatusArguments),
    /// Lift a freeze before its end
    Lift(LiftArguments),
}

#[derive(Debug, Args)]
pub struct FreezeArguments {
    /// As in `2026-12-24T12:00:00Z` or `2026-12-24T12:00[Europe/Berlin]` [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Timestamp>,
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Timestamp,
    /// Why; everybody who is held by it reads this
    #[arg(long)]
    pub reason: String,
    /// Only this service
    #[arg(long, value_name = "NAME", conflicts_with = "tier")]
    pub service: Option<Name>,
    /// Only services of this tier, 1 to 4
    #[arg(long, value_name = "NUMBER", value_parser = tier)]
    pub tier: Option<Tier>,
    /// What may move all the same
    #[arg(long, value_enum)]
    pub except: Option<Except>,
    /// Your name, for the record
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Except {
    /// Patches that remove a finding on which triage says to act now
    Hotfix,
}

#[derive(Debug, Args)]
pub struct LiftArguments {
    /// The freeze, as in `F-3`
    #[arg(value_parser = freeze)]
    pub freeze: u32,
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Your name, for the record
    #[arg(long, value_name = "NAME", env = "PATCHLINE_BY")]
    pub by: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Take in advisories in OSV format: zips, JSON files, JSON lines, and folders of them
    Import(ImportArguments),
    /// Fetch the public OSV database, or a mirror of it: all of it first, then what changed
    Update(UpdateArguments),
    /// Let in records that an update held back
    Accept(AcceptArguments),
    /// Show what is there and how old it is
    Status,
    /// Compare versions as their ecosystem does: `A B` a line on standard input, `<`, `=`, `>` or `?` a line on standard output
    Compare(CompareArguments),
}

#[derive(Debug, Args)]
pub struct ImportArguments {
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct UpdateArguments {
    /// An address or a folder with the layout of the public bucket [default: the public bucket]
    #[arg(long, value_name = "URL|FOLDER", env = "PATCHLINE_OSV_MIRROR")]
    pub mirror: Option<String>,
    /// Only this ecosystem, by its OSV name; may be repeated [default: those that are there, or all where none is]
    #[arg(long = "ecosystem", value_name = "NAME")]
    pub ecosystems: Vec<String>,
}

#[derive(Debug, Args)]
pub struct AcceptArguments {
    /// Ids of records, as `db update` and `db status` name them
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
}

#[derive(Debug, Args)]
pub struct CompareArguments {
    /// The ecosystem by its OSV name, as in `PyPI`, `Maven` or `Debian:12`
    pub ecosystem: String,
}

#[derive(Debug, Args)]
pub struct JudgeCommand {
    /// Read windows from standard input, answer each with a line
    #[arg(long, required = true)]
    pub stdin: bool,
}

#[derive(Debug, Args)]
pub struct ProcessHostArguments {
    #[arg(long)]
    pub directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

/// How a scan is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Face {
    /// For a person
    Table,
    /// For a script
    Json,
    /// For a script, a line for each finding as soon as it is known: for thousands of lockfiles
    Jsonl,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// CycloneDX 1.6: packages, dependencies and vulnerabilities
    Cyclonedx,
    /// SPDX 2.3: packages and dependencies, findings as references
    Spdx,
    /// For a pull request
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    ActNow,
    Schedule,
    Watch,
    Never,
}

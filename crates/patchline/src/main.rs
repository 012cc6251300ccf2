//! Patchline: takes a software patch from detection to rollout. This file is the table of contents.

mod cli;
mod commands;
mod exit;
mod nearest;
mod report;
mod settings;
mod terminal;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

use crate::cli::{Cli, Command, DbCommand, JudgeCommand};
use crate::commands::control::{self, Control};
use crate::commands::db::compare;
use crate::commands::{
    approve, carry, db, demo, down, explain, fix, freeze, init, judge, line, plan, process_host, review,
    scan, serve, set, status,
};
use crate::exit::{Exit, Trouble};

/// A scan is made of small texts; the system's allocator takes a third of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(exit) => exit.code(),
        Err(trouble) => {
            terminal::complain(&trouble);
            trouble.exit.code()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Trouble> {
    let data = cli.data;
    match cli.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Scan(arguments) => scan::run(&arguments, data.as_deref()),
        Command::Fix(arguments) => block_on(fix::run(arguments, data)),
        Command::Pr(arguments) => block_on(commands::pr::run(arguments, data)),
        Command::Report(arguments) => block_on(commands::report::run(arguments, data)),
        Command::Plan(arguments) => block_on(plan::run(arguments, data)),
        Command::Demo(arguments) => block_on(demo::run(arguments)),
        Command::Serve(arguments) => block_on(serve::run(arguments, data)),
        Command::Down(arguments) => block_on(down::run(arguments, data)),
        Command::Status(arguments) => block_on(status::run(arguments, data)),
        Command::Explain(arguments) => block_on(explain::run(arguments, data)),
        Command::Approve(arguments) => block_on(approve::run(arguments, data)),
        Command::Pause(arguments) => block_on(control::run(Control::Pause, arguments, data)),
        Command::Resume(arguments) => block_on(control::run(Control::Resume, arguments, data)),
        Command::Promote(arguments) => block_on(control::run(Control::Promote, arguments, data)),
        Command::Abort(arguments) => block_on(control::run(Control::Abort, arguments, data)),
        Command::Rollback(arguments) => block_on(control::rollback(arguments, data)),
        Command::Backport(arguments) => block_on(carry::run_backport(arguments, data)),
        Command::Revert(arguments) => block_on(carry::run_revert(arguments, data)),
        Command::Review(arguments) => block_on(review::run(arguments, data)),
        Command::Set(arguments) => block_on(set::run(arguments, data)),
        Command::Retry(arguments) => block_on(control::run(Control::Retry, arguments, data)),
        Command::Line(command) => block_on(line::run(command, data)),
        Command::Freeze(command) => block_on(freeze::run(command, data)),
        Command::Db(DbCommand::Import(arguments)) => db::import(&arguments, data.as_deref()),
        Command::Db(DbCommand::Update(arguments)) => block_on(db::update::update(arguments, data.as_deref())),
        Command::Db(DbCommand::Accept(arguments)) => db::update::accept(&arguments, data.as_deref()),
        Command::Db(DbCommand::Compare(arguments)) => compare::run(&arguments),
        Command::Db(DbCommand::Status) => db::status::run(data.as_deref()),
        Command::Judge(JudgeCommand { stdin: _ }) => judge::run(),
        Command::ProcessHost(arguments) => block_on(process_host::run(arguments)),
    }
}

fn block_on(work: impl Future<Output = Result<Exit, Trouble>>) -> Result<Exit, Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Trouble::storage(format!("could not start the runtime: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

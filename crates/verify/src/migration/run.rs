//! Runs a script statement by statement, as migration tools do: one transaction around a file unless it has its own or can't be in
//! one. Where it is watched, the database is looked at between the statements, inside the transaction.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::migration::files::Script;
use crate::migration::names::is_without_transaction;
use crate::migration::snapshot::{LOOK, Snapshot};
use crate::postgres::client::{Answer, Client, Refusal, Status, Want};
use crate::sql::pieces::{What, pieces};
use crate::sql::words::plain;

/// What can't run inside a transaction (`active_sql_transaction`), or not in that which made what it uses
/// (`unsafe_new_enum_value_usage`).
const NEEDS_NO_TRANSACTION: [&str; 2] = ["25001", "55P04"];
const CONTROLS: [&str; 7] = ["begin", "start", "commit", "end", "rollback", "abort", "savepoint"];

/// One statement that ran, and what was so before and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) text: String,
    /// What it did, as in `DELETE 3`.
    pub(crate) tag: String,
    pub(crate) before: Snapshot,
    pub(crate) after: Snapshot,
}

/// A statement that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) why: String,
}

struct Statement<'a> {
    line: usize,
    text: &'a str,
    data: &'a str,
}

/// What becomes of a step that is watched: a database of many tables is not kept for each statement.
pub(crate) type Watch<'a, T> = Option<&'a (dyn Fn(&Step) -> T + Sync)>;

/// Runs all of it. What is watched leaves what was seen of each statement; the session is as new afterwards.
pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin, T>(
    client: &mut Client<S>,
    script: &Script,
    watch: Watch<'_, T>,
) -> io::Result<Result<Vec<T>, Refused>> {
    let statements = match statements(&script.text) {
        Ok(statements) => statements,
        Err(refused) => return Ok(Err(refused)),
    };
    let is_own = statements.iter().any(is_control) || is_without_transaction(&script.text);
    let mut ran = match is_own {
        true => each(client, &statements, watch).await?,
        false => match whole(client, &statements, watch).await? {
            Err((_, code)) if NEEDS_NO_TRANSACTION.contains(&code.as_str()) => {
                say(client, "ROLLBACK").await?;
                each(client, &statements, watch).await?
            }
            ran => ran,
        },
    };
    if client.status == Status::InTransaction
        && let Some(refusal) = say(client, "COMMIT").await?.refused
        && let Some(last) = statements.last()
    {
        ran = Err(refused(last, refusal));
    }
    say(client, "ROLLBACK").await?;
    say(client, "DISCARD ALL").await?;
    Ok(ran.map_err(|(refused, _)| refused))
}

/// The database as it is now.
pub(crate) async fn look<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> io::Result<Snapshot> {
    let answer = client.query(LOOK, Want::Rows).await?;
    match answer.refused {
        Some(refusal) => {
            Err(io::Error::other(format!("the database can't be looked at: {}", refusal.message)))
        }
        None => Ok(Snapshot::read(&answer.rows)),
    }
}

/// With the SQLSTATE.
type Ran<T> = Result<Vec<T>, (Refused, String)>;

/// In one transaction, which is left open.
async fn whole<S: AsyncRead + AsyncWrite + Unpin, T>(
    client: &mut Client<S>,
    statements: &[Statement<'_>],
    watch: Watch<'_, T>,
) -> io::Result<Ran<T>> {
    say(client, "BEGIN").await?;
    let mut seen = Vec::new();
    let mut before = if watch.is_some() { look(client).await? } else { Snapshot::default() };
    for statement in statements {
        let answer = client.query(statement.text, Want::Ending(statement.data)).await?;
        if let Some(refusal) = answer.refused {
            return Ok(Err(refused(statement, refusal)));
        }
        if let Some(watch) = watch {
            let after = look(client).await?;
            seen.push(watch(&step(statement, &answer, std::mem::replace(&mut before, after.clone()), after)));
        }
    }
    Ok(Ok(seen))
}

/// Each in a transaction of its own where it can be in one and the script does not say what its transactions are.
async fn each<S: AsyncRead + AsyncWrite + Unpin, T>(
    client: &mut Client<S>,
    statements: &[Statement<'_>],
    watch: Watch<'_, T>,
) -> io::Result<Ran<T>> {
    let mut seen = Vec::new();
    for statement in statements {
        let wraps = client.status == Status::Idle && !is_control(statement);
        if wraps {
            say(client, "BEGIN").await?;
        }
        let watch = watch.filter(|_| client.status != Status::Failed);
        let before = if watch.is_some() { look(client).await? } else { Snapshot::default() };
        let mut answer = client.query(statement.text, Want::Ending(statement.data)).await?;
        let is_alone = |refusal: &Refusal| wraps && NEEDS_NO_TRANSACTION.contains(&refusal.code.as_str());
        if answer.refused.as_ref().is_some_and(is_alone) {
            say(client, "ROLLBACK").await?;
            answer = client.query(statement.text, Want::Ending(statement.data)).await?;
        }
        if let Some(refusal) = answer.refused {
            return Ok(Err(refused(statement, refusal)));
        }
        if let Some(watch) = watch.filter(|_| client.status != Status::Failed) {
            let after = look(client).await?;
            seen.push(watch(&step(statement, &answer, before, after)));
        }
        if wraps
            && client.status != Status::Idle
            && let Some(refusal) = say(client, "COMMIT").await?.refused
        {
            return Ok(Err(refused(statement, refusal)));
        }
    }
    Ok(Ok(seen))
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, text: &str) -> io::Result<Answer> {
    client.query(text, Want::Ending("")).await
}

fn step(statement: &Statement<'_>, answer: &Answer, before: Snapshot, after: Snapshot) -> Step {
    let tag = answer.tags.last().cloned().unwrap_or_default();
    Step { line: statement.line, text: statement.text.to_owned(), tag, before, after }
}

fn refused(statement: &Statement<'_>, refusal: Refusal) -> (Refused, String) {
    let why = refusal.message;
    (Refused { line: statement.line, text: statement.text.to_owned(), why }, refusal.code)
}

/// The statements of a script, each with the data that follows it.
fn statements(text: &str) -> Result<Vec<Statement<'_>>, Refused> {
    let mut statements: Vec<Statement<'_>> = Vec::new();
    for piece in pieces(text) {
        match piece.what {
            What::Blank => {}
            What::Statement => statements.push(Statement { line: piece.line, text: piece.text, data: "" }),
            What::Data => {
                if let Some(copy) = statements.last_mut() {
                    let data = piece.text.trim_end_matches(['\n', '\r']);
                    copy.data = data.strip_suffix("\\.").unwrap_or(piece.text);
                }
            }
            // What `pg_dump` writes around a schema, and what means nothing here.
            What::Command
                if piece.text.starts_with("\\restrict") || piece.text.starts_with("\\unrestrict") => {}
            What::Command => {
                let why = "is a command of psql, and not SQL".to_owned();
                return Err(Refused { line: piece.line, text: piece.text.trim_end().to_owned(), why });
            }
        }
    }
    Ok(statements)
}

fn is_control(statement: &Statement<'_>) -> bool {
    plain(statement.text).first().is_some_and(|first| CONTROLS.contains(&first.as_str()))
}

//! Schema patches that keep users waiting, lose data or fail, and those that do none of it, on a real PostgreSQL server.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use patchline_model::stage::verify::CheckResult::{self, Failed, Passed, Skipped, Warned};
use patchline_model::verification::{Migrations, Strictness};
use patchline_sandbox::sandbox::Sandbox;

use crate::project::Project;

const TABLES: &str = "CREATE TABLE users (id bigint PRIMARY KEY, name varchar(20), age int);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, note text);
";
const TIMEOUT: &str = "SET lock_timeout = '5s';\n";

/// A service whose databases have two tables.
fn project(new: &[(&str, &str)]) -> Project {
    let base = Project::fixed().with("db/1_tables.sql", TABLES);
    let project = new.iter().fold(base, |project, (path, text)| project.patched(path, text));
    project.set(|case| {
        case.service.verification.migrations = Some(Migrations {
            files: vec!["db/**/*.sql".to_owned()],
            setup: Vec::new(),
            blocking: Strictness::Warn,
            irreversible: Strictness::Warn,
        });
    })
}

fn strict(project: Project) -> Project {
    project.set(|case| {
        let migrations = case.service.verification.migrations.as_mut().unwrap();
        (migrations.blocking, migrations.irreversible) = (Strictness::Refuse, Strictness::Refuse);
    })
}

/// Where there is no server, or none can run as nobody, there is nothing to see.
fn is_here() -> bool {
    let here = Path::new("/usr/lib/postgresql").is_dir();
    if !here {
        eprintln!("skipped: PostgreSQL's server is not here");
    }
    here
}

/// One migration more, with the strict settings.
async fn check(what: &str, sql: &str, result: CheckResult, words: &str) {
    strict(project(&[("db/2_new.sql", sql)])).check(what, "migration-lint", result, words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_users_from_a_table_is_named_with_what_to_do_instead() {
    if !is_here() {
        return;
    }
    for (what, sql, result, words) in [
        (
            "an index",
            "CREATE INDEX i ON users (name);",
            Failed,
            "db/2_new.sql:1: `CREATE INDEX i ON users (name)` reads the whole table users under Share, so that nobody writes to it meanwhile: use `CREATE INDEX CONCURRENTLY`",
        ),
        ("an index beside", "CREATE INDEX CONCURRENTLY i ON users (name);", Passed, "1 statement of 1 migration"),
        (
            "another type",
            "ALTER TABLE users ALTER COLUMN age TYPE bigint;",
            Failed,
            "writes the table users anew under AccessExclusive, so that nobody reads or writes it meanwhile: add a column of the new type",
        ),
        ("a wider text", &format!("{TIMEOUT}ALTER TABLE users ALTER COLUMN name TYPE text;"), Passed, "2 statements"),
        (
            "a column with a default of its own in each row",
            "ALTER TABLE users ADD COLUMN at timestamptz DEFAULT clock_timestamp();",
            Failed,
            "add the column without that default",
        ),
        ("a column", &format!("{TIMEOUT}ALTER TABLE users ADD COLUMN email text DEFAULT '';"), Passed, "nobody is kept waiting"),
        (
            "a column without a limit",
            "ALTER TABLE users ADD COLUMN email text;",
            Warned,
            "locks users (AccessExclusive) without a limit",
        ),
        (
            "not null",
            &format!("{TIMEOUT}\nALTER TABLE users ALTER COLUMN age SET NOT NULL;"),
            Failed,
            "db/2_new.sql:3: `ALTER TABLE users ALTER COLUMN age SET NOT NULL` reads the whole table users under AccessExclusive",
        ),
        (
            "a check",
            "ALTER TABLE users ADD CONSTRAINT old CHECK (age > 0);",
            Failed,
            "add the constraint as NOT VALID",
        ),
        (
            "a foreign key",
            "ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;",
            Failed,
            "reads the whole table orders under ShareRowExclusive",
        ),
        (
            "a foreign key that is not validated",
            &format!("{TIMEOUT}ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID;"),
            Passed,
            "2 statements",
        ),
        (
            "validated in the same transaction",
            &format!("{TIMEOUT}ALTER TABLE users ADD CONSTRAINT old CHECK (age > 0) NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT old;"),
            Failed,
            "works through users while the transaction holds AccessExclusive on users from a statement before",
        ),
        (
            "validated in one of its own, without a scan for NOT NULL",
            &format!("{TIMEOUT}BEGIN; ALTER TABLE users ADD CONSTRAINT aged CHECK (age IS NOT NULL) NOT VALID; COMMIT;
                ALTER TABLE users VALIDATE CONSTRAINT aged; ALTER TABLE users ALTER COLUMN age SET NOT NULL;"),
            Passed,
            "6 statements",
        ),
        (
            "a unique constraint",
            "ALTER TABLE users ADD UNIQUE (name);",
            Failed,
            "build the index with `CREATE UNIQUE INDEX CONCURRENTLY`",
        ),
        (
            "a renamed column",
            &format!("{TIMEOUT}ALTER TABLE users RENAME COLUMN name TO label;"),
            Warned,
            "renames users.name to label: the version that still runs asks for the old name",
        ),
        (
            "vacuum, which needs to be alone",
            "VACUUM FULL users;",
            Failed,
            "writes the table users anew: do it in parts",
        ),
        ("a table of its own", "CREATE TABLE a (b int); CREATE INDEX ON a (b); DROP TABLE a;", Passed, "3 statements"),
    ] {
        check(what, sql, result, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_undone_is_named_and_makes_the_patch_forward_only() {
    if !is_here() {
        return;
    }
    for (what, sql, words) in [
        ("a table", "DROP TABLE orders;", "drops the table orders with its rows"),
        ("a column", "ALTER TABLE users DROP age;", "drops the column users.age"),
        (
            "a narrower type",
            "ALTER TABLE users ALTER name TYPE varchar(10);",
            "changes users.name from character varying(20) to character varying(10), which does not hold every value",
        ),
        ("rows", "DELETE FROM orders WHERE note IS NULL;", "deletes rows"),
        ("rows in a block", "DO $$ BEGIN DELETE FROM orders; END $$;", "deletes rows"),
        ("all rows", "TRUNCATE orders;", "empties the table orders"),
    ] {
        let sql = format!("{TIMEOUT}{sql}");
        let new = [("db/2_new.sql", sql.as_str())];
        let (_, shown) = strict(project(&new)).check(what, "migration-lint", Failed, words).await;
        assert!(shown.irreversible.is_some_and(|why| why.contains(words)), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_strictly_is_a_warning_otherwise() {
    if !is_here() {
        return;
    }
    let index = project(&[("db/2_new.sql", "CREATE INDEX i ON users (name);")]);
    index.check("an index", "migration-lint", Warned, "reads the whole table users under Share").await;
    let drop = [("db/2_new.sql", "SET lock_timeout = '5s'; DROP TABLE orders;")];
    project(&drop).check("a table", "migration-lint", Warned, "drops the table orders").await;
    let stated = strict(project(&drop)).set(|case| case.forward_only = Some("it is meant".to_owned()));
    stated.check("a table, as stated", "migration-lint", Warned, "drops the table orders").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_is_refused_whatever_the_settings() {
    if !is_here() {
        return;
    }
    for (what, sql, words) in [
        (
            "a column that is not there",
            "SELECT 1;\n\nALTER TABLE users DROP COLUMN email;",
            "db/2_new.sql:3: `ALTER TABLE users DROP COLUMN email` column \"email\" of relation \"users\" does not exist",
        ),
        ("no SQL", "ALTER users", "db/2_new.sql:1: `ALTER users` syntax error"),
        ("a command of psql", "\\i other.sql\n", "is a command of psql"),
        (
            "an open transaction that failed",
            "BEGIN;\nSELECT 1/0;\n",
            "db/2_new.sql:2: `SELECT 1/0` division by zero",
        ),
        (
            "a constraint that holds at the end alone",
            "ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users DEFERRABLE INITIALLY DEFERRED;\nINSERT INTO orders VALUES (1, 2);",
            "violates foreign key constraint",
        ),
        ("one that ends the server", "COPY users TO PROGRAM 'kill -9 -1';", "db/2_new.sql"),
        ("no UTF-8 in a string", "SELECT E'\\xff';", "invalid byte sequence"),
    ] {
        project(&[("db/2_new.sql", sql)]).check(what, "migration-lint", Failed, words).await;
    }
    let endless = project(&[("db/2_new.sql", "SELECT pg_sleep(1000);")]);
    let endless = endless.set(|case| case.patience = Some(std::time::Duration::from_secs(3)));
    endless
        .check("one without an end", "migration-lint", Failed, "db/2_new.sql: it does not end within 3 s")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_down_leads_back_or_is_named() {
    if !is_here() {
        return;
    }
    let up = format!("{TIMEOUT}ALTER TABLE users ADD COLUMN email text; CREATE TABLE a (b int);");
    let (name, down) = ("db/2_new.up.sql", "db/2_new.down.sql");
    for (what, way_down, result, words) in [
        ("back", "DROP TABLE a; ALTER TABLE users DROP email;", Passed, "3 statements of 1 migration"),
        (
            "half the way",
            "ALTER TABLE users DROP email;",
            Failed,
            "it can't be applied again after its way down: `CREATE TABLE a (b int)` relation \"a\" already exists",
        ),
        ("wrong", "DROP TABLE b;", Failed, "db/2_new.down.sql:1: the way down fails: `DROP TABLE b`"),
        (
            "elsewhere",
            "DROP TABLE a; ALTER TABLE users DROP email, DROP age;",
            Warned,
            "db/2_new.down.sql: the way down does not lead back: `CREATE TABLE public.users … age integer` is not there again",
        ),
    ] {
        project(&[(name, &up), (down, way_down)]).check(what, "migration-lint", result, words).await;
    }
    let one = "-- +goose Up\nCREATE TABLE a (b int);\n-- +goose Down\nDROP TABLE a;\n";
    project(&[("db/2_new.sql", one)])
        .check("both in one file", "migration-lint", Passed, "1 statement")
        .await;
    let missing = project(&[]).with("db/1_tables.down.sql", "DROP TABLE users, orders;");
    let missing = missing.patched("db/2_new.sql", "CREATE TABLE a (b int);");
    missing
        .check("none", "migration-lint", Warned, "db/2_new.sql: has no way down, which others here have")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_beside_the_new_migrations_counts_too() {
    if !is_here() {
        return;
    }
    let changed = project(&[("db/1_tables.sql", &TABLES.replace("varchar(20)", "text"))]);
    changed
        .check(
            "an old one changes",
            "migration-lint",
            Warned,
            "db/1_tables.sql: is changed though databases have it already",
        )
        .await;
    project(&[]).check("no migration", "migration-lint", Skipped, "the patch changes no migration").await;
    let dump = "\\restrict x\nCREATE TABLE a (b int);\nCOPY a (b) FROM stdin;\n1\n2\n\\.\nCREATE UNIQUE INDEX ON a (b);\n";
    let loaded = project(&[("db/2_new.sql", "SELECT 1 / (count(*) - 3) FROM a;")]).with("db/1_z.sql", dump);
    loaded.check("data of a COPY", "migration-lint", Passed, "1 statement").await;
    let broken =
        project(&[("db/2_new.sql", "SELECT 1;")]).with("db/0_roles.sql", "GRANT nobody TO somebody;");
    broken
        .check(
            "a base that does not run here",
            "migration-lint",
            Skipped,
            "what the base has does not run here: db/0_roles.sql:1",
        )
        .await;
    let setup = project(&[("db/2_new.sql", "GRANT SELECT ON users TO reader;")])
        .with("roles.sql", "CREATE ROLE reader;");
    let setup = setup.set(|case| {
        case.service.verification.migrations.as_mut().unwrap().setup = vec!["roles.sql".to_owned()];
    });
    setup.check("roles that are made before", "migration-lint", Passed, "1 statement").await;
    let alone = Project::new().patched("db/2_new.sql", "SELECT 1;\n").set(|case| {
        case.service.verification.migrations = project(&[]).case.service.verification.migrations;
    });
    alone.check("no hunk of code", "hunks", Skipped, "the patch changes no code").await;
    let plain = project(&[("db/2_new.sql", "SELECT 1;")]).set(|case| case.sandbox = Sandbox::plain());
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        plain
            .check("as root", "migration-lint", Skipped, "no PostgreSQL server can be made here: `initdb`")
            .await;
    } else {
        plain.check("as somebody", "migration-lint", Passed, "1 statement").await;
    }
    let quiet =
        project(&[("db/2_new.sql", "SELECT 1;")]).set(|case| case.service.verification.migrations = None);
    quiet.check("nothing named", "migration-lint", Skipped, "name their `files`").await;
}

//! What a database holds at one moment of a session: its relations and columns, and what the transaction has locked and read.

use std::collections::{BTreeMap, BTreeSet};

/// Object identifiers stay when things are renamed.
pub(crate) type Oid = u32;

/// Each row begins with a letter that says what it is of. Nothing in it locks a relation of the schema.
pub(crate) const LOOK: &str = "
SELECT 'r', c.oid, n.nspname || '.' || c.relname, c.relkind, c.relfilenode, coalesce(i.indrelid, 0)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
  WHERE c.relkind IN ('r', 'p', 'm', 'i')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND c.relpersistence <> 't';
SELECT 'c', a.attrelid, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attnum > 0 AND NOT a.attisdropped
    AND c.relkind IN ('r', 'p')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND c.relpersistence <> 't';
SELECT 'l', l.relation, l.mode FROM pg_catalog.pg_locks l
  WHERE l.locktype = 'relation' AND l.granted
    AND l.pid = pg_catalog.pg_backend_pid();
SELECT 's', s.relid, s.seq_scan FROM pg_catalog.pg_stat_xact_user_tables s;
SELECT 't', pg_catalog.current_setting('lock_timeout');
";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) relations: BTreeMap<Oid, Relation>,
    /// By table and number.
    pub(crate) columns: BTreeMap<(Oid, i32), Column>,
    pub(crate) locks: BTreeSet<(Oid, Mode)>,
    /// How often the transaction has read a table from its beginning to its end.
    pub(crate) scans: BTreeMap<Oid, u64>,
    pub(crate) has_lock_timeout: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) kind: RelationKind,
    /// The file in which it lies; another one when it was written anew.
    pub(crate) file: String,
    /// The table of an index.
    pub(crate) table: Oid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelationKind {
    Table,
    MaterialisedView,
    Index,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) of_type: String,
}

/// The modes that keep others out, weakest first; the weaker ones do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Weak,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Mode {
    fn of(text: &str) -> Self {
        match text {
            "ShareLock" => Self::Share,
            "ShareRowExclusiveLock" => Self::ShareRowExclusive,
            "ExclusiveLock" => Self::Exclusive,
            "AccessExclusiveLock" => Self::AccessExclusive,
            _ => Self::Weak,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weak => "a weak lock",
            Self::Share => "Share",
            Self::ShareRowExclusive => "ShareRowExclusive",
            Self::Exclusive => "Exclusive",
            Self::AccessExclusive => "AccessExclusive",
        }
    }

    /// What others can't do meanwhile.
    pub(crate) fn stops(self) -> Option<&'static str> {
        match self {
            Self::Weak => None,
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => Some("nobody writes to it meanwhile"),
            Self::AccessExclusive => Some("nobody reads or writes it meanwhile"),
        }
    }
}

impl Snapshot {
    /// From the rows of `LOOK`; what is not formed like these is passed over.
    pub(crate) fn read(rows: &[Vec<String>]) -> Self {
        let mut snapshot = Self::default();
        for row in rows {
            let fields: Vec<&str> = row.iter().map(String::as_str).collect();
            match fields.as_slice() {
                ["r", oid, name, kind, file, table] => {
                    let kind = match *kind {
                        "i" => RelationKind::Index,
                        "m" => RelationKind::MaterialisedView,
                        _ => RelationKind::Table,
                    };
                    let table = number(table);
                    let relation = Relation { name: plain(name), kind, file: (*file).to_owned(), table };
                    snapshot.relations.insert(number(oid), relation);
                }
                ["c", table, at, name, of_type] => {
                    let column = Column { name: (*name).to_owned(), of_type: (*of_type).to_owned() };
                    snapshot.columns.insert((number(table), at.parse().unwrap_or_default()), column);
                }
                ["l", oid, mode] => {
                    snapshot.locks.insert((number(oid), Mode::of(mode)));
                }
                ["s", oid, scans] => {
                    snapshot.scans.insert(number(oid), scans.parse().unwrap_or_default());
                }
                ["t", timeout] => snapshot.has_lock_timeout = *timeout != "0",
                _ => {}
            }
        }
        snapshot
    }

    /// The strongest lock that the transaction has on a relation.
    pub(crate) fn lock(&self, oid: Oid) -> Mode {
        let of_it = self.locks.range((oid, Mode::Weak)..=(oid, Mode::AccessExclusive));
        of_it.map(|(_, mode)| *mode).max().unwrap_or(Mode::Weak)
    }
}

/// The schema in which everybody is goes unsaid.
fn plain(name: &str) -> String {
    name.strip_prefix("public.").unwrap_or(name).to_owned()
}

fn number(text: &str) -> Oid {
    text.parse().unwrap_or_default()
}

//! SQL as PostgreSQL's own tools cut it: statements, their words, and the data of a `COPY … FROM stdin`.

pub(crate) mod pieces;
pub(crate) mod words;

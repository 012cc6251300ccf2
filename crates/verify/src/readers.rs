//! Readers of test results, one file a format; each is pure and makes a table.

pub(crate) mod cargo;
pub(crate) mod go;
pub(crate) mod jest;
pub(crate) mod junit;
pub(crate) mod nextest;
pub(crate) mod pytest;
pub(crate) mod spec;
pub(crate) mod tap;

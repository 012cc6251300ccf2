//! The advisory index: a file an ecosystem, made once by an import and asked package by package.

pub mod blocks;
pub mod build;
pub mod built_in;
pub mod codec;
pub mod file;
pub mod gather;
pub mod image;
pub mod intake;
pub mod open;
pub mod parcel;
pub mod posting;
pub mod write;

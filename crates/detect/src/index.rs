//! The advisory index: a file an ecosystem, made once by an import and asked package by package.

pub mod answers;
pub mod blocks;
pub mod brought;
pub mod build;
pub mod built_in;
pub mod codec;
pub mod compose;
pub mod crew;
pub mod file;
pub mod image;
pub mod import_times;
pub mod intake;
pub mod make;
pub mod mapped;
pub mod note;
pub mod open;
pub mod parcel;
pub mod piece;
pub mod posting;
pub mod roll;
pub mod shape;
pub mod shelf;
pub mod spool;
pub mod survey;
pub mod words;

//! What holds the files of a whole system: a root folder, an archive of one, an image; and binaries that say what they were
//! built from. Nothing is unpacked onto the disk: of a stream only those files are kept that say which packages are in use.
//!
//! `archive.rs` reads one tar into a `Layer`, `image.rs` finds an image's layers and puts them upon each other, `tree.rs` is
//! what a container would see, `system.rs` finds package databases in it or in a folder, and `contents.rs` reads it all.

pub mod archive;
pub mod budget;
pub mod contents;
pub mod files;
pub mod folder;
pub mod image;
pub mod layer;
pub mod manifest;
pub mod open;
pub mod programs;
pub mod system;
pub mod tree;
pub mod unpack;
pub mod wanted;

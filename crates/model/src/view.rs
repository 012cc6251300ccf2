//! What people read: projections of patches, nothing that the machine decides by.

pub mod board;
pub mod flags;
pub mod story;
pub mod stuck;

//! What a package itself says of the versions between two: the sections of the changelog that it ships.

pub(crate) mod kept;
mod named;
pub mod sections;
pub mod shipped;

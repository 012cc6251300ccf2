//! pnpm's lockfile: versions are chosen here, over the whole of it; pnpm is held to them for one run, and keeps to them in
//! the next without being held.

mod change;
pub mod fixer;
mod lock;
mod tool;
mod workspace;

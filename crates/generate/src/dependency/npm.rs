//! npm's lockfile: which copies go to which versions is chosen here, over the whole of it; npm itself then completes and
//! writes it.

mod change;
pub mod fixer;
mod lock;
mod tool;

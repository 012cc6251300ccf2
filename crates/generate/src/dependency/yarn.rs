//! yarn's lockfiles, that of yarn 1 and that of yarn 2 and later ("berry"): which range gets which version is chosen here, over
//! the whole of it; yarn itself then completes and writes it.

mod berry;
mod change;
mod classic;
pub mod fixer;
mod lock;
mod manifests;
mod pins;
mod settings;
mod tool;

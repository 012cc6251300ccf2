//! Actions that workflows use: to the lowest tag without the problem, in the style that stands there.

pub mod fixer;
mod pin;
mod server;
mod tags;

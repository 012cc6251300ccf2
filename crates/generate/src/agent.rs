//! Agents as fixers: programs and models that are asked, one after the other, for what no other fixer can do. What they leave
//! is held to their budget here, and judged by Verify like everybody's.

mod answer;
pub mod assignment;
mod bounds;
mod command;
pub mod compete;
mod endpoint;
mod files;
pub mod record;
mod task;
mod worksite;

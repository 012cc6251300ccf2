//! What a patch is and how it walks the eight stages: nouns, `decide`, `evolve` and `due`. Pure: no I/O, no async,
//! no clock, no chance. What it needs from outside comes in by [`context::Context`].

pub mod actor;
pub mod agent;
pub mod analyzer;
pub mod cohort;
pub mod command;
pub mod context;
pub mod digest;
pub mod event;
pub mod failure;
pub mod gone;
pub mod hold;
pub mod id;
pub mod job;
pub mod line;
pub mod owner;
pub mod package;
pub mod patch;
pub mod pipeline;
pub mod policy;
pub mod purl;
pub mod rejection;
pub mod reproducer;
pub mod scanning;
pub mod service;
pub mod share;
pub mod stage;
pub mod strategy;
pub mod time;
pub mod triage;
pub mod verification;
pub mod view;
pub mod window;

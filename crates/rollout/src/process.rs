//! Local processes behind an embedded reverse proxy: the target that needs nothing else.
//!
//! For each service in an environment there is one detached process, the **host**: it supervises the instances and
//! holds the proxy in front of them. A conductor speaks to it through a socket ([`client`]) in the words of [`spec`];
//! [`host`] is what runs in the host.
//!
//! ```text
//! client ── control.sock ──▶ control ──▶ supervise ──▶ plan, named, in_place, running, instance, links, identity, strays
//!                                            │ sets
//! users ──── listen ──▶ proxy ──▶ chooses ─▶ routes ──▶ balance, counters, upstream
//!                         └─ cohort, and afterwards mirror ─▶ compare
//! ```

mod action;
mod answer;
mod arm;
pub mod balance;
pub mod client;
mod cohort;
mod compare;
mod control;
mod counters;
mod ending;
pub mod failure;
mod fence;
mod headers;
mod history;
pub mod host;
mod identity;
mod in_place;
mod instance;
mod links;
mod listen;
mod log;
mod mirror;
mod named;
mod observe;
mod order;
mod plan;
mod proxy;
mod routes;
mod running;
mod saved;
mod saving;
pub mod spec;
mod stalled;
mod strays;
mod supervise;
mod taking_over;
pub mod target;
mod upload;
mod upstream;

//! The Judge: always-valid statistics of two arms, a canary and a baseline that run at the same time.
//!
//! Counts of both arms go in, one look after the other; *continue*, *promote* or *roll back* comes out, with the
//! numbers that say why. Every test is an e-process, so looking each second costs nothing: the chance of ever
//! rolling back a canary that is no worse stays below `alpha`, however often one looks and whenever one stops.
//!
//! The crate is pure. It has no clock: a *look* is whatever span the caller counted.

pub mod answers;
pub mod arms;
pub mod baseline;
pub mod beside;
pub mod buckets;
pub mod clumping;
pub mod clusters;
pub mod counts;
pub mod endgame;
pub mod errors;
pub mod evidence;
pub mod forecast;
pub mod gamma;
pub mod gauge;
pub mod guards;
pub mod incidents;
pub mod judge;
pub mod ladder;
pub mod latency;
pub mod pauses;
pub mod promotion;
pub mod protocol;
pub mod recent;
pub mod split;

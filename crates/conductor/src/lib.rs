//! The loop: it loads a patch, asks what is due, has a hand do it, and reports back as a command.

pub mod attest;
pub mod blocking;
pub mod clock;
pub mod codeowners;
pub mod conductor;
pub mod dispatch;
pub mod driver;
pub mod establish;
pub mod failures;
pub mod grouping;
pub mod hands;
pub mod hold;
pub mod home;
pub mod jobs;
pub mod judging;
pub mod lease;
pub mod owners;
pub mod projection;
pub mod rehearse;
pub mod replay;
pub mod schedule;
pub mod turn;
pub mod zones;

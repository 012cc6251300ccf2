//! One file a command.

pub mod approve;
pub mod carry;
pub mod control;
pub mod db;
pub mod demo;
pub mod down;
pub mod driven;
pub mod explain;
pub mod fix;
pub mod follow;
pub mod freeze;
pub mod init;
pub mod judge;
pub mod line;
pub mod person;
pub mod plan;
pub mod pr;
pub mod process_host;
pub mod report;
pub mod reports;
pub mod review;
pub mod scan;
pub mod serve;
pub mod set;
pub mod status;

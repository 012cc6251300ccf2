//! Packages of operating systems: which distribution it is, and what its package database says is installed.

pub mod apk;
pub mod distribution;
pub mod dpkg;
pub mod package;
pub mod release;
pub mod rpm;

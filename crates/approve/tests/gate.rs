//! The gate as its users meet it: the shipped policy, and policies of one's own.

#[path = "gate/case.rs"]
mod case;
#[path = "gate/own.rs"]
mod own;
#[path = "gate/shipped.rs"]
mod shipped;

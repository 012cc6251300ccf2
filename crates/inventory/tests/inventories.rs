//! Every kind of file beside `Cargo.lock`, and what stands beside that: what is read from it, and that nothing that is thrown at it does harm.

#[path = "inventories/chance.rs"]
mod chance;
#[path = "inventories/check.rs"]
mod check;
#[path = "inventories/javascript.rs"]
mod javascript;
#[path = "inventories/languages.rs"]
mod languages;
#[path = "inventories/manifests.rs"]
mod manifests;
#[path = "inventories/others.rs"]
mod others;
#[path = "inventories/python.rs"]
mod python;
#[path = "inventories/reads.rs"]
mod reads;

//! Package databases and binaries: as real tools write them, as their formats say, broken, and made of anything.

#[path = "os/binaries.rs"]
mod binaries;
#[path = "os/chance.rs"]
mod chance;
#[path = "os/elf.rs"]
mod elf;
#[path = "os/reads.rs"]
mod reads;
#[path = "os/real.rs"]
mod real;
#[path = "os/rpm.rs"]
mod rpm;
#[path = "os/rpmdb.rs"]
mod rpmdb;

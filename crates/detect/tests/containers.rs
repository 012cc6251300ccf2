//! Systems, wherever they lie: in a folder, an archive, an image; and what no archive may do.

#[path = "containers/binaries.rs"]
mod binaries;
#[path = "containers/bombs.rs"]
mod bombs;
#[path = "containers/chance.rs"]
mod chance;
#[path = "../../inventory/tests/os/elf.rs"]
#[expect(dead_code, reason = "tests of the inventory need more of it")]
mod elf;
#[path = "containers/images.rs"]
mod images;
#[path = "containers/made.rs"]
mod made;
#[path = "containers/reads.rs"]
mod reads;
#[path = "containers/roots.rs"]
mod roots;

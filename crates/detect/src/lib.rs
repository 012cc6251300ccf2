//! Detect: walks trees, images and archives for lockfiles, package databases and binaries, matches what they say is in use
//! against advisories, and says what needs a fix, where, and by which way it came in. The only part that touches
//! the network is `update`; a scan asks files alone.

pub mod age;
pub mod analyzer;
pub mod belt;
pub mod container;
pub mod error;
pub mod index;
pub mod judged;
pub mod needed;
pub mod ordinary;
pub mod origin;
pub mod osv;
pub mod reading;
pub mod scan;
pub mod update;
pub mod walk;

pub use age::Ages;
pub use analyzer::found::Analyzed;
pub use analyzer::place::Tree;
pub use error::DetectError;
pub use index::brought::Imported;
pub use index::build::import;
pub use index::image::Image;
pub use index::open::{Advisories, AdvisoryStatus, Answer, Problem};
pub use index::shelf::Shelf;
pub use judged::Scan;
pub use scan::{scan, scan_from, scan_parts};

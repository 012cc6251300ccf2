//! `--sarif FILE`: reports of analyzers that ran elsewhere.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use patchline_detect::analyzer::found::{LARGEST_REPORT, check};

use crate::exit::Trouble;

/// The file, once it was seen to be a report.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Trouble> {
    let failed = |why: String| {
        Trouble::input(format!("could not read the report {}: {why}", path.display()))
            .hint("`--sarif` takes SARIF 2.1.0, as most analyzers write it")
    };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST_REPORT + 1).read_to_end(&mut bytes));
    read.map_err(|error| failed(error.to_string()))?;
    check(&bytes).map_err(failed)?;
    Ok(bytes)
}

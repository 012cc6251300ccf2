//! One path, scanned whole by the settings that lie beside it.

use std::path::Path;

use patchline_detect::{Advisories, DetectError, Scan, scan_from};
use patchline_model::failure::in_full;

use crate::commands::scan::place::folder_of;
use crate::exit::Trouble;
use crate::settings;

/// Everything at `root`, by the settings beside `path`.
pub fn whole(root: &Path, path: &Path, advisories: &Advisories) -> Result<Scan, Trouble> {
    let sources = settings::scanning(folder_of(path))?.sources;
    Ok(scan_from(root, advisories, &sources)?)
}

pub fn trouble(error: &DetectError) -> Trouble {
    let mut trouble = Trouble::input(in_full(error));
    trouble.hint = error.hint().map(|hint| hint.to_string());
    trouble
}

impl From<DetectError> for Trouble {
    fn from(error: DetectError) -> Self {
        trouble(&error)
    }
}

//! A report's fix, put into bytes of the files as they are in the tree; half a fix is none.

use std::collections::BTreeMap;

use patchline_model::analyzer::{Edit, Fix, FixedFile};

use crate::analyzer::files::Files;
use crate::analyzer::place::Tree;
use crate::analyzer::raw::RawFix;

/// Of one fix.
const MOST_EDITS: usize = 200;
const LARGEST_FIX: usize = 64 * 1024;

/// The fix in bytes; none where it means what the files don't have, overlaps itself, or is too large.
pub(crate) fn resolved(raw: &RawFix, tree: &Tree, files: &mut Files) -> Option<Fix> {
    let size: usize = raw.changes.iter().map(|change| change.text.len()).sum();
    if raw.changes.len() > MOST_EDITS || size > LARGEST_FIX {
        return None;
    }
    let mut changed: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
    for change in &raw.changes {
        let path = tree.find(&change.address).ok()?;
        let text = files.text(tree, &path)?;
        let (start, end) = match raw.whole_lines {
            true => text.whole_lines(change.span)?,
            false => text.bytes(change.span)?,
        };
        let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
        changed.entry(path).or_default().push(Edit { start, end, text: change.text.clone() });
    }
    let mut fixed = Vec::with_capacity(changed.len());
    for (path, mut edits) in changed {
        // In the order of the report where two are at one place.
        edits.sort_by_key(|edit| (edit.start, edit.end));
        if edits.windows(2).any(|pair| pair[0].end > pair[1].start) {
            return None;
        }
        fixed.push(FixedFile { of: files.digest(tree, &path)?, path, edits });
    }
    Some(Fix { summary: raw.summary.clone(), files: fixed })
}

//! Reports of analyzers: any bytes are one or refused, and what is found lies in the tree.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use patchline_detect::Tree;
use patchline_detect::analyzer::found::read;
use patchline_model::analyzer::Format;

fuzz_target!(|bytes: &[u8]| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().expect("it is there");
    let tree = Tree::new(&root, "fuzz_targets").expect("it is there");
    for (_, format) in Format::NAMES {
        let Ok(mut analyzed) = read(bytes, format, None, &tree) else { continue };
        analyzed.finish();
        for finding in &analyzed.findings {
            let real = root.join(&finding.location.path).canonicalize().expect("it was found a moment ago");
            assert!(real.starts_with(root.join("fuzz_targets")));
        }
    }
});

//! Public comparison cases, `A < B` a line, from the folder that `PATCHLINE_VERSION_CASES` names: the layout of
//! osv-scalibr's `semantic/testdata`.

use std::fs;
use std::path::Path;

use crate::check::{compares, scheme};

/// Each file with the ecosystems that it speaks for.
const FILES: [(&str, &[&str]); 12] = [
    ("alpine", &["Alpine:v3.20", "Wolfi", "Chainguard", "MinimOS", "Alpaquita:23"]),
    ("cran", &["CRAN", "Bioconductor"]),
    ("debian", &["Debian:12", "Ubuntu:22.04:LTS", "Echo"]),
    ("hackage", &["Hackage"]),
    ("maven", &["Maven"]),
    ("nuget", &["NuGet"]),
    ("packagist", &["Packagist"]),
    ("pub", &["Pub"]),
    ("pypi", &["PyPI"]),
    (
        "redhat",
        &[
            "Red Hat:enterprise_linux:9",
            "AlmaLinux:9",
            "Rocky Linux:9",
            "SUSE:15",
            "Mageia:9",
            "openEuler:24",
        ],
    ),
    ("rubygems", &["RubyGems"]),
    ("semver", &["npm", "Go", "Hex", "Julia", "SwiftURL", "Bitnami", "GHC"]),
];

#[test]
fn public_cases_agree() {
    let Some(folder) = std::env::var_os("PATCHLINE_VERSION_CASES") else {
        eprintln!("skipped: PATCHLINE_VERSION_CASES names no folder with comparison cases");
        return;
    };
    let mut wrong = Vec::new();
    for (name, ecosystems) in FILES {
        let path = Path::new(&folder).join(format!("{name}-versions.txt"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines = text.lines().map(str::trim);
        let cases: Vec<&str> =
            lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '/'])).collect();
        assert!(!cases.is_empty(), "{name} has no case");
        let before = wrong.len();
        for case in &cases {
            let words: Vec<&str> = case.split_whitespace().collect();
            let [left, sign, right] = words[..] else { panic!("{name}: `{case}` is no case") };
            for ecosystem in ecosystems {
                if let Err(what) = compares(scheme(ecosystem), left, sign, right) {
                    wrong.push(format!("{ecosystem}: {what}"));
                }
            }
        }
        let failed = wrong.len() - before;
        eprintln!("{name}: {} cases for {}, {failed} wrong", cases.len(), ecosystems.join(", "));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

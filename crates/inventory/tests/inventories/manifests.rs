//! What `Cargo.toml` adds to `Cargo.lock`: what a crate is there for.

use proptest::prelude::{any, proptest};

use crate::check::{check, read};

const LOCK: &str = r#"version = 4

[[package]]
name = "app"
version = "1.0.0"
dependencies = [
 "asked",
 "built",
 "member",
 "renamed",
 "tried",
]

[[package]]
name = "asked"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = [
 "below",
]

[[package]]
name = "below"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "built"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "member"
version = "1.0.0"
dependencies = [
 "tried",
 "windows",
]

[[package]]
name = "renamed"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "tried"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = [
 "below",
]

[[package]]
name = "windows"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
"#;

const TOP: &str = r#"
[workspace]
members = ["crates/*"]
[workspace.dependencies]
member = { path = "crates/member" }
other = { package = "renamed", version = "1" }
[package]
name = "app"
[dependencies]
asked = { version = "1", optional = true }
member.workspace = true
[build-dependencies]
built = "1"
other.workspace = true
[dev-dependencies]
tried = "1"
renamed = "1"
"#;

const MEMBER: &str = r#"
[package]
name = "member"
[target."cfg(windows)".dependencies]
windows = "1"
[dev-dependencies]
tried = "1"
"#;

#[test]
fn a_crate_is_there_for_what_the_manifests_say() {
    let neighbours = [("x/Cargo.toml", TOP), ("x/crates/member/Cargo.toml", MEMBER)];
    check(
        "x/Cargo.lock",
        LOCK,
        &neighbours,
        &[
            "4 app 1.0.0 own normal elsewhere",
            "15 asked 1.0.0 direct optional",
            "23 below 1.0.0 transitive optional",
            "28 built 1.0.0 direct build",
            "33 member 1.0.0 own normal elsewhere",
            "41 renamed 1.0.0 direct build",
            "46 tried 1.0.0 direct dev",
            "54 windows 1.0.0 direct normal",
        ],
    );
    let lone = |text: &'static str| [("x/Cargo.toml", text)];
    // Where no manifest tells, nothing is said to be less than it may be.
    for neighbours in [&lone("no manifest") as &[(&str, &str)], &[]] {
        check(
            "x/Cargo.lock",
            LOCK,
            neighbours,
            &[
                "4 app 1.0.0 own normal elsewhere",
                "15 asked 1.0.0 direct normal",
                "23 below 1.0.0 transitive normal",
                "28 built 1.0.0 direct normal",
                "33 member 1.0.0 own normal elsewhere",
                "41 renamed 1.0.0 direct normal",
                "46 tried 1.0.0 direct normal",
                "54 windows 1.0.0 direct normal",
            ],
        );
    }
}

proptest! {
    #[test]
    fn no_manifest_harms(text in any::<String>(), from in 0..TOP.len(), to in 0..TOP.len()) {
        let cut: String = TOP.chars().enumerate().filter(|(at, _)| !(from..to).contains(at)).map(|(_, sign)| sign).collect();
        for manifest in [text.as_str(), cut.as_str()] {
            let neighbours = [("x/Cargo.toml", manifest), ("x/crates/member/Cargo.toml", manifest)];
            assert_eq!(read("x/Cargo.lock", LOCK, &neighbours).expect("the lockfile is whole").installed.len(), 8);
        }
    }
}

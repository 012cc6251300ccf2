//! The cases that each scheme's specification or tool makes hard, by hand.

use crate::check::{compares, scheme, sign};

/// Versions of an ecosystem, all of each line equal, and each line before the next.
fn check(ecosystem: &str, then: &[&str]) {
    let scheme = scheme(ecosystem);
    let lines: Vec<Vec<&str>> = then.iter().map(|line| line.split_whitespace().collect()).collect();
    for (left, first) in lines.iter().enumerate() {
        for (right, second) in lines.iter().enumerate() {
            let expected = sign(Some(left.cmp(&right)));
            for (left, right) in first.iter().flat_map(|left| second.iter().map(move |right| (left, right))) {
                compares(scheme, left, expected, right).unwrap_or_else(|what| panic!("{ecosystem}: {what}"));
            }
        }
    }
}

/// Texts that are no versions of an ecosystem.
fn check_none(ecosystem: &str, then: &[&str]) {
    for text in then {
        assert!(scheme(ecosystem).parse(text).is_none(), "{text:?} is a version of {ecosystem}");
        assert_eq!(scheme(ecosystem).compare(text, text), None, "{text:?} of {ecosystem}");
    }
}

#[test]
fn crates_io_is_semver_to_the_letter() {
    check(
        "crates.io",
        &[
            "0.0.0-0",
            "0.0.0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-rc.2",
            "1.0.0-rc.11",
            "1.0.0 1.0.0+build",
        ],
    );
    check_none("crates.io", &["1", "1.0", "v1.0.0", "01.0.0", "1.0.0.0", "18446744073709551616.0.0"]);
}

#[test]
fn npm_and_its_kin_are_semver_as_it_is_written() {
    for ecosystem in ["npm", "Hex", "Julia", "SwiftURL", "Bitnami", "GitHub Actions", "Kubernetes"] {
        check(
            ecosystem,
            &[
                "1.0.0-0",
                "1.0.0-2 1-2",
                "1.0.0-10",
                "1.0.0--",
                "1.0.0-Beta",
                "1.0.0-beta",
                "1.0.0-beta.2 v1.0.0-beta.02",
                "1.0.0-beta.x",
                "1 1.0 1.0.0 v1 V1.0.0 01.0.0 1.0.0.0 1.0.0+a 1.0.0+b.1",
                "1.0.0.1",
                "1.0.1",
                "1.10",
                "18446744073709551616.0.0",
                "100000000000000000000000000000",
            ],
        );
        // Glued letters are a patch to OpenSSL and a pre-release to others.
        let others =
            ["", "v", "x", "1.", ".1", "1..2", "1.0.0-", "1.0.0+", "1.0.0-a..b", "1.1.1k", "1.0.0-a_b"];
        check_none(ecosystem, &others);
        check_none(
            ecosystem,
            &["main", "latest", "1.x", "^1.0.0", "1.0.0 ", "8f4b7f84864484a7bf31766abe9204da3cbe65b3"],
        );
    }
}

#[test]
fn go_has_pseudo_versions_and_incompatible_ones() {
    check(
        "Go",
        &[
            "v0.0.0-20180101000000-ffffffffffff",
            "v0.0.0-20210921155107-089bfa567519 0.0.0-20210921155107-089bfa567519",
            "v0.0.0",
            "v1.2.3-pre",
            "v1.2.3-pre.0.20210101000000-abcdefabcdef",
            "v1.2.3 1.2.3",
            "v1.2.4-0.20210101000000-abcdefabcdef",
            "v1.2.4",
            "v2.0.0+incompatible v2.0.0",
        ],
    );
}

#[test]
fn pub_and_conan_order_build_metadata() {
    for ecosystem in ["Pub", "ConanCenter"] {
        check(
            ecosystem,
            &[
                "1.0.0-a",
                "1.0.0-a+1",
                "1.0.0-a+b",
                "1.0.0 v1.0.0",
                "1.0.0+1",
                "1.0.0+2",
                "1.0.0+10",
                "1.0.0+2a",
                "1.0.1",
            ],
        );
    }
    check_none("ConanCenter", &["cci.20200203", "1.1.1k", "system"]);
}

#[test]
fn python_has_epochs_phases_posts_devs_and_locals() {
    check(
        "PyPI",
        &[
            "foo",
            "0.1-bulbasaur",
            "1.0.dev0",
            "1.0.dev456 1.0DEV456 1.0-dev-456",
            "1.0a1.dev2",
            "1.0a1 1.0.alpha1 1.0-ALPHA.1 v1.0a1 1.00a01",
            "1.0a2.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2 1.0beta2",
            "1.0b2.post345.dev456",
            "1.0b2.post345 1.0b2-345 1.0b2r345",
            "1.0rc1 1.0c1 1.0pre1 1.0-preview-1",
            "1.0 1 1.0.0 v1.0 01.0.0 0!1.0",
            "1.0+abc.5 1.0+ABC-5 1+abc_5",
            "1.0+abc.7",
            "1.0+5",
            "1.0+5.1",
            "1.0.post456.dev34",
            "1.0.post456 1.0-456 1.0.rev456",
            "1.1.dev1",
            "1.1",
            "1.10",
            "20240101.99999999999999999999",
            "1!0.1",
        ],
    );
}

#[test]
fn python_orders_what_setuptools_took_before_all_others() {
    check(
        "PyPI",
        &[
            "-x-dev -x-Dev",
            "-x-a",
            "-x-c -x-rc -x-pre -x-preview",
            "-x -x.00",
            "-x-final-",
            "-x-y",
            "-x.1",
            "-x.02",
            "-x.10",
            "0a0",
        ],
    );
}

#[test]
fn maven_has_qualifiers_and_what_says_nothing() {
    check(
        "Maven",
        &[
            "alpha",
            "0 0.0 ga final",
            "1-alpha-1 1a1 1.a1 1-ALPHA1 1.0.0-alpha-1",
            "1-alpha.1",
            "1-beta-SNAPSHOT",
            "1-beta",
            "1-milestone-3 1m3 1.M3",
            "1-rc 1-CR 1.0.RC",
            "1-SNAPSHOT 1.SNAPSHOT",
            "1 1.0 1-0 1.0.0-0.0.0 1.ga 1-final 1.0.0.RELEASE 01 1. 1-",
            "1-sp",
            "1-a 1a 1.0-a",
            "1-jre 1.jre",
            "1-x 1x 1.0.x",
            "1-1 1-ga-1 1.0-1",
            "1-2",
            "1.0.1 1.0.1-ga",
            "1.1 1.01",
            "1.10",
            "123456789012345678901234567890.1",
        ],
    );
    check("Maven", &["2.0.1", "2.0.1-xyz", "2.0.1-123", "2.0.1.1"]);
}

#[test]
fn a_gem_with_a_word_is_a_prerelease() {
    check(
        "RubyGems",
        &[
            "0.9",
            "1.0.A",
            "1.0.a.2 1.a.2 1.0.a2 1.0.0.a.2.0",
            "1.0.a9",
            "1.0.a.10",
            "1.0.b1",
            "1.0-1 1.0.pre.1 1-1",
            "1.0.rc1",
            "1.0.rc2",
            "1 1.0 1.0.0.0 01",
            "1.0.1.a",
            "1.0.1",
            "1.9",
            "1.10",
            "99999999999999999999999",
        ],
    );
    check("RubyGems", &["1beta 1.beta", "1"]);
    check_none("RubyGems", &["a", "", "1.", ".1", "1..2", "1.a_b", "1-", "1.0 ", "junk", "1.0~a"]);
}

#[test]
fn nuget_has_four_numbers_and_no_case() {
    check(
        "NuGet",
        &[
            "1.0.0-1",
            "1.0.0-11",
            "1.0.0-alpha 1.0.0-ALPHA 1-Alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta",
            "1 1.0 1.0.0 1.0.0.0 01.00 1.0.0+a 1.0.0+B",
            "1.0.0.1-a",
            "1.0.0.1",
            "1.0.1",
            "2147483648.0",
        ],
    );
    check_none("NuGet", &["v1.0", "1.0.0.0.0", "1.0-", "1.0+", "1.0-a_b", "1.0a", "", "1.*"]);
}

#[test]
fn packagist_goes_by_phps_version_compare() {
    check(
        "Packagist",
        &[
            "foo quux",
            "dev-master dev-foo",
            "1.0-foo 1.0-stable 1.0-DEV",
            "1.0-dev 1.0.dev",
            "1.0a1 1.0-alpha1 1.0alpha.1 1.0_a+1",
            "1.0b1 1.0-beta1",
            "1.0RC1 1.0rc1 1.0-RC.1",
            "1.0RC2",
            "1.0 v1.0 V1.0 01.0",
            "1.0.0-rc1",
            "1.0.0",
            "1.0.1 1.0-1",
            "1.0pl1 1.0-p1 1.0patch1",
            "1.1",
            "1.10",
            "99999999999999999999999",
        ],
    );
}

#[test]
fn the_sign_for_any_number_is_compared_but_never_sorted() {
    let packagist = scheme("Packagist");
    for (left, then, right) in
        [("1.2.#", "=", "1.2"), ("1.2.#", "=", "1.2.7"), ("1.2.#", "=", "1.2.#"), ("1.2.#.1", ">", "1.2")]
    {
        assert!(packagist.parse(left).is_none());
        compares(packagist, left, then, right).unwrap_or_else(|what| panic!("{what}"));
    }
}

#[test]
fn more_numbers_are_later_in_r_and_haskell() {
    check("CRAN", &["0.9", "0.75 0-75", "0.75.0 0.75-0 0-75-00", "1", "1.0", "1.0-1", "1.0.10 1.0-10"]);
    check("Bioconductor", &["1.9.9", "1.10"]);
    check("Hackage", &["0", "0.1", "0.1.0 00.01.0", "0.1.0.0", "0.2", "1", "99999999999999999999999"]);
    check_none("CRAN", &["", "1.", "a", "1.0a", "1--2", "-1", "1.0_1"]);
    check_none("Hackage", &["1-2", "1.0-foo", "v1"]);
}

#[test]
fn debian_has_tildes_epochs_and_revisions() {
    for ecosystem in ["Debian:12", "Ubuntu:22.04:LTS", "Echo"] {
        check(
            ecosystem,
            &[
                "1.0~~",
                "1.0~~a",
                "1.0~",
                "1.0~rc1-1",
                "1.0 0:1.0 1.0-0 1.0-00 00:01.0-0 1.",
                "1.0-0ubuntu1",
                "1.0-1~bpo1",
                "1.0-1",
                "1.0-1+b1",
                "1.0-1.1",
                "1.0a",
                "1.0+dfsg",
                "1.0.1",
                "1.9",
                "1.10",
                "1.99999999999999999999",
                "1:0",
                "2:0.1-1",
            ],
        );
        let others = ["", ":1", "a:1", "-1:1", "1:", "1-", "-1", "1.0 ", "99999999999:1", "2147483648:1"];
        check_none(ecosystem, &others);
    }
    check("Debian", &["2.7.4+reloaded2-13", "2.7.4+reloaded2-13ubuntu1", "2.7.4+reloaded2-13+deb9u1"]);
}

#[test]
fn rpm_has_tildes_carets_epochs_and_releases() {
    for ecosystem in
        ["Red Hat", "AlmaLinux:9", "Rocky Linux", "SUSE:15", "openSUSE", "Azure Linux:3", "Photon OS:5.0"]
    {
        check(
            ecosystem,
            &[
                "a:1",
                "1.0~rc1",
                "1.0~rc1^git1",
                "1.0 0:1.0 1_0 1.00 01..0 :1.0 1.0\u{3b1}",
                "1.0-",
                "1.0-1~x",
                "1.0-1 1.0-01 1.0-1.",
                "1.0-1.el7",
                "1.0-1.1",
                "1.0-10",
                "1.0^",
                "1.0^git1~pre",
                "1.0^git1",
                "1.0^git2",
                "1.0a 1.0.a",
                "1.0.1",
                "1.1",
                "99999999999999999999",
                "1:0.1",
                "10:0 010:0",
            ],
        );
    }
}

#[test]
fn alpine_has_letters_suffixes_and_revisions() {
    for ecosystem in ["Alpine:v3.20", "Wolfi", "Chainguard", "Alpaquita", "MinimOS", "BellSoft"] {
        check(
            ecosystem,
            &[
                ".1",
                "a",
                "1_alpha",
                "1_alpha1",
                "1_beta",
                "1_pre",
                "1_rc_pre1",
                "1_rc",
                "1_rc2",
                "1-rc",
                "1_foo",
                "1 01",
                "1-r0 1-r 1-r00",
                "1-r1",
                "1-r10",
                "1~ab",
                "1_cvs",
                "1_svn",
                "1_git",
                "1_git20240101",
                "1_hg",
                "1_p",
                "1_p1",
                "1a",
                "1b-r1",
                "1.0",
                "1.0.1",
                "1.00",
                "1.01",
                "1.1",
                "1.9",
                "1.10",
                "99999999999999999999999",
            ],
        );
    }
}

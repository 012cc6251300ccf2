//! Go, Ruby and PHP.

use crate::check::{check, check_broken, check_ways};

pub const GO: &str = "module example.invalid/shop

go 1.22.1

toolchain go1.22.3

require (
\tgolang.org/x/text v0.3.0
\tgithub.com/old/thing v1.0.0+incompatible // indirect
\tgithub.com/local/part v0.0.0
)

require github.com/bad/one v1.2.0 // indirect

replace github.com/old/thing => github.com/new/thing v1.5.0

replace github.com/local/part v0.0.0 => ../part

exclude github.com/bad/one v1.2.0

retract [v1.0.0, v1.1.0]
";

#[test]
fn go_replaces_excludes_and_tells_what_is_indirect() {
    check(
        "go.mod",
        GO,
        &[],
        &[
            "5 stdlib 1.22.3 direct normal",
            "5 toolchain 1.22.3 direct build",
            "8 golang.org/x/text 0.3.0 direct normal",
            "9 github.com/new/thing 1.5.0 transitive normal",
            "10 ../part: it is replaced by the folder `../part`",
            "13 github.com/bad/one: this version is excluded, so a later one is in use",
        ],
    );
    check_ways("go.mod", GO, "golang.org/x/text", &["example.invalid/shop > golang.org/x/text 0.3.0"]);
}

#[test]
fn the_least_go_that_will_do_is_no_version() {
    check(
        "go.mod",
        "module m\ngo 1.16\nrequire a.invalid/b v1.0.0\n",
        &[],
        &[
            "3 a.invalid/b 1.0.0 direct normal",
            "2 stdlib: `go 1.16` is the least that will do; which Go builds it is not known here",
            "- -: before Go 1.17 it doesn't list what is only needed by others; `go mod tidy -go=1.17` makes it",
        ],
    );
    check_broken("go.mod", "module m\nrequire (\n", "line 3, column 1: it ends within brackets");
    check_broken("go.mod", "module m\n  require a\n", "line 2, column 3: this is no line of `require`");
    check_broken("go.mod", "", "line 1, column 1: it names no module");
}

#[test]
fn a_toolchain_is_numbered_as_advisories_number_it() {
    for (line, then) in [("go1.21rc2", "1.21.0-rc.2"), ("go1.21.3-custom", "1.21.3"), ("go1.22.0", "1.22.0")]
    {
        let text = format!("module m\ngo 1.21\ntoolchain {line}\n");
        let then = [format!("3 stdlib {then} direct normal"), format!("3 toolchain {then} direct build")];
        check("go.mod", &text, &[], &[&then[0], &then[1]]);
    }
    let least = "2 stdlib: `go 1.21` is the least that will do; which Go builds it is not known here";
    check("go.mod", "module m\ngo 1.21\ntoolchain default\n", &[], &[least]);
}

#[test]
fn what_an_old_go_mod_does_not_list_is_taken_from_go_sum() {
    let sums = "a.invalid/b v1.0.0 h1:x=\na.invalid/b v1.0.0/go.mod h1:x=\nc.invalid/d v1.9.0 h1:x=\n\
                c.invalid/d v1.10.0 h1:x=\nonly.invalid/looked v1.0.0/go.mod h1:x=\nnonsense\n";
    let least = "- stdlib: `go 1.16` is the least that will do; which Go builds it is not known here";
    let more = "- -: before Go 1.17 it doesn't list what is only needed by others: 1 modules are taken from `go.sum`, each \
                at its highest version, and some may not be built; `go mod tidy -go=1.17` lists those that are";
    let old = "module m\ngo 1.16\nrequire a.invalid/b v1.0.0\n";
    check(
        "x/go.mod",
        old,
        &[("x/go.sum", sums)],
        &[
            "3 a.invalid/b 1.0.0 direct normal",
            "- c.invalid/d 1.10.0 transitive normal",
            &least.replacen('-', "2", 1),
            more,
        ],
    );
}

pub const GEMFILE: &str = "GIT
  remote: https://git.invalid/mine
  revision: 01
  specs:
    mine (1.0.0)
      rack (>= 2)

PATH
  remote: engine
  specs:
    engine (0.1.0)

GEM
  remote: https://gems.invalid/
  specs:
    nokogiri (1.15.0-x86_64-linux)
      racc (~> 1.4)
    nokogiri (1.15.0-arm64-darwin)
      racc (~> 1.4)
    racc (1.7.1)
    rack (2.2.3)

PLATFORMS
  x86_64-linux

DEPENDENCIES
  engine!
  mine!
  nokogiri (~> 1.15)

BUNDLED WITH
   2.4.10
";

#[test]
fn bundler_tells_sources_and_who_is_direct() {
    check(
        "Gemfile.lock",
        GEMFILE,
        &[],
        &[
            "5 mine 1.0.0 direct normal elsewhere",
            "11 engine 0.1.0 own normal elsewhere",
            "16 nokogiri 1.15.0 direct normal",
            "20 racc 1.7.1 transitive normal",
            "21 rack 2.2.3 transitive normal",
        ],
    );
    check_ways("gems.locked", GEMFILE, "racc", &["nokogiri 1.15.0 > racc 1.7.1"]);
    check_broken(
        "Gemfile.lock",
        "GEM\n  specs:\n    rack\n",
        "line 3, column 5: a version in brackets is missing here",
    );
}

pub const COMPOSER: &str = r#"{
    "packages": [
        {
            "name": "symfony/http-kernel",
            "version": "v6.4.1",
            "source": { "type": "git", "url": "https://git.invalid/http-kernel.git", "reference": "01" },
            "require": { "php": ">=8.1", "PSR/Log": "^1" }
        },
        { "name": "psr/log", "version": "1.1.4" },
        { "name": "mine/branch", "version": "dev-main" }
    ],
    "packages-dev": [ { "name": "phpunit/phpunit", "version": "9.6.0" } ]
}
"#;

#[test]
fn composer_needs_the_manifest_to_know_who_is_direct() {
    let manifest =
        r#"{ "require": { "symfony/http-kernel": "^6" }, "require-dev": { "phpunit/phpunit": "*" } }"#;
    check(
        "composer.lock",
        COMPOSER,
        &[("composer.json", manifest)],
        &[
            "4 symfony/http-kernel v6.4.1 direct normal",
            "9 psr/log 1.1.4 transitive normal",
            "12 phpunit/phpunit 9.6.0 direct dev",
            "10 mine/branch: `dev-main` is a branch and no version",
        ],
    );
    check_ways("composer.lock", COMPOSER, "psr/log", &["symfony/http-kernel v6.4.1 > psr/log 1.1.4"]);
}

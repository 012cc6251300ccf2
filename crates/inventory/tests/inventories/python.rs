//! requirements.txt, Poetry, uv, PDM, Pipenv and PEP 751.

use crate::check::{check, check_broken, check_ways};

pub const REQUIREMENTS: &str = "# what runs
-r base.txt
-c constraints.txt
--index-url https://pypi.invalid/simple
Django==4.2.1 ; python_version >= '3.8'  # the site
requests[security]>=2.0,<3
flask
urllib3 == 1.26.5 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
numpy==1.*
-e ./mine
mine @ https://example.invalid/mine.whl
-r missing.txt
$what
";

#[test]
fn only_a_pin_is_a_version() {
    check(
        "requirements.txt",
        REQUIREMENTS,
        &[
            ("base.txt", "six==1.16.0\n-r requirements.txt\n"),
            ("constraints.txt", "Flask==2.0.0\nunused==1.0\n"),
        ],
        &[
            "5 django 4.2.1 unknown normal",
            "7 flask 2.0.0 unknown normal",
            "8 urllib3 1.26.5 unknown normal",
            "1 six 1.16.0 unknown normal",
            "12 -: `-e ./mine` comes from no registry, so its version is not known",
            "14 -: it includes `missing.txt`, which is no readable file of this tree",
            "15 -: `$what` is no requirement",
            "6 requests: `>=2.0,<3` is a range and no version",
            "11 numpy: `==1.*` is a range and no version",
            "13 mine: it comes from an address, so its version is not known",
        ],
    );
    check("requirements-dev.txt", "a===1.0\n", &[], &["1 a 1.0 unknown dev"]);
}

pub const POETRY: &str = r#"[[package]]
name = "Django"
version = "4.2.1"
optional = false
groups = ["main"]

[package.dependencies]
sqlparse = ">=0.3.1"
tzdata = {version = "*", markers = "sys_platform == \"win32\""}

[[package]]
name = "pytest"
version = "7.0.0"
category = "dev"
optional = false

[[package]]
name = "sqlparse"
version = "0.4.4"
groups = ["main", "dev"]

[[package]]
name = "mine"
version = "1.0.0"
groups = ["main"]
[package.source]
type = "git"
url = "https://git.invalid/mine"

[metadata]
lock-version = "2.0"
"#;

#[test]
fn poetry_needs_the_project_to_know_who_is_direct() {
    let project = "[tool.poetry.dependencies]\npython = \"^3.8\"\ndjango = \"*\"\n[tool.poetry.group.dev.dependencies]\npytest = \"*\"\n";
    check(
        "poetry.lock",
        POETRY,
        &[("pyproject.toml", project)],
        &[
            "2 django 4.2.1 direct normal",
            "12 pytest 7.0.0 direct dev",
            "18 sqlparse 0.4.4 transitive normal",
            "23 mine 1.0.0 transitive normal elsewhere",
        ],
    );
    check_ways("poetry.lock", POETRY, "sqlparse", &["Django 4.2.1 > sqlparse 0.4.4"]);
    check_broken(
        "poetry.lock",
        "[[package]]\nname = \"a",
        "line 2, column 10: invalid basic string, expected `\"`",
    );
}

pub const UV: &str = r#"version = 1
requires-python = ">=3.12"

[[package]]
name = "anyio"
version = "4.0.0"
source = { registry = "https://pypi.invalid/simple" }
dependencies = [{ name = "idna" }]
sdist = { url = "https://files.invalid/anyio.tar.gz", hash = "sha256:aa" }

[[package]]
name = "idna"
version = "3.6"
source = { registry = "https://pypi.invalid/simple" }

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "anyio" }]

[package.dev-dependencies]
dev = [{ name = "tool" }]

[[package]]
name = "tool"
version = "1.0.0"
source = { git = "https://git.invalid/tool?rev=01#01" }
"#;

#[test]
fn uv_lists_the_project_itself() {
    check(
        "uv.lock",
        UV,
        &[],
        &[
            "5 anyio 4.0.0 direct normal",
            "12 idna 3.6 transitive normal",
            "17 shop 0.1.0 own normal elsewhere",
            "26 tool 1.0.0 direct dev elsewhere",
        ],
    );
    check_ways("uv.lock", UV, "idna", &["shop 0.1.0 > anyio 4.0.0 > idna 3.6"]);
}

pub const PDM: &str = r#"[metadata]
groups = ["default", "test"]

[[package]]
name = "requests"
version = "2.31.0"
groups = ["default"]
dependencies = ["idna<4,>=2.5"]

[[package]]
name = "idna"
version = "3.6"
groups = ["default", "test"]

[[package]]
name = "pytest"
version = "7.0.0"
groups = ["test"]
"#;

pub const PYLOCK: &str = r#"lock-version = "1.0"
created-by = "pip"

[[packages]]
name = "attrs"
version = "25.1.0"

[[packages]]
name = "mine"
directory = { path = "." }
"#;

pub const PIPFILE: &str = r#"{
    "_meta": {"sources": []},
    "default": {
        "requests": { "hashes": ["sha256:aa"], "version": "==2.31.0" },
        "mine": { "git": "https://git.invalid/mine", "ref": "01" }
    },
    "develop": {
        "pytest": { "version": "==7.0.0" }
    }
}
"#;

#[test]
fn pdm_pip_and_pipenv() {
    check(
        "pdm.lock",
        PDM,
        &[],
        &["5 requests 2.31.0 unknown normal", "11 idna 3.6 unknown normal", "16 pytest 7.0.0 unknown test"],
    );
    check(
        "pylock.dev.toml",
        PYLOCK,
        &[],
        &["5 attrs 25.1.0 unknown normal", "9 mine: it has no version in the lockfile"],
    );
    check(
        "Pipfile.lock",
        PIPFILE,
        &[],
        &[
            "4 requests 2.31.0 unknown normal",
            "8 pytest 7.0.0 unknown dev",
            "5 mine: it is pinned to no version of a registry",
        ],
    );
}

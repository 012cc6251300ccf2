//! Semgrep, ruff, ESLint, ast-grep and clippy, each from a finding to a proven branch.

use crate::cargo_project::git;
use crate::project::{Project, check};
use crate::tools::tool;

/// Found, fixed on a branch, verified; and the checkout is as it was.
#[track_caller]
fn walk(project: &Project, only: &[&str], found: &[&str], file: &str, then: &str) {
    for line in found {
        let all = project.found(&["--analyzers"]);
        assert!(all.iter().any(|one| one == line), "{line} is not among {all:?}");
    }
    let patch = project.fixed(only, 0);
    assert_eq!(patch["outcome"], "handed_over", "{patch:#}");
    assert_eq!(project.file("patchline/P-1", file), then);
    assert_eq!(check(&patch, "before-after").0, "passed", "{patch:#}");
    assert_eq!(
        check(&patch, "re-scan"),
        ("passed", "what the patch removes is gone, and nothing new is found")
    );
    assert_eq!(git(&project.path(), &["status", "--porcelain"]), "");
    assert_eq!(git(&project.path(), &["worktree", "list"]).lines().count(), 1);
    let message = git(&project.path(), &["log", "-1", "--format=%B", "patchline/P-1"]);
    assert!(message.contains("Patchline-Patch: P-1\nFixes: "), "{message}");
}

#[test]
fn semgrep_s_own_fix_is_taken_where_letters_are_wide() {
    let Some(semgrep) = tool("semgrep") else { return };
    let rules = "rules:\n- id: yaml-load\n  languages: [python]\n  severity: ERROR\n  message: runs code\n  \
                 pattern: yaml.load($X)\n  fix: yaml.safe_load($X)\n";
    let analyzer = format!(
        "[[analyzer]]\nname = \"semgrep\"\ncommand = [\"{semgrep}\", \"scan\", \"--metrics=off\", \
         \"--disable-version-check\", \"--config=rules.yml\", \"--sarif\", \"--autofix\", \"--dryrun\", \".\"]\n"
    );
    let text = "import yaml\n\n\ndef read(x):\n    s = \"äö😀\"; return s, yaml.load(x)\n";
    let project = Project::new(&analyzer, &[("rules.yml", rules), ("app.py", text)]);
    walk(&project, &[], &["yaml-load app.py:5"], "app.py", &text.replace("yaml.load", "yaml.safe_load"));
}

#[test]
fn ruff_s_report_fixes_and_so_does_its_command() {
    let Some(ruff) = tool("ruff") else { return };
    let text = "import os\nimport sys\n\nprint(\"äö😀\", sys.argv == None)\n";
    let report = format!(
        "[[analyzer]]\nname = \"ruff\"\ncommand = [\"{ruff}\", \"check\", \"--isolated\", \"--select=F401\", \
         \"--output-format=sarif\", \".\"]\n"
    );
    let project = Project::new(&report, &[("app.py", text)]);
    let then = text.replace("import os\n", "");
    walk(&project, &[], &["F401 app.py:1"], "app.py", &then);

    // The same without fixes in the report.
    let command = format!(
        "[[analyzer]]\nname = \"ruff\"\nreport = \"out/ruff.sarif\"\ncommand = [\"sh\", \"-c\", \"mkdir -p out && \
         {ruff} check --isolated --select=F401,E711 --output-format=sarif . | sed 's/\\\"fixes\\\"/\\\"none\\\"/' > out/ruff.sarif\"]\n\
         fix = [\"{ruff}\", \"check\", \"--isolated\", \"--fix-only\", \"--select={{rules}}\", \"{{files}}\"]\n"
    );
    let project = Project::new(&command, &[("app.py", text), ("other.py", "x = 1\n")]);
    walk(&project, &["--only", "F401"], &["F401 app.py:1", "E711 app.py:4"], "app.py", &then);
}

#[test]
fn eslint_s_json_has_the_fixes_and_what_has_none_is_left_by_name() {
    let Some(eslint) = tool("eslint") else { return };
    let analyzer = format!(
        "[[analyzer]]\nname = \"eslint\"\nformat = \"eslint\"\ncommand = [\"{eslint}\", \"--format=json\", \".\"]\n"
    );
    let config = "module.exports = [{ rules: { \"prefer-const\": \"warn\", \"no-eval\": \"error\" } }];\n";
    let text = "let s = \"äö😀\"; eval(s);\nmodule.exports = s;\n";
    let project = Project::new(&analyzer, &[("eslint.config.js", config), ("app.js", text)]);
    walk(
        &project,
        &[],
        &["prefer-const app.js:1", "no-eval app.js:1"],
        "app.js",
        &text.replace("let", "const"),
    );
    let report =
        std::fs::read_to_string(project.path().parent().unwrap().join("data/reports/P-1.md")).unwrap();
    assert!(report.contains("no fix for"), "{report}");
}

#[test]
fn ast_grep_is_an_analyzer_with_rules_of_one_s_own() {
    let Some(ast_grep) = tool("ast-grep") else { return };
    let analyzer = format!(
        "[[analyzer]]\nname = \"ast-grep\"\ncommand = [\"{ast_grep}\", \"scan\", \"--format=sarif\"]\n"
    );
    let rule = "id: no-eval\nlanguage: javascript\nseverity: error\nmessage: runs code\nrule: { pattern: eval($X) }\nfix: String($X)\n";
    let text = "const s = \"äö😀\"; eval(s);\n";
    let files = [("sgconfig.yml", "ruleDirs: [rules]\n"), ("rules/no-eval.yml", rule), ("app.js", text)];
    let project = Project::new(&analyzer, &files);
    walk(&project, &[], &["no-eval app.js:1"], "app.js", &text.replace("eval", "String"));
}

#[test]
fn a_rewrite_of_one_s_own_is_found_and_done() {
    let Some(ast_grep) = tool("ast-grep") else { return };
    let settings = format!(
        "[[rewrite]]\nname = \"no-eval\"\nprogram = \"{ast_grep}\"\nlanguage = \"javascript\"\npattern = \"eval($X)\"\n\
         fix = 'String($X, \"${{x}}\")'\nfiles = [\"src/**\"]\n\n\
         [[rewrite]]\nname = \"by-file\"\nprogram = \"{ast_grep}\"\nfile = \"rules/no-var.yml\"\n"
    );
    let rule = "id: no-var\nlanguage: javascript\nrule: { pattern: var $A = $B }\nfix: let $A = $B;\n";
    let text = "var s = \"äö😀\"; eval(s);\n";
    let files = [("rules/no-var.yml", rule), ("src/app.js", text), ("app.js", "eval(1);\n")];
    let project = Project::new(&settings, &files);
    let then = "let s = \"äö😀\"; String(s, \"${x}\");\n";
    walk(&project, &[], &["no-eval src/app.js:1", "no-var src/app.js:1"], "src/app.js", then);
    assert_eq!(project.file("patchline/P-1", "app.js"), "eval(1);\n");
}

#[test]
fn a_rewrite_that_ast_grep_does_not_take_says_why() {
    let Some(ast_grep) = tool("ast-grep") else { return };
    let settings = format!(
        "[[rewrite]]\nname = \"a\"\nprogram = \"{ast_grep}\"\nlanguage = \"klingon\"\npattern = \"a\"\nfix = \"b\"\n"
    );
    let project = Project::new(&settings, &[("app.js", "a;\n")]);
    let ran = project.run(&["fix"]);
    assert!(ran.code == 3 && ran.err.contains("language\":\"klingon"), "{}: {}", ran.code, ran.err);
}

#[test]
fn clippy_s_machine_applicable_suggestions_are_taken() {
    let Some(_) = tool("cargo-clippy") else { return };
    let analyzer = "[build]\ncommand = [\"cargo\", \"build\", \"--offline\"]\nartifact = \"target/debug/small\"\n\n\
                    [[analyzer]]\nname = \"clippy\"\nformat = \"cargo\"\ncommand = [\"cargo\", \"clippy\", \"--offline\", \"--message-format=json\"]\n";
    let manifest = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";
    let text = "fn one() -> u8 {\n    return 1;\n}\n\nfn main() {\n    println!(\"{}\", one());\n}\n";
    let files = [
        ("Cargo.toml", manifest),
        ("Cargo.lock", crate::cargo_project::CLEAN),
        (".gitignore", "target\n"),
        ("src/main.rs", text),
    ];
    let project = Project::new(analyzer, &files);
    let then = text.replace("return 1;", "1");
    walk(&project, &[], &["clippy::needless_return src/main.rs:2"], "src/main.rs", &then);
}

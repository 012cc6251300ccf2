//! The Go fixer, with the real Go and a proxy on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use patchline_generate::{Fixer as _, GoFixer};
use patchline_sandbox::Sandbox;

use crate::index::zip;
use crate::scene::{Bad, Scene, Server, candidate, has, moves, no_fix};

/// A proxy with modules as in `a 1.2.0: b 1.0.0, c 2.0.0`, which lie below `example.org/`; with `go 1.22` among what is required,
/// that is the module's language.
fn proxy(lines: &[&str]) -> Server {
    let mut lists: BTreeMap<String, String> = BTreeMap::new();
    let mut pages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for line in lines {
        let (head, required) = line.split_once(':').unwrap_or((line, ""));
        let (name, version) = head.split_once(' ').unwrap();
        let (path, version) = (format!("example.org/{name}"), format!("v{version}"));
        let required = required.split(',').filter_map(|one| one.trim().split_once(' '));
        let (mut language, mut requires, mut imports) = ("1.18".to_owned(), String::new(), String::new());
        for (other, least) in required {
            match other {
                "go" => language = least.to_owned(),
                _ => {
                    requires.push_str(&format!("require example.org/{other} v{least}\n"));
                    imports.push_str(&format!("import _ \"example.org/{other}\"\n"));
                }
            }
        }
        let module = format!("module {path}\n\ngo {language}\n\n{requires}");
        let within = format!("{path}@{version}");
        let files = [
            (format!("{within}/go.mod"), module.clone()),
            (format!("{within}/x.go"), format!("package {name}\n\n{imports}")),
        ];
        let base = format!("/{path}/@v");
        let about = format!("{{\"Version\":\"{version}\",\"Time\":\"2020-01-01T00:00:00Z\"}}");
        pages.insert(format!("{base}/{version}.info"), about.into_bytes());
        pages.insert(format!("{base}/{version}.mod"), module.into_bytes());
        pages.insert(format!("{base}/{version}.zip"), zip(&files));
        lists.entry(format!("{base}/list")).or_default().push_str(&format!("{version}\n"));
    }
    pages.extend(lists.into_iter().map(|(path, list)| (path, list.into_bytes())));
    Server::of(pages)
}

fn settings(proxy: &Server) -> BTreeMap<String, String> {
    let pairs = [("GOPROXY", proxy.url()), ("GOSUMDB", "off".to_owned())];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn fixer(proxy: &Server) -> GoFixer {
    GoFixer::with(Sandbox::probe(), settings(proxy))
}

/// A module that imports these, in order as `go mod tidy` leaves it.
fn project(proxy: &Server, requires: &[(&str, &str)], more: &str) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let required: String =
        requires.iter().map(|(name, version)| format!("require example.org/{name} v{version}\n")).collect();
    let imports: String =
        requires.iter().map(|(name, _)| format!("import _ \"example.org/{name}\"\n")).collect();
    let path = |file: &str| folder.path().join(file);
    fs::write(path("go.mod"), format!("module example.org/app // ours\n\ngo 1.21\n{more}\n{required}"))
        .unwrap();
    fs::write(path("main.go"), format!("package main\n\n{imports}\nfunc main() {{}}\n")).unwrap();
    let mut command = Command::new("go");
    command.args(["mod", "tidy"]).current_dir(folder.path()).envs(settings(proxy));
    command.env("GOPATH", path("cache")).env("GOFLAGS", "-mod=mod -modcacherw").env("GOTOOLCHAIN", "local");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |file: &str| fs::read_to_string(path(file)).unwrap();
    Scene::of(&[("go.mod", &read("go.mod")), ("go.sum", &read("go.sum")), ("main.go", &read("main.go"))])
}

fn has_go() -> bool {
    let there = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success());
    there || has("go")
}

#[tokio::test]
async fn a_module_goes_to_the_smallest_good_version_and_the_files_stay_tidy() {
    if !has_go() {
        return;
    }
    let shop = proxy(&["a 1.0.0", "a 1.1.0", "a 1.2.0", "a 1.3.0-rc.1", "b 1.0.0"]);
    let scene = project(&shop, &[("a", "1.0.0"), ("b", "1.0.0")], "");
    let bad = Bad::of(&[("example.org/a", "1.0.0"), ("example.org/a", "1.1.0")]);
    let request = scene.request("Go", "go.mod", &[("example.org/a", "1.0.0")], &bad);
    let made = candidate(&fixer(&shop), &request).await;
    assert_eq!(moves(&made), ["example.org/a 1.0.0 -> 1.2.0"]);
    assert_eq!(made.files, ["go.mod", "go.sum"]);
    let expected = scene.show("main", "go.mod").replace("a v1.0.0", "a v1.2.0");
    assert_eq!(scene.show(made.commit.as_str(), "go.mod"), expected);
    let sums = scene.show(made.commit.as_str(), "go.sum");
    assert!(sums.contains("a v1.2.0 h1:") && !sums.contains("a v1.0.0"), "{sums}");
    scene.assert_untouched();
    assert_eq!(
        candidate(&fixer(&shop), &request).await.commit,
        made.commit,
        "asked again it answers the same"
    );
}

#[tokio::test]
async fn what_comes_along_is_counted_and_brings_no_problem_in() {
    if !has_go() {
        return;
    }
    let shop = proxy(&["a 1.0.0: b 1.0.0", "a 1.1.0: b 1.1.0, go 1.22", "b 1.0.0", "b 1.1.0", "b 1.2.0"]);
    let scene = project(&shop, &[("a", "1.0.0")], "");
    let bad = Bad::of(&[("example.org/a", "1.0.0"), ("example.org/b", "1.1.0")]);
    let request = scene.request("Go", "go.mod", &[("example.org/a", "1.0.0")], &bad);
    let made = candidate(&fixer(&shop), &request).await;
    assert_eq!(moves(&made), ["example.org/a 1.0.0 -> 1.1.0", "example.org/b 1.0.0 -> 1.2.0"]);
    assert!(made.rationale.contains("go.mod now asks for Go 1.22, before for 1.21."), "{}", made.rationale);
    assert!(made.rationale.contains("One other package moves with it: example.org/b from 1.0.0 to 1.2.0."));
}

#[tokio::test]
async fn the_standard_library_is_fixed_by_another_toolchain() {
    if !has_go() {
        return;
    }
    let shop = proxy(&["a 1.0.0"]);
    let scene = project(&shop, &[("a", "1.0.0")], "\ntoolchain go1.21.3 // as in production\n");
    let bad = Bad::of(&[("stdlib", "1.21.3"), ("stdlib", "1.21.4")]);
    let mut request = scene.request("Go", "go.mod", &[("stdlib", "1.21.3")], &bad);
    request.findings[0].fixed = ["1.22.1", "1.21.5", "1.21.4", "1.20.9"].map(str::to_owned).to_vec();
    let made = candidate(&fixer(&shop), &request).await;
    assert_eq!(moves(&made), ["stdlib 1.21.3 -> 1.21.5"]);
    assert_eq!(made.files, ["go.mod"]);
    let expected = scene.show("main", "go.mod").replace("go1.21.3", "go1.21.5");
    assert_eq!(scene.show(made.commit.as_str(), "go.mod"), expected);
    assert!(made.rationale.contains("toolchain go1.21.5"), "{}", made.rationale);
}

#[tokio::test]
async fn what_can_not_be_fixed_is_left_with_the_reason() {
    if !has_go() {
        return;
    }
    let shop = proxy(&["a 1.0.0", "a 1.1.0: go 1.999", "b 1.0.0"]);
    let scene = project(&shop, &[("a", "1.0.0"), ("b", "1.0.0")], "");
    let bad = Bad::of(&[("example.org/a", "1.0.0"), ("example.org/b", "1.0.0")]);
    let installed = [("example.org/a", "1.0.0"), ("example.org/b", "1.0.0"), ("example.org/c", "1.0.0")];
    let why = no_fix(&fixer(&shop), &scene.request("Go", "go.mod", &installed, &bad)).await;
    assert!(why[0].contains("requires go >= 1.999"), "{}", why[0]);
    let expected = [
        "no version of `example.org/b` above 1.0.0 is free of known problems",
        "`example.org/c` stands in a `replace` of `go.mod`, which says more than a version",
    ];
    assert_eq!(why[1..], expected);
    scene.assert_untouched();
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_an_error_that_may_pass() {
    if !has_go() {
        return;
    }
    let shop = proxy(&["a 1.0.0"]);
    let scene = project(&shop, &[("a", "1.0.0")], "");
    let bad = Bad::of(&[("example.org/a", "1.0.0")]);
    let request = scene.request("Go", "go.mod", &[("example.org/a", "1.0.0")], &bad);
    // Nobody listens at the port that the system gave away and took back.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = BTreeMap::from([("GOPROXY".to_owned(), format!("http://{closed}"))]);
    let failure =
        GoFixer::with(Sandbox::probe(), nowhere).propose(&request).await.expect_err("nobody answers");
    assert!(failure.message.contains("could not reach its proxy"), "{}", failure.message);
    scene.assert_untouched();
}

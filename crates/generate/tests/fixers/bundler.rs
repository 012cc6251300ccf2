//! The fixer for `Gemfile.lock`, with the real Bundler and a compact index on loopback.

use std::collections::BTreeMap;
use std::net::TcpListener;

use patchline_generate::{BundlerFixer, Fixer as _, Proposal};
use patchline_sandbox::Sandbox;

use crate::index::sha256;
use crate::scene::{Bad, Scene, Server, candidate, has, moves, no_fix, refusing};

const PUBLISHED: [&str; 13] = [
    "a 1.0 b:>= 1",
    "a 1.1 b:>= 1",
    "a 2.0 b:>= 2",
    "b 1.0 ",
    "b 2.0 ",
    "top 1.0 a:< 1.1",
    "top 1.1 a:< 2",
    "top 1.2 a:>= 1&< 3",
    "z 1.0 ",
    "z 1.1 ",
    "n 1.0-x86_64-linux ",
    "n 1.0-arm64-darwin ",
    "n 1.1-arm64-darwin ",
];

fn fixer() -> Option<BundlerFixer> {
    has("bundle").then(|| BundlerFixer::new(Sandbox::probe()))
}

/// An index with lines as in `a 1.2-java b:>= 1&< 3`; what the index says of the version itself stands behind a bar.
fn index(lines: &[&str]) -> Server {
    let mut gems: BTreeMap<&str, String> = BTreeMap::new();
    for line in lines {
        let (name, rest) = line.split_once(' ').unwrap();
        let (rest, about) = rest.split_once('|').unwrap_or((rest, ""));
        let about = if about.is_empty() { String::new() } else { format!(",{about}") };
        let text = gems.entry(name).or_insert_with(|| "---\n".to_owned());
        text.push_str(&format!("{rest}|checksum:{}{about}\n", sha256(line.as_bytes())));
    }
    let mut versions = "created_at: 2020-01-01T00:00:00Z\n---\n".to_owned();
    let mut pages = BTreeMap::new();
    for (name, text) in gems {
        let all: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        // Bundler asks for a gem again where this is not its digest; any text is one.
        versions.push_str(&format!("{name} {} {}\n", all.join(","), &sha256(text.as_bytes())[..32]));
        pages.insert(format!("/info/{name}"), text);
    }
    pages.insert("/versions".to_owned(), versions);
    Server::of(pages)
}

struct Bundle {
    gemfile: String,
    lock: String,
}

/// A project with this behind its source, and this locked, as in `a 1.0: b >= 1`.
fn project(url: &str, gemfile: &str, locked: &[&str], platforms: &str, asks: &[&str], end: &str) -> Bundle {
    let mut lock = format!("GEM\n  remote: {url}/\n  specs:\n");
    for line in locked {
        let (head, requires) = line.split_once(": ").unwrap_or((line, ""));
        let (name, version) = head.split_once(' ').unwrap();
        lock.push_str(&format!("    {name} ({version})\n"));
        for one in requires.split(';').filter(|one| !one.is_empty()) {
            let (name, range) = one.split_once(' ').unwrap();
            lock.push_str(&format!("      {name} ({range})\n"));
        }
    }
    let list = |all: &mut dyn Iterator<Item = &str>| all.map(|one| format!("  {one}\n")).collect::<String>();
    lock.push_str(&format!("\nPLATFORMS\n{}", list(&mut platforms.split(' '))));
    lock.push_str(&format!(
        "\nDEPENDENCIES\n{}{end}\nBUNDLED WITH\n   2.2.7\n",
        list(&mut asks.iter().copied())
    ));
    Bundle { gemfile: format!("# Ours\nsource \"{url}\"\n\n{gemfile}"), lock }
}

impl Bundle {
    fn scene(&self) -> Scene {
        Scene::of(&[("Gemfile", &self.gemfile), ("Gemfile.lock", &self.lock)])
    }
}

const LOCKED: [&str; 3] = ["a 1.0: b >= 1", "b 1.0", "top 1.0: a < 1.1"];

#[tokio::test]
async fn a_gem_moves_within_its_range_and_nothing_else_changes() {
    let Some(fixer) = fixer() else { return };
    let shop = index(&PUBLISHED);
    let gemfile = "gem \"a\", \">= 1\" # keep me\ngroup :test do\n  gem 'z', require: false\nend\n";
    let end = "\nRUBY VERSION\n   ruby 2.7.4p191\n";
    let gemfile = format!("ruby '2.7.4'\n{gemfile}");
    let bundle =
        project(&shop.url(), &gemfile, &["a 1.0: b >= 1", "b 1.0", "z 1.0"], "ruby", &["a (>= 1)", "z"], end);
    let scene = bundle.scene();
    let request = scene.request("RubyGems", "Gemfile.lock", &[("a", "1.0")], &Bad::of(&[("a", "1.0")]));
    let made = candidate(&fixer, &request).await;
    assert_eq!(
        (moves(&made), made.files.clone()),
        (vec!["a 1.0 -> 1.1".to_owned()], vec!["Gemfile.lock".to_owned()])
    );
    // Who wrote it, the Ruby and all else stay.
    assert_eq!(scene.show(made.commit.as_str(), "Gemfile.lock"), bundle.lock.replace("a (1.0)", "a (1.1)"));
    scene.assert_untouched();
    assert_eq!(candidate(&fixer, &request).await.commit, made.commit, "asked again it answers the same");
}

#[tokio::test]
async fn what_requires_too_little_is_lifted_and_what_is_required_comes_along() {
    let Some(fixer) = fixer() else { return };
    let shop = index(&PUBLISHED);
    let bundle = project(&shop.url(), "gem 'top'\n", &LOCKED, "ruby", &["top"], "");
    let scene = bundle.scene();
    let bad = Bad::of(&[("a", "1.0"), ("a", "1.1")]);
    let made = candidate(&fixer, &scene.request("RubyGems", "Gemfile.lock", &[("a", "1.0")], &bad)).await;
    assert_eq!(moves(&made), ["a 1.0 -> 2.0", "b 1.0 -> 2.0", "top 1.0 -> 1.2"]);
    assert_eq!(made.files, ["Gemfile.lock"]);
    assert!(
        made.rationale
            .contains("a 2.0 is the smallest version without a known problem that fits, a major upgrade."),
        "{}",
        made.rationale
    );
    scene.assert_untouched();
}

#[tokio::test]
async fn the_manifest_is_widened_in_its_own_style_only_where_it_must_be() {
    let Some(fixer) = fixer() else { return };
    let shop = index(&PUBLISHED);
    let gemfile = "gem(\"a\", '~> 1.0',\n    \">= 0.5\") # keep me\ngem 'z', '~> 1.0'\n";
    let asks = ["a (~> 1.0, >= 0.5)", "z (~> 1.0)"];
    let bundle = project(&shop.url(), gemfile, &["a 1.0: b >= 1", "b 1.0", "z 1.0"], "ruby", &asks, "");
    let scene = bundle.scene();
    let bad = Bad::of(&[("a", "1.0"), ("a", "1.1")]);
    let made = candidate(&fixer, &scene.request("RubyGems", "Gemfile.lock", &[("a", "1.0")], &bad)).await;
    assert_eq!(moves(&made), ["a 1.0 -> 2.0", "b 1.0 -> 2.0"]);
    let after = scene.show(made.commit.as_str(), "Gemfile");
    assert_eq!(after, bundle.gemfile.replacen("'~> 1.0'", "'~> 2.0'", 1));
    assert!(made.rationale.contains("Gemfile now takes a 2.0."), "{}", made.rationale);
    scene.assert_untouched();
}

#[tokio::test]
async fn what_can_not_move_is_left_with_the_reason() {
    let Some(fixer) = fixer() else { return };
    let shop = index(&["a 1.0 ", "a 2.0 ", "top 1.0 a:< 2", "c 1.0 ", "d 1.0 ", "d 1.1 |ruby:>= 99"]);
    let locked = ["a 1.0", "c 1.0", "d 1.0", "top 1.0: a < 2"];
    let bundle = project(
        &shop.url(),
        "ruby '>= 2'\ngem 'top'\ngem 'c'\ngem 'd'\n",
        &locked,
        "ruby",
        &["c", "d", "top"],
        "\nRUBY VERSION\n   ruby 3.0.1p64\n",
    );
    let scene = bundle.scene();
    let bad = [("a", "1.0"), ("c", "1.0"), ("d", "1.0")];
    let request = scene.request("RubyGems", "Gemfile.lock", &bad, &Bad::of(&bad));
    let expected = [
        "`top 1.0` requires `a < 2`, and 2.0 would do and is the newest",
        "no version of `c` above 1.0 is free of known problems",
        "`d 1.1` would do, but asks for Ruby >= 99, and 3.0.1 must do here",
    ];
    assert_eq!(no_fix(&fixer, &request).await, expected);
    scene.assert_untouched();
}

#[tokio::test]
async fn platforms_and_gems_for_them_stay_as_they_are() {
    let Some(fixer) = fixer() else { return };
    let shop = index(&PUBLISHED);
    let locked = ["a 1.0: b >= 1", "b 1.0", "n 1.0-arm64-darwin", "n 1.0-x86_64-linux"];
    let gemfile = "gem 'a'\nplatforms :ruby do\n  gem 'n'\nend\n";
    let bundle = project(&shop.url(), gemfile, &locked, "arm64-darwin x86_64-linux", &["a", "n"], "");
    let scene = bundle.scene();
    let bad = Bad::of(&[("a", "1.0"), ("n", "1.0")]);
    let installed = [("a", "1.0"), ("n", "1.0")];
    let made = candidate(&fixer, &scene.request("RubyGems", "Gemfile.lock", &installed, &bad)).await;
    // There is no `n 1.1` for Linux.
    assert_eq!(moves(&made), ["a 1.0 -> 1.1"]);
    assert!(made.leaves[0].1.contains("no version of `n` above 1.0"), "{:?}", made.leaves);
    assert_eq!(scene.show(made.commit.as_str(), "Gemfile.lock"), bundle.lock.replace("a (1.0)", "a (1.1)"));
    scene.assert_untouched();
}

#[tokio::test]
async fn code_is_not_run_and_what_is_not_from_a_registry_is_left() {
    let Some(fixer) = fixer() else { return };
    let shop = index(&PUBLISHED);
    let check = |gemfile: &'static str, end: &'static str| {
        let (fixer, bundle) = (fixer.clone(), project(&shop.url(), gemfile, &LOCKED, "ruby", &["top"], end));
        async move {
            let scene = bundle.scene();
            let request =
                scene.request("RubyGems", "Gemfile.lock", &[("a", "1.0")], &Bad::of(&[("a", "1.0")]));
            let reasons = no_fix(&fixer, &request).await;
            scene.assert_untouched();
            reasons.join(" / ")
        }
    };
    let code = check("gem 'top'\nFile.write('ran', 'x')\n", "").await;
    assert_eq!(
        code,
        "`Gemfile` is code, which is not run, and more than it can be read as: line 5: `.write('ran', 'x')`"
    );
    assert_eq!(
        check("gem 'top'\ngem 'own', path: '.'\n", "").await,
        "`Gemfile` is code, which is not run, and more than it can be read as: line 5: `gem 'own', path: '.'`"
    );
    let elsewhere = check("gem 'top'\n", "\nGIT\n  remote: x\n").await;
    assert!(elsewhere.contains("(`GIT`)"), "{elsewhere}");
    let stale = check("gem 'top'\ngem 'z'\n", "").await;
    assert!(stale.starts_with("Bundler would change `Gemfile.lock` before anything is fixed"), "{stale}");
}

#[tokio::test]
async fn a_source_that_does_not_answer_or_wants_a_password_is_named() {
    let Some(fixer) = fixer() else { return };
    let check = |url: String, then: String| {
        let (fixer, bundle) = (fixer.clone(), project(&url, "gem 'top'\n", &LOCKED, "ruby", &["top"], ""));
        async move {
            let scene = bundle.scene();
            let request =
                scene.request("RubyGems", "Gemfile.lock", &[("a", "1.0")], &Bad::of(&[("a", "1.0")]));
            match fixer.propose(&request).await {
                Err(failure) => {
                    let told = format!("{} ({})", failure.message, failure.hint.clone().unwrap_or_default());
                    assert!(told.contains(&then), "{failure:?}");
                    assert!(!told.contains("secret"), "{failure:?}");
                }
                Ok(Proposal::NoFix { reasons, log }) => panic!("{reasons:?}\n{log}"),
                Ok(Proposal::Candidate { candidate, .. }) => panic!("{candidate:?}"),
            }
            scene.assert_untouched();
        }
    };
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(format!("http://{gone}"), format!("could not fetch `http://{gone}/info/a`")).await;
    let rubbish = Server::of(BTreeMap::from([("/info/a".to_owned(), "<html>")]));
    check(
        rubbish.url(),
        format!("could not read what `{}/info/a` answers: it does not begin", rubbish.url()),
    )
    .await;
    check(refusing(), "a source that wants a password or a token can't be asked here".to_owned()).await;
    check("http://user:secret@r.example".to_owned(), "its address has a password in it".to_owned()).await;
}

#[tokio::test]
async fn gems_for_platforms_alone_move_together() {
    let Some(fixer) = fixer() else { return };
    let here = format!("{}-linux", std::env::consts::ARCH);
    let lines = [
        "n 1.0-x-darwin ".to_owned(),
        format!("n 1.0-{here} "),
        "n 1.1-x-darwin ".to_owned(),
        format!("n 1.1-{here} "),
    ];
    let shop = index(&lines.each_ref().map(String::as_str));
    let locked = ["n 1.0-x-darwin".to_owned(), format!("n 1.0-{here}")];
    let platforms = format!("x-darwin {here}");
    let bundle =
        project(&shop.url(), "gem 'n'\n", &locked.each_ref().map(String::as_str), &platforms, &["n"], "");
    let scene = bundle.scene();
    let request = scene.request("RubyGems", "Gemfile.lock", &[("n", "1.0")], &Bad::of(&[("n", "1.0")]));
    let made = candidate(&fixer, &request).await;
    assert_eq!(scene.show(made.commit.as_str(), "Gemfile.lock"), bundle.lock.replace("n (1.0", "n (1.1"));
}

#[tokio::test]
async fn a_gem_of_another_source_is_asked_for_there_and_stays_there() {
    let Some(fixer) = fixer() else { return };
    let (main, own) =
        (index(&["z 1.0 ", "own 9.0 "]), index(&["own 1.0 dep:>= 1", "own 1.1 dep:>= 1", "dep 1.0 "]));
    let gemfile = format!("source '{}'\ngem 'z'\nsource '{}' do\n  gem 'own'\nend\n", main.url(), own.url());
    let section = |url: &str, specs: &str| format!("GEM\n  remote: {url}/\n  specs:\n{specs}\n");
    let mut sections = [
        section(&main.url(), "    z (1.0)\n"),
        section(&own.url(), "    dep (1.0)\n    own (1.0)\n      dep (>= 1)\n"),
    ];
    sections.sort();
    let lock = format!(
        "{}PLATFORMS\n  ruby\n\nDEPENDENCIES\n  own!\n  z\n\nBUNDLED WITH\n   2.3.0\n",
        sections.concat()
    );
    let scene = Scene::of(&[("Gemfile", &gemfile), ("Gemfile.lock", &lock)]);
    let bad = Bad::of(&[("own", "1.0")]);
    let made = candidate(&fixer, &scene.request("RubyGems", "Gemfile.lock", &[("own", "1.0")], &bad)).await;
    assert_eq!(moves(&made), ["own 1.0 -> 1.1"]);
    assert_eq!(scene.show(made.commit.as_str(), "Gemfile.lock"), lock.replace("own (1.0)", "own (1.1)"));
}

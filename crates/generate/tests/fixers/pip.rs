//! The fixer for requirements files, with the real pip and an index on loopback.

use std::collections::BTreeMap;

use patchline_generate::{Fixer as _, PipFixer};
use patchline_sandbox::Sandbox;

use crate::index::{index, wheel_sha256};
use crate::scene::{Bad, Scene, Server, candidate, has, moves, no_fix};

fn fixer() -> PipFixer {
    PipFixer::new(Sandbox::probe())
}

/// The line that names the index.
fn here(server: &Server) -> String {
    format!("--index-url {}/simple\n", server.url())
}

#[tokio::test]
async fn a_pin_changes_where_it_stands_and_nothing_else_does() {
    if !has("python3") {
        return;
    }
    let shop = index(&["a 1.0", "a 1.1", "a 1.2", "b-c 2.0", "d 1.0"]);
    let base = "# what we need\r\nA[x] == 1.0  # keep me\r\n\r\nb_c==2.0 ; python_version > '3'\r\n";
    let top = format!("{}-r requirements/base.txt\nd>=1\n", here(&shop));
    let scene = Scene::of(&[("requirements.txt", &top), ("requirements/base.txt", base)]);
    let bad = Bad::of(&[("a", "1.0"), ("a", "1.1")]);
    let made =
        candidate(&fixer(), &scene.request("PyPI", "requirements/base.txt", &[("A", "1.0")], &bad)).await;
    assert_eq!(moves(&made), ["A 1.0 -> 1.2"]);
    assert_eq!(made.files, ["requirements/base.txt"]);
    let expected = base.replace("1.0", "1.2");
    assert_eq!(scene.show(made.commit.as_str(), "requirements/base.txt").trim_end(), expected.trim_end());
    assert!(made.rationale.contains("Nothing else moves."), "{}", made.rationale);
    assert!(!made.rationale.contains("could not resolve"), "pip agrees: {}", made.rationale);
    scene.assert_untouched();
    let again = scene.request("PyPI", "requirements/base.txt", &[("A", "1.0")], &bad);
    assert_eq!(candidate(&fixer(), &again).await.commit, made.commit, "asked again it answers the same");
}

#[tokio::test]
async fn hashes_come_from_the_index() {
    if !has("python3") {
        return;
    }
    let shop = index(&["a 1.0", "a 1.0.1*", "a 1.1: new>=1", "a 1.2", "a 1.2*", "new 1.0"]);
    let top =
        format!("{}a==1.0 \\\n    --hash=sha256:{}\n    # via app\n", here(&shop), wheel_sha256("a", "1.0"));
    let scene = Scene::of(&[("requirements.txt", &top)]);
    let bad = Bad::of(&[("a", "1.0")]);
    let made = candidate(&fixer(), &scene.request("PyPI", "requirements.txt", &[("a", "1.0")], &bad)).await;
    // Of 1.0.1 nobody knows what it requires; 1.1 would need a package that the file does not list, and with hashes pip takes nothing else.
    assert_eq!(moves(&made), ["a 1.0 -> 1.2"]);
    let mut hashes = [wheel_sha256("a", "1.2"), crate::index::sha256(b"")];
    hashes.sort();
    let expected = format!(
        "{}a==1.2 \\\n    --hash=sha256:{} \\\n    --hash=sha256:{}\n    # via app\n",
        here(&shop),
        hashes[0],
        hashes[1]
    );
    assert_eq!(scene.show(made.commit.as_str(), "requirements.txt"), expected);
}

#[tokio::test]
async fn what_requires_too_little_moves_along() {
    if !has("python3") {
        return;
    }
    let shop = index(&[
        "a 1.0",
        "a 2.0: c>=2; python_version>'2'",
        "p 1.0: a<2",
        "p 1.1: a<2",
        "p 1.2: a<3, z>=9; extra=='x'",
        "c 1.0",
        "c 2.0",
        "c 2.1",
    ]);
    let top = format!("{}a==1.0\nc==1.0\np==1.0\n", here(&shop));
    let scene = Scene::of(&[("requirements.txt", &top)]);
    let bad = Bad::of(&[("a", "1.0")]);
    let made = candidate(&fixer(), &scene.request("PyPI", "requirements.txt", &[("a", "1.0")], &bad)).await;
    assert_eq!(moves(&made), ["a 1.0 -> 2.0", "c 1.0 -> 2.0", "p 1.0 -> 1.2"]);
    assert!(
        made.rationale
            .contains("a 2.0 is the smallest version without a known problem that fits, a major upgrade.")
    );
    assert!(!made.rationale.contains("could not resolve"), "pip agrees: {}", made.rationale);
    scene.assert_untouched();
}

#[tokio::test]
async fn what_can_not_move_is_left_with_who_requires_what() {
    if !has("python3") {
        return;
    }
    let shop =
        index(&["a 1.0", "a 2.0", "p 1.0: a<2", "b 1.0", "b 1.1", "c 1.0", "d 1.0", "d 1.1: python >=3.99"]);
    let top = format!("{}a==1.0\nb==1.0\np==1.0\nc==1.0\nd==1.0\n", here(&shop));
    let scene = Scene::of(&[("requirements.txt", &top), ("requirements.in", "a\nb<1.1\n")]);
    let bad = Bad::of(&[("a", "1.0"), ("b", "1.0"), ("c", "1.0"), ("d", "1.0")]);
    let installed = [("a", "1.0"), ("b", "1.0"), ("c", "1.0"), ("d", "1.0")];
    let why = no_fix(&fixer(), &scene.request("PyPI", "requirements.txt", &installed, &bad)).await;
    let expected = [
        "`p 1.0` requires `a <2`, and 2.0 would do and is the newest",
        "`requirements.in` requires `b <1.1`, and 1.1 would do",
        "no version of `c` above 1.0 is free of known problems",
    ];
    assert_eq!(why[..3], expected);
    assert!(why[3].starts_with("`d 1.1` would do, but asks for Python >=3.99, and 3."), "{}", why[3]);
    scene.assert_untouched();
}

#[tokio::test]
async fn no_source_archive_is_fetched_or_built() {
    if !has("python3") {
        return;
    }
    let shop = index(&["a 1.0*", "a 1.1*", "b 1.0: a>=1"]);
    let top = format!("{}a==1.0\nb==1.0\n", here(&shop));
    let scene = Scene::of(&[("requirements.txt", &top)]);
    let bad = Bad::of(&[("a", "1.0")]);
    let made = candidate(&fixer(), &scene.request("PyPI", "requirements.txt", &[("a", "1.0")], &bad)).await;
    assert_eq!(moves(&made), ["a 1.0 -> 1.1"]);
    assert!(made.rationale.contains("The index does not say what a 1.1 requires."), "{}", made.rationale);
    let asked = shop.asked.lock().unwrap();
    assert!(!asked.iter().any(|path| path.contains(".tar.gz")), "{asked:?}");
}

#[tokio::test]
async fn an_index_that_answers_nonsense_is_an_error_that_names_it() {
    if !has("python3") {
        return;
    }
    let nonsense = Server::of(BTreeMap::from([("/simple/a/".to_owned(), "<html>sign in</html>".to_owned())]));
    let scene = Scene::of(&[("requirements.txt", &format!("{}a==1.0\n", here(&nonsense)))]);
    let request = scene.request("PyPI", "requirements.txt", &[("a", "1.0")], &Bad::of(&[("a", "1.0")]));
    let failure = fixer().propose(&request).await.expect_err("it is no index");
    assert!(failure.message.contains(&format!("{}/simple/a/", nonsense.url())), "{}", failure.message);
    assert!(failure.hint.is_some());
    scene.assert_untouched();
}

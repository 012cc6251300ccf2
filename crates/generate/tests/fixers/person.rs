//! A person's change: what it changes says which kind it is.

use std::fs;

use patchline_generate::{Proposal, proposed};
use patchline_model::stage::generate::Kind;

use crate::scene::{Bad, Scene};

async fn check(path: &str, before: &str, after: &str, then: Kind) {
    let scene = Scene::of(&[(path, before)]);
    let request = scene.request("Docker", path, &[], &Bad::default());
    fs::write(scene.folder.path().join(path), after).unwrap();
    scene.git(&["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-a", "-m", "x"]);
    let commit = scene.git(&["rev-parse", "HEAD"]).parse().unwrap();
    match proposed(&request, "x", "x", &commit, "A <a@example.org>").await.unwrap() {
        Proposal::Candidate { candidate, .. } => assert_eq!(candidate.kind, then, "{path}: {after}"),
        Proposal::NoFix { reasons, .. } => panic!("{reasons:?}"),
    }
}

#[tokio::test]
async fn another_tag_alone_is_a_change_of_an_image() {
    check("Dockerfile", "FROM a:1\nRUN x\n", "FROM a:2\nRUN x\n", Kind::Image).await;
    check("k.yaml", "image: a:1\n", "image: a:2\n", Kind::Image).await;
    check("Dockerfile", "FROM a:1\nRUN x\n", "FROM a:2\nRUN y\n", Kind::Code).await;
    check("Dockerfile", "FROM a:1\n", "FROM b:1\n", Kind::Code).await;
    check("a.txt", "FROM a:1\n", "FROM a:2\n", Kind::Code).await;
}

#[tokio::test]
async fn another_value_alone_is_a_change_of_settings() {
    check("k.yaml", "a: 1\nimage: a:1\n", "a: 2\nimage: a:2\n", Kind::Config).await;
    check("k.json", "{\"a\": 1}\n", "{\"a\": 2}\n", Kind::Config).await;
    check("k.json", "{\"a\": 1}\n", "{\"b\": 1}\n", Kind::Code).await;
    check("package.json", "{\"a\": 1}\n", "{\"a\": 2}\n", Kind::Code).await;
}

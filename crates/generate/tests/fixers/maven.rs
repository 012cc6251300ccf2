//! The Maven fixer, with the real Maven and repositories that are folders. Only the dependency plugin comes from where Maven
//! has it from, once; where it can't be had, the tests say so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use patchline_generate::{Fixer as _, MavenFixer, Proposal, Request};
use patchline_sandbox::Sandbox;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::scene::{Bad, Scene, candidate, has, moves, no_fix};

/// A repository that has the dependency plugin and what that needs.
static PLUGIN: OnceCell<Option<PathBuf>> = OnceCell::const_new();

/// Maven fetches the plugin as the fixer has it do that; then its own store serves as a repository.
async fn plugin() -> Option<&'static PathBuf> {
    let made = PLUGIN.get_or_init(|| async {
        if !has("mvn") {
            return None;
        }
        let scene = Scene::of(&[("pom.xml", &project("", &[]))]);
        let mut request = scene.request("Maven", "pom.xml", &[("t:none", "1")], &Bad::default());
        request.cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("maven-plugin");
        match MavenFixer::new(Sandbox::probe()).propose(&request).await {
            Ok(Proposal::NoFix { .. }) => Some(request.cache.join("maven/repository")),
            Ok(Proposal::Candidate { candidate, .. }) => panic!("{candidate:?}"),
            Err(failure) => {
                eprintln!("skipped: {}", failure.message);
                None
            }
        }
    });
    made.await.as_ref()
}

/// Puts the plugin where Maven keeps what it has fetched: without the notes that say from where, it stands for any place.
fn stored(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            stored(&path, &target);
        } else if entry.file_name() != "_remote.repositories" {
            fs::hard_link(&path, &target).or_else(|_| fs::copy(&path, &target).map(drop)).unwrap();
        }
    }
}

/// A repository with artifacts as in `a 1.2: b 1.0, c 2.0`, of the group `t`.
struct Shop {
    _folder: TempDir,
    plugin: &'static Path,
    fixer: MavenFixer,
}

impl Shop {
    async fn of(lines: &[&str]) -> Option<Self> {
        let plugin = plugin().await?;
        let folder = tempfile::tempdir().unwrap();
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in lines {
            let (head, required) = line.split_once(':').unwrap_or((line, ""));
            let (name, version) = head.split_once(' ').unwrap();
            let required = required.split(',').filter_map(|one| one.trim().split_once(' '));
            let required: Vec<(&str, &str)> = required.collect();
            let place = folder.path().join("shop/t").join(name).join(version);
            fs::create_dir_all(&place).unwrap();
            let text = format!(
                "<project><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>{name}</artifactId><version>{version}</version>{}</project>",
                dependencies(&required)
            );
            fs::write(place.join(format!("{name}-{version}.pom")), text).unwrap();
            versions.entry(name).or_default().push(version);
        }
        for (name, versions) in versions {
            let list: String =
                versions.iter().map(|version| format!("<version>{version}</version>")).collect();
            let text = format!(
                "<metadata><groupId>t</groupId><artifactId>{name}</artifactId><versioning><versions>{list}</versions></versioning></metadata>"
            );
            fs::write(folder.path().join("shop/t").join(name).join("maven-metadata.xml"), text).unwrap();
        }
        let settings = folder.path().join("settings.xml");
        let shop = folder.path().join("shop").display().to_string();
        let text = format!(
            "<settings><mirrors><mirror><id>plugin</id><mirrorOf>central</mirrorOf><url>file://{}</url></mirror></mirrors>
            <profiles><profile><id>shop</id><repositories><repository><id>shop</id><url>file://{shop}</url></repository></repositories></profile></profiles>
            <activeProfiles><activeProfile>shop</activeProfile></activeProfiles></settings>",
            plugin.display()
        );
        fs::write(&settings, text).unwrap();
        Some(Self { _folder: folder, plugin, fixer: MavenFixer::with(Sandbox::probe(), settings) })
    }

    fn request(&self, scene: &Scene, pom: &str, installed: &[(&str, &str)], bad: &[(&str, &str)]) -> Request {
        let request = scene.request("Maven", pom, installed, &Bad::of(bad));
        stored(self.plugin, &request.cache.join("maven/repository"));
        request
    }
}

fn dependencies(required: &[(&str, &str)]) -> String {
    let all = required.iter().map(|(name, version)| {
        let version = match *version {
            "" => String::new(),
            version => format!("      <version>{version}</version> <!-- as tested -->\n"),
        };
        format!("    <dependency>\n      <groupId>t</groupId>\n      <artifactId>{name}</artifactId>\n{version}    </dependency>\n")
    });
    format!("  <dependencies>\n{}  </dependencies>\n", all.collect::<String>())
}

fn project(more: &str, required: &[(&str, &str)]) -> String {
    format!(
        "<project>\n  <modelVersion>4.0.0</modelVersion>\n  <groupId>us</groupId>\n  <artifactId>app</artifactId>\n  <version>1</version>\n{more}{}</project>\n",
        dependencies(required)
    )
}

/// The fix of a project that is one pom: what moves, and the pom afterwards.
async fn check(
    shop: &Shop,
    pom: &str,
    installed: &[(&str, &str)],
    bad: &[(&str, &str)],
    then: &[&str],
    after: &str,
) {
    let scene = Scene::of(&[("pom.xml", pom)]);
    let request = shop.request(&scene, "pom.xml", installed, bad);
    let made = candidate(&shop.fixer, &request).await;
    assert_eq!(moves(&made), then, "{}", made.rationale);
    assert_eq!(scene.show(made.commit.as_str(), "pom.xml"), after);
    scene.assert_untouched();
}

#[tokio::test]
async fn a_version_goes_to_the_smallest_good_one_where_it_is_written() {
    let lines = ["a 1.0: b 1.0", "a 1.1: b 1.0", "a 1.2: b 1.1", "a 1.3-rc1", "b 1.0", "b 1.1", "c 1.0"];
    let Some(shop) = Shop::of(&lines).await else { return };
    let pom = project("", &[("a", "1.0"), ("c", "1.0")]);
    let bad = [("t:a", "1.0"), ("t:a", "1.1")];
    let after = pom.replacen("1.0<", "1.2<", 1);
    check(&shop, &pom, &[("t:a", "1.0")], &bad, &["t:a 1.0 -> 1.2", "t:b 1.0 -> 1.1"], &after).await;
}

#[tokio::test]
async fn a_property_moves_all_that_it_is_for_and_is_left_where_others_use_it() {
    let lines = ["a 1.0", "a 1.1", "b 1.0", "b 1.1"];
    let Some(shop) = Shop::of(&lines).await else { return };
    let pom = project("  <properties><v>1.0</v></properties>\n", &[("a", "${v}"), ("b", "${v}")]);
    let after = pom.replace("<v>1.0<", "<v>1.1<");
    check(&shop, &pom, &[("t:a", "1.0")], &[("t:a", "1.0")], &["t:a 1.0 -> 1.1", "t:b 1.0 -> 1.1"], &after)
        .await;
    let pom = project("  <properties><v>1.0</v><w>${v}</w></properties>\n", &[("a", "${v}"), ("b", "${v}")]);
    let after = pom.replacen("<version>${v}<", "<version>1.1<", 1);
    check(&shop, &pom, &[("t:a", "1.0")], &[("t:a", "1.0")], &["t:a 1.0 -> 1.1"], &after).await;
}

#[tokio::test]
async fn what_comes_along_is_lifted_by_what_brings_it_or_else_managed() {
    let lines =
        ["a 1.0: b 1.0", "a 1.1: b 1.0", "a 2.0: b 1.1", "b 1.0", "b 1.1", "c 1.0: d 1.0", "d 1.0", "d 1.1"];
    let Some(shop) = Shop::of(&lines).await else { return };
    let pom = project("", &[("a", "1.0")]);
    let after = pom.replace("<version>1.0<", "<version>2.0<");
    check(&shop, &pom, &[("t:b", "1.0")], &[("t:b", "1.0")], &["t:a 1.0 -> 2.0", "t:b 1.0 -> 1.1"], &after)
        .await;
    let pom = project("", &[("c", "1.0")]);
    let entry = "  </dependencies>\n  <dependencyManagement>\n    <dependencies>\n      <dependency>\n        <groupId>t</groupId>\n        <artifactId>d</artifactId>\n        <version>1.1</version>\n      </dependency>\n    </dependencies>\n  </dependencyManagement>\n";
    let after = pom.replace("  </dependencies>\n", entry);
    check(&shop, &pom, &[("t:d", "1.0")], &[("t:d", "1.0")], &["t:d 1.0 -> 1.1"], &after).await;
}

#[tokio::test]
async fn a_parent_of_the_repository_is_changed_where_the_version_stands_there() {
    let lines = ["a 1.0", "a 1.1"];
    let Some(shop) = Shop::of(&lines).await else { return };
    let managed = format!(
        "  <packaging>pom</packaging>\n  <modules><module>one</module><module>two</module></modules>\n  <dependencyManagement>\n{}  </dependencyManagement>\n",
        dependencies(&[("a", "1.0")])
    );
    let above = project(&managed, &[]);
    let module = |name: &str, required: &[(&str, &str)]| {
        format!(
            "<project>\n  <modelVersion>4.0.0</modelVersion>\n  <parent><groupId>us</groupId><artifactId>app</artifactId><version>1</version></parent>\n  <artifactId>{name}</artifactId>\n{}</project>\n",
            dependencies(required)
        )
    };
    let two = module("two", &[]).replace("  <dependencies>\n", "  <dependencies>\n<dependency><groupId>us</groupId><artifactId>one</artifactId><version>1</version></dependency>\n");
    let scene = Scene::of(&[
        ("pom.xml", &above),
        ("one/pom.xml", &module("one", &[("a", "")])),
        ("two/pom.xml", &two),
    ]);
    let request = shop.request(&scene, "one/pom.xml", &[("t:a", "1.0")], &[("t:a", "1.0")]);
    let made = candidate(&shop.fixer, &request).await;
    assert_eq!(
        (moves(&made), made.files.clone()),
        (vec!["t:a 1.0 -> 1.1".to_owned()], vec!["pom.xml".to_owned()])
    );
    assert_eq!(scene.show(made.commit.as_str(), "pom.xml"), above.replace("<version>1.0<", "<version>1.1<"));
    assert_eq!(candidate(&shop.fixer, &request).await.commit, made.commit, "asked again it answers the same");
}

#[tokio::test]
async fn what_a_new_version_requires_comes_along_where_something_else_is_written() {
    let lines =
        ["a 1.0: b 1.0", "a 1.1: b 1.1", "b 1.0", "b 1.1", "k 1.0", "k 1.1", "l 1.0", "k 1.2", "l 1.2"];
    let Some(shop) = Shop::of(&lines).await else { return };
    let pom = project("", &[("a", "1.0"), ("b", "1.0")]);
    let after = pom.replace("<version>1.0<", "<version>1.1<");
    check(&shop, &pom, &[("t:a", "1.0")], &[("t:a", "1.0")], &["t:a 1.0 -> 1.1", "t:b 1.0 -> 1.1"], &after)
        .await;
    // There is no `l 1.1`.
    let pom = project("  <properties><v>1.0</v></properties>\n", &[("k", "${v}"), ("l", "${v}")]);
    let after = pom.replace("<v>1.0<", "<v>1.2<");
    check(&shop, &pom, &[("t:k", "1.0")], &[("t:k", "1.0")], &["t:k 1.0 -> 1.2", "t:l 1.0 -> 1.2"], &after)
        .await;
}

#[tokio::test]
async fn what_would_bring_a_problem_in_is_not_taken() {
    let lines = ["a 1.0: b 1.0", "a 1.1: b 2.0", "a 1.2: b 1.0", "b 1.0", "b 2.0"];
    let Some(shop) = Shop::of(&lines).await else { return };
    let pom = project("", &[("a", "1.0")]);
    let after = pom.replace("<version>1.0<", "<version>1.2<");
    let bad = [("t:a", "1.0"), ("t:b", "2.0")];
    check(&shop, &pom, &[("t:a", "1.0")], &bad, &["t:a 1.0 -> 1.2"], &after).await;
}

#[tokio::test]
async fn what_can_not_be_fixed_is_left_with_the_reason() {
    let lines = ["a 1.0: b 2.0", "a 1.1: b 1.0", "b 1.0", "b 2.0", "c 1.0"];
    let Some(shop) = Shop::of(&lines).await else { return };
    let why = |pom: String, installed: &'static [(&'static str, &'static str)]| {
        let shop = &shop;
        async move {
            let scene = Scene::of(&[("pom.xml", &pom)]);
            let request = shop.request(&scene, "pom.xml", installed, installed);
            let reasons = no_fix(&shop.fixer, &request).await;
            scene.assert_untouched();
            reasons.join(" / ")
        }
    };
    let both = project("", &[("a", "1.0"), ("c", "1.0")]);
    let said = why(both, &[("t:a", "1.0"), ("t:c", "1.0"), ("t:x", "1.0")]).await;
    assert_eq!(
        said,
        "`t:b` would go from 2.0 down to 1.0 / no version of `t:c` above 1.0 is free of known problems / Maven does not take `t:x 1.0` here"
    );
    let missing = why(project("", &[("nowhere", "1.0")]), &[("t:nowhere", "1.0")]).await;
    assert_eq!(missing, "no repository that Maven asks says which versions of `t:nowhere` there are");
    let broken = why(project("", &[("a", "")]), &[("t:a", "1.0")]).await;
    assert!(broken.starts_with("Maven says: ") && broken.contains("t:a"), "{broken}");
    let code = "  <build><extensions><extension><groupId>t</groupId><artifactId>a</artifactId><version>1.0</version></extension></extensions></build>\n";
    let code = why(project(code, &[("a", "1.0")]), &[("t:a", "1.0")]).await;
    assert!(code.contains("build extensions"), "{code}");
}

//! Programs as agents, each a shell script.

use std::fs;

use patchline_generate::agent::record::Answer;
use patchline_model::agent::{Agent, Way};
use patchline_model::time::Seconds;

use crate::scene::{APP, Scene, candidate, is_isolated, reasons, script};

const MENDS: &str = "sed -i s/broken/whole/ src/app.sh";

#[test]
fn what_an_agent_leaves_in_its_folder_becomes_a_candidate() {
    if !is_isolated() {
        return;
    }
    let scene = Scene::new();
    let reads = "grep -q 'src/app.sh: broken' \"$PATCHLINE_TASK\" && grep -q 'at most 3 files' || exit 9";
    let agents = [script("mender", &format!("{reads}; {MENDS}; echo done; mkdir built; echo x > built/x"))];
    let competed = scene.ask(&agents, &[]);
    let (made, diff) = candidate(&competed);
    assert_eq!((made.fixer.as_str(), made.branch.as_str()), ("agent:mender", "patchline/P-7"));
    assert_eq!(made.files, ["src/app.sh"], "what git ignores is no part of it");
    assert_eq!(made.title, "Fix: It says broken");
    assert!(diff.contains("+echo whole"), "{diff}");
    assert_eq!(scene.git(&["show", "patchline/P-7:src/app.sh"]) + "\n", APP.replace("broken", "whole"));
    assert_eq!(
        scene.git(&["log", "-1", "--format=%an|%(trailers:key=Fixes)", "patchline/P-7"]),
        "Patchline|Fixes: report-1"
    );
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1, "no worktree is left");
    let record = &competed.asked[0].record;
    assert!(record.isolation.contains("network off") && record.rounds == 1, "{record:?}");
    assert!(competed.asked[0].task.contains("data-") && competed.asked[0].log.contains("done"));

    // Asked again after a crash, nobody works a second time, and the answer is the same.
    let again = scene.ask(&[script("mender", "exit 9")], &[]);
    assert_eq!(candidate(&again).0.commit, made.commit);
}

/// Asks one agent, and sees why nothing that it left counts.
#[track_caller]
fn check(agent: Agent, says: &str) -> Scene {
    let scene = Scene::new();
    let competed = scene.ask(&[agent], &[]);
    let reasons = reasons(&competed);
    assert!(reasons[0].contains(says), "{reasons:?}\n{}", competed.asked[0].log);
    assert!(reasons[0].starts_with("agent `a`: "), "{reasons:?}");
    assert!(scene.git(&["branch", "--list", "patchline/*"]).is_empty());
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1, "no worktree is left");
    scene
}

#[test]
fn what_is_more_than_an_agent_may_is_refused_with_its_reason() {
    if !is_isolated() {
        return;
    }
    let of = |text: &str| script("a", &format!("{MENDS}; {text}"));
    check(
        of("echo 'on: pull' > .github/workflows/ci.yml"),
        "`.github/workflows/ci.yml`, outside of the paths",
    );
    let paths = Agent { paths: vec!["src/**".to_owned()], ..of("echo more >> docs/notes.md") };
    check(paths, "`docs/notes.md`, outside of the paths");
    check(of("echo built >> show.sh"), "`show.sh`, by which the problem is shown");
    check(of("seq 30 >> src/app.sh"), "changed 32 lines, and may change 20");
    check(of("touch a b c"), "changed 4 files, and may change 3");
    check(of("head -c 100 /dev/zero > src/blob"), "`src/blob`, which is no text");
    check(of("rm .git; mkdir .git"), "it changed `.git`");
    check(of("echo 'gitdir: /elsewhere' > .git"), "it changed `.git`");
    check(
        of(
            "mkdir sub; cd sub; git init --quiet; echo x > x; git add x; git -c user.name=a -c user.email=b commit --quiet -m x",
        ),
        "a git repository of its own in `sub/`",
    );
    check(script("a", "true"), "it changed nothing");
    check(of("exit 3"), "it gave up: exit code 3");
    let mut missing = script("a", "");
    if let Way::Command(by) = &mut missing.way {
        by.command = vec!["no-such-agent".to_owned()];
    }
    check(missing, "could not find `no-such-agent`");
}

#[test]
fn an_agent_that_never_ends_is_ended_with_all_that_it_started() {
    if !is_isolated() {
        return;
    }
    // The mark stands in the arguments of what is started, where it can be looked for afterwards.
    let mark = format!("81{}", std::process::id());
    let never = script("a", &format!("{MENDS}; (setsid sleep {mark} &); sleep {mark}"));
    check(Agent { seconds: Seconds(2), ..never }, "did not end within 2 s");
    let alive = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
    });
    assert!(!alive, "something of it is still running");
}

#[test]
fn an_agent_sees_no_secret_and_writes_nowhere_else() {
    if !is_isolated() {
        return;
    }
    let scene = Scene::new();
    let (data, repository) = (scene.data(), scene.repository());
    let outside = scene.folder.path().join("outside");
    let home = std::env::home_dir().unwrap();
    let looks = format!(
        "cat {data}/key.pem && echo SAW the key
         ls {repository}/src && echo SAW the repository
         ls -A {home} | grep -v '^.cargo$' | grep -v '^.rustup$' | grep . && echo SAW the home
         ls -A \"$HOME\" | grep . && echo SAW something at home
         env | grep -v '^PATCHLINE_TASK=' | grep -E 'CARGO_MANIFEST_DIR|PATCHLINE|SECRET|TOKEN' && echo SAW the environment
         grep -l '' /proc/[0-9]*/environ 2>/dev/null | wc -l
         (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo SAW the network
         echo x > {outside} && echo WROTE outside
         echo x > {repository}/x && echo WROTE the repository
         echo x > {data}/x && echo WROTE the data
         echo x > {data}/work/P-7/agents/0-a.json && echo WROTE its own record
         {MENDS}",
        data = data.display(),
        repository = repository.display(),
        home = home.display(),
        outside = outside.display(),
        port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            // Open until the test process ends: a connection would succeed if there were a way to it.
            std::mem::forget(listener);
            port
        },
    );
    let mut agent = script("a", &looks);
    if let Way::Command(by) = &mut agent.way {
        by.command = ["bash", "-c", &looks].map(str::to_owned).to_vec();
    }
    let competed = scene.ask(&[agent], &[]);
    let log = &competed.asked[0].log;
    assert!(!log.contains("SAW") && !log.contains("a signing key"), "{log}");
    candidate(&competed);
    assert!(!outside.exists() && !repository.join("x").exists() && !data.join("x").exists());
    let record = fs::read_to_string(data.join("work/P-7/agents/0-a.json")).unwrap();
    assert!(record.contains("\"agent\":\"a\""), "{record}");
}

#[test]
fn where_the_settings_state_a_network_it_is_there_and_said() {
    if !is_isolated() {
        return;
    }
    let scene = Scene::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut agent = script("a", "");
    if let Way::Command(by) = &mut agent.way {
        by.network = true;
        by.command = ["bash", "-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port} && {MENDS}")]
            .map(str::to_owned)
            .to_vec();
    }
    let competed = scene.ask(&[agent], &[]);
    candidate(&competed);
    assert!(competed.asked[0].record.isolation.contains("network on"), "{:?}", competed.asked[0].record);
}

#[test]
fn agents_compete_in_their_order_and_each_is_asked_once() {
    if !is_isolated() {
        return;
    }
    let scene = Scene::new();
    let agents = [
        script("first", "true"),
        script("second", "sed -i s/broken/better/ src/app.sh"),
        script("third", "sed -i s/broken/better/ src/app.sh"),
        script("fourth", MENDS),
    ];
    let one = scene.ask(&agents, &[]);
    assert_eq!(one.asked.len(), 2, "the first left nothing, so the second was asked at once");
    assert!(matches!(&one.asked[0].record.answer, Answer::Refused(why) if why == "it changed nothing"));
    let second = candidate(&one).0.clone();
    assert_eq!(second.fixer, "agent:second");

    let two = scene.ask(&agents, &[(&second, "still there")]);
    let fourth = candidate(&two).0.clone();
    assert_eq!((fourth.fixer.as_str(), fourth.branch.as_str()), ("agent:fourth", "patchline/P-7-2"));
    assert!(matches!(&two.asked[0].record.answer, Answer::Refused(why) if why.contains("refused before")));

    let none = reasons(&scene.ask(&agents, &[(&second, "still there"), (&fourth, "a test fails")]));
    assert_eq!(
        none,
        [
            "agent `first`: it changed nothing",
            "agent `second`: verification refused its change: still there",
            "agent `third`: its change is one that was refused before",
            "agent `fourth`: verification refused its change: a test fails",
        ]
    );
}

//! Foreign commands meet their limits, in a plain process and, where it works, in bubblewrap.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // This is a test: it may stop, and it says what it skips.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use patchline_sandbox::{Exit, Finished, Foreign, Sandbox, SandboxError};
use tempfile::TempDir;

/// How often a process is killed while it starts a child, and how much later each time.
const MOMENTS: u32 = 60;
const BETWEEN_MOMENTS: Duration = Duration::from_micros(250);

/// The plain process, and bubblewrap where it works; says so where it does not.
fn sandboxes() -> Vec<Sandbox> {
    let probed = Sandbox::probe();
    if bubblewrap(&probed) {
        return vec![Sandbox::plain(), probed];
    }
    println!("skipped: bubblewrap, for here it is {}", probed.isolation());
    vec![Sandbox::plain()]
}

fn bubblewrap(sandbox: &Sandbox) -> bool {
    sandbox.isolation().starts_with("bubblewrap ")
}

fn shell(script: &str, directory: &TempDir) -> Foreign {
    Foreign { deadline: Duration::from_secs(60), ..Foreign::new(&["sh", "-c", script], directory.path()) }
}

async fn run(sandbox: &Sandbox, foreign: &Foreign) -> Finished {
    sandbox
        .run(foreign)
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}

/// Command lines of live processes that contain the marker.
fn alive(marker: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("this is Linux").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).split('\0').any(|word| word == marker)).count()
}

/// Those that only mention it, like bubblewrap in what it is to run.
fn mentioning(marker: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("this is Linux").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(marker)).count()
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A number of seconds that no other process on this machine sleeps for.
fn marker() -> String {
    let nanoseconds = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos();
    format!("300.{}{nanoseconds}", std::process::id())
}

#[tokio::test]
async fn what_it_says_and_how_it_ends_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    for sandbox in sandboxes() {
        let finished = run(&sandbox, &shell("echo out; echo err >&2; exit 3", &directory)).await;
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(finished.exit, Exit::Code(3));
        assert!(!finished.succeeded() && !finished.truncated);
        let finished = run(&sandbox, &shell("kill -ABRT $$", &directory)).await;
        assert_eq!(finished.exit, Exit::Signal(6), "{}", sandbox.isolation());
        assert!(run(&sandbox, &shell("exit 0", &directory)).await.succeeded());
    }
}

#[tokio::test]
async fn a_file_can_be_its_standard_input_though_it_is_not_seen() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let input = elsewhere.path().join("task");
    fs::write(&input, "what to do\n").unwrap();
    for sandbox in sandboxes() {
        let told = Foreign { input: Some(input.clone()), ..shell("cat", &directory) };
        assert_eq!(run(&sandbox, &told).await.stdout, "what to do\n", "{}", sandbox.isolation());
        let writes = Foreign { input: Some(input.clone()), ..shell("echo x >&0", &directory) };
        assert!(!run(&sandbox, &writes).await.succeeded(), "it is for reading");
    }
    assert_eq!(fs::read_to_string(&input).unwrap(), "what to do\n");
}

#[tokio::test]
async fn the_environment_is_clean_and_standard_input_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    for sandbox in sandboxes() {
        let mut foreign = shell(
            "env; cat; test -d \"$HOME\" && touch \"$HOME/x\" \"$TMPDIR/y\" && echo usable",
            &directory,
        );
        foreign.environment = BTreeMap::from([("NAMED".to_owned(), "by the caller".to_owned())]);
        let finished = run(&sandbox, &foreign).await;
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "or there would be nothing to leak");
        let names: Vec<&str> =
            finished.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        let known = ["PATH", "HOME", "TMPDIR", "LANG", "NAMED", "PWD", "OLDPWD", "SHLVL", "_"];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        assert!(
            finished.stdout.contains("NAMED=by the caller") && finished.stdout.ends_with("usable\n"),
            "{finished:?}"
        );
    }
}

#[tokio::test]
async fn a_missing_program_is_told_apart_from_a_failing_one() {
    let directory = tempfile::tempdir().unwrap();
    for sandbox in sandboxes() {
        for program in ["no-such-program-7", "./no-such-file", "/no/such/file"] {
            let outcome = sandbox.run(&Foreign::new(&[program], directory.path())).await;
            assert!(
                matches!(&outcome, Err(SandboxError::ToolMissing { program: found, .. }) if found == program)
            );
        }
        assert_eq!(run(&sandbox, &shell("no-such-program-7", &directory)).await.exit, Exit::Code(127));
        let nowhere = Foreign::new(&["true"], &directory.path().join("nowhere"));
        assert!(matches!(sandbox.run(&nowhere).await, Err(SandboxError::PathMissing { .. })));
    }
}

#[tokio::test]
async fn long_output_keeps_both_ends() {
    let directory = tempfile::tempdir().unwrap();
    for sandbox in sandboxes() {
        let script = "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last";
        let foreign = Foreign { output_limit: 1000, ..shell(script, &directory) };
        let finished = run(&sandbox, &foreign).await;
        assert!(finished.truncated && finished.stdout.len() < 1100);
        assert!(finished.stdout.starts_with("first\n") && finished.stdout.ends_with("last\n"));
    }
}

#[tokio::test]
async fn the_deadline_ends_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    for sandbox in sandboxes() {
        let mut has_begun = false;
        // Short where it can be; a machine that takes longer than that to begin gets more.
        for seconds in [1, 5, 30] {
            let marker = marker();
            let script = format!("trap '' TERM; echo begun; sleep {marker} & sleep {marker}");
            let foreign = Foreign { deadline: Duration::from_secs(seconds), ..shell(&script, &directory) };
            let finished = run(&sandbox, &foreign).await;
            assert_eq!(finished.exit, Exit::Deadline, "{}", sandbox.isolation());
            assert!(finished.duration < Duration::from_secs(120), "the sleeps would take 300 s");
            eventually("nothing is left of it", || alive(&marker) == 0);
            has_begun = finished.stdout == "begun\n";
            if has_begun {
                break;
            }
        }
        assert!(has_begun, "{}", sandbox.isolation());
    }
}

#[tokio::test]
async fn what_it_leaves_in_the_background_dies_with_it() {
    let directory = tempfile::tempdir().unwrap();
    for sandbox in sandboxes() {
        let marker = marker();
        let finished = run(&sandbox, &shell(&format!("sleep {marker} & echo gone"), &directory)).await;
        assert_eq!((finished.exit, finished.stdout.as_str()), (Exit::Code(0), "gone\n"));
        assert!(finished.duration < Duration::from_secs(120), "it does not wait for the background");
        eventually("nothing is left of it", || alive(&marker) == 0);
    }
}

#[tokio::test]
async fn a_dropped_future_ends_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    for sandbox in sandboxes() {
        let marker = marker();
        let foreign = shell(&format!("sleep {marker} & sleep {marker}"), &directory);
        let task = tokio::spawn({
            let sandbox = sandbox.clone();
            async move { sandbox.run(&foreign).await.map(|finished| finished.exit) }
        });
        let waiting = marker.clone();
        tokio::task::spawn_blocking(move || eventually("it runs", || alive(&waiting) == 2)).await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        eventually("nothing is left of it", || alive(&marker) == 0);
    }
}

#[test]
fn a_command_outlives_the_thread_that_asked_for_it() {
    for sandbox in sandboxes() {
        let directory = tempfile::tempdir().unwrap();
        let (begun, go) = (directory.path().join("begun"), directory.path().join("go"));
        let script = "touch begun; while test ! -e go; do sleep 0.01; done; echo went";
        let foreign = Foreign { writable: vec![directory.path().to_owned()], ..shell(script, &directory) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut running = Box::pin(async move { sandbox.run(&foreign).await });
        let asking = std::thread::spawn(move || {
            runtime.block_on(async {
                while !begun.exists() {
                    let look_again = tokio::time::sleep(Duration::from_millis(5));
                    tokio::select! { ended = &mut running => panic!("{ended:?}"), () = look_again => () }
                }
            });
            (runtime, running)
        });
        let (runtime, running) = asking.join().unwrap();
        fs::write(go, "").unwrap();
        assert_eq!(runtime.block_on(running).unwrap().stdout, "went\n");
    }
}

#[test]
fn nothing_is_orphaned_when_this_process_is_killed() {
    for kind in ["plain", "probe"] {
        let (marker, scratch) = (marker(), tempfile::tempdir().unwrap());
        let leftovers = || {
            fs::read_dir(scratch.path())
                .unwrap()
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("patchline-scratch-"))
                .count()
        };
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_victim_of_a_kill", "--ignored", "--nocapture"])
            .env("VICTIM_KIND", kind)
            .env("TMPDIR", scratch.path())
            .env("VICTIM_MARKER", &marker)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("the victim's command runs", || alive(&marker) >= 3);
        assert_eq!(leftovers(), 1);
        victim.kill().unwrap();
        victim.wait().unwrap();
        eventually("nothing is left of it", || alive(&marker) == 0 && leftovers() == 0);
        let rest: Vec<String> =
            BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
        assert!(
            !rest.iter().any(|line| line.contains("ended")),
            "the victim was killed in the middle: {rest:?}"
        );
    }
}

/// A child that is just being started, and whose own children have not asked to die with it yet, is no exception.
#[test]
fn nothing_is_orphaned_at_whatever_moment_of_a_start_this_process_is_killed() {
    let (marker, scratch) = (marker(), tempfile::tempdir().unwrap());
    for moment in 0..MOMENTS {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_victim_of_a_kill", "--ignored", "--nocapture"])
            .env("VICTIM_KIND", "probe")
            .env("TMPDIR", scratch.path())
            .env("VICTIM_MARKER", &marker)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.into_iter().any(|line| line.ends_with("begins")), "the victim says when it begins");
        std::thread::sleep(BETWEEN_MOMENTS * moment);
        victim.kill().unwrap();
        victim.wait().unwrap();
    }
    eventually("nothing is left of them", || mentioning(&marker) == 0);
}

#[test]
#[ignore = "a part of nothing_is_orphaned_when_this_process_is_killed, which kills it"]
fn the_victim_of_a_kill() {
    let (Ok(kind), Ok(marker)) = (std::env::var("VICTIM_KIND"), std::env::var("VICTIM_MARKER")) else {
        return;
    };
    let sandbox = if kind == "plain" { Sandbox::plain() } else { Sandbox::probe() };
    let directory = tempfile::tempdir().unwrap();
    let script = format!("sleep {marker} & (sleep {marker} & sleep {marker}); wait");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let foreign = shell(&script, &directory);
    println!("begins");
    let outcome = runtime.block_on(sandbox.run(&foreign));
    println!("ended {outcome:?}");
}

#[tokio::test]
async fn memory_and_file_size_have_limits() {
    let directory = tempfile::tempdir().unwrap();
    for sandbox in sandboxes() {
        let mut foreign = shell("head -c 200000000 /dev/zero | tail -c 190000000 | wc -c", &directory);
        assert_eq!(run(&sandbox, &foreign).await.stdout, "190000000\n");
        foreign.memory_limit = Some(50 << 20);
        assert_ne!(run(&sandbox, &foreign).await.stdout, "190000000\n", "{}", sandbox.isolation());
        let finished = run(&sandbox, &shell("ulimit -c; ulimit -f", &directory)).await;
        let limits: Vec<&str> = finished.stdout.split_whitespace().collect();
        assert!(limits[0] == "0" && limits[1] != "unlimited", "{limits:?}");
    }
}

/// A folder outside of those that the sandbox makes private; the repository itself may lie in one of them.
fn folder_that_is_shown() -> Option<tempfile::TempDir> {
    let home = std::env::var("HOME").unwrap_or_default();
    let shown = |path: &&str| {
        !path.is_empty()
            && !["/tmp", "/var/tmp", "/run"].iter().any(|private| Path::new(path).starts_with(private))
    };
    let found = [env!("CARGO_TARGET_TMPDIR"), home.as_str()].into_iter().find(shown);
    if found.is_none() {
        eprintln!("skipped: no folder outside of /tmp can be written");
    }
    found.and_then(|folder| tempfile::tempdir_in(folder).ok())
}

#[tokio::test]
async fn bubblewrap_shows_what_is_named_and_nothing_else() {
    let Some(sandbox) = sandboxes().into_iter().find(bubblewrap) else { return };
    let (work, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(work.path().join("file"), "old").unwrap();
    fs::write(other.path().join("file"), "other").unwrap();
    let read = |path: &Path| format!("cat {} 2>/dev/null || echo none", path.join("file").display());

    let finished = run(&sandbox, &shell(&read(work.path()), &work)).await;
    assert_eq!(finished.stdout, "old", "the directory can be read");
    let finished = run(&sandbox, &shell(&read(other.path()), &work)).await;
    assert_eq!(finished.stdout, "none\n", "what lies beside it can not");
    let mut foreign = shell(&read(other.path()), &work);
    foreign.readable.push(other.path().to_owned());
    assert_eq!(run(&sandbox, &foreign).await.stdout, "other", "unless it is named");
    let argument = other.path().join("file").display().to_string();
    let foreign = Foreign::new(&["cat", &argument], work.path());
    assert_eq!(run(&sandbox, &foreign).await.stdout, "other", "or is an argument");

    let mut foreign = shell("echo new > file; touch /etc/patchline-was-here /usr/x; echo done", &work);
    assert_eq!(run(&sandbox, &foreign).await.exit, Exit::Code(0));
    assert_eq!(fs::read_to_string(work.path().join("file")).unwrap(), "old", "it is read-only");
    foreign.writable.push(work.path().to_owned());
    assert_eq!(run(&sandbox, &foreign).await.stdout, "done\n");
    assert_eq!(fs::read_to_string(work.path().join("file")).unwrap(), "new\n", "unless it is named");
    assert!(!Path::new("/etc/patchline-was-here").exists());

    let Some(secret) = folder_that_is_shown() else { return };
    let key = secret.path().join("key");
    fs::write(&key, "secret").unwrap();
    let foreign = shell(&format!("cat {} || echo hidden", key.display()), &work);
    assert_eq!(run(&sandbox, &foreign).await.stdout, "secret");
    let hiding = sandbox.clone().hiding(secret.path());
    assert_eq!(run(&hiding, &foreign).await.stdout, "hidden\n");
    let hiding = sandbox.clone().hiding(&key);
    assert_ne!(run(&hiding, &foreign).await.stdout, "secret", "a file is hidden too");
}

#[tokio::test]
async fn what_is_hidden_is_opened_by_no_argument_and_answers_on_no_socket() {
    let Some(sandbox) = sandboxes().into_iter().find(bubblewrap) else { return };
    let work = tempfile::tempdir().unwrap();
    let Some(secret) = folder_that_is_shown() else { return };
    let key = secret.path().join("key");
    fs::write(&key, "secret").unwrap();
    let hiding = sandbox.hiding(secret.path());
    let naming = Foreign::new(&["sh", "-c", "cat \"$0\" || echo hidden", key.to_str().unwrap()], work.path());
    assert_eq!(run(&hiding, &naming).await.stdout, "hidden\n");

    let door = secret.path().join("door");
    let _listener = std::os::unix::net::UnixListener::bind(&door).unwrap();
    let script = "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])";
    let knocking = Foreign::new(&["python3", "-c", script, door.to_str().unwrap()], work.path());
    match hiding.run(&knocking).await {
        Ok(finished) => assert_ne!(finished.exit, Exit::Code(0), "{}", finished.combined()),
        Err(error) => println!("skipped: no python3 to knock with ({error})"),
    }
    let open = Foreign { readable: vec![secret.path().to_owned()], ..naming };
    assert_eq!(run(&hiding, &open).await.stdout, "secret", "we ourselves may name it");
}

#[tokio::test]
async fn credentials_in_a_writable_cargo_home_are_masked() {
    let Some(sandbox) = sandboxes().into_iter().find(bubblewrap) else { return };
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("credentials.toml"), "token").unwrap();
    let mut foreign = shell("cat credentials.toml; touch made", &home);
    foreign.writable.push(home.path().to_owned());
    foreign.environment.insert("CARGO_HOME".to_owned(), home.path().display().to_string());
    let finished = run(&sandbox, &foreign).await;
    assert_eq!(finished.exit, Exit::Code(0), "{}", finished.combined());
    assert!(!finished.combined().contains("token"));
    assert!(home.path().join("made").exists());
}

#[tokio::test]
async fn the_network_is_off_unless_named() {
    let Some(sandbox) = sandboxes().into_iter().find(bubblewrap) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut foreign = shell("tail -n +3 /proc/net/dev | wc -l; ls /proc | grep -c '^[0-9]'", &directory);
    let finished = run(&sandbox, &foreign).await;
    assert!(
        finished.network_restricted && finished.stdout.starts_with("1\n"),
        "only loopback: {}",
        finished.stdout
    );
    let processes: u32 = finished.stdout.lines().nth(1).unwrap().parse().unwrap();
    assert!(processes < 8, "it sees no other processes, but {processes}");
    foreign.network = true;
    let mine = fs::read_to_string("/proc/net/dev").unwrap().lines().count() - 2;
    let finished = run(&sandbox, &foreign).await;
    assert!(!finished.network_restricted && finished.stdout.starts_with(&format!("{mine}\n")));
    assert!(!run(&Sandbox::plain(), &foreign).await.network_restricted);
}

#[tokio::test]
async fn who_refuses_to_be_root_can_be_nobody_and_what_it_writes_is_ours() {
    use std::os::unix::fs::MetadataExt as _;
    let Some(sandbox) = sandboxes().into_iter().find(bubblewrap) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut foreign = shell("id -u; id -g; echo kept > file; chmod 600 file; cat file", &directory);
    foreign.writable.push(directory.path().to_owned());
    foreign.unprivileged = true;
    let finished = run(&sandbox, &foreign).await;
    assert_eq!(finished.stdout, "65534\n65534\nkept\n", "{}", finished.stderr);
    let (written, own) = (directory.path().join("file"), directory.path());
    assert_eq!(written.metadata().unwrap().uid(), own.metadata().unwrap().uid());
    assert!(finished.network_restricted);
}

//! Runs the real binary to its end, with a deadline, and holds what came against what should.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(1200);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The binary with these arguments, and nothing of the tester's own settings.
pub fn patchline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchline"));
    for variable in ["PATCHLINE_DATA", "PATCHLINE_BY", "USER", "LOGNAME", "XDG_DATA_HOME"] {
        command.env_remove(variable);
    }
    command.args(arguments).env("NO_COLOR", "1").current_dir("/");
    command
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("tests use plain paths")
}

/// Runs it to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let out = drain(child.stdout.take().expect("it is piped"));
    let err = drain(child.stderr.take().expect("it is piped"));
    let code = wait(&mut child);
    let said = |thread: std::thread::JoinHandle<String>| thread.join().expect("the reader ends");
    Ran { code, out: said(out), err: said(err) }
}

/// Runs it, and checks the exit code and that standard error speaks of all of this.
#[track_caller]
pub fn check(command: &mut Command, code: i32, says: &[&str]) -> Ran {
    let ran = run(command);
    assert_eq!(ran.code, code, "{command:?}\n{}\n{}", ran.out, ran.err);
    for part in says {
        assert!(ran.err.contains(part), "{command:?} does not say `{part}`:\n{}", ran.err);
    }
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran
}

/// The value of the one JSON object on standard output.
#[track_caller]
pub fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", ran.out, ran.err))
}

fn drain(mut stream: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until an error says enough.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[track_caller]
fn wait(child: &mut Child) -> i32 {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return status.code().unwrap_or(-1);
        }
        if begun.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("it did not end within {DEADLINE:?}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

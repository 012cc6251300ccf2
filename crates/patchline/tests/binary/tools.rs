//! Real analyzers: on `PATH`, or where `cargo xtask test` puts them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program; none where it is not here, which is said.
pub fn tool(name: &str) -> Option<String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder").join("tools");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = [tools.join("python/bin"), tools.join("node/node_modules/.bin")];
    let found = own.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    let found = found.into_iter().find(|program: &PathBuf| works(program));
    match found {
        None => eprintln!("skipped: `{name}` is not installed; `cargo xtask test` brings it"),
        Some(program) if is_hidden(&program) => {
            eprintln!("skipped: the sandbox hides `{}`: check out elsewhere", program.display());
        }
        Some(program) => return Some(program.display().to_string()),
    }
    None
}

/// Folders for temporary files are private to each sandboxed command.
fn is_hidden(program: &Path) -> bool {
    let places = ["/tmp", "/var/tmp"].map(|place| Path::new(place).canonicalize());
    places.iter().flatten().any(|place| program.starts_with(place))
}

fn works(program: &Path) -> bool {
    // Without being told not to, Semgrep asks its makers for a newer version, and waits long where it can't.
    let mut ask = Command::new(program);
    let asked = ask.arg("--version").env("SEMGREP_ENABLE_VERSION_CHECK", "0").stdin(Stdio::null()).output();
    program.is_file() && asked.is_ok_and(|asked| asked.status.success())
}

//! What a foreign command sees inside bubblewrap: the machine read-only, its own `/tmp`, no sockets, no secrets.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::foreign::Foreign;

/// Places that every command has to itself: other people's files, sockets and agents lie there.
const PRIVATE: [&str; 3] = ["/tmp", "/var/tmp", "/run"];

/// What is bound back into `/run`, where it exists: name resolution, and programs on some systems.
const SHARED_OF_RUN: [&str; 4] =
    ["/run/systemd/resolve", "/run/NetworkManager/resolv.conf", "/run/resolvconf", "/run/current-system"];

/// Where secrets lie in a home folder.
const SECRETS_AT_HOME: [&str; 28] = [
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".git-credentials",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".vault-token",
    ".terraform.d",
    ".terraformrc",
    ".password-store",
    ".bash_history",
    ".zsh_history",
    ".config/gh",
    ".config/hub",
    ".config/glab-cli",
    ".config/gcloud",
    ".config/git/credentials",
    ".config/containers",
    ".config/op",
    ".local/share/keyrings",
    ".m2/settings.xml",
];

/// Where secrets lie in cargo's home.
const SECRETS_OF_CARGO: [&str; 2] = ["credentials.toml", "credentials"];

/// Where secrets lie on the machine, for those of us who run as root.
const SECRETS_OF_THE_MACHINE: [&str; 5] =
    ["/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/etc/ssh", "/etc/kubernetes"];

/// The user and the group that own nothing (`nobody`, `nogroup`).
const NOBODY: &str = "65534";

/// Everything that decides what a command sees.
pub(crate) struct View<'a> {
    pub(crate) foreign: &'a Foreign,
    pub(crate) program: &'a Path,
    pub(crate) scratch: &'a Path,
    pub(crate) hidden: &'a [PathBuf],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mount {
    Private,
    Scratch,
    Read,
    Write,
    Hide,
}

/// The arguments of bubblewrap, the command included.
pub(crate) fn arguments(view: &View<'_>) -> Vec<OsString> {
    let fixed = [
        "--die-with-parent",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--cap-drop",
        "ALL",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
    ];
    let mut arguments: Vec<OsString> = fixed.iter().map(OsString::from).collect();
    if !view.foreign.network {
        arguments.push("--unshare-net".into());
    }
    if view.foreign.unprivileged {
        arguments.extend(["--unshare-user", "--uid", NOBODY, "--gid", NOBODY].map(OsString::from));
    }
    for (path, mount) in mounts(view) {
        let at = path.clone().into_os_string();
        match mount {
            Mount::Private => arguments.extend(["--tmpfs".into(), at]),
            Mount::Scratch => arguments.extend(["--bind".into(), view.scratch.into(), at]),
            Mount::Read => arguments.extend(["--ro-bind".into(), at.clone(), at]),
            Mount::Write => arguments.extend(["--bind".into(), at.clone(), at]),
            Mount::Hide if path.is_dir() => arguments.extend(["--tmpfs".into(), at]),
            Mount::Hide => arguments.extend(["--ro-bind".into(), "/dev/null".into(), at]),
        }
    }
    arguments.extend(["--chdir".into(), view.foreign.directory.clone().into()]);
    arguments.extend(["--".into(), view.program.into()]);
    arguments.extend(view.foreign.command.iter().skip(1).map(Into::into));
    arguments
}

/// What is mounted where, outer folders first, so that what lies deeper is laid over them.
fn mounts(view: &View<'_>) -> Vec<(PathBuf, Mount)> {
    let real = |path: &Path| path.canonicalize().ok();
    let mut mounts: Vec<(PathBuf, Mount)> = Vec::new();
    for place in PRIVATE.iter().filter_map(|place| real(Path::new(place))) {
        let mount = if place == Path::new("/run") { Mount::Private } else { Mount::Scratch };
        lay(&mut mounts, place, mount);
    }
    for path in view.hidden.iter().filter_map(|path| real(path)) {
        lay(&mut mounts, path, Mount::Hide);
    }
    let secrets: Vec<PathBuf> = secrets(view.foreign).iter().filter_map(|path| real(path)).collect();
    secrets.iter().for_each(|path| lay(&mut mounts, path.clone(), Mount::Hide));

    let writable: Vec<PathBuf> = view.foreign.writable.iter().filter_map(|path| real(path)).collect();
    // An argument comes from the repository: it opens what is private, never what is hidden.
    let hidden: Vec<PathBuf> = view.hidden.iter().filter_map(|path| real(path)).collect();
    let may_open = |path: &PathBuf| !hidden.iter().any(|hidden| path.starts_with(hidden));
    let arguments = in_arguments(view.foreign).filter_map(|path| real(&path)).filter(may_open);
    let named = readable(view).into_iter().filter_map(|path| real(&path)).chain(arguments);
    // What is visible already needs no mount, and must not make read-only what is writable.
    let unseen = |path: &PathBuf| {
        let hidden = mounts.iter().any(|(place, _)| path.starts_with(place));
        hidden && !secrets.iter().any(|secret| path.starts_with(secret))
    };
    let named: Vec<PathBuf> =
        named.filter(unseen).filter(|path| !writable.iter().any(|over| path.starts_with(over))).collect();
    named.into_iter().for_each(|path| lay(&mut mounts, path, Mount::Read));
    writable.into_iter().for_each(|path| lay(&mut mounts, path, Mount::Write));

    mounts.retain(|(path, _)| path.parent().is_some());
    mounts.sort_by_key(|(path, _)| path.components().count());
    let all = mounts.clone();
    mounts.retain(|(path, mount)| *mount != Mount::Hide || !covered_by_private(path, &all));
    mounts
}

/// A later mount at the same place replaces an earlier one.
fn lay(mounts: &mut Vec<(PathBuf, Mount)>, path: PathBuf, mount: Mount) {
    mounts.retain(|(place, _)| *place != path);
    mounts.push((path, mount));
}

/// Whether the place is out of sight already, so that there is nothing to hide.
fn covered_by_private(path: &Path, mounts: &[(PathBuf, Mount)]) -> bool {
    let around = mounts.iter().filter(|(place, _)| path.starts_with(place) && path != place);
    let nearest = around.max_by_key(|(place, _)| place.components().count());
    nearest.is_some_and(|(_, mount)| matches!(mount, Mount::Private | Mount::Scratch | Mount::Hide))
}

/// What the arguments name.
fn in_arguments(foreign: &Foreign) -> impl Iterator<Item = PathBuf> {
    foreign.command.iter().skip(1).map(PathBuf::from).filter(|path| is_plain(path))
}

/// What we name for the command, it may read.
fn readable(view: &View<'_>) -> Vec<PathBuf> {
    let foreign = view.foreign;
    let shared = SHARED_OF_RUN.iter().map(PathBuf::from);
    let own = [foreign.directory.clone(), view.program.to_owned()];
    // Where the tools keep what they need, wherever the user put it; their secrets are hidden in it.
    let tools = ["CARGO_HOME", "RUSTUP_HOME"]
        .into_iter()
        .filter_map(|name| foreign.environment.get(name))
        .map(PathBuf::from);
    foreign.readable.iter().cloned().chain(own).chain(shared).chain(tools).collect()
}

/// An absolute path below a private place, not that place itself.
fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && !PRIVATE.iter().any(|place| path == Path::new(place))
}

fn secrets(foreign: &Foreign) -> Vec<PathBuf> {
    let home = std::env::home_dir();
    let cargo = [
        foreign.environment.get("CARGO_HOME").map(PathBuf::from),
        std::env::var_os("CARGO_HOME").map(PathBuf::from),
        home.as_ref().map(|home| home.join(".cargo")),
    ];
    let at_home = home.iter().flat_map(|home| SECRETS_AT_HOME.iter().map(|name| home.join(name)));
    let of_cargo =
        cargo.iter().flatten().flat_map(|home| SECRETS_OF_CARGO.iter().map(|name| home.join(name)));
    at_home.chain(of_cargo).chain(SECRETS_OF_THE_MACHINE.iter().map(PathBuf::from)).collect()
}

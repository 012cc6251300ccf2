//! What real tools write: this machine's own dpkg, and rpm, Berkeley DB and Go where they are here.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use patchline_inventory::binary::object;
use patchline_inventory::os::dpkg;
use patchline_inventory::os::rpm::database::{Kind, read};

use crate::rpm::{headers, said};
use crate::rpmdb::bdb;

/// What the program prints; none when it isn't here.
fn output(program: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env("HOME", folder).env("LC_ALL", "C");
    command.env("GOPROXY", "off").env("GOFLAGS", "-mod=mod").env("GOTOOLCHAIN", "local").env("GOWORK", "off");
    let Ok(output) = command.output() else {
        eprintln!("skipped: there is no `{program}` here");
        return None;
    };
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn sorted<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<String> = lines.map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn this_machine_s_packages_are_those_that_dpkg_says() {
    let Ok(text) = fs::read("/var/lib/dpkg/status") else {
        eprintln!("skipped: dpkg has no packages here");
        return;
    };
    let format = "${db:Status-Status} ${Package} ${Version} ${source:Package} ${source:Version}\n";
    let Some(all) = output("dpkg-query", &["-W", "-f", format], Path::new("/")) else { return };
    let then = sorted(all.lines().filter_map(|line| line.strip_prefix("installed ")));
    let packages = dpkg::packages(&String::from_utf8_lossy(&text)).expect("packages");
    let packages: Vec<String> = packages
        .iter()
        .map(|one| match &one.source {
            patchline_inventory::os::package::Source::Named { name, version } => {
                format!("{} {} {name} {version}", one.name, one.version)
            }
            _ => format!("{0} {1} {0} {1}", one.name, one.version),
        })
        .collect();
    assert!(!then.is_empty());
    assert_eq!(sorted(packages.iter().map(String::as_str)), then);
}

const SPEC: &str = "Name: probe\nEpoch: 2\nVersion: 1.2\nRelease: 3\nSummary: x\nLicense: x\nBuildArch: noarch\n\
    %description\nx\n%package libs\nEpoch: 0\nVersion: 9.9\nSummary: x\n%description libs\nx\n%files\n%files libs\n";

#[test]
fn what_rpm_installs_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("probe.spec"), SPEC).expect("a spec");
    let top = format!("_topdir {}", folder.path().join("top").display());
    let Some(_) = output("rpmbuild", &["--define", &top, "-bb", "probe.spec"], folder.path()) else { return };
    let built = |name: &str| folder.path().join("top/RPMS/noarch").join(name).display().to_string();
    let (main, libs) = (built("probe-1.2-3.noarch.rpm"), built("probe-libs-9.9-3.noarch.rpm"));
    let database = folder.path().join("db").display().to_string();
    let install = ["--dbpath", &database, "-i", "--justdb", "--nodeps", &main, &libs];
    if output("rpm", &install, folder.path()).is_none() {
        return;
    }
    let bytes = fs::read(folder.path().join("db/rpmdb.sqlite")).expect("a database");
    let read = read(Kind::Sqlite, &bytes).expect("packages");
    let then = ["probe 2:1.2-3 from probe 2:1.2-3", "probe-libs 9.9-3 from probe 2:1.2-3"];
    let found = said(&read);
    assert_eq!(sorted(found.iter().map(String::as_str)), then);
}

#[test]
fn berkeley_db_writes_what_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    // Many packages, so that there are several buckets; large ones, so that they have chains.
    let mut wanted = Vec::new();
    let mut dump = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n".to_owned();
    for number in 1..=300_u32 {
        let name = format!("package-{number}-{}", "x".repeat(usize::try_from(number).expect("small") * 10));
        let header = crate::rpmdb::header(&name, 0, "1-1", &format!("{name}-1-1.src.rpm"));
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        dump += &format!(" {}\n {}\n", hex(&number.to_le_bytes()), hex(&header));
        wanted.push(name);
    }
    dump += " 00000000\n 2c010000\nDATA=END\n";
    fs::write(folder.path().join("dump"), dump).expect("a dump");
    if output("db5.3_load", &["-f", "dump", "Packages"], folder.path()).is_none() {
        return;
    }
    let bytes = fs::read(folder.path().join("Packages")).expect("a database");
    let read = read(Kind::BerkeleyDb, &bytes).expect("packages");
    assert!(read.broken.is_empty(), "{:?}", read.broken);
    let names = read.packages.iter().map(|one| one.name.as_str());
    assert_eq!(sorted(names), sorted(wanted.iter().map(String::as_str)));
}

#[test]
fn rpm_reads_the_berkeley_db_that_the_tests_make() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("Packages"), bdb(&headers()[..2], false)).expect("a database");
    let path = folder.path().display().to_string();
    let query = ["--define", "_db_backend bdb_ro", "--dbpath", &path, "-qa", "--qf", "%{NAME} %{EVR}\n"];
    let Some(all) = output("rpm", &query, folder.path()) else { return };
    assert_eq!(sorted(all.lines()), ["bash 5.1.8-6.el9", "openssl-libs 1:3.0.7-24.el9"]);
}

#[test]
fn what_go_builds_says_its_modules() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write(
        "go.mod",
        "module example.test/app\n\ngo 1.20\n\nrequire example.test/here v0.1.0\n\nreplace example.test/here => ./here\n",
    );
    write("main.go", "package main\n\nimport \"example.test/here\"\n\nfunc main() { here.Say() }\n");
    write("here/go.mod", "module example.test/here\n\ngo 1.20\n");
    write("here/here.go", "package here\n\nfunc Say() { println(1) }\n");
    let Some(version) = output("go", &["env", "GOVERSION"], folder.path()) else { return };
    output("go", &["build", "-trimpath", "-ldflags=-s -w", "-o", "app", "."], folder.path());
    let bytes = fs::read(folder.path().join("app")).expect("a binary");
    let inventory = object::inventory("app", &bytes).expect("it says what it is built from");
    let packages: Vec<String> = inventory.installed.iter().map(|one| one.package.to_string()).collect();
    let release = version.trim().trim_start_matches("go").split('-').next().expect("a version").to_owned();
    assert_eq!(packages, [format!("stdlib {release}"), "example.test/app (devel)".to_owned()]);
    assert_eq!(inventory.unresolved[0].package.as_deref(), Some("./here"));
}

//! A registry of Node packages on loopback, with their archives.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::scene::Server;

/// With lines as in `a 1.2.0: b ^1, c ~2.0`; behind a slash stands what comes within it, as in `a 1.2.0: b ^1 / b 1.0.0`.
pub fn shop(lines: &[&str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut pages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut packages: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for line in lines {
        let (line, bundled) = line.split_once(" / ").unwrap_or((line, ""));
        let (name, version, required) = read(line);
        let place = format!("/{name}/-/{name}-{version}.tgz");
        let mut manifest = json!({
            "name": name, "version": version, "dependencies": required,
            "dist": { "tarball": format!("{url}{place}"), "integrity": format!("sha512-{name}{version}") },
        });
        if let Some((inner, _)) = bundled.split_once(' ') {
            manifest["bundleDependencies"] = json!([inner]);
            // What is opened is compared with it.
            manifest["dist"] = json!({ "tarball": format!("{url}{place}") });
        }
        pages.insert(place, archive(&manifest, bundled));
        pages.insert(format!("/{name}/{version}"), manifest.to_string().into_bytes());
        packages.entry(name).or_default().insert(version, manifest);
    }
    for (name, versions) in packages {
        let newest = versions.keys().max_by_key(|text| semver::Version::parse(text).expect("a version"));
        // Newer tools wait for some days before they take what was published.
        let time: Map<String, Value> =
            versions.keys().map(|version| (version.clone(), json!("2020-01-01T00:00:00.000Z"))).collect();
        let tags = json!({ "latest": newest });
        let document = json!({ "name": name, "dist-tags": tags, "time": time, "versions": versions });
        pages.insert(format!("/{name}"), document.to_string().into_bytes());
    }
    Server::on(listener, pages)
}

/// Name, version and what is required, of such a line.
pub fn read(line: &str) -> (String, String, Map<String, Value>) {
    let (head, required) = line.split_once(':').unwrap_or((line, ""));
    let (name, version) = head.split_once(' ').expect("a name and a version");
    let required = required.split(',').filter(|one| !one.trim().is_empty());
    let required = required.map(|one| one.trim().split_once(' ').expect("a name and a range"));
    let required = required.map(|(called, range)| (called.to_owned(), json!(range)));
    (name.to_owned(), version.to_owned(), required.collect())
}

fn archive(manifest: &Value, bundled: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("package")).expect("a folder");
    fs::write(folder.path().join("package/package.json"), manifest.to_string()).expect("a file");
    if let Some((name, version)) = bundled.split_once(' ') {
        let inner = folder.path().join("package/node_modules").join(name);
        fs::create_dir_all(&inner).expect("folders");
        fs::write(inner.join("package.json"), json!({ "name": name, "version": version }).to_string())
            .expect("a file");
    }
    let mut command = Command::new("tar");
    let output =
        command.args(["-czf", "-", "package"]).current_dir(folder.path()).output().expect("tar runs");
    assert!(output.status.success());
    output.stdout
}

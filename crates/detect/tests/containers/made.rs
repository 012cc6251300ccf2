//! Archives and images, made for a test.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use patchline_detect::{Advisories, Scan, scan};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

pub const DEBIAN: &str = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
pub const ALPINE: &str = "ID=alpine\nVERSION_ID=3.20.3\n";
pub const STATUS: &str = "Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.11-1\n\n\
    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n";
pub const LOCK: &str =
    r#"{ "lockfileVersion": 3, "packages": { "node_modules/a": { "version": "1.0.0" } } }"#;

/// What stands in an archive.
#[derive(Clone, Debug)]
pub enum Made<'a> {
    File(&'a [u8]),
    Folder,
    Link(&'a str),
    Twin(&'a str),
}

pub fn text(text: &str) -> Made<'_> {
    Made::File(text.as_bytes())
}

pub fn tar(entries: &[(&str, Made<'_>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, made) in entries {
        let mut header = Header::new_gnu();
        header.set_mode(0o755);
        let (kind, content, link) = match made {
            Made::File(content) => (EntryType::Regular, *content, None),
            Made::Folder => (EntryType::Directory, &b""[..], None),
            Made::Link(target) => (EntryType::Symlink, &b""[..], Some(target)),
            Made::Twin(target) => (EntryType::Link, &b""[..], Some(target)),
        };
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        match link {
            Some(target) => builder.append_link(&mut header, path, target).expect("an entry"),
            None => builder.append_data(&mut header, path, content).expect("an entry"),
        }
    }
    builder.into_inner().expect("a tar")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("packed")
}

pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of an OCI layout, by path: an image each, of a platform and its layers.
pub fn layout(images: &[(&str, &[Vec<u8>])]) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec())];
    let mut blob = |bytes: &[u8]| {
        files.push((format!("blobs/sha256/{}", hex(bytes)), bytes.to_vec()));
        format!("sha256:{}", hex(bytes))
    };
    let mut manifests = Vec::new();
    for (architecture, layers) in images {
        let layers: Vec<String> = layers
            .iter()
            .map(|layer| {
                format!(
                    r#"{{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "{}"}}"#,
                    blob(layer)
                )
            })
            .collect();
        let manifest = format!(r#"{{"schemaVersion": 2, "layers": [{}]}}"#, layers.join(","));
        manifests.push(format!(
            r#"{{"digest": "{}", "platform": {{"os": "linux", "architecture": "{architecture}"}}}}"#,
            blob(manifest.as_bytes())
        ));
    }
    let index = format!(r#"{{"schemaVersion": 2, "manifests": [{}]}}"#, manifests.join(","));
    files.push(("index.json".to_owned(), index.into_bytes()));
    files
}

/// As an archive, the layers before what says that they are.
pub fn archived(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<(&str, Made<'_>)> =
        files.iter().map(|(path, bytes)| (path.as_str(), Made::File(bytes))).collect();
    tar(&entries)
}

pub fn written(files: &[(String, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, bytes).expect("a file");
    }
    folder
}

/// `ecosystem package at path`, then `? path: what`, without what only says that there are no advisories.
pub fn said(scan: &Scan) -> Vec<String> {
    let installed = scan.inventory.iter();
    let installed =
        installed.map(|one| format!("{} {} at {}", one.package.ecosystem, one.package, one.location.path));
    let unresolved =
        scan.unresolved.iter().filter(|one| !one.what.contains("there are no advisories of it here"));
    installed.chain(unresolved.map(|one| format!("? {}: {}", one.path, one.what))).collect()
}

#[track_caller]
pub fn check_path(path: &Path, then: &[&str]) {
    match scan(path, &Advisories::built_in()) {
        Ok(scan) => assert_eq!(said(&scan), then),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
pub fn check(bytes: &[u8], then: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.tar");
    fs::write(&path, bytes).expect("a file");
    check_path(&path, then);
}

/// The error for these bytes says this.
#[track_caller]
pub fn check_refused(bytes: &[u8], then: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.tar");
    fs::write(&path, bytes).expect("a file");
    let error = scan(&path, &Advisories::built_in()).expect_err("it is refused").to_string();
    assert!(error.contains(then), "{error}");
}

//! A package index on loopback for the fixers of Python: lists, metadata and wheels, as the standards on them say.

use std::collections::BTreeMap;

use patchline_model::digest::Digest;
use serde_json::{Value, json};

use crate::scene::Server;

/// An index with lines as in `a 1.2: b>=1, c`; a star behind the version stands for a source archive without a wheel,
/// and `python >=3.99` among what is required for what it asks of Python.
pub fn index(lines: &[&str]) -> Server {
    let mut files: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut pages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for line in lines {
        let (head, required) = line.split_once(':').unwrap_or((line, ""));
        let (name, version) = head.split_once(' ').expect("a name and a version");
        let (version, has_wheel) = (version.trim_end_matches('*'), !version.ends_with('*'));
        let python =
            required.split(',').find_map(|one| one.trim().strip_prefix("python ")).unwrap_or(">=3.6");
        let (file, content) = match has_wheel {
            true => (wheel_name(name, version), wheel(name, version, required)),
            false => (format!("{name}-{version}.tar.gz"), Vec::new()),
        };
        let mut listed = json!({
            "filename": file, "url": format!("/files/{file}"), "requires-python": python, "yanked": false,
            "hashes": { "sha256": sha256(&content) }, "upload-time": "2020-01-01T00:00:00Z", "size": content.len(),
        });
        if has_wheel {
            let metadata = metadata(name, version, required);
            // Some indexes have it and don't say so.
            if !version.ends_with(".2") {
                listed["core-metadata"] = json!({ "sha256": sha256(metadata.as_bytes()) });
            }
            pages.insert(format!("/files/{}.metadata", file.to_lowercase()), metadata.into_bytes());
            pages.insert(format!("/files/{}", file.to_lowercase()), content);
        }
        files.entry(name.to_owned()).or_default().push(listed);
    }
    for (name, files) in files {
        let list = json!({ "meta": { "api-version": "1.0" }, "name": name, "files": files });
        pages.insert(format!("/simple/{name}/"), list.to_string().into_bytes());
    }
    Server::of(pages)
}

/// The digest in hex.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Digest::of(bytes).to_string();
    digest.rsplit(':').next().unwrap_or_default().to_owned()
}

/// The digest of the wheel of this version, which requires nothing.
pub fn wheel_sha256(name: &str, version: &str) -> String {
    sha256(&wheel(name, version, ""))
}

fn wheel_name(name: &str, version: &str) -> String {
    format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"))
}

fn metadata(name: &str, version: &str, required: &str) -> String {
    let required =
        required.split(',').map(str::trim).filter(|one| !one.is_empty() && !one.starts_with("python "));
    let required: String = required.map(|one| format!("Requires-Dist: {one}\n")).collect();
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}\n")
}

fn wheel(name: &str, version: &str, required: &str) -> Vec<u8> {
    let folder = format!("{}-{version}.dist-info", name.replace('-', "_"));
    let about = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned();
    let files = [
        (format!("{folder}/METADATA"), metadata(name, version, required)),
        (format!("{folder}/WHEEL"), about),
        (format!("{folder}/RECORD"), String::new()),
    ];
    zip(&files)
}

/// A zip archive of files that are stored as they are.
pub fn zip(files: &[(String, String)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    let short = |number: usize| u16::try_from(number).expect("it is small").to_le_bytes();
    let long = |number: usize| u32::try_from(number).expect("it is small").to_le_bytes();
    for (name, text) in files {
        // Version, flags, method, time and date; checksum, sizes and the length of the name; no extra field.
        let mut about = [20u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat();
        about.extend(crc32(text.as_bytes()).to_le_bytes());
        about.extend([long(text.len()), long(text.len())].concat());
        about.extend([short(name.len()), short(0)].concat());
        directory.extend([b"PK\x01\x02".as_slice(), &short(20), &about].concat());
        // No comment, one disk, no attributes, and where it begins.
        directory.extend([short(0), short(0), short(0)].concat());
        directory.extend([long(0), long(archive.len())].concat());
        directory.extend(name.as_bytes());
        archive.extend([b"PK\x03\x04".as_slice(), &about, name.as_bytes(), text.as_bytes()].concat());
    }
    let start = archive.len();
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([short(files.len()), short(files.len())].concat());
    archive.extend([long(directory.len()), long(start)].concat());
    archive.extend(short(0));
    archive
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    let eight = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum));
    !bytes.iter().fold(!0, eight)
}

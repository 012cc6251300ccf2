//! The file of one ecosystem's advisories: a first line with format and checksum, then a record a line.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use patchline_model::digest::Digest;
use patchline_model::package::Ecosystem;
use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::merge::Records;
use crate::osv::record::Record;

/// The ecosystems whose advisories are kept. The versions of many more can be ordered.
pub const KEPT: [&str; 1] = ["crates.io"];

/// The format that is written. It is raised when an older Patchline would misread the file.
const FORMAT: u32 = 1;
const LARGEST_FILE: u64 = 1 << 30;
const HINT: &str = "remove the file and import the advisories again: `patchline db import <files>`";

#[derive(Serialize, Deserialize)]
struct Header {
    patchline_advisories: u32,
    ecosystem: Ecosystem,
    records: usize,
    /// Of everything after the first line.
    content: Digest,
}

/// Where the ecosystem's advisories are kept.
pub fn path(directory: &Path, ecosystem: &Ecosystem) -> PathBuf {
    directory.join(format!("{ecosystem}.jsonl"))
}

/// The ecosystem's advisories; none when there is no file. A file that is not exactly as it was written is refused.
pub fn read(directory: &Path, ecosystem: &Ecosystem) -> Result<Option<Records>, DetectError> {
    let path = path(directory, ecosystem);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DetectError::read(&path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(DetectError::read(&path))?;
    parse(&bytes, ecosystem).map(Some).map_err(|what| DetectError::Advisories {
        path,
        what: what.to_owned(),
        hint: HINT,
    })
}

/// Writes the whole file beside the old one and then takes its place, so that a reader sees one or the other.
pub fn write(directory: &Path, ecosystem: &Ecosystem, records: &Records) -> Result<(), DetectError> {
    let path = path(directory, ecosystem);
    let partial = directory.join(format!("{ecosystem}.jsonl.partial"));
    let written = put(&partial, &render(ecosystem, records))
        .and_then(|()| fs::rename(&partial, &path))
        .and_then(|()| File::open(directory)?.sync_all());
    written.map_err(|error| {
        // The old file is untouched; what is left of the new one is of no use, and may be gone already.
        let _ = fs::remove_file(&partial);
        DetectError::write(&path)(error)
    })
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn render(ecosystem: &Ecosystem, records: &Records) -> Vec<u8> {
    let mut content = Vec::new();
    for record in records.values() {
        content.extend(serde_json::to_vec(record).expect("a record has only text keys"));
        content.push(b'\n');
    }
    let header = Header {
        patchline_advisories: FORMAT,
        ecosystem: ecosystem.clone(),
        records: records.len(),
        content: Digest::of(&content),
    };
    let mut bytes = serde_json::to_vec(&header).expect("a header has only text keys");
    bytes.push(b'\n');
    bytes.extend(content);
    bytes
}

fn parse(bytes: &[u8], ecosystem: &Ecosystem) -> Result<Records, &'static str> {
    if bytes.len() as u64 > LARGEST_FILE {
        return Err("it is larger than 1 GiB");
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it is cut off in its first line")?;
    let header: Header = serde_json::from_slice(&bytes[..end])
        .map_err(|_| "its first line is not that of an advisory file")?;
    if header.patchline_advisories != FORMAT {
        return Err("it was written by another version of Patchline");
    }
    if header.ecosystem != *ecosystem {
        return Err("it holds the advisories of another ecosystem");
    }
    let content = &bytes[end + 1..];
    if Digest::of(content) != header.content {
        return Err("its content is not what was written: it is cut off or was changed");
    }
    let mut records = Records::new();
    for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record = Record::parse(line).map_err(|_| "one of its lines is not a record")?;
        records.insert(record.id.clone(), record);
    }
    if records.len() != header.records {
        return Err("it holds another number of records than it says");
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use patchline_model::package::Ecosystem;
    use proptest::prelude::{any, prop, proptest};

    use super::{parse, render};
    use crate::index::merge::Records;
    use crate::osv::record::Record;

    fn file() -> (Records, Vec<u8>) {
        let json =
            br#"{"id": "RUSTSEC-2020-0001", "modified": "2024-01-02T00:00:00.50Z", "aliases": ["CVE-1"],
            "summary": "it breaks", "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
            "affected": [{"package": {"ecosystem": "crates.io", "name": "a"}, "versions": ["1.0.0"],
            "database_specific": {"informational": "unsound"},
            "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}]}"#;
        let record = Record::parse(json).expect("a record");
        let records = Records::from([(record.id.clone(), record)]);
        let bytes = render(&Ecosystem::crates_io(), &records);
        (records, bytes)
    }

    #[test]
    fn a_file_reads_as_it_was_written() {
        let (records, bytes) = file();
        assert_eq!(parse(&bytes, &Ecosystem::crates_io()), Ok(records));
    }

    #[test]
    fn a_file_of_another_ecosystem_or_format_is_refused() {
        let (_, bytes) = file();
        assert!(parse(&bytes, &Ecosystem("npm".to_owned())).is_err());
        let text = String::from_utf8(bytes).expect("text");
        let newer = text.replacen("\"patchline_advisories\":1", "\"patchline_advisories\":2", 1);
        assert!(
            parse(newer.as_bytes(), &Ecosystem::crates_io())
                .is_err_and(|what| what.contains("version of Patchline"))
        );
    }

    proptest! {
        #[test]
        fn a_file_cut_off_anywhere_is_refused(cut in any::<prop::sample::Index>()) {
            let (_, bytes) = file();
            assert!(parse(&bytes[..cut.index(bytes.len())], &Ecosystem::crates_io()).is_err());
        }

        #[test]
        fn a_file_with_another_byte_never_reads_as_other_records(at in any::<prop::sample::Index>(), byte: u8) {
            let (records, mut bytes) = file();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            // White space in the first line may change and say the same.
            assert!(parse(&bytes, &Ecosystem::crates_io()).is_ok_and(|read| read == records)
                || parse(&bytes, &Ecosystem::crates_io()).is_err());
        }

        #[test]
        fn any_bytes_are_records_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes, &Ecosystem::crates_io());
        }
    }
}

//! The cache: a file an address, its ETag and then its body, whole or not there.

use std::fs::{self, File, FileTimes};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::request::Get;

/// An answer that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    pub etag: String,
    pub bytes: Vec<u8>,
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct First {
    etag: String,
    bytes: u64,
    crc32c: u32,
}

const LARGEST: u64 = 1 << 30;

/// Where the answer to this request is kept. What is asked for with other headers is something else.
pub fn place(folder: &Path, get: &Get) -> PathBuf {
    let mut hash = Sha256::new();
    hash.update(get.url.as_bytes());
    for (name, value) in &get.headers {
        hash.update([0]);
        hash.update(name.to_ascii_lowercase().as_bytes());
        hash.update([0]);
        hash.update(value.as_bytes());
    }
    let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    folder.join(name)
}

/// What is kept, if it is there and as it was written.
pub fn read(place: &Path) -> Option<Cached> {
    let mut all = Vec::new();
    File::open(place).ok()?.take(LARGEST).read_to_end(&mut all).ok()?;
    let end = all.iter().position(|byte| *byte == b'\n')?;
    let First { etag, bytes, crc32c } = serde_json::from_slice(&all[..end]).ok()?;
    let body = all.split_off(end + 1);
    (body.len() as u64 == bytes && crc32c::crc32c(&body) == crc32c).then_some(Cached { etag, bytes: body })
}

/// Keeps an answer, and lets go what was used longest ago when there is too much.
pub fn write(folder: &Path, place: &Path, cached: &Cached, most: u64) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    if cached.bytes.len() as u64 > most.min(LARGEST) / 2 {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let bytes = cached.bytes.len() as u64;
    let first = First { etag: cached.etag.clone(), bytes, crc32c: crc32c::crc32c(&cached.bytes) };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let partial = folder.join(format!(".{}-{number}.partial", std::process::id()));
    let written = File::create(&partial).and_then(|mut file| {
        serde_json::to_writer(&file, &first)?;
        file.write_all(b"\n")?;
        file.write_all(&cached.bytes)
    });
    if let Err(error) = written.and_then(|()| fs::rename(&partial, place)) {
        // It may be there in part, or not at all.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    prune(folder, most)
}

/// It was used now.
pub fn touch(place: &Path) -> io::Result<()> {
    File::options().write(true).open(place)?.set_times(FileTimes::new().set_modified(SystemTime::now()))
}

fn prune(folder: &Path, most: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another process may have taken it away meanwhile.
        let Ok(data) = entry.metadata() else { continue };
        if data.is_file() {
            files.push((data.modified()?, data.len(), entry.path()));
        }
    }
    let mut all: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    files.sort();
    for (_, bytes, path) in files {
        if all <= most {
            break;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => all -= bytes,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Cached, read, write};

    proptest! {
        #[test]
        fn what_was_kept_is_read_and_any_other_bytes_are_nothing(etag in "\"[!#-~]{0,20}\"", bytes: Vec<u8>, junk in prop::collection::vec(any::<u8>(), 0..80)) {
            let folder = tempfile::tempdir().expect("a folder");
            let place = folder.path().join("x");
            let cached = Cached { etag, bytes };
            write(folder.path(), &place, &cached, 1 << 20).expect("it is kept");
            assert_eq!(read(&place), Some(cached));
            std::fs::write(&place, junk).expect("a file");
            assert_eq!(read(&place), None);
        }
    }
}

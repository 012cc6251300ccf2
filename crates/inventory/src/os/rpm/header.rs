//! The header of an rpm package as databases keep it: the numbers of entries and of bytes of data, the entries, the data.
//! <https://rpm-software-management.github.io/rpm/manual/format_header.html>, without the eight bytes that begin one in a
//! package file.

use crate::os::rpm::bytes::{Order, part};

/// As rpm itself has it; a package with ten thousand files has some hundred entries.
const MOST_ENTRIES: usize = 0xffff;
const ENTRY: usize = 16;
/// A longer name or version is none.
const LONGEST: usize = 4096;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SOURCE_RPM: u32 = 1044;

const INT32: u32 = 4;
const STRING: u32 = 6;
const I18N_STRING: u32 = 9;

/// What a header says of its package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub epoch: Option<u32>,
    pub version: String,
    pub release: String,
    /// As in `openssl-3.0.7-24.el9.src.rpm`.
    pub source_rpm: Option<String>,
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let entries = Order::Big.size(bytes, 0).ok_or("it ends too early")?;
        let length = Order::Big.size(bytes, 4).ok_or("it ends too early")?;
        if entries == 0 || entries > MOST_ENTRIES {
            return Err(format!("it has {entries} entries, and from 1 to {MOST_ENTRIES} may be"));
        }
        let index = part(bytes, 8, entries * ENTRY).ok_or("it ends too early")?;
        let data = part(bytes, 8 + entries * ENTRY, length).ok_or("it ends too early")?;
        let mut header = Self::default();
        for entry in index.chunks_exact(ENTRY) {
            header.take(entry, data)?;
        }
        match header.name.is_empty() || header.version.is_empty() {
            true => Err("it names no package or no version".to_owned()),
            false => Ok(header),
        }
    }

    /// Takes in what this entry says, if it is asked for.
    fn take(&mut self, entry: &[u8], data: &[u8]) -> Result<(), String> {
        let number = |at| Order::Big.u32(entry, at).unwrap_or_default();
        let (tag, kind, offset) = (number(0), number(4), usize::try_from(number(8)).unwrap_or(usize::MAX));
        match (tag, kind) {
            (NAME, STRING) => self.name = text(data, offset)?,
            (VERSION, STRING) => self.version = text(data, offset)?,
            (RELEASE, STRING) => self.release = text(data, offset)?,
            (SOURCE_RPM, STRING | I18N_STRING) => self.source_rpm = Some(text(data, offset)?),
            (EPOCH, INT32) => {
                self.epoch = Some(Order::Big.u32(data, offset).ok_or("its epoch lies outside of it")?);
            }
            (NAME | VERSION | RELEASE | SOURCE_RPM | EPOCH, kind) => {
                return Err(format!("its entry {tag} is of kind {kind}"));
            }
            (_, _) => {}
        }
        Ok(())
    }

    /// `version-release`, without the epoch.
    pub fn version_release(&self) -> String {
        format!("{}-{}", self.version, self.release)
    }
}

fn text(data: &[u8], offset: usize) -> Result<String, String> {
    let rest = data.get(offset..).ok_or("a text lies outside of it")?;
    let rest = &rest[..rest.len().min(LONGEST)];
    let end = rest.iter().position(|byte| *byte == 0).ok_or("a text has no end")?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

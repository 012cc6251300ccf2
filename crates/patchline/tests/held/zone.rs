//! A time zone of a test's own: one offset from UTC, to the second, in a database of one file.

use std::fs;
use std::path::Path;

const DAY: i64 = 86_400;

/// The offset of a place whose clock shows this second of the day at that second since 1970.
pub fn showing(second_of_day: i64, at: i64) -> i32 {
    let offset = (second_of_day - at).rem_euclid(DAY);
    let nearest = if offset > DAY / 2 { offset - DAY } else { offset };
    i32::try_from(nearest).expect("half a day at most")
}

/// Writes the zone with this one offset, as RFC 9636 has it: a block for readers of 32 bits, the same for those of 64, and an
/// empty footer.
pub fn write(database: &Path, name: &str, offset: i32) {
    let path = database.join(name);
    fs::create_dir_all(path.parent().expect("a zone lies in a folder")).expect("a folder is made");
    let block = {
        let mut block = b"TZif2".to_vec();
        block.extend([0; 15]);
        // No transitions and no leap seconds, one type of time, and its name of four bytes.
        for count in [0_u32, 0, 0, 0, 1, 4] {
            block.extend(count.to_be_bytes());
        }
        block.extend(offset.to_be_bytes());
        block.extend([0, 0]);
        block.extend(b"TST\0");
        block
    };
    let zone = [&block[..], &block, b"\n\n"].concat();
    fs::write(path, zone).expect("the zone is written");
}

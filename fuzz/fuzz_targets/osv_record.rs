//! OSV records and feeds: any bytes are one or refused, and what was read of a record is read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchline_detect::index::piece::{Piece, Scratch, cut};
use patchline_detect::osv::record::Record;
use patchline_detect::update::feed;

fuzz_target!(|bytes: &[u8]| {
    let _ = feed::news(bytes, None);
    let _ = feed::ecosystems(bytes);
    let Ok(record) = Record::parse(bytes) else { return };
    let (mut out, mut pieces) = (Vec::new(), Vec::new());
    cut(&record, &mut out, &mut pieces, &mut Scratch::default());
    let mut start = 0;
    for (_, end) in pieces {
        let piece = Piece::read(&out[start..end]).and_then(Piece::record).expect("it was written a moment ago");
        assert_eq!(piece.id, record.id);
        assert!(piece.affected.len() <= record.affected.len());
        start = end;
    }
});

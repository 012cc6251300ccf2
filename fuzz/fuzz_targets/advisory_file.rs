//! Files of an advisory index: the bytes as they come, as the content of sealed blocks, and as a posting. Whatever they say,
//! nothing may panic or run without end.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use patchline_detect::Image;
use patchline_detect::index::blocks::{Source, Writer};
use patchline_detect::index::image::{FORMAT, MAGIC};
use patchline_detect::index::posting::Posting;
use patchline_detect::index::words::Words;

fuzz_target!(|bytes: &[u8]| {
    ask(bytes.to_vec());
    // Behind a right beginning and under right checksums, the rest is reached.
    let mut sealed = Writer::new(Vec::new(), 7, 0);
    let content = [MAGIC.as_slice(), &[FORMAT as u8], bytes].concat();
    if sealed.put(&content).and_then(|()| sealed.align()).is_ok() {
        ask(sealed.into_inner());
    }
    let words = Words::read(bytes).unwrap_or_default();
    if let Ok(posting) = Posting::read(bytes, &words) {
        for version in ["1.0.0", "0", "not one"] {
            for (record, _) in posting.judge(version) {
                let _ = posting.affected(record);
            }
        }
    }
});

fn ask(bytes: Vec<u8>) {
    let Ok(image) = Image::open(Source::Memory(bytes.into()), Path::new("fuzz")) else { return };
    let _ = image.verify();
    let _ = image.postings("npm", "a");
    let _ = image.number("X-1");
    let _ = image.gone();
    let _ = image.each_head(&mut |_, _, _| Ok(()));
    let _ = image.each_posting(0, u64::MAX, &mut |_, _| Ok(()));
}

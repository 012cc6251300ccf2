//! The shapes of what nearly all advisories say of a package: one range of one or two events, no list of versions, and nothing
//! besides. The number of a shape stands for all that; what is written is the places of the versions.

use crate::index::parcel::{FIXED, INTRODUCED, LAST_AFFECTED};

/// Bits of a shape's number.
pub const BITS: u32 = 3;
/// The number of what has no shape, and is written out.
pub const NONE: u64 = 0;

/// Kinds of events, and whether each stands at a version; from 1 on.
const SHAPES: [&[(u8, bool)]; 6] = [
    &[(INTRODUCED, false)],
    &[(INTRODUCED, false), (FIXED, true)],
    &[(INTRODUCED, true), (FIXED, true)],
    &[(INTRODUCED, false), (LAST_AFFECTED, true)],
    &[(INTRODUCED, true), (LAST_AFFECTED, true)],
    &[(INTRODUCED, true)],
];

/// The number of the shape that such events have.
pub fn number(events: impl ExactSizeIterator<Item = (u8, bool)> + Clone) -> u64 {
    let is = |shape: &&[(u8, bool)]| shape.len() == events.len() && shape.iter().copied().eq(events.clone());
    SHAPES.iter().position(is).map_or(NONE, |place| place as u64 + 1)
}

/// The events of a shape; none for a number that is of none.
pub fn events(number: u64) -> Option<&'static [(u8, bool)]> {
    let place = usize::try_from(number).ok()?.checked_sub(1)?;
    SHAPES.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::{BITS, SHAPES, events, number};
    use crate::index::parcel::{FIXED, LIMIT};

    #[test]
    fn every_shape_has_its_number_and_others_have_none() {
        for shape in SHAPES {
            let number = number(shape.iter().copied());
            assert!(number > 0 && number < 1 << BITS);
            assert_eq!(events(number), Some(shape));
        }
        for other in [&[][..], &[(FIXED, true)], &[(LIMIT, false)]] {
            assert_eq!(number(other.iter().copied()), 0);
        }
        assert_eq!((events(0), events(7)), (None, None));
    }
}

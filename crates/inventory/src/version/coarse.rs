//! A key of sixteen bytes that never contradicts the order of versions, for a first look into a sorted index.

use crate::version::digits;

/// Four numbers, the first most important, as bytes in the order of their value.
///
/// If a version precedes another, its key is at most the other's; the reverse need not hold. So keys that differ
/// decide, and equal keys ask for the exact comparison. Only keys of one scheme are ever compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coarse(pub [u8; 16]);

/// Above every number.
pub const ABOVE: u32 = u32::MAX;
/// What numbers stand for that do not fit.
const CEILING: u32 = u32::MAX - 1;

/// A key in the making.
///
/// It is sound when each slot's value grows with the order of what stands there, and when a value that several things
/// share closes the key: what comes after them has no say, for the order was decided between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slots {
    values: [u32; 4],
    filled: usize,
}

impl Slots {
    pub fn is_full(&self) -> bool {
        self.filled == self.values.len()
    }

    /// Puts a number into the next slot, raised so that `offset` values below it stay free. One that does not fit closes
    /// the key.
    pub fn number(&mut self, number: &[u8], offset: u32) {
        self.value(value(number).saturating_add(u64::from(offset)));
    }

    /// As `number`, for one that is at hand.
    pub fn value(&mut self, value: u64) {
        match u32::try_from(value).ok().filter(|value| *value < CEILING) {
            Some(value) => self.put(value),
            None => self.close(CEILING),
        }
    }

    /// Puts this value into the next slot, for a thing that nothing else shares it with.
    pub fn put(&mut self, value: u32) {
        if let Some(slot) = self.values.get_mut(self.filled) {
            *slot = value;
            self.filled += 1;
        }
    }

    /// Puts this value into every slot that is left.
    pub fn close(&mut self, value: u32) {
        self.values[self.filled..].fill(value);
        self.filled = self.values.len();
    }

    pub fn key(self) -> Coarse {
        let mut bytes = [0; 16];
        for (place, value) in bytes.chunks_exact_mut(4).zip(self.values) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        Coarse(bytes)
    }
}

/// The key of numbers of which a missing one is 0.
pub fn of_padded(mut slots: Slots, numbers: &[u8]) -> Coarse {
    for number in digits::Numbers(numbers) {
        slots.number(number, 0);
    }
    slots.key()
}

/// The number, or one that fits into no slot either.
fn value(digits: &[u8]) -> u64 {
    let digits = digits::significant(digits);
    if digits.len() > 10 {
        return u64::MAX;
    }
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::{Slots, of_padded};

    #[test]
    fn what_does_not_fit_closes_the_key() {
        let key = |numbers: &str| of_padded(Slots::default(), numbers.as_bytes());
        assert!(key("1.2.3") < key("1.10"));
        assert_eq!(key("1"), key("1.0.0.0.7"));
        assert_eq!(key("99999999999.5"), key("99999999998.7"));
        assert!(key("4294967293.9") < key("4294967294"));
        assert_eq!(key("4294967294"), key("4294967295.1"));
    }
}

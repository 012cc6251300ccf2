//! Growing by quarters, and taking no more room than there is to keep: a list that doubles has up to three times its size in
//! memory while it moves.

/// Pushes; a long list grows by a quarter.
pub fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() && list.len() >= 1024 {
        list.reserve_exact(list.len() / 4);
    }
    list.push(item);
}

/// The items of lists that lie in each other, of which each ends as a list of its own of the size that it has.
pub struct Pile<T>(Vec<T>);

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Pile<T> {
    /// Where a list begins.
    pub fn start(&self) -> usize {
        self.0.len()
    }

    pub fn push(&mut self, item: T) {
        push(&mut self.0, item);
    }

    /// The list that began there.
    pub fn list_from(&mut self, start: usize) -> Vec<T> {
        match start {
            // Nothing lies around it.
            0 if self.0.capacity() - self.0.len() <= self.0.len() / 4 => std::mem::take(&mut self.0),
            start => self.0.drain(start..).collect(),
        }
    }
}

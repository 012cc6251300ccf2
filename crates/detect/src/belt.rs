//! A belt: many things are made on several threads and taken in their order, and none is made long before its turn. So what
//! is under way stays small, however many there are.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

const MOST_THREADS: usize = 4;
/// How many may be made before their turn, for each thread.
const AHEAD: usize = 8;

struct Belt<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The first that nobody makes yet.
    next: usize,
    /// How many were taken.
    taken: usize,
    made: BTreeMap<usize, T>,
    /// Nobody takes any more, or one who makes them has panicked.
    has_ended: bool,
}

/// Makes things by their numbers, `0` to `count`, and hands them over in that order. The first error ends it.
pub fn in_order<T: Send, E>(
    count: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(count);
    if threads < 2 {
        return (0..count).try_for_each(|number| take(make(number)));
    }
    let state = State { next: 0, taken: 0, made: BTreeMap::new(), has_ended: false };
    let belt = Belt { state: Mutex::new(state), changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let end = End(&belt);
                while let Some(number) = belt.next(count, threads * AHEAD) {
                    belt.put(number, make(number));
                }
                // There is nothing left to make: the others go on.
                std::mem::forget(end);
            });
        }
        let _end = End(&belt);
        (0..count).try_for_each(|number| take(belt.take(number)))
    })
}

/// Dropped, it ends the belt.
struct End<'b, T>(&'b Belt<T>);

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_all();
    }
}

impl<T> Belt<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'b>(&self, state: MutexGuard<'b, State<T>>) -> MutexGuard<'b, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next one to make, once its turn is near.
    fn next(&self, count: usize, ahead: usize) -> Option<usize> {
        let mut state = self.lock();
        while !state.has_ended && state.next < count && state.next >= state.taken + ahead {
            state = self.wait(state);
        }
        if state.has_ended || state.next >= count {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    fn put(&self, number: usize, made: T) {
        let mut state = self.lock();
        state.made.insert(number, made);
        // Who takes waits for the first alone.
        if number == state.taken {
            self.changed.notify_all();
        }
    }

    fn take(&self, number: usize) -> T {
        let mut state = self.lock();
        loop {
            if let Some(made) = state.made.remove(&number) {
                state.taken = number + 1;
                self.changed.notify_all();
                return made;
            }
            assert!(!state.has_ended, "who makes them panicked");
            state = self.wait(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{AHEAD, MOST_THREADS, in_order};

    #[test]
    fn all_come_in_their_order_and_none_long_before_its_turn() {
        let (made, mut taken) = (AtomicUsize::new(0), Vec::new());
        let make = |number| {
            made.fetch_add(1, Ordering::Relaxed);
            // Some take longer, so that others overtake them.
            (0..number % 7 * 1000).fold(number, |sum, more| sum ^ std::hint::black_box(more) ^ more)
        };
        let done = in_order(1000, make, |number| {
            taken.push(number);
            let ahead = made.load(Ordering::Relaxed).saturating_sub(taken.len());
            assert!(ahead <= MOST_THREADS * (AHEAD + 1), "{ahead} were made too early");
            Ok::<(), ()>(())
        });
        assert_eq!((done, taken), (Ok(()), (0..1000).collect()));
    }

    #[test]
    fn the_first_error_ends_it() {
        let made = AtomicUsize::new(0);
        let make = |number| {
            made.fetch_add(1, Ordering::Relaxed);
            number
        };
        let done = in_order(1_000_000, make, |number| if number == 5 { Err(number) } else { Ok(()) });
        assert_eq!(done, Err(5));
        assert!(made.into_inner() < 1000);
    }

    #[test]
    fn a_panic_is_passed_on() {
        let run = || in_order(100, |number| assert_ne!(number, 50, "as it should"), |()| Ok::<(), ()>(()));
        assert!(std::panic::catch_unwind(run).is_err());
    }
}

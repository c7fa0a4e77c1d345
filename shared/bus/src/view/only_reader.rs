//! Finds, in builds with debug assertions, a thread that reads a view while it reads it already: with a writer waiting in between,
//! that is a deadlock.

#[cfg(debug_assertions)]
use std::cell::RefCell;

#[cfg(debug_assertions)]
thread_local! {
    /// The locks of the views that this thread is reading.
    static READING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Held as long as a view is read.
pub(super) struct OnlyReader {
    #[cfg(debug_assertions)]
    lock: usize,
}

impl OnlyReader {
    /// The thread begins to read what `lock` protects.
    #[cfg(debug_assertions)]
    pub(super) fn of<T>(lock: &T) -> Self {
        let lock = std::ptr::from_ref(lock).addr();
        READING.with_borrow_mut(|reading| {
            debug_assert!(!reading.contains(&lock), "a view is read by a thread that reads it already");
            reading.push(lock);
        });
        Self { lock }
    }

    /// The thread begins to read what `lock` protects.
    #[cfg(not(debug_assertions))]
    pub(super) fn of<T>(_lock: &T) -> Self {
        Self {}
    }
}

#[cfg(debug_assertions)]
impl Drop for OnlyReader {
    fn drop(&mut self) {
        READING.with_borrow_mut(|reading| {
            if let Some(at) = reading.iter().rposition(|lock| *lock == self.lock) {
                reading.swap_remove(at);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::View;

    #[test]
    fn views_may_be_read_one_after_the_other_and_beside_each_other() {
        let (one, other) = (View::offline(), View::offline());
        drop(one.read());
        let _readers = (one.read(), other.read());
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "reads it already")]
    fn a_view_may_not_be_read_within_a_read() {
        let view = View::offline();
        let _reader = view.read();
        let _again = view.read();
    }
}

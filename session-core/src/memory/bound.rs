//! An upper bound on what is kept.

use std::{
    fmt,
    ops::{Add, Sub},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The space that entries take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) sessions: usize,
    pub(super) bytes: usize,
}

/// The bound on the space of a storage, and the space that is taken.
pub(super) struct Bound {
    pub(super) max: Space,
    // One mutex for both numbers, so that neither is exceeded for a moment or refused in vain. It
    // is held for a few comparisons.
    taken: Mutex<Space>,
}

/// Why a write needs more space than is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Sessions(usize),
    Bytes(usize),
}

impl Bound {
    pub(super) fn new(max: Space, taken: Space) -> Self {
        Self { max, taken: Mutex::new(taken) }
    }

    /// Takes the space of `new` and returns that of `old`, which it replaces.
    ///
    /// Only what grows can be refused: a session that shrinks is written however full it is.
    pub(super) fn replace(&self, old: Space, new: Space) -> Result<(), Full> {
        let mut taken = self.taken();
        let after = *taken - old + new;
        if new.sessions > old.sessions && after.sessions > self.max.sessions {
            return Err(Full::Sessions(self.max.sessions));
        }
        if new.bytes > old.bytes && after.bytes > self.max.bytes {
            return Err(Full::Bytes(self.max.bytes));
        }
        *taken = after;
        Ok(())
    }

    pub(super) fn release(&self, space: Space) {
        let mut taken = self.taken();
        *taken = *taken - space;
    }

    pub(super) fn taken(&self) -> MutexGuard<'_, Space> {
        // Replaced as a whole, so a panic leaves it consistent.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Space {
    pub(super) const NONE: Self = Self { sessions: 0, bytes: 0 };
    pub(super) const UNBOUNDED: Self = Self { sessions: usize::MAX, bytes: usize::MAX };
}

impl Add for Space {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { sessions: self.sessions + other.sessions, bytes: self.bytes + other.bytes }
    }
}

impl Sub for Space {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { sessions: self.sessions - other.sessions, bytes: self.bytes - other.bytes }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sessions(max) => write!(f, "memory storage is full: max_sessions is {max}"),
            Self::Bytes(max) => write!(f, "memory storage is full: max_bytes is {max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(sessions: usize, bytes: usize) -> Space {
        Space { sessions, bytes }
    }

    #[test]
    fn only_growth_beyond_the_bound_is_refused_and_takes_nothing() {
        let bound = Bound::new(space(2, 100), Space::NONE);
        assert_eq!(bound.replace(Space::NONE, space(1, 60)), Ok(()));
        assert_eq!(bound.replace(Space::NONE, space(1, 41)), Err(Full::Bytes(100)));
        assert_eq!(bound.replace(Space::NONE, space(1, 40)), Ok(()));
        assert_eq!(bound.replace(Space::NONE, space(1, 0)), Err(Full::Sessions(2)));
        assert_eq!(bound.replace(space(1, 40), space(1, 41)), Err(Full::Bytes(100)));
        assert_eq!(*bound.taken(), space(2, 100));
        assert_eq!(bound.replace(space(1, 60), space(1, 50)), Ok(()));
        bound.release(space(1, 40));
        assert_eq!(*bound.taken(), space(1, 50));
    }

    #[test]
    fn a_store_beyond_its_bound_still_shrinks() {
        let bound = Bound::new(space(1, 10), space(3, 30));
        assert_eq!(bound.replace(space(1, 10), space(1, 9)), Ok(()));
        assert_eq!(bound.replace(space(1, 9), space(1, 10)), Err(Full::Bytes(10)));
        assert_eq!(bound.replace(space(1, 9), space(0, 9)), Ok(()));
    }
}

//! Threads that go through one pass together: in each phase every member computes its part and publishes it, all
//! wait for each other, then all read all parts.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Turns of waiting before the core is offered to others: some tens of microseconds.
const SPINS: u32 = 1_000;

/// Where members wait for each other. They come back within microseconds, so they spin first.
#[derive(Debug)]
pub(super) struct Barrier {
    members: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

/// A member's place; when it goes by a panic, the others do not wait for it for ever.
pub(super) struct Place<'a>(&'a Barrier);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Barrier {
    pub fn new(members: usize) -> Self {
        Barrier { members, arrived: AtomicUsize::new(0), round: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }

    /// Takes a member's place.
    pub fn place(&self) -> Place<'_> {
        Place(self)
    }

    /// Waits until all members have come.
    ///
    /// # Panics
    /// If another member panicked.
    pub fn wait(&self) {
        if self.members == 1 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut turns = 0;
        while self.round.load(Ordering::Acquire) == round {
            assert!(!self.broken.load(Ordering::Acquire), "another thread of the pass panicked");
            if turns < SPINS {
                turns += 1;
                core::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// What the members publish. Two sets of pages take turns: while a member writes its next page, others may still
/// read its last one; the barrier after each publication keeps them from falling further behind.
#[derive(Debug)]
pub(super) struct Board<T> {
    sets: [Vec<RwLock<T>>; 2],
}

impl<T: Default> Board<T> {
    pub fn new(members: usize) -> Self {
        let pages = || (0..members).map(|_| RwLock::new(T::default())).collect();
        Board { sets: [pages(), pages()] }
    }

    /// Publishes a member's part in publication `turn`; the page's old content comes back for its memory.
    pub fn publish(&self, turn: usize, member: usize, part: T) -> T {
        let mut page = self.sets[turn % 2][member].write().unwrap_or_else(PoisonError::into_inner);
        core::mem::replace(&mut page, part)
    }

    /// All parts of a publication, in the members' order.
    pub fn read(&self, turn: usize) -> Vec<RwLockReadGuard<'_, T>> {
        self.sets[turn % 2].iter().map(|page| page.read().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

//! Threads that go through one pass together: in each phase the members take parts of the work, one after another as
//! each has time, and publish them; all wait for each other, then all read all parts. So a slow core, or one that the system
//! takes away for a while, does less and keeps nobody waiting.

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
    taken: AtomicUsize,
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
        Barrier {
            members,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Takes the next of a phase's `parts`, if one is left. All members ask until none is; the phase ends with
    /// [`Barrier::wait`].
    pub fn take(&self, parts: usize) -> Option<usize> {
        Some(self.taken.fetch_add(1, Ordering::Relaxed)).filter(|part| *part < parts)
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
            self.taken.store(0, Ordering::Relaxed);
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.store(0, Ordering::Relaxed);
            self.taken.store(0, Ordering::Relaxed);
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

/// What the members publish, part by part. Two sets of pages take turns: while a member writes a part of the next
/// publication, others may still read the last one; the barrier after each keeps them from falling further behind.
#[derive(Debug)]
pub(super) struct Board<T> {
    sets: [Vec<RwLock<T>>; 2],
}

impl<T: Default> Board<T> {
    pub fn new(parts: usize) -> Self {
        let pages = || (0..parts).map(|_| RwLock::new(T::default())).collect();
        Board { sets: [pages(), pages()] }
    }

    /// Publishes part `index` of publication `turn`; the page's old content comes back for its memory.
    pub fn publish(&self, turn: usize, index: usize, part: T) -> T {
        let mut page = self.sets[turn % 2][index].write().unwrap_or_else(PoisonError::into_inner);
        core::mem::replace(&mut page, part)
    }

    /// All parts of a publication, in their order.
    pub fn read(&self, turn: usize) -> Vec<RwLockReadGuard<'_, T>> {
        self.sets[turn % 2].iter().map(|page| page.read().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

//! Sorting by one routine for all types.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// For each place which item comes there, by an order of the items' indices; equal items keep their order. The one
/// instance of the standard library's sort.
#[inline(never)]
fn places(len: usize, order: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..len).collect();
    places.sort_by(|one, other| order(*one, *other));
    places
}

/// Sorts by an order of items; equal items keep theirs.
pub fn sort_by<T>(items: &mut [T], mut order: impl FnMut(&T, &T) -> Ordering) {
    let mut from = places(items.len(), &mut |one, other| order(&items[one], &items[other]));
    // Along each cycle of the permutation what belongs to a place is swapped there.
    for start in 0..items.len() {
        let mut at = start;
        while from[at] != start {
            let next = from[at];
            items.swap(at, next);
            from[at] = at;
            at = next;
        }
        from[at] = at;
    }
}

/// Sorts by a key of the items; items with the same key keep their order.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

/// Sorts by the items' own order.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

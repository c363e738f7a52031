//! Filters that were found right, for the case that more keys are watched soon.

use crate::filter::Filter;
use crate::units::Height;
use alloc::collections::BTreeMap;

/// The newest filters, up to a number of bytes.
#[derive(Clone, Debug)]
pub struct Cache {
    filters: BTreeMap<Height, Filter>,
    bytes: usize,
    most_bytes: usize,
}

impl Cache {
    /// An empty one that holds at most so many bytes.
    pub fn new(most_bytes: usize) -> Self {
        Cache { filters: BTreeMap::new(), bytes: 0, most_bytes }
    }

    /// The filter of a block.
    pub fn get(&self, height: Height) -> Option<&Filter> {
        self.filters.get(&height)
    }

    /// Keeps a filter; the lowest go when there are too many.
    pub fn insert(&mut self, height: Height, filter: Filter) {
        self.bytes += filter.as_bytes().len();
        if let Some(old) = self.filters.insert(height, filter) {
            self.bytes -= old.as_bytes().len();
        }
        while self.bytes > self.most_bytes
            && let Some((_, filter)) = self.filters.pop_first()
        {
            self.bytes -= filter.as_bytes().len();
        }
    }

    /// Forgets those of blocks above `common`.
    pub fn disconnect(&mut self, common: Height) {
        let gone = self.filters.split_off(&common.next());
        self.bytes -= gone.values().map(|filter| filter.as_bytes().len()).sum::<usize>();
    }
}

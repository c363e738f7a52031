//! Which queries are attended for together, and where the members find what came out.

use super::kernels::QUERIES;
use crate::model::engine::FedToken;
use alloc::vec;
use alloc::vec::Vec;

/// Queries that look at the same keys and values.
#[derive(Debug)]
pub(super) struct Unit {
    /// The key/value head.
    pub kv: usize,
    /// Token of the block and query head of each.
    pub queries: Vec<(usize, usize)>,
}

/// The same for all layers of a block.
#[derive(Debug)]
pub(super) struct Plan {
    /// Unit i is in part i mod `parts`.
    pub units: Vec<Unit>,
    /// For each token and head: its part, and how many queries of that part come before.
    places: Vec<(usize, usize)>,
    heads: usize,
}

impl Plan {
    pub fn new(tokens: &[FedToken], heads: usize, kv_heads: usize, parts: usize) -> Self {
        let group = heads / kv_heads.max(1);
        // Few queries are spread over all parts, even where two then read the same keys.
        let size = if tokens.len() * kv_heads < 2 * parts { 1 } else { QUERIES };
        let mut units = Vec::new();
        let mut first = 0;
        for run in tokens.chunk_by(|a, b| a.sequence == b.sequence) {
            for kv in 0..kv_heads {
                let of_token = |t| (kv * group..(kv + 1) * group).map(move |h| (t, h));
                let queries: Vec<_> = (first..first + run.len()).flat_map(of_token).collect();
                units.extend(queries.chunks(size).map(|queries| Unit { kv, queries: queries.to_vec() }));
            }
            first += run.len();
        }
        let (mut places, mut before) = (vec![(0, 0); tokens.len() * heads], vec![0; parts]);
        for (unit, part) in units.iter().zip((0..parts).cycle()) {
            for (t, h) in &unit.queries {
                places[t * heads + h] = (part, before[part]);
                before[part] += 1;
            }
        }
        Plan { units, places, heads }
    }

    /// Where a token's heads are, in their order.
    pub fn places(&self, token: usize) -> &[(usize, usize)] {
        &self.places[token * self.heads..(token + 1) * self.heads]
    }
}

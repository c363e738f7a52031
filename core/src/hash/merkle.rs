//! Merkle trees with tagged leaves and inner nodes whose root commits to the number of leaves
//! (`docs/protocol.md`, "Merkle trees").
//!
//! A leaf cannot be passed off as an inner node, and no two lists of leaves share a root: Bitcoin's
//! duplicated last leaf (CVE-2012-2459) cannot happen. A node without a right sibling moves up unchanged.

use super::{Hash32, tagged_hash};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use alloc::vec::Vec;

const MAX_DEPTH: usize = 64;

/// Why a branch does not prove its leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MerkleError {
    /// The index lies outside the tree.
    #[error("leaf index {index} is not below the number of leaves, {count}")]
    IndexOutOfRange {
        /// The leaf's index.
        index: u64,
        /// How many leaves the tree has.
        count: u64,
    },
    /// The branch has too few or too many siblings for a tree of that size.
    #[error("branch has {found} siblings, expected {expected}")]
    WrongLength {
        /// Siblings a tree of this size asks for.
        expected: usize,
        /// Siblings in the branch.
        found: usize,
    },
    /// The branch leads to another root.
    #[error("branch leads to root {found}, expected {expected}")]
    WrongRoot {
        /// The root asked for.
        expected: Hash32,
        /// The root that the branch leads to.
        found: Hash32,
    },
}

fn leaf(data: &[u8]) -> Hash32 {
    tagged_hash("camelid/merkle/leaf", &[data])
}

fn inner(left: &Hash32, right: &Hash32) -> Hash32 {
    tagged_hash("camelid/merkle/inner", &[&left.0, &right.0])
}

fn seal(count: u64, top: &Hash32) -> Hash32 {
    tagged_hash("camelid/merkle/root", &[&count.to_le_bytes(), &top.0])
}

/// The root over `leaves`. An empty list has a root too.
pub fn merkle_root<T: AsRef<[u8]>>(leaves: impl IntoIterator<Item = T>) -> Hash32 {
    let mut hasher = MerkleHasher::default();
    for l in leaves {
        hasher.push(l.as_ref());
    }
    hasher.root()
}

/// Collects leaves, then gives their root and branches.
#[derive(Clone, Debug, Default)]
pub struct MerkleHasher {
    leaves: Vec<Hash32>,
}

impl MerkleHasher {
    /// Adds the next leaf.
    pub fn push(&mut self, data: &[u8]) {
        self.leaves.push(leaf(data));
    }

    /// Number of leaves so far.
    pub fn count(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash32 {
        let mut level = self.leaves.clone();
        while level.len() > 1 {
            level = next_level(&level);
        }
        seal(self.count(), &level.first().copied().unwrap_or(Hash32::ZERO))
    }

    /// The branch of the leaf at `index`, or `None` outside the tree.
    pub fn branch(&self, index: u64) -> Option<Branch> {
        if index >= self.count() {
            return None;
        }
        let mut siblings = Vec::new();
        let (mut at, mut level) = (index as usize, self.leaves.clone());
        while level.len() > 1 {
            siblings.extend(level.get(at ^ 1));
            level = next_level(&level);
            at /= 2;
        }
        Some(Branch { index, count: self.count(), siblings })
    }

    /// The tree, for who needs many branches.
    pub fn into_tree(self) -> MerkleTree {
        let mut levels = alloc::vec![self.leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let next = next_level(level);
            levels.push(next);
        }
        MerkleTree { levels }
    }
}

/// A whole tree: gives any branch without hashing anything again, for at most 64 bytes a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerkleTree {
    /// From the leaves up to the top node.
    levels: Vec<Vec<Hash32>>,
}

impl MerkleTree {
    /// Number of leaves.
    pub fn count(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash32 {
        let top = self.levels.last().and_then(|top| top.first());
        seal(self.count(), &top.copied().unwrap_or(Hash32::ZERO))
    }

    /// The branch of the leaf at `index`, or `None` outside the tree.
    pub fn branch(&self, index: u64) -> Option<Branch> {
        if index >= self.count() {
            return None;
        }
        let mut at = index as usize;
        let mut siblings = Vec::new();
        for level in &self.levels {
            siblings.extend(level.get(at ^ 1));
            at /= 2;
        }
        Some(Branch { index, count: self.count(), siblings })
    }
}

fn next_level(level: &[Hash32]) -> Vec<Hash32> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [l, r] => inner(l, r),
            rest => rest[0],
        })
        .collect()
}

/// The proof that a leaf stands at an index of a tree: the siblings on its way to the root, from below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The leaf's index.
    pub index: u64,
    /// How many leaves the tree has.
    pub count: u64,
    /// Siblings from the leaf up.
    pub siblings: Vec<Hash32>,
}

impl Branch {
    /// Fails unless `data` is the leaf at `self.index` of the tree with this root.
    pub fn verify(&self, data: &[u8], root: &Hash32) -> Result<(), MerkleError> {
        if self.index >= self.count {
            return Err(MerkleError::IndexOutOfRange { index: self.index, count: self.count });
        }
        let expected = expected_siblings(self.index, self.count);
        if self.siblings.len() != expected {
            return Err(MerkleError::WrongLength { expected, found: self.siblings.len() });
        }
        let (mut at, mut width, mut node) = (self.index, self.count, leaf(data));
        let mut siblings = self.siblings.iter();
        while width > 1 {
            if at ^ 1 < width {
                // The count was checked above.
                let Some(sibling) = siblings.next() else { break };
                node = if at & 1 == 0 { inner(&node, sibling) } else { inner(sibling, &node) };
            }
            at /= 2;
            width = width.div_ceil(2);
        }
        let found = seal(self.count, &node);
        if found == *root { Ok(()) } else { Err(MerkleError::WrongRoot { expected: *root, found }) }
    }
}

fn expected_siblings(mut at: u64, mut width: u64) -> usize {
    let mut n = 0;
    while width > 1 {
        n += usize::from(at ^ 1 < width);
        at /= 2;
        width = width.div_ceil(2);
    }
    n
}

impl Encode for Branch {
    fn encode(&self, out: &mut Vec<u8>) {
        self.index.encode(out);
        self.count.encode(out);
        put_vec(&self.siblings, out);
    }
}

impl Decode for Branch {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Branch { index: u64::decode(r)?, count: u64::decode(r)?, siblings: r.vec("Merkle branch", MAX_DEPTH)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(n: u64) -> MerkleHasher {
        let mut t = MerkleHasher::default();
        for i in 0..n {
            t.push(&i.to_le_bytes());
        }
        t
    }

    #[test]
    fn a_repeated_last_leaf_changes_the_root() {
        assert_ne!(merkle_root([[1], [2], [3]]), merkle_root([[1], [2], [3], [3]]));
        assert_ne!(merkle_root::<[u8; 0]>([]), merkle_root([[]] as [[u8; 0]; 1]));
        let nothing = tree(0).into_tree();
        assert_eq!((nothing.root(), nothing.branch(0)), (tree(0).root(), None));
    }

    proptest! {
        #[test]
        fn every_branch_proves_its_leaf_and_no_other(n in 1u64..70, pick: u64, wrong: u64) {
            let t = tree(n);
            let (i, root) = (pick % n, t.root());
            let b = t.branch(i).unwrap();
            let whole = t.clone().into_tree();
            prop_assert_eq!((whole.count(), whole.root(), whole.branch(i)), (n, root, Some(b.clone())));
            prop_assert_eq!(whole.branch(n), None);
            prop_assert_eq!(b.verify(&i.to_le_bytes(), &root), Ok(()));
            prop_assert_eq!(Branch::from_bytes(&b.to_bytes()), Ok(b.clone()));
            prop_assert!(b.verify(&(i + 1).to_le_bytes(), &root).is_err());
            let other = Branch { index: wrong % n, ..b.clone() };
            prop_assert_eq!(other.verify(&i.to_le_bytes(), &root).is_ok(), wrong % n == i);
            let short = Branch { count: n + 1, ..b };
            prop_assert!(short.verify(&i.to_le_bytes(), &root).is_err());
        }
    }
}

//! Pieces with ranks: neighbours merge into the piece with the best rank, leftmost first, until none merge.

use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes, put_vec};
use crate::encode_struct;
use crate::model::package::PackageError;
use crate::units::TokenId;
use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

const MAX_PIECE: usize = 1024;

/// One token of the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text {
        /// The higher, the sooner it is merged.
        rank: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// One byte, for what no piece covers.
    Byte(u8),
    /// A token without text, with its name.
    Control(Vec<u8>),
}

impl Encode for Piece {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Piece::Text { rank, bytes } => {
                out.push(0);
                rank.encode(out);
                put_bytes(bytes, out);
            }
            Piece::Byte(byte) => out.extend_from_slice(&[1, *byte]),
            Piece::Control(name) => {
                out.push(2);
                put_bytes(name, out);
            }
        }
    }
}

impl Decode for Piece {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(r)? {
            0 => Ok(Piece::Text { rank: u32::decode(r)?, bytes: r.bytes("piece", MAX_PIECE)?.to_vec() }),
            1 => Ok(Piece::Byte(u8::decode(r)?)),
            2 => Ok(Piece::Control(r.bytes("control token's name", MAX_PIECE)?.to_vec())),
            other => Err(DecodeError::InvalidValue { what: "piece kind", value: other as u64 }),
        }
    }
}

/// The pieces of a vocabulary, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoredSpec {
    /// Whether a text gets a space put before it.
    pub prefix_space: bool,
    /// One piece an id.
    pub pieces: Pieces,
}
encode_struct!(ScoredSpec { prefix_space, pieces });

/// A list of pieces, at most 2^20.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces(pub Vec<Piece>);

impl Encode for Pieces {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vec(&self.0, out);
    }
}

impl Decode for Pieces {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.vec("pieces", 1 << 20).map(Pieces)
    }
}

impl ScoredSpec {
    pub(super) fn check(&self, vocabulary: u32) -> Result<(), PackageError> {
        let pieces = &self.pieces.0;
        if pieces.len() != vocabulary as usize {
            return Err(PackageError::Tokenizer("expected one piece for each id of the vocabulary"));
        }
        let mut seen = [0u32; 256];
        for piece in pieces {
            match piece {
                Piece::Byte(b) => seen[*b as usize] += 1,
                Piece::Text { bytes, .. } if bytes.is_empty() => {
                    return Err(PackageError::Tokenizer("expected no empty piece"));
                }
                _ => {}
            }
        }
        if seen != [1; 256] {
            return Err(PackageError::Tokenizer("expected each of the 256 byte pieces exactly once"));
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Scored {
    prefix_space: bool,
    pieces: Vec<Vec<u8>>,
    by_text: BTreeMap<Vec<u8>, (u32, u32)>,
    bytes: Vec<u32>,
}

impl Scored {
    pub(super) fn new(spec: &ScoredSpec) -> Scored {
        let mut by_text = BTreeMap::new();
        let mut bytes = vec![0; 256];
        let mut pieces = Vec::with_capacity(spec.pieces.0.len());
        for (id, piece) in spec.pieces.0.iter().enumerate() {
            pieces.push(match piece {
                Piece::Text { rank, bytes } => {
                    // Of equal texts the lowest id counts.
                    by_text.entry(bytes.clone()).or_insert((*rank, id as u32));
                    bytes.clone()
                }
                Piece::Byte(b) => {
                    bytes[*b as usize] = id as u32;
                    vec![*b]
                }
                Piece::Control(_) => Vec::new(),
            });
        }
        Scored { prefix_space: spec.prefix_space, pieces, by_text, bytes }
    }

    pub(super) fn prefix_space(&self) -> bool {
        self.prefix_space
    }

    pub(super) fn piece(&self, id: TokenId) -> &[u8] {
        self.pieces.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn encode(&self, text: &str) -> Vec<TokenId> {
        if text.is_empty() {
            return Vec::new();
        }
        let mut parts = Parts { ids: Vec::with_capacity(text.len() + 1), next: Vec::new(), previous: Vec::new() };
        let space = if self.prefix_space { " " } else { "" };
        for c in space.chars().chain(text.chars()) {
            let mut buffer = [0; 4];
            let utf8 = c.encode_utf8(&mut buffer).as_bytes();
            match self.by_text.get(utf8) {
                Some((_, id)) => parts.ids.push(Some(*id)),
                None => parts.ids.extend(utf8.iter().map(|b| self.bytes.get(*b as usize).copied())),
            }
        }
        self.merge(&mut parts);
        parts.ids.into_iter().flatten().map(TokenId).collect()
    }

    /// Merges best rank first, leftmost first. A heap of candidates, each checked again when it comes up, since
    /// its parts may have been merged in the meantime.
    fn merge(&self, parts: &mut Parts) {
        let n = parts.ids.len();
        parts.next = (1..=n).collect();
        parts.previous = (0..n).map(|i| i.wrapping_sub(1)).collect();
        let mut heap: BinaryHeap<(u32, Reverse<usize>, u32, u32, u32)> = BinaryHeap::new();
        let push = |heap: &mut BinaryHeap<_>, parts: &Parts, left: usize| {
            if let Some((a, b)) = parts.pair(left)
                && let Some((rank, id)) = self.joined(a, b)
            {
                heap.push((rank, Reverse(left), id, a, b));
            }
        };
        for left in 0..n {
            push(&mut heap, parts, left);
        }
        while let Some((_, Reverse(left), id, a, b)) = heap.pop() {
            if parts.pair(left) == Some((a, b)) {
                parts.join(left, id);
                push(&mut heap, parts, left);
                let before = parts.previous[left];
                push(&mut heap, parts, before);
            }
        }
    }

    fn joined(&self, a: u32, b: u32) -> Option<(u32, u32)> {
        let (a, b) = (self.piece(TokenId(a)), self.piece(TokenId(b)));
        self.by_text.get([a, b].concat().as_slice()).copied()
    }
}

/// A text as a linked list of tokens; a merged right part is `None`.
struct Parts {
    ids: Vec<Option<u32>>,
    next: Vec<usize>,
    previous: Vec<usize>,
}

impl Parts {
    fn pair(&self, left: usize) -> Option<(u32, u32)> {
        let a = (*self.ids.get(left)?)?;
        let b = (*self.ids.get(*self.next.get(left)?)?)?;
        Some((a, b))
    }

    fn join(&mut self, left: usize, id: u32) {
        let right = self.next[left];
        self.ids[left] = Some(id);
        self.ids[right] = None;
        let after = self.next[right];
        self.next[left] = after;
        if let Some(p) = self.previous.get_mut(after) {
            *p = left;
        }
    }
}

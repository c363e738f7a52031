//! A training run on disk: what it trains, its weights and moments, its course so far. Written whole or not at all.

use super::optimiser::Moments;
use super::run::{Course, Plan};
use super::{TrainError, write_whole};
use camelid_core::hash::tagged_hash;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the file starts.
const MAGIC: &[u8; 16] = b"camelid-train-1\n";
/// A SHA-256 ends it.
const HASH: usize = 32;

/// A run after some steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What it trains, from what and how.
    pub plan: Plan,
    /// How it went.
    pub course: Course,
    /// Weights.
    pub weights: Vec<f32>,
    /// The optimiser's moments.
    pub moments: Moments,
}

#[derive(Serialize, Deserialize)]
struct Head {
    plan: Plan,
    course: Course,
}

impl Checkpoint {
    /// Writes it: a file that is there is replaced at once, or stays.
    pub fn write(&self, file: &Path) -> Result<(), TrainError> {
        let head = Head { plan: self.plan.clone(), course: self.course.clone() };
        // Plain data: always JSON.
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend((head.len() as u64).to_le_bytes());
        bytes.extend(head);
        for values in [&self.weights, &self.moments.first, &self.moments.second] {
            bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        }
        let hash = tagged_hash("camelid/checkpoint", &[&bytes]);
        bytes.extend(hash.0);
        write_whole(file, &bytes)
    }

    /// Reads it.
    pub fn read(file: &Path) -> Result<Self, TrainError> {
        let bytes = std::fs::read(file).map_err(TrainError::io(file))?;
        let bad = |reason: String| TrainError::Checkpoint { file: file.into(), reason };
        let cut = || {
            bad(format!(
                "it is damaged or cut short at {} bytes; take an older copy, or begin anew with another --out",
                bytes.len()
            ))
        };
        let rest =
            bytes.strip_prefix(MAGIC).ok_or_else(|| bad("it is no checkpoint of this program's version".into()))?;
        let content = bytes.len().checked_sub(HASH).filter(|n| *n >= MAGIC.len()).ok_or_else(cut)?;
        if tagged_hash("camelid/checkpoint", &[&bytes[..content]]).0 != bytes[content..] {
            return Err(cut());
        }
        let rest = &rest[..content - MAGIC.len()];
        let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
        let (head, numbers) = rest.split_at_checked(length).ok_or_else(cut)?;
        let head: Head = serde_json::from_slice(head).map_err(|e| bad(format!("{e}; another version wrote it")))?;
        head.plan.shape.check()?;
        let n = head.plan.shape.parameters();
        let numbers = numbers.as_chunks::<4>().0;
        if numbers.len() != 3 * n {
            return Err(bad(format!("{} numbers, {} expected for its shape; it is damaged", numbers.len(), 3 * n)));
        }
        let mut parts = numbers.chunks(n).map(|part| part.iter().map(|b| f32::from_le_bytes(*b)).collect());
        let mut next = || parts.next().unwrap_or_default();
        let (weights, first, second) = (next(), next(), next());
        Ok(Checkpoint { plan: head.plan, course: head.course, weights, moments: Moments { first, second } })
    }
}

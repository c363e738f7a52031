//! Whose fault a refused block is.

use crate::chain::{ChainError, HeaderError};

/// How a block came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It was asked for, by a header that was good.
    Asked,
    /// Somebody announced it.
    Unasked,
}

impl Given {
    /// Whether a block that is refused so is the fault of whoever gave it.
    pub fn is_fault<E>(self, error: &ChainError<E>) -> bool {
        match error {
            ChainError::Store(_) | ChainError::Damaged { .. } | ChainError::WrongGenesis { .. } => false,
            // A clock is ahead of ours, or it was cut off for long.
            ChainError::Header { error: HeaderError::TimeTooNew { .. }, .. } | ChainError::ForkTooDeep { .. } => false,
            // A block before it was refused: who gave this one gave what it was asked for.
            ChainError::KnownInvalid { .. } => self == Given::Unasked,
            _ => true,
        }
    }
}

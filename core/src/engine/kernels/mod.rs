//! The kernels, one file an operation. Integers of 32 bits alone, no floats: `docs/arithmetic.md` names every rounding.
//!
//! The macro that makes a kernel of a function also makes a module and types beside it that nobody documents.
#![allow(missing_docs, clippy::too_many_arguments)]

pub mod attention;
pub mod copy;
pub mod finish;
pub mod linear;
pub mod norm;
mod words;

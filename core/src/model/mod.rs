//! The model: its package, its tokenizer, the integer arithmetic, sampling, and the engines' trait.
//!
//! From token ids to token id there is no float. Sums of integers do not depend on their order and
//! rounding happens only at named points, so every engine, tiling, batch and thread count gives the same
//! bits. `docs/arithmetic.md` specifies every operation; [`reference`] is that specification in code.
//!
//! Floats exist in [`import`](self::import) and [`eval`](self::eval) alone (feature `import`): importing
//! happens once, and its result is fixed by the package's root.

pub mod arithmetic;
#[cfg(feature = "tokenizers")]
pub mod chat;
#[cfg(feature = "cpu")]
pub mod cpu;
pub(crate) mod engine;
mod generate;
mod limits;
pub mod package;
pub mod reference;
pub mod sampling;
pub mod tokenizer;

#[cfg(feature = "import")]
pub mod eval;
#[cfg(feature = "import")]
pub mod import;

#[cfg(all(test, feature = "import"))]
pub(crate) mod tests;

#[cfg(feature = "cpu")]
pub use cpu::Cpu;
pub use engine::{Engine, EngineError, Feed, Logits, SequenceId, Want};
pub use generate::{EndReason, GenerateError, Generation, Generator, generate};
pub use limits::{JobLimitError, valid_job, valid_prompt};
pub use package::{CHUNK_LEN, Manifest, ModelInfo, Package, PackageError, model_root, valid_model};
pub use reference::Reference;
pub use sampling::{Sampling, SamplingError, sample};
pub use tokenizer::{Tokenizer, TokenizerError};

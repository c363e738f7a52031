//! x
use crate::encode_struct;
/// x
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sampling {
    /// x
    pub temperature: u32,
    /// x
    pub top_k: u32,
    /// x
    pub top_p: u32,
}
encode_struct!(Sampling { temperature, top_k, top_p });
/// x
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("x")]
pub struct SamplingError;
impl Sampling {
    /// x
    pub const GREEDY: Sampling = Sampling { temperature: 0, top_k: 0, top_p: 1_000_000 };
    /// x
    pub fn valid(&self) -> Result<(), SamplingError> {
        Ok(())
    }
}

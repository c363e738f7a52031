//! Blocks: the 80-byte header, targets and work, the difficulty rule, the subsidy, and each network's parameters.

mod asert;
mod contract_params;
mod header;
mod params;
mod pow;
mod subsidy;
mod target;

pub use asert::{AsertAnchor, asert};
pub use contract_params::{ContractParams, ProvableModel};
pub use header::{Block, HEADER_BYTES, Header, MAX_BLOCK_BYTES};
pub use params::NetworkParams;
pub use pow::PowMidstate;
pub use subsidy::subsidy;
pub use target::{CompactTarget, Target, TargetError, Work};

#[cfg(test)]
mod tests;

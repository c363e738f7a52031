//! Which engine runs a model. All engines give the same bits; this is the one place where one is chosen and opened.

#[cfg(feature = "wgpu")]
mod graphics;

use crate::compute::{Memory, MemoryUnit};
use camelid_core::model::cpu::Kernel;
use camelid_core::model::{Cpu, Engine, EngineError, Package, Reference};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What runs the models: `auto`, `cpu`, `reference`, or `wgpu` with an adapter and its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineChoice {
    /// The fastest that this machine has.
    #[default]
    Auto,
    /// The processor's vector instructions.
    Cpu,
    /// The specification in code: slow, for comparison.
    Reference,
    /// A graphics processor.
    Wgpu {
        /// Its number or a part of its name; empty for the first.
        adapter: String,
        /// Memory to use there; the layers that do not fit run on the processor.
        memory: Option<Memory>,
    },
}

/// Why there is no such engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineNameError {
    /// None has this name.
    #[error("`{0}` is no engine: expected auto, cpu, reference, or wgpu[:ADAPTER][,memory=SIZE]")]
    Unknown(String),
    /// Its memory is no size.
    #[error("engine `{0}`: {1}")]
    Memory(String, MemoryUnit),
    /// It is not in this program.
    #[error(
        "this camelid is built without the engine `wgpu`: build it with scripts/build.sh, or cargo build -p camelid-node --features wgpu"
    )]
    NotBuilt,
}

impl FromStr for EngineChoice {
    type Err = EngineNameError;

    fn from_str(text: &str) -> Result<Self, EngineNameError> {
        let (name, memory) = match text.split_once(",memory=") {
            Some((name, size)) => {
                (name, Some(size.parse().map_err(|unit| EngineNameError::Memory(text.into(), unit))?))
            }
            None => (text, None),
        };
        let (kind, adapter) = name.split_once(':').unwrap_or((name, ""));
        match (kind, name == kind && memory.is_none()) {
            ("auto", true) => Ok(EngineChoice::Auto),
            ("cpu", true) => Ok(EngineChoice::Cpu),
            ("reference", true) => Ok(EngineChoice::Reference),
            ("wgpu", _) if cfg!(feature = "wgpu") => Ok(EngineChoice::Wgpu { adapter: adapter.into(), memory }),
            ("wgpu", _) => Err(EngineNameError::NotBuilt),
            _ => Err(EngineNameError::Unknown(text.into())),
        }
    }
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineChoice::Auto => f.write_str("auto"),
            EngineChoice::Cpu => f.write_str("cpu"),
            EngineChoice::Reference => f.write_str("reference"),
            EngineChoice::Wgpu { adapter, memory } => {
                let colon = if adapter.is_empty() { "" } else { ":" };
                write!(f, "wgpu{colon}{adapter}")?;
                memory.map_or(Ok(()), |memory| write!(f, ",memory={memory}"))
            }
        }
    }
}

/// How the CPU engine is to run; `None` for what is fastest.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuOptions {
    /// Its kernel.
    pub kernel: Option<Kernel>,
    /// Its threads.
    pub threads: Option<usize>,
}

impl CpuOptions {
    fn open(self, package: Arc<Package>) -> Cpu {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Cpu::with(package, self.kernel.unwrap_or_else(Kernel::best), self.threads.unwrap_or(cores))
    }
}

impl EngineChoice {
    /// An engine of this kind for a model.
    pub fn open(&self, package: Arc<Package>, cpu: CpuOptions) -> Result<Box<dyn Engine>, EngineError> {
        match self {
            #[cfg(feature = "wgpu")]
            EngineChoice::Auto => Ok(graphics::fastest(&package, cpu)),
            #[cfg(feature = "wgpu")]
            EngineChoice::Wgpu { adapter, memory } => graphics::open(&package, cpu, adapter, memory.map(|m| m.0)),
            EngineChoice::Reference => Ok(Box::new(Reference::new(package))),
            _ => Ok(Box::new(cpu.open(package))),
        }
    }

    /// Whether the engine can be had at all: an adapter that is not there is told before any model is loaded.
    pub fn check(&self) -> Result<(), EngineError> {
        match self {
            #[cfg(feature = "wgpu")]
            EngineChoice::Wgpu { adapter, .. } => graphics::check(adapter),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_reads_back() {
        let graphics = |adapter: &str, memory| EngineChoice::Wgpu { adapter: adapter.into(), memory };
        let mut choices = vec![EngineChoice::Auto, EngineChoice::Cpu, EngineChoice::Reference];
        if cfg!(feature = "wgpu") {
            let memory = Some(Memory(2_000_000_000));
            choices.extend([graphics("", None), graphics("llvmpipe (LLVM 15)", None), graphics("0", memory)]);
        } else {
            assert_eq!("wgpu:0".parse::<EngineChoice>(), Err(EngineNameError::NotBuilt));
        }
        for choice in choices {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for name in ["abacus", "cpu:1", "auto,memory=1GB"] {
            let error = name.parse::<EngineChoice>().unwrap_err();
            let expected = "is no engine: expected auto, cpu, reference, or wgpu[:ADAPTER][,memory=SIZE]";
            assert_eq!(error.to_string(), format!("`{name}` {expected}"));
        }
        assert!("wgpu,memory=3".parse::<EngineChoice>().is_err());
    }
}

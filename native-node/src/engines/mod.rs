//! Which engine runs a model. All engines give the same bits; this is the one place where one is chosen and opened.

use camelid_core::model::cpu::Kernel;
use camelid_core::model::{Cpu, Engine, EngineError, Package, Reference};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What runs the models: `auto`, `cpu` or `reference`.
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
}

/// Why there is no such engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no engine: expected auto, cpu or reference")]
pub struct UnknownEngine(pub String);

impl FromStr for EngineChoice {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        match text {
            "auto" => Ok(EngineChoice::Auto),
            "cpu" => Ok(EngineChoice::Cpu),
            "reference" => Ok(EngineChoice::Reference),
            _ => Err(UnknownEngine(text.into())),
        }
    }
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineChoice::Auto => "auto",
            EngineChoice::Cpu => "cpu",
            EngineChoice::Reference => "reference",
        })
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
            EngineChoice::Auto | EngineChoice::Cpu => Ok(Box::new(cpu.open(package))),
            EngineChoice::Reference => Ok(Box::new(Reference::new(package))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_reads_back() {
        for choice in [EngineChoice::Auto, EngineChoice::Cpu, EngineChoice::Reference] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "abacus".parse::<EngineChoice>().unwrap_err();
        assert_eq!(error.to_string(), "`abacus` is no engine: expected auto, cpu or reference");
    }
}

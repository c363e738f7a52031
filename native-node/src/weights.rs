//! Memory for weights. A pass reads all of them from end to end, so they lie in large pages where the system has some:
//! a processor looks up far fewer addresses, and asks memory ahead across what would be a small page's end.

use memmap2::MmapMut;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a package, read only.
#[derive(Debug)]
pub struct Weights {
    memory: MmapMut,
    length: usize,
}

impl AsRef<[u8]> for Weights {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or(&[])
    }
}

impl Weights {
    /// Reads a file.
    pub fn read(file: &Path) -> io::Result<Weights> {
        let mut file = File::open(file)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut memory = memory(length)?;
        file.read_exact(memory.get_mut(..length).unwrap_or(&mut []))?;
        Ok(Weights { memory, length })
    }

    /// The same byte so many times, as what is read where memory is measured.
    pub fn filled(length: usize, byte: u8) -> io::Result<Weights> {
        let mut memory = memory(length)?;
        memory.get_mut(..length).unwrap_or(&mut []).fill(byte);
        Ok(Weights { memory, length })
    }

    /// Copies bytes.
    pub fn copy(bytes: &[u8]) -> io::Result<Weights> {
        let (mut memory, length) = (memory(bytes.len())?, bytes.len());
        memory.get_mut(..length).unwrap_or(&mut []).copy_from_slice(bytes);
        Ok(Weights { memory, length })
    }
}

fn memory(length: usize) -> io::Result<MmapMut> {
    // Nothing cannot be mapped.
    let memory = MmapMut::map_anon(length.max(1))?;
    #[cfg(target_os = "linux")]
    if let Err(error) = memory.advise(memmap2::Advice::HugePage) {
        tracing::debug!(%error, "no large pages: weights lie in small ones");
    }
    Ok(memory)
}

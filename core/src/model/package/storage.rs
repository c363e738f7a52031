//! Where packages and what they are made from lie: bytes that can be read and written anywhere. A model of many
//! gigabytes goes through in pieces.

use alloc::string::String;
use alloc::vec::Vec;

/// The storage refused: the system's reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageError(pub String);

/// Bytes that can be read anywhere: a file, a vector.
pub trait ReadAt {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// Fills `out` with the bytes from `offset` on; fails where they end before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError>;
}

/// Bytes that can be written anywhere as well.
pub trait WriteAt: ReadAt {
    /// Makes the length `length`; bytes that were not there are zero.
    fn resize(&mut self, length: u64) -> Result<(), StorageError>;

    /// Writes bytes from `offset` on, within the length.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;
}

fn outside(offset: u64, length: usize, there: usize) -> StorageError {
    StorageError(alloc::format!("{length} bytes at {offset} asked for, {there} there"))
}

impl ReadAt for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.get(start..start.saturating_add(out.len())) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(outside(offset, out.len(), self.len())),
        }
    }
}

impl ReadAt for Vec<u8> {
    fn length(&self) -> u64 {
        self.as_slice().length()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        self.as_slice().read_at(offset, out)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn length(&self) -> u64 {
        (**self).length()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        (**self).read_at(offset, out)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for alloc::boxed::Box<T> {
    fn length(&self) -> u64 {
        (**self).length()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        (**self).read_at(offset, out)
    }
}

impl WriteAt for Vec<u8> {
    fn resize(&mut self, length: u64) -> Result<(), StorageError> {
        let refused = || StorageError(alloc::format!("{length} bytes do not fit this machine's memory"));
        let length = usize::try_from(length).map_err(|_| refused())?;
        self.try_reserve_exact(length.saturating_sub(self.len())).map_err(|_| refused())?;
        self.resize(length, 0);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let (start, there) = (usize::try_from(offset).unwrap_or(usize::MAX), self.len());
        match self.get_mut(start..start.saturating_add(bytes.len())) {
            Some(target) => {
                target.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(outside(offset, bytes.len(), there)),
        }
    }
}

//! Files as core reads and writes them: anywhere, some bytes at a time.

use camelid_core::model::import::Directory;
use camelid_core::model::package::{ReadAt, StorageError, WriteAt};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

fn storage(error: io::Error) -> StorageError {
    StorageError(error.to_string())
}

fn read_at(mut file: &File, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
    file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(out)).map_err(storage)
}

/// A file of a model, read only.
#[derive(Debug)]
pub struct ModelFile {
    file: File,
    length: u64,
}

impl ModelFile {
    /// Opens a file; a folder is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(ErrorKind::IsADirectory));
        }
        Ok(ModelFile { file, length: metadata.len() })
    }
}

impl ReadAt for ModelFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        read_at(&self.file, offset, out)
    }
}

/// A folder of a model's files.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Directory for Folder {
    fn open(&self, name: &str) -> Result<Option<Box<dyn ReadAt>>, StorageError> {
        match ModelFile::open(&self.0.join(name)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage(error)),
        }
    }
}

/// A package that is being written, beside where it belongs: it gets its name when it is whole, and is gone when it is
/// dropped before.
#[derive(Debug)]
pub struct NewPackage {
    file: NamedTempFile,
    length: u64,
}

impl NewPackage {
    /// An empty file beside `target`.
    pub fn beside(target: &Path) -> io::Result<Self> {
        let folder = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".camelid-").suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file: a temporary one is its owner's alone.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        Ok(NewPackage { file: builder.tempfile_in(folder)?, length: 0 })
    }

    /// Gives it its name, once all of it is on the disk.
    pub fn keep(self, target: &Path) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(target).map_err(|e| e.error)?;
        Ok(())
    }
}

impl ReadAt for NewPackage {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        read_at(self.file.as_file(), offset, out)
    }
}

impl WriteAt for NewPackage {
    fn resize(&mut self, length: u64) -> Result<(), StorageError> {
        self.file.as_file().set_len(length).map_err(storage)?;
        self.length = length;
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let file = self.file.as_file_mut();
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes)).map_err(storage)
    }
}

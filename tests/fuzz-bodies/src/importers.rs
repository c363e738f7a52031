//! Importers: GGUF files, Hugging Face directories, llama2.c checkpoints. Errors are one line and name the file and the field;
//! memory follows the files; what is imported is a valid package and can be computed with.

use crate::files::{about, parts, readable, unpack};
use crate::memory::{Allowance, within};
use crate::packages::computes;
use camelid_core::model::import::gguf::Gguf;
use camelid_core::model::import::{Directory, ImportError, Source, build_into, huggingface, llama2c};
use camelid_core::model::package::{ReadAt, StorageError, WriteAt};
use camelid_core::model::tokenizer::TokenizerSpec;
use camelid_core::model::{Package, valid_model};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What an import may take: a tokenizer's tables have a place for each of at most 2^20 ids, whatever the file's length.
const IMPORTING: Allowance = Allowance { base: 16 << 20, factor: 128 };
/// The most bytes of a package that is written: the disk is full then. Keeps computing short.
const ROOM: u64 = 192 << 10;

/// The target.
pub fn run(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind % 3 {
        0 => {
            let import = || {
                let model = Gguf::open("m.gguf", Box::new(rest.to_vec()), &about())?;
                package(&model, model.tokenizer())
            };
            finish(rest.len(), import, &["m.gguf"]);
        }
        1 => {
            let files = Files(unpack(rest));
            let import = || {
                let source = huggingface::source(&files, &about())?;
                package(&*source, &huggingface::tokenizer_of(&files, source.shape().vocabulary)?)
            };
            finish(rest.len(), import, &crate::NAMES);
        }
        _ => {
            let parts = parts(rest);
            let part = |i: usize| parts.get(i).map_or(&[][..], |p| p.1);
            let import = || {
                let source = llama2c::Checkpoint::new(part(0), "fuzzed", "CC0-1.0")?;
                package(&source, &llama2c::read_tokenizer(part(1), source.shape().vocabulary)?)
            };
            finish(rest.len(), import, &["checkpoint", "tokenizer"]);
        }
    }
}

/// A directory that opens its own files and no others.
struct Files(BTreeMap<String, Vec<u8>>);

impl Directory for Files {
    fn open(&self, name: &str) -> Result<Option<Box<dyn ReadAt>>, StorageError> {
        assert!(!name.is_empty() && !name.contains(['/', '\\', '\0']) && !name.starts_with('.'), "{name:?} leads out");
        self.0.open(name)
    }
}

fn finish(length: usize, import: impl FnOnce() -> Result<Vec<u8>, ImportError>, names: &[&str]) {
    match within(IMPORTING, length, import) {
        Err(error) => readable(&error, names),
        Ok(bytes) => {
            let root = valid_model(&bytes).expect("what was written was checked");
            let package = Package::parse(bytes).expect("a valid model");
            assert_eq!(package.root(), root);
            let package = Arc::new(package);
            computes(&package, &[0, 1, 2]);
            if package.tokenizer().usable().is_ok() {
                let ids = package.tokenizer().prompt("a b").unwrap_or_default();
                assert!(ids.iter().all(|id| id.0 < package.manifest().vocabulary));
            }
        }
    }
}

fn package(source: &dyn Source, tokenizer: &TokenizerSpec) -> Result<Vec<u8>, ImportError> {
    let mut disk = Disk(Vec::new());
    build_into(source, tokenizer, &mut disk, &mut |_| ControlFlow::Continue(()))?;
    Ok(disk.0)
}

/// A disk of [`ROOM`] bytes.
struct Disk(Vec<u8>);

impl ReadAt for Disk {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StorageError> {
        self.0.read_at(offset, out)
    }
}

impl WriteAt for Disk {
    fn resize(&mut self, length: u64) -> Result<(), StorageError> {
        if length > ROOM {
            return Err(StorageError("no space left".into()));
        }
        WriteAt::resize(&mut self.0, length)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.0.write_at(offset, bytes)
    }
}

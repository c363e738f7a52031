//! The head of a package: what lies before the weights.

use super::layout::Layout;
use super::{Manifest, ModelInfo, PackageError};
use crate::encode::{Decode, Encode, Reader};
use crate::hash::ModelRoot;
use crate::model::tokenizer::TokenizerSpec;
use alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"CAMELIDM";
const VERSION: u32 = 1;
const MAX_HEAD: u32 = 64 << 20;

/// Bytes before manifest and tokenizer: magic, version, length of manifest and tokenizer together, and
/// length of the package.
pub const PREFIX_LEN: usize = 24;

/// Manifest and tokenizer: all that a client needs that computes nothing itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Shape.
    pub manifest: Manifest,
    /// Tokenizer.
    pub tokenizer: TokenizerSpec,
    /// Where everything else lies.
    pub layout: Layout,
}

impl Head {
    /// Bytes from the start of the file that [`Head::parse`] needs, read from its first [`PREFIX_LEN`] bytes.
    pub fn needed(prefix: &[u8]) -> Result<usize, PackageError> {
        Self::prefix(prefix).map(|(head, _)| PREFIX_LEN + head)
    }

    /// Reads the head from the package's first bytes; more may follow.
    pub fn parse(bytes: &[u8]) -> Result<Head, PackageError> {
        let (len, total) = Self::prefix(bytes)?;
        let mut r = Reader::new(bytes);
        r.take(PREFIX_LEN)?;
        let mut r = Reader::new(r.take(len)?);
        let manifest = Manifest::decode(&mut r)?;
        manifest.check()?;
        let tokenizer = TokenizerSpec::decode(&mut r)?;
        r.finish()?;
        tokenizer.check(manifest.vocabulary)?;
        let layout = Layout::new(&manifest, len as u64)?;
        if layout.total != total {
            return Err(PackageError::Length { expected: layout.total, found: total });
        }
        Ok(Head { manifest, tokenizer, layout })
    }

    /// Writes prefix, manifest and tokenizer.
    pub(super) fn write(manifest: &Manifest, tokenizer: &TokenizerSpec) -> Result<(Vec<u8>, Layout), PackageError> {
        manifest.check()?;
        tokenizer.check(manifest.vocabulary)?;
        let mut head = manifest.to_bytes();
        tokenizer.encode(&mut head);
        if head.len() > MAX_HEAD as usize {
            return Err(PackageError::Field {
                field: "head length",
                expected: "at most 64 MiB",
                found: head.len() as u64,
            });
        }
        let layout = Layout::new(manifest, head.len() as u64)?;
        let mut out = MAGIC.to_vec();
        VERSION.encode(&mut out);
        (head.len() as u32).encode(&mut out);
        layout.total.encode(&mut out);
        out.append(&mut head);
        Ok((out, layout))
    }

    fn prefix(bytes: &[u8]) -> Result<(usize, u64), PackageError> {
        let mut r = Reader::new(bytes);
        if r.array().unwrap_or([0; 8]) != MAGIC {
            return Err(PackageError::NotAPackage);
        }
        let version = u32::decode(&mut r)?;
        if version != VERSION {
            return Err(PackageError::Version { expected: VERSION, found: version });
        }
        let head = u32::decode(&mut r)?;
        if head > MAX_HEAD {
            return Err(PackageError::Field { field: "head length", expected: "at most 64 MiB", found: head as u64 });
        }
        Ok((head as usize, u64::decode(&mut r)?))
    }

    /// What a list of models shows.
    pub fn info(&self, root: ModelRoot) -> ModelInfo {
        let m = &self.manifest;
        ModelInfo {
            name: m.name.clone(),
            licence: m.licence.clone(),
            root,
            architecture: m.architecture,
            package_len: self.layout.total,
            parameters: m.parameters(),
            dim: m.dim,
            layers: m.layers,
            context: m.context,
            vocabulary: m.vocabulary,
            begin: m.special.begin,
            end: m.special.end.clone(),
        }
    }
}

//! Bringing models in, from whatever they are kept in.

use super::files::{Folder, ModelFile, NewPackage};
use super::{ENDING, ModelError, ModelStore, Place, Stored, check_name, io, load};
use camelid_core::hash::ModelRoot;
use camelid_core::model::import::gguf::{self, Gguf};
use camelid_core::model::import::llama2c::{Checkpoint, read_tokenizer};
use camelid_core::model::import::{About, ImportError, Progress, Source, build_into, huggingface};
use camelid_core::model::package::{Head, PREFIX_LEN, PackageError, ReadAt, StorageError, WriteAt, check_package};
use camelid_core::model::tokenizer::TokenizerSpec;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Bytes of a package that are copied at a time.
const PIECE: u64 = 1 << 20;

/// The most that a llama2.c tokenizer takes.
const MAX_TOKENIZER: u64 = 64 << 20;

/// What to import.
#[derive(Clone, Debug)]
pub struct Import {
    /// A directory from Hugging Face, a GGUF file, a llama2.c checkpoint, or a package.
    pub path: PathBuf,
    /// A checkpoint's tokenizer; the only `tok*.bin` beside it when absent.
    pub tokenizer: Option<PathBuf>,
    /// The name; by the path's when absent.
    pub name: Option<String>,
    /// The licence of the weights.
    pub licence: String,
    /// The package's file; by the name in the data directory when absent.
    pub out: Option<PathBuf>,
}

/// What a model is kept in.
enum Kind {
    Package(ModelFile),
    Directory(Folder),
    Gguf(ModelFile),
    Checkpoint(ModelFile),
}

impl Kind {
    fn of(path: &Path) -> Result<Self, ModelError> {
        if path.is_dir() {
            return Ok(Kind::Directory(Folder(path.into())));
        }
        let file = ModelFile::open(path).map_err(io(path))?;
        let unknown = |advice| Err(ModelError::Unknown { file: path.into(), advice });
        let mut start = [0; 8];
        if file.length() < start.len() as u64 {
            return unknown("the file is too short");
        }
        file.read_at(0, &mut start).map_err(|e| read_error(path, e))?;
        match path.extension().and_then(|e| e.to_str()) {
            _ if start.starts_with(gguf::MAGIC) => Ok(Kind::Gguf(file)),
            _ if start.starts_with(b"CAMELIDM") => Ok(Kind::Package(file)),
            Some("safetensors" | "json") => unknown("name the directory that it lies in"),
            Some("gguf" | "camelid") => unknown("the file is damaged: fetch it again"),
            Some("pt" | "pth" | "safetensor" | "onnx" | "h5") => unknown("save the model as safetensors first"),
            _ => Ok(Kind::Checkpoint(file)),
        }
    }
}

fn read_error(path: &Path, error: StorageError) -> ModelError {
    ModelError::Io { file: path.into(), source: std::io::Error::other(error) }
}

/// A model's float weights, for comparison: what [`Import::path`] may name, packages aside.
pub fn reference(path: &Path) -> Result<Box<dyn Source>, ModelError> {
    let import = |e| ModelError::Import { file: path.into(), source: Box::new(e) };
    let about = About { name: "reference".into(), licence: "unknown".into() };
    match Kind::of(path)? {
        Kind::Package(_) => Err(ModelError::Unknown {
            file: path.into(),
            advice: "a package has no float weights: name what it was imported from",
        }),
        Kind::Directory(folder) => huggingface::source(&folder, &about).map_err(import),
        Kind::Gguf(file) => Ok(Box::new(Gguf::open(&file_name(path), Box::new(file), &about).map_err(import)?)),
        Kind::Checkpoint(file) => Ok(Box::new(Checkpoint::new(file, &about.name, &about.licence).map_err(import)?)),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A name from a path's: a file's without its ending, a folder's whole.
fn name_of(path: &Path) -> String {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let name = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
    name.unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The only tokenizer beside a checkpoint.
fn tokenizer_beside(checkpoint: &Path) -> Result<PathBuf, ModelError> {
    let dir = checkpoint.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_tokenizer = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.starts_with("tok") && name.ends_with(".bin")
    };
    let entries = fs::read_dir(dir).map_err(io(dir))?;
    let mut found: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(is_tokenizer).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        found => Err(ModelError::Tokenizer { checkpoint: checkpoint.into(), found }),
    }
}

/// A model to be quantised, with its tokenizer.
type Model = (Box<dyn Source>, TokenizerSpec);

impl Import {
    fn failed(&self) -> impl Fn(ImportError) -> ModelError + use<> {
        let file = self.path.clone();
        move |e| ModelError::Import { file: file.clone(), source: Box::new(e) }
    }

    fn directory(&self, folder: &Folder, about: &About) -> Result<Model, ModelError> {
        let source = huggingface::source(folder, about).map_err(self.failed())?;
        let tokenizer = huggingface::tokenizer_of(folder, source.shape().vocabulary).map_err(self.failed())?;
        Ok((source, tokenizer))
    }

    fn gguf(&self, file: ModelFile, about: &About) -> Result<Model, ModelError> {
        let model = Gguf::open(&file_name(&self.path), Box::new(file), about).map_err(self.failed())?;
        let tokenizer = model.tokenizer().clone();
        Ok((Box::new(model), tokenizer))
    }

    fn checkpoint(&self, file: ModelFile, about: &About) -> Result<Model, ModelError> {
        let source = Checkpoint::new(file, &about.name, &about.licence).map_err(self.failed())?;
        let path = match &self.tokenizer {
            Some(path) => path.clone(),
            None => tokenizer_beside(&self.path)?,
        };
        let length = fs::metadata(&path).map_err(io(&path))?.len();
        if length > MAX_TOKENIZER {
            return Err(ModelError::Unknown {
                file: path,
                advice: "a llama2.c tokenizer was expected: give --tokenizer",
            });
        }
        let bytes = fs::read(&path).map_err(io(&path))?;
        let failed = |e| ModelError::Import { file: path.clone(), source: Box::new(e) };
        let tokenizer = read_tokenizer(&bytes, source.shape().vocabulary).map_err(failed)?;
        Ok((Box::new(source), tokenizer))
    }

    /// Writes the package into `target`.
    fn write(
        &self,
        kind: Kind,
        about: &About,
        target: &mut NewPackage,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<ModelRoot, ModelError> {
        let (source, tokenizer) = match kind {
            Kind::Package(file) => return self.copy(&file, target, progress),
            Kind::Directory(folder) => self.directory(&folder, about)?,
            Kind::Gguf(file) => self.gguf(file, about)?,
            Kind::Checkpoint(file) => self.checkpoint(file, about)?,
        };
        build_into(&*source, &tokenizer, target, progress).map_err(self.failed())
    }

    /// Copies a package and checks the copy.
    fn copy(
        &self,
        file: &ModelFile,
        target: &mut NewPackage,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<ModelRoot, ModelError> {
        let (total, mut done) = (file.length(), 0);
        let write = |e: StorageError| {
            let reason = PackageError::Storage { what: "writing the package", offset: 0, reason: e };
            self.failed()(ImportError::Write { reason, needed: total })
        };
        target.resize(total).map_err(write)?;
        let mut piece = vec![0; PIECE.min(total) as usize];
        while done < total {
            let piece = piece.get_mut(..PIECE.min(total - done) as usize).unwrap_or_default();
            file.read_at(done, piece).map_err(|e| read_error(&self.path, e))?;
            target.write_at(done, piece).map_err(write)?;
            done += piece.len() as u64;
            if progress(Progress { done, total }).is_break() {
                return Err(self.failed()(ImportError::Stopped));
            }
        }
        check_package(target).map_err(|source| ModelError::Package { file: self.path.clone(), source })
    }
}

/// A package's head.
fn head(file: &Path) -> Result<Head, ModelError> {
    let bytes = ModelFile::open(file).map_err(io(file))?;
    let read = |length: usize| {
        let mut out = vec![0; length];
        bytes.read_at(0, &mut out).map_err(|e| read_error(file, e)).map(|()| out)
    };
    let package = |source| ModelError::Package { file: file.into(), source };
    let needed = Head::needed(&read(PREFIX_LEN)?).map_err(package)?;
    Head::parse(&read(needed)?).map_err(package)
}

impl ModelStore {
    /// Brings a model in: a package as it is, anything else turned into one. The same model again is no error. Whatever
    /// fails, no file is left behind.
    pub fn import(
        &self,
        import: &Import,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Stored, ModelError> {
        let name = import.name.clone().unwrap_or_else(|| name_of(&import.path));
        check_name(&name)?;
        let kind = Kind::of(&import.path)?;
        let target = match &import.out {
            Some(out) => out.clone(),
            None => {
                fs::create_dir_all(&self.dir).map_err(io(&self.dir))?;
                self.dir.join(format!("{name}.{ENDING}"))
            }
        };
        let about = About { name, licence: import.licence.clone() };
        let mut new = NewPackage::beside(&target).map_err(io(&target))?;
        let root = import.write(kind, &about, &mut new, progress)?;
        if target.exists() {
            return match load(&target) {
                Ok(package) if package.root() == root => {
                    Ok(Stored { info: package.info(), place: Place::File(target) })
                }
                _ => Err(ModelError::NameTaken { file: target }),
            };
        }
        new.keep(&target).map_err(io(&target))?;
        Ok(Stored { info: head(&target)?.info(root), place: Place::File(target) })
    }
}

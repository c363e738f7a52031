//! The model packages on this machine: one file each, `<name>.camelid`, in the data directory's folder `models`.

use crate::compute::{Memory, available};
use crate::weights::Weights;
use camelid_core::model::import::{ImportError, llama2c};
use camelid_core::model::{ModelInfo, Package, PackageError};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How a package's file name ends.
const ENDING: &str = "camelid";

/// The packages in a folder.
#[derive(Clone, Debug)]
pub struct ModelStore {
    dir: PathBuf,
}

/// A package and where it is.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its file.
    pub file: PathBuf,
    /// What it is.
    pub info: ModelInfo,
}

/// Why a model cannot be imported or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No such model here.
    #[error("no model `{wanted}` in {}: `camelid model import FILE` brings one, `camelid model list` shows what is there", .dir.display())]
    NotFound {
        /// The name, root or file.
        wanted: String,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The name cannot be a file's.
    #[error(
        "`{name}` is no model name: expected 1 to 64 small letters, digits, `-`, `_` or `.`, a letter or digit first"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A model of that name is there.
    #[error("there is another model named `{name}` at {}: give --name with another name, or move that file away", .file.display())]
    NameTaken {
        /// The name.
        name: String,
        /// Its file.
        file: PathBuf,
    },
    /// No tokenizer was given, and none or several are beside the checkpoint.
    #[error("{}: {found} tokenizer files (tok*.bin) beside it: name one with --tokenizer FILE", .checkpoint.display())]
    Tokenizer {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// How many there are.
        found: usize,
    },
    /// The checkpoint cannot be imported.
    #[error("cannot import {}: {source}", .file.display())]
    Import {
        /// The file.
        file: PathBuf,
        /// Why.
        source: ImportError,
    },
    /// The package is damaged.
    #[error("model package {}: {source}", .file.display())]
    Package {
        /// The file.
        file: PathBuf,
        /// Why.
        source: PackageError,
    },
    /// It is larger than the free memory.
    #[error("model file {}: too little memory: it has {needed}, and {free} are free; end other programs, or use a smaller model", .file.display())]
    Memory {
        /// The file.
        file: PathBuf,
        /// Its length.
        needed: Memory,
        /// What there is.
        free: Memory,
    },
    /// Reading or writing fails.
    #[error("model file {}: {source}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// What to import.
#[derive(Clone, Debug)]
pub struct Import {
    /// A package, or a llama2.c checkpoint.
    pub file: PathBuf,
    /// A checkpoint's tokenizer; the only `tok*.bin` beside it when absent.
    pub tokenizer: Option<PathBuf>,
    /// The name; by the file's when absent.
    pub name: Option<String>,
    /// The licence of a checkpoint's weights.
    pub licence: String,
}

fn io(file: &Path) -> impl FnOnce(std::io::Error) -> ModelError {
    let file = file.to_owned();
    move |source| ModelError::Io { file, source }
}

fn check_name(name: &str) -> Result<(), ModelError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if first && name.len() <= 64 && name.chars().all(good) {
        Ok(())
    } else {
        Err(ModelError::Name { name: name.into() })
    }
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

/// Reads and checks a package.
pub fn load(file: &Path) -> Result<Package, ModelError> {
    let needed = Memory(fs::metadata(file).map_err(io(file))?.len());
    if let Some(free) = available().filter(|free| *free < needed) {
        return Err(ModelError::Memory { file: file.into(), needed, free });
    }
    let weights = Weights::read(file).map_err(io(file))?;
    Package::parse(weights).map_err(|source| ModelError::Package { file: file.into(), source })
}

impl ModelStore {
    /// The packages in this folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        ModelStore { dir: dir.into() }
    }

    /// The file of a model: by name, by root, or the file itself (a path has a `/`).
    pub fn find(&self, wanted: &str) -> Result<PathBuf, ModelError> {
        if wanted.contains('/') {
            return Ok(wanted.into());
        }
        let named = self.dir.join(format!("{wanted}.{ENDING}"));
        if check_name(wanted).is_ok() && named.exists() {
            return Ok(named);
        }
        let is_it = |stored: &Stored| stored.info.root.to_string() == wanted;
        let found = if wanted.len() == 64 { self.list()?.0.into_iter().find(is_it) } else { None };
        found
            .map(|stored| stored.file)
            .ok_or_else(|| ModelError::NotFound { wanted: wanted.chars().take(80).collect(), dir: self.dir.clone() })
    }

    /// Finds and reads a model.
    pub fn load(&self, wanted: &str) -> Result<Package, ModelError> {
        load(&self.find(wanted)?)
    }

    /// All models by name, and what is wrong with files that are none.
    pub fn list(&self) -> Result<(Vec<Stored>, Vec<ModelError>), ModelError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            other => other.map_err(io(&self.dir))?,
        };
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for file in entries.filter_map(|e| e.ok().map(|e| e.path())) {
            if file.extension().is_some_and(|ending| ending == ENDING) {
                match load(&file) {
                    Ok(package) => good.push(Stored { info: package.info(), file }),
                    Err(error) => bad.push(error),
                }
            }
        }
        good.sort_by(|a, b| a.file.cmp(&b.file));
        Ok((good, bad))
    }

    /// Brings a model in: a package as it is, a llama2.c checkpoint turned into one. The same model again is no error.
    pub fn import(&self, import: &Import) -> Result<Stored, ModelError> {
        let file = &import.file;
        let bytes = fs::read(file).map_err(io(file))?;
        let by_file = || file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
        let name = import.name.clone().unwrap_or_else(by_file);
        check_name(&name)?;
        let bytes = if bytes.starts_with(b"CAMELIDM") {
            bytes
        } else {
            let path = match &import.tokenizer {
                Some(path) => path.clone(),
                None => tokenizer_beside(file)?,
            };
            let tokenizer = fs::read(&path).map_err(io(&path))?;
            llama2c::llama2c(&bytes, &tokenizer, &name, &import.licence)
                .map_err(|source| ModelError::Import { file: file.clone(), source })?
        };
        let package = Package::parse(bytes).map_err(|source| ModelError::Package { file: file.clone(), source })?;
        let target = self.dir.join(format!("{name}.{ENDING}"));
        if target.exists() {
            if load(&target)?.root() == package.root() {
                return Ok(Stored { file: target, info: package.info() });
            }
            return Err(ModelError::NameTaken { name, file: target });
        }
        fs::create_dir_all(&self.dir).map_err(io(&self.dir))?;
        // Whole or not at all: a copy that was cut off must not look like a model.
        let new = target.with_extension("new");
        fs::write(&new, package.bytes()).and_then(|()| fs::rename(&new, &target)).map_err(io(&target))?;
        Ok(Stored { file: target, info: package.info() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::model::import::{RandomShape, random_model};

    fn import(file: PathBuf) -> Import {
        Import { file, tokenizer: None, name: None, licence: "MIT".into() }
    }

    #[test]
    fn a_package_is_found_by_name_root_and_path() {
        let dir = tempfile::tempdir().unwrap();
        let (source, store) = (dir.path().join("Tiny.camelid"), ModelStore::at(dir.path().join("models")));
        assert!(store.list().unwrap().0.is_empty());
        fs::write(&source, random_model(1, &RandomShape::llama()).unwrap()).unwrap();
        let stored = store.import(&import(source.clone())).unwrap();
        assert_eq!(store.import(&import(source.clone())).unwrap().file, stored.file, "again is no error");
        let root = stored.info.root;
        for wanted in ["tiny", &root.to_string(), source.to_str().unwrap()] {
            assert_eq!(store.load(wanted).unwrap().root(), root, "{wanted}");
        }
        for missing in ["other", "../Tiny", "", &"0".repeat(64)] {
            let error = store.load(missing).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
        fs::write(&source, random_model(2, &RandomShape::llama()).unwrap()).unwrap();
        assert!(matches!(store.import(&import(source)), Err(ModelError::NameTaken { .. })));
    }

    #[test]
    fn a_damaged_package_is_named_and_the_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = ModelStore::at(dir.path());
        let good = random_model(1, &RandomShape::llama()).unwrap();
        fs::write(dir.path().join("good.camelid"), &good).unwrap();
        fs::write(dir.path().join("cut.camelid"), &good[..good.len() - 1]).unwrap();
        let (models, errors) = store.list().unwrap();
        assert_eq!((models.len(), errors.len()), (1, 1));
        assert!(errors[0].to_string().contains("cut.camelid"), "{}", errors[0]);
    }

    #[test]
    fn a_checkpoint_is_imported_with_the_tokenizer_beside_it() {
        let name = "a_checkpoint_is_imported_with_the_tokenizer_beside_it";
        let Some(data) = camelid_test_support::shared_data(name, "stories260k") else { return };
        let dir = tempfile::tempdir().unwrap();
        let store = ModelStore::at(dir.path());
        let stored = store.import(&import(data.join("stories260K.bin"))).unwrap();
        assert_eq!((stored.info.parameters, stored.info.vocabulary), (260_032, 512));
        assert_eq!(store.load("stories260k").unwrap().root(), stored.info.root);
        let alone = dir.path().join("alone.bin");
        fs::copy(data.join("stories260K.bin"), &alone).unwrap();
        let error = store.import(&import(alone)).unwrap_err().to_string();
        assert!(error.contains("--tokenizer"), "{error}");
    }
}

//! The model packages on this machine: one file each, `<name>.camelid`, in the data directory's folder `models`; and the
//! one in the program.

mod error;
mod files;
mod import;
mod place;

pub use error::ModelError;
pub use files::{Folder, ModelFile, NewPackage};
pub use import::{Import, reference};
pub use place::{DEFAULT_MODEL, Place, load};

use camelid_core::model::{ModelInfo, Package};
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
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub info: ModelInfo,
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

impl ModelStore {
    /// The packages in this folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        ModelStore { dir: dir.into() }
    }

    /// Where a model is: by name, by root, or the file itself (a path has a `/`, a file's name its ending). A file in the
    /// folder that is named as the program's own model stands for it.
    pub fn find(&self, wanted: &str) -> Result<Place, ModelError> {
        let file = Path::new(wanted);
        if wanted.contains('/') || file.extension().is_some_and(|ending| ending == ENDING) && file.is_file() {
            return Ok(Place::File(wanted.into()));
        }
        let named = self.dir.join(format!("{wanted}.{ENDING}"));
        if check_name(wanted).is_ok() && named.exists() {
            return Ok(Place::File(named));
        }
        if wanted == DEFAULT_MODEL {
            return Ok(Place::Program);
        }
        let is_it = |stored: &Stored| stored.info.root.to_string() == wanted;
        let found = if wanted.len() == 64 { self.list()?.0.into_iter().find(is_it) } else { None };
        found
            .map(|stored| stored.place)
            .ok_or_else(|| ModelError::NotFound { wanted: wanted.chars().take(80).collect(), dir: self.dir.clone() })
    }

    /// Finds and reads a model.
    pub fn load(&self, wanted: &str) -> Result<Package, ModelError> {
        self.find(wanted)?.load()
    }

    /// All models by name, and what is wrong with files that are none.
    pub fn list(&self) -> Result<(Vec<Stored>, Vec<ModelError>), ModelError> {
        let files = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            other => other.map_err(io(&self.dir))?.filter_map(|e| e.ok().map(|e| e.path())).collect(),
        };
        let is_package = |file: &PathBuf| file.extension().is_some_and(|ending| ending == ENDING);
        let mut places: Vec<Place> = files.into_iter().filter(is_package).map(Place::File).collect();
        places.push(self.find(DEFAULT_MODEL)?);
        places.sort();
        places.dedup();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for place in places {
            match place.load() {
                Ok(package) => good.push(Stored { info: package.info(), place }),
                Err(error) => bad.push(error),
            }
        }
        Ok((good, bad))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::model::import::{Progress, RandomShape, random_model};
    use std::ops::ControlFlow;

    fn import(path: PathBuf) -> Import {
        Import { path, tokenizer: None, name: None, licence: "MIT".into(), out: None }
    }

    fn go() -> impl FnMut(Progress) -> ControlFlow<()> {
        |_| ControlFlow::Continue(())
    }

    #[test]
    fn a_package_is_found_by_name_root_and_path() {
        let dir = tempfile::tempdir().unwrap();
        let (source, store) = (dir.path().join("Tiny.camelid"), ModelStore::at(dir.path().join("models")));
        let own = store.load(DEFAULT_MODEL).unwrap().root();
        let listed = store.list().unwrap().0;
        assert!(listed.len() == 1 && listed[0].place == Place::Program && listed[0].info.root == own);
        fs::write(&source, random_model(1, &RandomShape::llama()).unwrap()).unwrap();
        let stored = store.import(&import(source.clone()), &mut go()).unwrap();
        assert_eq!(store.import(&import(source.clone()), &mut go()).unwrap().place, stored.place, "again is no error");
        let root = stored.info.root;
        for wanted in ["tiny", &root.to_string(), source.to_str().unwrap()] {
            assert_eq!(store.load(wanted).unwrap().root(), root, "{wanted}");
        }
        for missing in ["other", "../Tiny", "", &"0".repeat(64)] {
            let error = store.load(missing).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
        fs::write(&source, random_model(2, &RandomShape::llama()).unwrap()).unwrap();
        assert!(matches!(store.import(&import(source), &mut go()), Err(ModelError::NameTaken { .. })));
    }

    #[test]
    fn a_damaged_package_is_named_and_the_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = ModelStore::at(dir.path());
        let good = random_model(1, &RandomShape::llama()).unwrap();
        fs::write(dir.path().join("good.camelid"), &good).unwrap();
        fs::write(dir.path().join("cut.camelid"), &good[..good.len() - 1]).unwrap();
        let (models, errors) = store.list().unwrap();
        assert_eq!((models.len(), errors.len()), (2, 1), "the program's own and the good one");
        assert!(errors[0].to_string().contains("cut.camelid"), "{}", errors[0]);
    }

    #[test]
    fn a_checkpoint_is_imported_with_the_tokenizer_beside_it() {
        let name = "a_checkpoint_is_imported_with_the_tokenizer_beside_it";
        let Some(data) = camelid_test_support::shared_data(name, "stories260k") else { return };
        let dir = tempfile::tempdir().unwrap();
        let store = ModelStore::at(dir.path());
        let stored = store.import(&import(data.join("stories260K.bin")), &mut go()).unwrap();
        assert_eq!((stored.info.parameters, stored.info.vocabulary), (260_032, 512));
        assert_eq!(store.load("stories260k").unwrap().root(), stored.info.root);
        let alone = dir.path().join("alone.bin");
        fs::copy(data.join("stories260K.bin"), &alone).unwrap();
        let error = store.import(&import(alone), &mut go()).unwrap_err().to_string();
        assert!(error.contains("--tokenizer"), "{error}");
    }
}

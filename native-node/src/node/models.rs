//! The models that a node has.

use crate::models::{ModelError, ModelStore, Place, Stored};
use camelid_core::hash::ModelRoot;
use camelid_core::model::Package;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Why a model is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// No such model here.
    #[error(
        "no model `{name}` here; there is {available}; bring one with `camelid model import`, then restart the node"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names of those there are.
        available: String,
    },
    /// Two models have this name.
    #[error("{count} models are named `{name}`: give the root, or the start of it, instead")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// How many fit.
        count: usize,
    },
}

/// The models that are loaded, by root.
#[derive(Clone, Debug, Default)]
pub struct ModelShelf {
    models: BTreeMap<ModelRoot, Arc<Package>>,
    places: BTreeMap<ModelRoot, Place>,
    served: BTreeSet<ModelRoot>,
}

impl ModelShelf {
    /// Loads every model of a store, and those that are to be served: names, roots or files.
    pub fn load(store: &ModelStore, serve: &[String]) -> Result<Self, ModelError> {
        let mut shelf = ModelShelf::default();
        let (stored, broken) = store.list()?;
        for error in broken {
            tracing::warn!(%error, "left out");
        }
        for model in stored {
            shelf.add(model.place)?;
        }
        for name in serve {
            let root = shelf.add(store.find(name)?)?;
            shelf.served.insert(root);
        }
        Ok(shelf)
    }

    fn add(&mut self, place: Place) -> Result<ModelRoot, ModelError> {
        let package = place.load()?;
        let root = package.root();
        self.models.insert(root, Arc::new(package));
        self.places.insert(root, place);
        Ok(root)
    }

    /// A model by its root.
    pub fn get(&self, root: &ModelRoot) -> Option<&Arc<Package>> {
        self.models.get(root)
    }

    /// A model by its root, if it is served.
    pub fn get_served(&self, root: &ModelRoot) -> Option<&Arc<Package>> {
        self.models.get(root).filter(|_| self.served.contains(root))
    }

    /// The models in the order of their roots, from the first after `root` on.
    pub fn after(&self, root: Option<ModelRoot>) -> impl Iterator<Item = &Arc<Package>> {
        let from = root.map_or(Bound::Unbounded, Bound::Excluded);
        self.models.range((from, Bound::Unbounded)).map(|(_, package)| package)
    }

    /// The roots of the models that are served.
    pub fn served(&self) -> impl Iterator<Item = ModelRoot> {
        self.served.iter().copied()
    }

    /// A model by the name that it has here (its file's) or of its own, its root, or the start of its root.
    pub fn find(&self, name: &str) -> Result<&Arc<Package>, ShelfError> {
        let here = |root| self.places.get(&root).and_then(Place::name) == Some(name);
        let fits = |p: &&Arc<Package>| {
            p.info().name == name
                || here(p.root())
                || (name.len() >= 6 && p.root().to_string().starts_with(&name.to_ascii_lowercase()))
        };
        let found: Vec<_> = self.models.values().filter(fits).collect();
        match found[..] {
            [one] => Ok(one),
            [] => Err(ShelfError::Unknown { name: name.into(), available: self.names() }),
            _ => Err(ShelfError::Ambiguous { name: name.into(), count: found.len() }),
        }
    }

    fn names(&self) -> String {
        if self.models.is_empty() {
            return "none".into();
        }
        self.models.values().map(|p| p.info().name).collect::<Vec<_>>().join(", ")
    }

    /// The models, and where they are.
    pub fn stored(&self) -> Vec<Stored> {
        let both = self.models.iter().zip(self.places.values());
        both.map(|((_, p), place)| Stored { place: place.clone(), info: p.info() }).collect()
    }
}

//! What the browser keeps: shelves of bytes under keys, in IndexedDB, or in memory where the browser has none to give.

use crate::error::{Failure, Result};
use camelid_core::sorted::{Map, Set};
use indexed_db_futures::database::Database;
use indexed_db_futures::error::{Error, OpenDbError};
use indexed_db_futures::prelude::*;
use indexed_db_futures::transaction::TransactionMode;
use indexed_db_futures::{KeyRange, OpenDbResult};
use js_sys::Uint8Array;
use std::cell::RefCell;
use wasm_bindgen::{JsCast, JsValue};

/// What lies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelf {
    /// Few and small: the sealed wallet, the peer key, the light client's state.
    Small,
    /// Block headers in pieces, by height.
    Headers,
    /// Filter headers in pieces, by height.
    Filters,
    /// Jobs, by id.
    Jobs,
    /// Chunks of models, by root and index.
    Chunks,
    /// What is known of models that are kept, by root.
    Models,
}

impl Shelf {
    const ALL: [Shelf; 6] = [Shelf::Small, Shelf::Headers, Shelf::Filters, Shelf::Jobs, Shelf::Chunks, Shelf::Models];

    fn name(self) -> &'static str {
        match self {
            Shelf::Small => "small",
            Shelf::Headers => "headers",
            Shelf::Filters => "filters",
            Shelf::Jobs => "jobs",
            Shelf::Chunks => "chunks",
            Shelf::Models => "models",
        }
    }
}

/// A change to a shelf.
#[derive(Clone, Debug)]
pub enum Change {
    /// This is kept under the key from now on.
    Put(Shelf, String, Vec<u8>),
    /// Nothing is.
    Remove(Shelf, String),
    /// Nothing is under this key and all after it.
    RemoveFrom(Shelf, String),
    /// Nothing is under keys that begin so.
    RemoveAll(Shelf, String),
}

impl Change {
    fn shelf(&self) -> Shelf {
        match self {
            Change::Put(shelf, ..)
            | Change::Remove(shelf, _)
            | Change::RemoveFrom(shelf, _)
            | Change::RemoveAll(shelf, _) => *shelf,
        }
    }
}

/// After every key that begins with `prefix`: the keys here are ASCII.
fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{7f}")
}

/// The shelves.
pub enum Store {
    /// On disk.
    Database(Database),
    /// As long as the page is open.
    Memory(RefCell<Map<(Shelf, String), Vec<u8>>>),
}

/// What the browser says of its storage; what can go wrong with numbers in it concerns nobody, and is much text.
fn said(error: Error) -> String {
    match error {
        Error::DomException(error) => error.message(),
        _ => "it holds something else than was kept there".into(),
    }
}

fn failed(error: impl Into<Error>) -> Failure {
    let error = said(error.into());
    Failure::storage(format_args!(
        "the browser's storage failed: {error}; free some disk space, or allow this page to store data"
    ))
}

async fn open_database(name: &str) -> OpenDbResult<Database> {
    let upgrade = |_, database: Database| {
        for shelf in Shelf::ALL {
            database.create_object_store(shelf.name()).build()?;
        }
        Ok(())
    };
    Database::open(name).with_version(1u8).with_on_upgrade_needed(upgrade).await
}

impl Store {
    /// Opens the shelves of this name; in memory where the browser refuses a database.
    pub async fn open(name: &str) -> Store {
        match open_database(name).await {
            Ok(database) => Store::Database(database),
            Err(error) => {
                let error = match error {
                    OpenDbError::Base(error) => said(error),
                    _ => "it has no IndexedDB".into(),
                };
                crate::outside::note(&format!("nothing is kept in this browser: {error}"));
                Store::Memory(RefCell::default())
            }
        }
    }

    /// Whether what is kept outlives the page.
    pub fn is_kept(&self) -> bool {
        matches!(self, Store::Database(_))
    }

    /// What lies under a key.
    pub async fn get(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Store::Memory(shelves) => Ok(shelves.borrow().get(&(shelf, key.into())).cloned()),
            Store::Database(database) => {
                let transaction = database.transaction(shelf.name()).build().map_err(failed)?;
                let store = transaction.object_store(shelf.name()).map_err(failed)?;
                let found: Option<JsValue> = store.get(key).primitive().map_err(failed)?.await.map_err(failed)?;
                Ok(found.as_ref().map(bytes))
            }
        }
    }

    /// Everything on a shelf whose key begins with `prefix`, in the order of the keys.
    pub async fn all(&self, shelf: Shelf, prefix: &str) -> Result<Vec<Vec<u8>>> {
        match self {
            Store::Memory(shelves) => Ok(within(&shelves.borrow(), shelf, prefix).map(|(_, v)| v.clone()).collect()),
            Store::Database(database) => {
                let transaction = database.transaction(shelf.name()).build().map_err(failed)?;
                let store = transaction.object_store(shelf.name()).map_err(failed)?;
                let range: KeyRange<String> = (prefix.to_string()..end_of(prefix)).into();
                let found = store.get_all::<JsValue>().with_query::<String, _>(range);
                let found = found.primitive().map_err(failed)?.await.map_err(failed)?;
                found.map(|value| value.map(|value| bytes(&value)).map_err(failed)).collect()
            }
        }
    }

    /// The keys on a shelf that begin with `prefix`, in order.
    pub async fn keys(&self, shelf: Shelf, prefix: &str) -> Result<Vec<String>> {
        match self {
            Store::Memory(shelves) => {
                Ok(within(&shelves.borrow(), shelf, prefix).map(|((_, k), _)| k.clone()).collect())
            }
            Store::Database(database) => {
                let transaction = database.transaction(shelf.name()).build().map_err(failed)?;
                let store = transaction.object_store(shelf.name()).map_err(failed)?;
                let range: KeyRange<String> = (prefix.to_string()..end_of(prefix)).into();
                let found = store.get_all_keys::<String>().with_query::<String, _>(range);
                let found = found.primitive().map_err(failed)?.await.map_err(failed)?;
                found.map(|key| key.map_err(failed)).collect()
            }
        }
    }

    /// Makes changes, all of them or none.
    pub async fn write(&self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        match self {
            Store::Memory(shelves) => {
                let mut shelves = shelves.borrow_mut();
                for change in changes {
                    change_in_memory(&mut shelves, change);
                }
                Ok(())
            }
            Store::Database(database) => {
                let names: Set<&str> = changes.iter().map(|change| change.shelf().name()).collect();
                let names: Vec<&str> = names.into_iter().collect();
                let transaction = database.transaction(names.as_slice()).with_mode(TransactionMode::Readwrite);
                let transaction = transaction.build().map_err(failed)?;
                for change in changes {
                    let store = transaction.object_store(change.shelf().name()).map_err(failed)?;
                    // A request that fails fails the transaction: its end alone is waited for.
                    match change {
                        Change::Put(_, key, value) => {
                            let value = JsValue::from(Uint8Array::from(&value[..]));
                            let put = store.put(value).with_key(key.as_str()).without_key_type();
                            drop(put.primitive().map_err(failed)?);
                        }
                        Change::Remove(_, key) => {
                            drop(store.delete::<&str, _>(key.as_str()).primitive().map_err(failed)?)
                        }
                        Change::RemoveFrom(_, key) => {
                            let range: KeyRange<String> = (key.clone()..).into();
                            drop(store.delete::<String, _>(range).primitive().map_err(failed)?);
                        }
                        Change::RemoveAll(_, prefix) => {
                            let range: KeyRange<String> = (prefix.clone()..end_of(prefix)).into();
                            drop(store.delete::<String, _>(range).primitive().map_err(failed)?);
                        }
                    }
                }
                transaction.commit().await.map_err(failed)
            }
        }
    }
}

fn bytes(value: &JsValue) -> Vec<u8> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default()
}

type Shelves = Map<(Shelf, String), Vec<u8>>;

fn within<'a>(
    shelves: &'a Shelves,
    shelf: Shelf,
    prefix: &str,
) -> impl Iterator<Item = (&'a (Shelf, String), &'a Vec<u8>)> {
    shelves.range((shelf, prefix.to_string())..(shelf, end_of(prefix)))
}

fn change_in_memory(shelves: &mut Shelves, change: &Change) {
    let mut remove = |from: String, end: Option<String>| {
        shelves
            .retain(|(s, key), _| *s != change.shelf() || *key < from || end.as_ref().is_some_and(|end| *key >= *end));
    };
    match change {
        Change::Put(shelf, key, value) => drop(shelves.insert((*shelf, key.clone()), value.clone())),
        Change::Remove(shelf, key) => drop(shelves.remove(&(*shelf, key.clone()))),
        Change::RemoveFrom(_, key) => remove(key.clone(), None),
        Change::RemoveAll(_, prefix) => remove(prefix.clone(), Some(end_of(prefix))),
    }
}

//! Making, opening and closing the wallet.

use super::Light;
use crate::error::{Failure, Result};
use crate::outside;
use crate::state::Wallet;
use crate::store::{Change, Shelf};
use crate::vault::Vault;
use camelid_core::encode::Encode;
use camelid_core::keys::Mnemonic;
use camelid_core::light::{LightClient, Limits, Saved};
use camelid_core::units::{Height, Timestamp};
use camelid_core::wallet::Keyring;
use libp2p::PeerId;
use wasm_bindgen::prelude::*;

/// A block may be found so much before the time that it names: "nothing of the wallet is older" gets that much slack.
const SLACK: u32 = 86_400;

#[wasm_bindgen]
impl Light {
    /// `none`, `locked` or `open`.
    pub fn wallet(&self) -> String {
        let word = match &self.state.borrow().wallet {
            Wallet::None => "none",
            Wallet::Locked(_) => "locked",
            Wallet::Open(_) => "open",
        };
        word.into()
    }

    /// Makes a wallet; gives its words.
    pub async fn create(&self, password: String) -> core::result::Result<Vec<String>, JsValue> {
        let words = Mnemonic::from_entropy(&outside::random::<16>()).map_err(Failure::internal)?;
        // Nobody can have paid it before this moment.
        let birthday = self.state.borrow().client.headers().height();
        self.begin(&words, &password, birthday).await?;
        Ok(words.phrase().split(' ').map(String::from).collect())
    }

    /// Restores a wallet from its words; `born`, in Unix seconds, is when it was made, or before.
    pub async fn restore(
        &self,
        words: String,
        password: String,
        born: Option<f64>,
    ) -> core::result::Result<(), JsValue> {
        let words = Mnemonic::parse(&words).map_err(Failure::bad_words)?;
        let birthday = match born {
            Some(born) => self.last_before(Timestamp((born.max(0.0) as u32).saturating_sub(SLACK))),
            None => Height(0),
        };
        Ok(self.begin(&words, &password, birthday).await?)
    }

    /// Opens the sealed wallet.
    pub async fn unlock(&self, password: String) -> core::result::Result<(), JsValue> {
        let (vault, network) = {
            let state = self.state.borrow();
            match &state.wallet {
                Wallet::Locked(vault) => (vault.clone(), state.network),
                Wallet::Open(_) => return Ok(()),
                Wallet::None => return Err(no_wallet().into()),
            }
        };
        let words = vault.open(network, &password)?;
        Ok(self.enter(&words, vault).await?)
    }

    /// Closes it: the keys are gone from memory.
    pub async fn lock(&self) -> core::result::Result<(), JsValue> {
        if !self.state.borrow().is_open() {
            return Ok(());
        }
        self.flush().await?;
        let mut state = self.state.borrow_mut();
        let Wallet::Open(vault) = &state.wallet else { return Ok(()) };
        let vault = vault.clone();
        Ok(state.lock(Wallet::Locked(vault))?)
    }

    /// The words, for who knows the password.
    pub fn words(&self, password: String) -> core::result::Result<Vec<String>, JsValue> {
        let state = self.state.borrow();
        let (Wallet::Locked(vault) | Wallet::Open(vault)) = &state.wallet else { return Err(no_wallet().into()) };
        let words = vault.open(state.network, &password)?;
        Ok(words.phrase().split(' ').map(String::from).collect())
    }

    /// Seals the words with another password.
    #[wasm_bindgen(js_name = changePassword)]
    pub async fn change_password(&self, old: String, next: String) -> core::result::Result<(), JsValue> {
        let next = {
            let state = self.state.borrow();
            let (Wallet::Locked(vault) | Wallet::Open(vault)) = &state.wallet else { return Err(no_wallet().into()) };
            let words = vault.open(state.network, &old)?;
            Vault::seal(state.network, &words, &next, vault.birthday)?
        };
        self.store.write(&[Change::Put(Shelf::Small, "wallet".into(), next.to_bytes())]).await?;
        match &mut self.state.borrow_mut().wallet {
            Wallet::Locked(vault) | Wallet::Open(vault) => *vault = next,
            Wallet::None => {}
        }
        Ok(())
    }

    /// Forgets wallet and history; models and headers stay.
    pub async fn forget(&self) -> core::result::Result<(), JsValue> {
        if self.state.borrow().is_open() {
            self.lock().await?;
        }
        let gone = [
            Change::Remove(Shelf::Small, "wallet".into()),
            Change::Remove(Shelf::Small, "state".into()),
            Change::RemoveAll(Shelf::Filters, String::new()),
            Change::RemoveAll(Shelf::Jobs, String::new()),
        ];
        self.store.write(&gone).await?;
        let mut state = self.state.borrow_mut();
        state.wallet = Wallet::None;
        state.tell_changed("wallet");
        Ok(())
    }
}

fn no_wallet() -> Failure {
    Failure::bad_input("there is no wallet in this browser: create one, or restore one from its words")
}

impl Light {
    /// The last block of the chain that is known here whose time is before a moment, and all blocks before it.
    fn last_before(&self, time: Timestamp) -> Height {
        let state = self.state.borrow();
        let headers = state.client.headers();
        let (anchor, tip) = (headers.anchor().entry.height.0, headers.height().0);
        let first = (anchor..=tip).find(|height| headers.header(Height(*height)).is_none_or(|h| h.time >= time));
        Height(first.unwrap_or(tip).saturating_sub(1))
    }

    /// A wallet that this browser does not know yet.
    async fn begin(&self, words: &Mnemonic, password: &str, birthday: Height) -> Result<()> {
        let vault = {
            let state = self.state.borrow();
            if !matches!(state.wallet, Wallet::None) {
                return Err(Failure::bad_input(
                    "there is a wallet in this browser already: forget it first, after writing down its words",
                ));
            }
            Vault::seal(state.network, words, password, birthday)?
        };
        // So that the headers that are kept and those that the wallet goes on from are the same.
        self.flush().await?;
        let written = [
            Change::Put(Shelf::Small, "wallet".into(), vault.to_bytes()),
            Change::Remove(Shelf::Small, "state".into()),
            Change::RemoveAll(Shelf::Filters, String::new()),
            Change::RemoveAll(Shelf::Jobs, String::new()),
        ];
        self.store.write(&written).await?;
        self.enter(words, vault).await
    }

    /// Goes on with the wallet's books, or from its birthday where there are none.
    async fn enter(&self, words: &Mnemonic, vault: Vault) -> Result<()> {
        let network = self.state.borrow().network;
        let keyring = || Keyring::new(network, words).map_err(Failure::internal);
        let headers = self.store.all(Shelf::Headers, "").await?.concat();
        let filters = self.store.all(Shelf::Filters, "").await?.concat();
        let books = self.store.get(Shelf::Small, "state").await?;
        let records = self.store.all(Shelf::Jobs, "").await?;
        let mut state = self.state.borrow_mut();
        let restored: Option<LightClient<PeerId>> = match books {
            Some(books) => {
                let saved = Saved { headers: &headers, filters: &filters, state: &books };
                match LightClient::restore(state.params, saved, keyring()?, Limits::default()) {
                    Ok(client) if super::fits(client.headers(), &state.checkpoints) => {
                        Some(client.with_checkpoints(state.checkpoints.clone()))
                    }
                    Ok(_) => None,
                    Err(error) => {
                        state.warn(format!("{error}: the chain is looked through again"));
                        None
                    }
                }
            }
            None => None,
        };
        let client = match restored {
            Some(client) => client,
            None => {
                let headers = super::restore_headers(state.params, &headers, &state.checkpoints);
                LightClient::with_headers(headers, vault.birthday, keyring()?, Limits::default())
            }
        };
        state.follow(client, Wallet::Open(vault));
        let crate::state::State { jobs, client, .. } = &mut *state;
        let refused = jobs.restore(client, records.iter().map(Vec::as_slice));
        for error in refused {
            state.warn(format!("a job that was kept cannot be read: {error}"));
        }
        Ok(())
    }
}

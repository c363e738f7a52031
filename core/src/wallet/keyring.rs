//! The keys of an open wallet: which outputs are ours, and what signs for them.

use crate::hash::KeyHash;
use crate::keys::{Address, DerivationError, JobKey, Mnemonic, SecretKey, WalletKeys};
use crate::script::templates;
use crate::sorted::Map;
use crate::transaction::Script;
use crate::units::Network;
use alloc::vec::Vec;

/// How many unused addresses are watched beyond the last used one, on each branch (BIP44's gap limit).
const GAP: u32 = 20;

/// The rows of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// Addresses that are given to others.
    Receive,
    /// Addresses for change.
    Change,
    /// The client keys of jobs: what a finalize gives back of the reserve is paid to them.
    Job,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath {
    /// The row.
    pub branch: Branch,
    /// Its place in the row.
    pub index: u32,
}

/// The keys of a wallet that is open. Which addresses are used is learnt from the chain, not stored.
#[derive(Clone, Debug)]
pub struct Keyring {
    network: Network,
    keys: WalletKeys,
    by_hash: Map<KeyHash, KeyPath>,
    receive: Row,
    change: Row,
    job: Row,
}

/// How far a row is used and derived; its hashes from the first unused address on.
#[derive(Clone, Debug, Default)]
struct Row {
    first_unused: u32,
    hashes: Vec<KeyHash>,
}

impl Branch {
    /// All rows.
    pub const ALL: [Branch; 3] = [Branch::Receive, Branch::Change, Branch::Job];
}

impl Keyring {
    /// The keys that grow from these words, without a passphrase.
    pub fn new(network: Network, mnemonic: &Mnemonic) -> Result<Self, DerivationError> {
        let keys = WalletKeys::from_seed(&*mnemonic.seed(""))?;
        let [receive, change, job] = [const { Row { first_unused: 0, hashes: Vec::new() } }; 3];
        let mut keyring = Keyring { network, keys, by_hash: Map::new(), receive, change, job };
        for branch in Branch::ALL {
            keyring.extend(branch)?;
        }
        Ok(keyring)
    }

    /// The network whose addresses these are.
    pub fn network(&self) -> Network {
        self.network
    }

    /// All keys, for those of jobs.
    pub fn keys(&self) -> &WalletKeys {
        &self.keys
    }

    /// The hashes of all watched keys.
    pub fn watched(&self) -> impl Iterator<Item = &KeyHash> {
        self.by_hash.keys()
    }

    /// The hashes of watched keys that the chain has not seen, nor any behind them.
    pub fn unused(&self) -> impl Iterator<Item = &KeyHash> {
        [&self.receive, &self.change, &self.job]
            .into_iter()
            .flat_map(|row| row.hashes.iter().skip(row.first_unused as usize))
    }

    /// Where the key with this hash stands; `None` where it is not ours.
    pub fn find(&self, hash: &KeyHash) -> Option<KeyPath> {
        self.by_hash.get(hash).copied()
    }

    /// The key that an output with this script pays to; `None` where it is not ours.
    pub fn owner(&self, script: &Script) -> Option<KeyPath> {
        self.find(&templates::p2pkh_key_hash(script)?)
    }

    /// Notes that an address was seen on the chain. Whether more addresses are watched from now on: then the
    /// chain is looked through again for those.
    pub fn note_used(&mut self, hash: &KeyHash) -> Result<bool, DerivationError> {
        let Some(KeyPath { branch, index }) = self.find(hash) else { return Ok(false) };
        let row = self.row(branch);
        if index < row.first_unused {
            return Ok(false);
        }
        row.first_unused = index + 1;
        self.extend(branch)?;
        Ok(true)
    }

    /// The first receiving address that the chain has not seen.
    pub fn receive_address(&self) -> Address {
        Address { network: self.network, hash: self.receive.unused() }
    }

    /// The key hash of the first change address that the chain has not seen.
    pub fn change_hash(&self) -> KeyHash {
        self.change.unused()
    }

    /// The first job index that neither the chain has seen nor [`Keyring::note_job`] was told of.
    pub fn unused_job(&self) -> u32 {
        self.job.first_unused
    }

    /// Notes that a job's keys are in use.
    pub fn note_job(&mut self, index: u32) -> Result<(), DerivationError> {
        self.note_first_unused(Branch::Job, index.saturating_add(1))
    }

    /// The index of the first key of a row that is not known to be used, nor any behind it.
    pub fn first_unused(&self, branch: Branch) -> u32 {
        match branch {
            Branch::Receive => self.receive.first_unused,
            Branch::Change => self.change.first_unused,
            Branch::Job => self.job.first_unused,
        }
    }

    /// How many keys of a row are watched, from the first one on.
    pub fn watched_of(&self, branch: Branch) -> u32 {
        match branch {
            Branch::Receive => self.receive.hashes.len() as u32,
            Branch::Change => self.change.hashes.len() as u32,
            Branch::Job => self.job.hashes.len() as u32,
        }
    }

    /// Notes that the keys of a row below `first_unused` are used: what [`Keyring::first_unused`] said before a
    /// restart.
    pub fn note_first_unused(&mut self, branch: Branch, first_unused: u32) -> Result<(), DerivationError> {
        if first_unused > self.row(branch).first_unused {
            self.row(branch).first_unused = first_unused;
            self.extend(branch)?;
        }
        Ok(())
    }

    /// The secret key at a place.
    pub fn secret(&self, path: KeyPath) -> Result<SecretKey, DerivationError> {
        match path.branch {
            Branch::Receive => self.keys.receive(path.index),
            Branch::Change => self.keys.change(path.index),
            Branch::Job => self.keys.job(path.index, JobKey::Client),
        }
    }

    /// The secret key whose public key has this hash, if it is ours.
    pub fn secret_for(&self, hash: &KeyHash) -> Option<SecretKey> {
        self.secret(self.find(hash)?).ok()
    }

    fn row(&mut self, branch: Branch) -> &mut Row {
        match branch {
            Branch::Receive => &mut self.receive,
            Branch::Change => &mut self.change,
            Branch::Job => &mut self.job,
        }
    }

    /// Derives up to the gap limit behind the last used address.
    fn extend(&mut self, branch: Branch) -> Result<(), DerivationError> {
        let (from, to) = (self.row(branch).hashes.len() as u32, self.row(branch).first_unused.saturating_add(GAP));
        for index in from..to {
            let hash = self.secret(KeyPath { branch, index })?.public_key().hash();
            self.row(branch).hashes.push(hash);
            self.by_hash.insert(hash, KeyPath { branch, index });
        }
        Ok(())
    }
}

impl Row {
    fn unused(&self) -> KeyHash {
        // `extend` keeps GAP hashes behind `first_unused`.
        self.hashes[self.first_unused as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::new(Network::Dev, &Mnemonic::from_entropy(&[1; 16]).unwrap()).unwrap()
    }

    #[test]
    fn used_addresses_move_the_window() {
        let mut ring = keyring();
        assert_eq!(ring.watched().count(), 60);
        let first = ring.receive_address();
        assert_eq!(ring.find(&first.hash), Some(KeyPath { branch: Branch::Receive, index: 0 }));
        assert!(ring.note_used(&first.hash).unwrap());
        assert!(!ring.note_used(&first.hash).unwrap());
        assert_ne!(ring.receive_address(), first);
        assert_eq!(ring.watched().count(), 61);
        // The last one watched.
        let far = ring.secret(KeyPath { branch: Branch::Receive, index: 20 }).unwrap().public_key().hash();
        assert!(ring.note_used(&far).unwrap());
        assert_eq!(ring.watched().count(), 81);
        assert_eq!(ring.find(&ring.receive_address().hash), Some(KeyPath { branch: Branch::Receive, index: 21 }));
        assert!(!ring.note_used(&KeyHash([9; 20])).unwrap());
    }

    #[test]
    fn the_client_keys_of_jobs_are_ours() {
        let mut ring = keyring();
        let key = ring.keys().job(3, JobKey::Client).unwrap();
        let hash = key.public_key().hash();
        assert_eq!(ring.secret_for(&hash).unwrap().public_key(), key.public_key());
        assert_eq!(ring.unused_job(), 0);
        assert!(ring.note_used(&hash).unwrap(), "a restored wallet learns from the chain which jobs it had");
        assert_eq!(ring.unused_job(), 4);
        ring.note_job(30).unwrap();
        let far = ring.keys().job(50, JobKey::Client).unwrap().public_key().hash();
        assert_eq!(ring.find(&far), Some(KeyPath { branch: Branch::Job, index: 50 }));
    }

    #[test]
    fn our_outputs_are_known_and_can_be_signed_for() {
        let ring = keyring();
        let (receive, change) = (ring.receive_address().hash, ring.change_hash());
        for (hash, branch) in [(receive, Branch::Receive), (change, Branch::Change)] {
            assert_eq!(ring.owner(&templates::p2pkh(hash)), Some(KeyPath { branch, index: 0 }));
            assert_eq!(ring.secret_for(&hash).unwrap().public_key().hash(), hash);
        }
        assert_eq!(ring.owner(&templates::burn()), None);
        assert!(ring.secret_for(&KeyHash::ZERO).is_none());
    }
}

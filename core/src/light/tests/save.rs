//! What is saved is what is read, and goes on alike.

use super::world::*;
use crate::light::{Anchor, LightClient, Limits, RestoreError, Saved, Unsaved};
use crate::transaction::TxOut;
use crate::units::{Amount, COIN, Height};
use crate::wallet::FeeRate;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// What a store holds: rows that tails replace the end of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Disk {
    headers: Vec<[u8; 80]>,
    /// By height.
    filters: alloc::collections::BTreeMap<Height, [u8; 32]>,
    pub(super) state: Vec<u8>,
}

impl Disk {
    pub(super) fn write(&mut self, unsaved: Unsaved) {
        if let Some(tail) = unsaved.headers {
            self.headers.truncate(tail.from.0 as usize - 1);
            self.headers.extend(tail.bytes.as_chunks::<80>().0);
        }
        if let Some(tail) = unsaved.filters {
            self.filters.split_off(&tail.from);
            let rows = tail.bytes.as_chunks::<32>().0.iter().copied();
            self.filters.extend((tail.from.0..).map(Height).zip(rows));
        }
        if let Some(state) = unsaved.state {
            self.state = state;
        }
    }

    pub(super) fn restore(&self) -> Result<LightClient<usize>, RestoreError> {
        let (headers, filters) = (self.headers.concat(), self.filters.values().copied().collect::<Vec<_>>().concat());
        let saved = Saved { headers: &headers, filters: &filters, state: &self.state };
        LightClient::restore(dev(), saved, keyring(), Limits::default())
    }
}

/// All that a client says of itself.
fn said(light: &LightClient<usize>) -> impl PartialEq + core::fmt::Debug + use<> {
    let filters = light.filters().bytes_from(light.filters().first());
    (
        (light.headers().tip().clone(), light.headers().bytes_from(Height(1)), filters, light.scanned()),
        (light.ledger().clone(), light.holdings(), light.is_looking_back()),
        (light.keyring().receive_address(), light.keyring().change_hash(), light.keyring().unused_job()),
        light.keyring().watched().copied().collect::<Vec<_>>(),
    )
}

#[test]
fn damage_is_found_and_never_a_panic() {
    let mut chain = empty();
    mine(&mut chain, ours(0), vec![]);
    grow(&mut chain, 12, 1);
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    world.run(5);
    let mut disk = Disk::default();
    disk.write(world.light.take_unsaved().unwrap());
    assert_eq!(world.light.take_unsaved().unwrap(), Unsaved::default());
    assert_eq!(said(&disk.restore().unwrap()), said(&world.light));
    for place in 0..disk.state.len() {
        let mut damaged = disk.clone();
        damaged.state[place] ^= 1;
        assert_eq!(damaged.restore().unwrap_err(), RestoreError::Checksum, "byte {place}");
        damaged.state.truncate(place);
        assert_eq!(damaged.restore().unwrap_err(), RestoreError::Checksum, "cut at {place}");
    }
    let with = |change: &dyn Fn(&mut Disk)| {
        let mut damaged = disk.clone();
        change(&mut damaged);
        damaged.restore().unwrap_err()
    };
    assert!(matches!(with(&|d| d.headers[5][0] ^= 1), RestoreError::Headers(_)));
    assert_eq!(with(&|d| d.headers.truncate(12)), RestoreError::Mismatch { what: "headers" });
    assert_eq!(with(&|d| d.filters.retain(|h, _| h.0 < 13)), RestoreError::Mismatch { what: "filter headers" });
    let other = crate::wallet::Keyring::new(
        crate::units::Network::Dev,
        &crate::keys::Mnemonic::from_entropy(&[8; 16]).unwrap(),
    );
    let saved = Saved { headers: &[], filters: &[], state: &disk.state };
    let refused = LightClient::<usize>::restore(dev(), saved, other.unwrap(), Limits::default());
    assert!(matches!(refused, Err(RestoreError::Wallet { .. })));
    let test = crate::block::NetworkParams::of(crate::units::Network::Test);
    let refused = LightClient::<usize>::restore(test, saved, keyring(), Limits::default());
    assert!(matches!(refused, Err(RestoreError::Network { .. })));
}

#[test]
fn keys_that_the_owner_noted_meanwhile_are_looked_for() {
    let mut chain = empty();
    mine(&mut chain, ours(25), vec![]);
    grow(&mut chain, 3, 1);
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    world.run(5);
    assert_eq!(world.light.ledger().coins().count(), 0, "out of view");
    let mut disk = Disk::default();
    disk.write(world.light.take_unsaved().unwrap());
    let mut ring = keyring();
    ring.note_first_unused(crate::wallet::Branch::Receive, 10).unwrap();
    let (headers, filters) = (disk.headers.concat(), disk.filters.values().copied().collect::<Vec<_>>().concat());
    let saved = Saved { headers: &headers, filters: &filters, state: &disk.state };
    let light = LightClient::restore(dev(), saved, ring, Limits::default()).unwrap();
    let mut world = World::with(light, vec![(Play::Honest, chain.clone())]);
    world.run(5);
    world.assert_at(&chain);
    assert_eq!(world.light.ledger().coins().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Stopped at any moment, saved in small steps, and read again: it says the same, and ends where the other one
    /// ends.
    #[test]
    fn a_restart_changes_nothing(
        payees in prop::collection::vec(0u32..60, 8..30), questions in 0usize..40, every in 1usize..5, back in 0u32..6,
        pay: bool, birthday in 0u32..12, seed: u64,
    ) {
        let mut chain = empty();
        for payee in &payees {
            mine(&mut chain, if payee % 3 == 0 { ours(*payee) } else { stranger(1) }, vec![]);
        }
        grow(&mut chain, 6, 2);
        let fresh = || LightClient::new(dev(), Anchor::genesis(dev()), Height(birthday), keyring(), Limits::default());
        let peers = vec![(Play::Honest, chain.clone()), (Play::Slow, chain.clone())];
        let mut world = World::with(fresh(), peers.clone()).seeded(seed);
        let mut disk = Disk::default();
        world.steps(questions, |light, asked| {
            if asked % every == 0 {
                disk.write(light.take_unsaved().unwrap());
            }
        });
        if pay {
            let out = TxOut { value: Amount(COIN), script_pubkey: stranger(3) };
            if let Ok(paid) = world.light.prepare(vec![out], FeeRate(1000)) {
                let now = world.now();
                world.light.submit(paid.tx, now).unwrap();
            }
        }
        disk.write(world.light.take_unsaved().unwrap());
        let mut again = disk.restore().unwrap();
        prop_assert_eq!(said(&again), said(&world.light));
        prop_assert_eq!(again.take_unsaved().unwrap(), Unsaved::default());
        // Where the chain goes on, or leaves some blocks.
        let mut next = up_to(&chain, chain.height().0 - back);
        mine(&mut next, ours(1), vec![]);
        grow(&mut next, back + 2, 5);
        let next_peers = vec![(Play::Honest, next.clone()), (Play::Slow, next.clone())];
        let mut restarted = World::with(again, next_peers).seeded(seed);
        world.follow(&next);
        world.run(40);
        restarted.run(40);
        prop_assert_eq!(said(&restarted.light), said(&world.light));
        prop_assert_eq!(world.light.scanned(), next.height());
        if birthday == 0 {
            restarted.assert_at(&next);
        }
    }
}

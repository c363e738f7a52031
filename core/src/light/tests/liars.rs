//! Peers that lie or are slow, beside one that does neither: the liar is named, the honest result stands.

use super::world::*;
use crate::light::{Event, Fault, HeadersError};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A chain in which some blocks pay us.
fn chain() -> TestChain {
    let mut chain = empty();
    for height in 0..30 {
        let to = if height % 7 == 3 { ours(0) } else { stranger(1) };
        mine(&mut chain, to, vec![]);
    }
    chain
}

/// Whether a fault is what a play deserves.
fn fits(play: Play, fault: &Fault) -> bool {
    match play {
        Play::Work => matches!(fault, Fault::Headers(HeadersError::Header { .. })),
        Play::Hashes => matches!(fault, Fault::FilterHashes { .. }),
        Play::FewHashes => matches!(fault, Fault::FilterCount { .. }),
        Play::Filters => matches!(fault, Fault::Filter { .. }),
        Play::OtherBlock => matches!(fault, Fault::OtherBlocks),
        Play::Body => matches!(fault, Fault::Body { .. }),
        Play::Proof => matches!(fault, Fault::Proof(_)),
        Play::OtherProof => matches!(fault, Fault::OtherProof { .. }),
        Play::Unasked => matches!(fault, Fault::OtherHeaders { .. }),
        Play::Confused => matches!(fault, Fault::OtherKind),
        Play::Silent => matches!(fault, Fault::Silent { .. }),
        Play::Honest | Play::NoProofs | Play::Slow | Play::Boaster | Play::Refuser => false,
    }
}

const LIARS: [Play; 10] = [
    Play::Work,
    Play::Hashes,
    Play::FewHashes,
    Play::Filters,
    Play::OtherBlock,
    Play::Body,
    Play::Proof,
    Play::OtherProof,
    Play::Unasked,
    Play::Confused,
];

/// Follows the chain, and some more blocks, each of them paid to us.
fn play_on(world: &mut World, chain: &TestChain) -> TestChain {
    let mut chain = chain.clone();
    world.run(6);
    for _ in 0..3 {
        mine(&mut chain, ours(0), vec![]);
        world.follow(&chain);
        world.run(7);
    }
    chain
}

#[test]
fn each_liar_is_named_and_the_honest_result_stands() {
    let start = chain();
    for play in LIARS {
        // Where all are equally busy the first is asked.
        let mut world = World::new(vec![(play, start.clone()), (Play::Honest, start.clone())]);
        let chain = play_on(&mut world, &start);
        world.assert_at(&chain);
        assert!(!world.blamed.contains_key(&1), "{play:?}: {:?}", world.blamed);
        let fault = world.blamed.get(&0).unwrap_or_else(|| panic!("{play:?} was not found out"));
        assert!(fits(play, fault), "{play:?}: {fault}");
        // And the other way round: who is not asked what it lies about need not be found out.
        let mut world = World::new(vec![(Play::Honest, start.clone()), (play, start.clone())]);
        let chain = play_on(&mut world, &start);
        world.assert_at(&chain);
        assert!(!world.blamed.contains_key(&0), "{play:?}: {:?}", world.blamed);
    }
}

#[test]
fn a_disagreement_about_filter_hashes_is_told_and_the_proof_decides() {
    let start = chain();
    for (first, second, liar) in [(Play::Hashes, Play::Honest, 0), (Play::Honest, Play::Hashes, 1)] {
        for seed in 0..8 {
            let mut world = World::new(vec![(first, start.clone()), (second, start.clone())]).seeded(seed);
            let chain = play_on(&mut world, &start);
            world.assert_at(&chain);
            assert!(matches!(world.blamed.get(&liar), Some(Fault::FilterHashes { .. })), "{:?}", world.blamed);
            assert_eq!(world.blamed.len(), 1);
        }
    }
    // Where both answers are here before the proof, the disagreement is told first.
    let mut told = 0;
    for seed in 0..16 {
        let mut world = World::new(vec![(Play::Hashes, start.clone()), (Play::Honest, start.clone())]).seeded(seed);
        world.run(5);
        told += world.events.iter().filter(|e| matches!(e, Event::Disagreement { .. })).count();
    }
    assert!(told > 0);
}

#[test]
fn who_has_pruned_is_slow_or_boasts_is_no_liar() {
    let chain = chain();
    for play in [Play::NoProofs, Play::Slow, Play::Boaster] {
        let mut world = World::new(vec![(play, chain.clone()), (Play::Honest, chain.clone())]);
        world.run(60);
        world.assert_at(&chain);
        assert!(world.blamed.is_empty(), "{play:?}: {:?}", world.blamed);
    }
    let mut world = World::new(vec![(Play::Slow, chain.clone())]);
    world.run(5);
    world.assert_at(&chain);
}

#[test]
fn who_never_answers_is_named_at_last() {
    let chain = chain();
    let mut world = World::new(vec![(Play::Silent, chain.clone()), (Play::Honest, chain.clone())]);
    world.run(40);
    world.assert_at(&chain);
    assert!(fits(Play::Silent, &world.blamed[&0]));
    assert_eq!(world.blamed.len(), 1);
}

#[test]
fn a_later_lie_is_found_by_what_is_known() {
    // The second answer comes when the first is proved already.
    let chain = chain();
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    world.run(5);
    world.assert_at(&chain);
    world.light.connected(1);
    world.peers.push((Play::Hashes, chain.clone()));
    world.run(6);
    let mut longer = chain.clone();
    grow(&mut longer, 1, 4);
    world.follow(&longer);
    world.run(20);
    world.assert_at(&longer);
    assert!(matches!(world.blamed.get(&1), Some(Fault::FilterHashes { .. })), "{:?}", world.blamed);
}

fn plays() -> impl Strategy<Value = Vec<Play>> {
    let all = [LIARS.as_slice(), &[Play::Silent, Play::NoProofs, Play::Slow, Play::Boaster, Play::Honest]].concat();
    prop::collection::vec(prop::sample::select(all), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever else is there, in whatever order answers come: one honest peer is enough, and nobody honest is blamed.
    #[test]
    fn one_honest_peer_is_enough(plays in plays(), at in any::<prop::sample::Index>(), seed: u64) {
        let chain = chain();
        let mut peers: Vec<_> = plays.into_iter().map(|play| (play, chain.clone())).collect();
        peers.insert(at.index(peers.len() + 1), (Play::Honest, chain.clone()));
        let plays: Vec<Play> = peers.iter().map(|(play, _)| *play).collect();
        let mut world = World::new(peers).seeded(seed);
        world.run(200);
        world.assert_at(&chain);
        for (peer, fault) in &world.blamed {
            prop_assert!(fits(plays[*peer], fault), "{:?}: {}", plays[*peer], fault);
        }
    }
}

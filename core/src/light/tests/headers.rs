//! The header chain against the full chain's rules, and on its own.

use super::world::*;
use crate::block::{Header, PowMidstate};
use crate::chain::{HeaderError, next_work_required};
use crate::hash::{BlockHash, FilterHeader, Hash32};
use crate::light::{Anchor, Change, HeaderChain, HeadersError, RestoreHeadersError};
use crate::units::{Height, Timestamp};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

type Headers = HeaderChain<u8>;

fn new_chain() -> Headers {
    HeaderChain::new(dev(), Anchor::genesis(dev()), 20_000)
}

/// The next header, `seconds` after the tip's.
fn next(chain: &Headers, branch: u8, seconds: u32) -> Header {
    let tip = chain.tip();
    let header = Header {
        version: Header::VERSION,
        previous: chain.tip_hash(),
        merkle_root: Hash32([branch; 32]),
        time: Timestamp(tip.header.time.0 + seconds),
        bits: next_work_required(tip, dev()),
        nonce: 0,
    };
    solved(header)
}

fn solved(header: Header) -> Header {
    let target = header.bits.target().unwrap();
    Header { nonce: PowMidstate::new(&header).try_nonces(0..=u32::MAX, &target).unwrap(), ..header }
}

/// Grows a chain and gives the new headers.
fn grow_by(chain: &mut Headers, count: u32, branch: u8, seconds: u32) -> Vec<Header> {
    let mut headers = Vec::new();
    for _ in 0..count {
        let header = next(chain, branch, seconds);
        assert_eq!(chain.accept(0, &[header], LATE).error, None);
        headers.push(header);
    }
    headers
}

#[test]
fn each_rule_is_checked_and_names_the_header() {
    let mut chain = new_chain();
    grow_by(&mut chain, 12, 1, 2);
    let good = next(&chain, 1, 2);
    let refused = |header: Header, now: Timestamp| {
        let mut chain = chain.clone();
        let taken = chain.accept(1, &[header], now);
        assert_eq!((taken.new, taken.change, chain.useless()), (0, None, 0));
        match taken.error.unwrap() {
            HeadersError::Header { hash, error } => {
                assert_eq!(hash, header.hash());
                error
            }
            other => panic!("{other:?}"),
        }
    };
    let target = good.bits.target().unwrap();
    let missed = (0..).map(|nonce| Header { nonce, ..good }).find(|h| !target.is_met_by(&h.hash())).unwrap();
    assert!(matches!(refused(missed, LATE), HeaderError::ProofOfWork { .. }));
    assert_eq!(refused(Header { version: 1, ..good }, LATE), HeaderError::Version { found: 1 });
    let hard = crate::block::CompactTarget(good.bits.0 - 1);
    assert!(matches!(refused(solved(Header { bits: hard, ..good }), LATE), HeaderError::WrongBits { .. }));
    let median = chain.tip().median_time_past;
    assert!(matches!(refused(solved(Header { time: median, ..good }), LATE), HeaderError::TimeTooOld { .. }));
    let early = Timestamp(good.time.0 - dev().max_future_seconds - 1);
    assert!(matches!(refused(good, early), HeaderError::TimeTooNew { .. }));
    assert_eq!(chain.accept(1, &[good], Timestamp(early.0 + 1)).error, None);
    // From nowhere, and out of order.
    let lost = solved(Header { previous: BlockHash([5; 32]), ..good });
    assert!(matches!(chain.accept(1, &[lost], LATE).error, Some(HeadersError::UnknownParent { .. })));
    let after = next(&chain, 1, 2);
    let taken = chain.accept(1, &[after, after], LATE);
    assert_eq!(taken.new, 1);
    assert!(matches!(taken.error, Some(HeadersError::NotConsecutive { .. })), "{taken:?}");
    assert_eq!(chain.tip_hash(), after.hash());
}

#[test]
fn hashes_are_found_and_heights_too() {
    let mut chain = new_chain();
    let headers = grow_by(&mut chain, 300, 1, 2);
    for (height, header) in (1..).map(Height).zip(&headers) {
        assert_eq!(chain.height_of(&header.hash()), Some(height));
        assert_eq!((chain.header(height), chain.hash(height)), (Some(header), Some(header.hash())));
    }
    assert_eq!(chain.hash(Height(0)), Some(dev().genesis().hash()));
    assert_eq!(chain.height_of(&dev().genesis().hash()), Some(Height(0)));
    assert_eq!((chain.hash(Height(301)), chain.header(Height(301))), (None, None));
    assert_eq!(chain.height_of(&BlockHash([3; 32])), None);
    let heights: Vec<u32> = chain.locator(&0).iter().map(|hash| chain.height_of(hash).unwrap().0).collect();
    assert_eq!(heights, [300, 299, 298, 297, 296, 295, 294, 293, 292, 291, 289, 285, 277, 261, 229, 165, 37, 0]);
}

#[test]
fn a_better_chain_replaces_a_worse_one_and_says_where_they_parted() {
    let mut chain = new_chain();
    let common = grow_by(&mut chain, 20, 1, 2);
    let mut other = chain.clone();
    let old = grow_by(&mut chain, 5, 2, 2);
    let new = grow_by(&mut other, 7, 3, 2);
    let taken = chain.accept(7, &new[..4], LATE);
    assert_eq!((taken.new, taken.last, taken.change), (4, Some(Height(24)), None));
    assert_eq!((chain.useless(), chain.tip_hash()), (4, old[4].hash()));
    // Another end of that chain, from its middle.
    let mut third = new_chain();
    third.accept(0, &[common.clone(), new[..2].to_vec()].concat(), LATE);
    let end = grow_by(&mut third, 2, 4, 2);
    assert_eq!(chain.accept(7, &end, LATE).error, None);
    assert_eq!(chain.useless(), 4);
    assert_eq!(chain.locator(&7)[0], end[1].hash());
    let taken = chain.accept(7, &new, LATE);
    assert_eq!(taken.change, Some(Change { common: Height(20), left: 5, new: 7 }));
    assert_eq!((chain.tip(), chain.useless()), (other.tip(), 0));
    for header in &old {
        assert_eq!(chain.height_of(&header.hash()), None);
    }
    assert_eq!(chain.height_of(&new[6].hash()), Some(Height(27)));
    // What goes with its giver.
    assert_eq!(chain.accept(8, &old, LATE).new, 5);
    chain.forget(&8);
    assert_eq!(chain.useless(), 0);
}

#[test]
fn checkpoints_hold_and_headers_that_lead_nowhere_are_bounded() {
    let mut best = new_chain();
    let headers = grow_by(&mut best, 30, 1, 2);
    let mut held = new_chain().with_checkpoints([(Height(9), BlockHash([1; 32]))].into());
    let error = held.accept(0, &headers, LATE).error.unwrap();
    assert!(matches!(error, HeadersError::Checkpoint { height: Height(9), .. }), "{error}");
    assert!(error.is_fault());
    let named = [(Height(9), headers[8].hash())].into();
    assert_eq!(new_chain().with_checkpoints(named).accept(0, &headers, LATE).error, None);

    let mut chain = HeaderChain::<u8>::new(dev(), Anchor::genesis(dev()), 8);
    chain.accept(0, &headers, LATE);
    let useless = grow_by(&mut new_chain(), 12, 2, 2);
    let taken = chain.accept(1, &useless, LATE);
    assert_eq!(taken.error, Some(HeadersError::TooMany { limit: 8 }));
    assert_eq!((chain.useless(), chain.tip()), (0, best.tip()));
}

#[test]
fn twenty_thousand_headers_an_anchor_among_them_and_forks_from_far_below() {
    let mut chain = new_chain();
    let headers = grow_by(&mut chain, 20_000, 1, 2);
    assert_eq!(chain.height(), Height(20_000));
    // All in a few answers, with the same result.
    let mut bulk = new_chain();
    for part in headers.chunks(2000) {
        assert_eq!(bulk.accept(0, part, LATE).error, None);
    }
    assert_eq!(bulk.tip(), chain.tip());
    assert_eq!(bulk.height_of(&headers[12_344].hash()), Some(Height(12_345)));

    // Whoever begins in the middle checks alike.
    let anchor = bulk.anchor_at(Height(15_000), FilterHeader([4; 32])).unwrap();
    let mut late = HeaderChain::<u8>::new(dev(), anchor, 20_000);
    let strange = late.accept(0, &headers[..100], LATE).error.unwrap();
    assert!(matches!(strange, HeadersError::BelowAnchor { .. }), "{strange}");
    for part in headers[15_000..].chunks(2000) {
        assert_eq!(late.accept(0, part, LATE).error, None);
    }
    assert_eq!(late.tip(), bulk.tip());
    assert_eq!(late.locator(&0).last(), Some(&dev().genesis().hash()));
    assert_eq!(late.hash(Height(14_999)), None);
    assert_eq!(late.anchor_at(Height(15_010), FilterHeader::ZERO), bulk.anchor_at(Height(15_010), FilterHeader::ZERO));

    // "A node does not leave its chain for one that left it more than 1,440 blocks below the tip."
    let depth = dev().max_reorganisation;
    let mut fork = new_chain();
    for part in headers[..(20_000 - depth as usize)].chunks(2000) {
        fork.accept(0, part, LATE);
    }
    let far = grow_by(&mut fork, depth + 1, 2, 2);
    let mut longer = bulk.clone();
    grow_by(&mut longer, 1, 3, 2);
    let taken = longer.accept(1, &far, LATE);
    let floor = Height(20_001 - depth);
    assert!(matches!(taken.error, Some(HeadersError::ForkTooDeep { floor: f, .. }) if f == floor), "{taken:?}");
    assert!(!taken.error.unwrap().is_fault());
    assert_eq!(longer.height(), Height(20_001));
    let taken = bulk.accept(1, &far, LATE);
    assert_eq!(taken.change, Some(Change { common: Height(20_000 - depth), left: depth, new: depth + 1 }));
    assert_eq!(bulk.tip(), fork.tip());

    // Saved and read again.
    let bytes = chain.bytes_from(Height(1));
    let again = Headers::restore(dev(), Anchor::genesis(dev()), 20_000, &bytes).unwrap();
    assert_eq!((again.tip(), again.bytes_from(Height(19_990))), (chain.tip(), chain.bytes_from(Height(19_990))));
    let mut damaged = bytes.clone();
    damaged[80 * 700 + 70] ^= 1;
    let refused = Headers::restore(dev(), Anchor::genesis(dev()), 20_000, &damaged);
    assert!(matches!(refused, Err(RestoreHeadersError::Header(_))));
    let cut = Headers::restore(dev(), Anchor::genesis(dev()), 20_000, &bytes[..bytes.len() - 1]);
    assert!(matches!(cut, Err(RestoreHeadersError::Length { .. })));
}

/// Branches of a random history: each leaves an earlier one at some height and grows for a while, faster or slower.
fn history() -> impl Strategy<Value = Vec<(usize, u32, u32, u32)>> {
    prop::collection::vec((0usize..4, 0u32..12, 1u32..9, prop::sample::select(vec![1u32, 2, 2, 2, 40])), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the history and whoever gives it in whatever pieces: the best tip is that of the full chain.
    #[test]
    fn the_best_tip_is_that_of_the_full_chain(
        branches in history(), turns in prop::collection::vec((any::<prop::sample::Index>(), 1usize..9), 1..40),
    ) {
        let mut trunk = empty();
        grow(&mut trunk, 6, 1);
        let mut chains = vec![trunk];
        for (number, (from, back, count, seconds)) in (2..).zip(branches) {
            let from = &chains[from % chains.len()];
            let mut chain = up_to(from, from.height().0.saturating_sub(back));
            for _ in 0..count {
                let block = block_on(&chain, stranger(number), Vec::new(), seconds);
                chain.accept_block(block, LATE).unwrap();
            }
            chains.push(chain);
        }
        let (mut full, mut chain) = (empty(), new_chain());
        let all = (0..chains.len()).map(|n| (n, 100)).chain((0..chains.len()).map(|n| (n, 100)));
        let turns = turns.into_iter().map(|(pick, limit)| (pick.index(chains.len()), limit));
        for (peer, limit) in turns.chain(all) {
            let headers = chains[peer].headers_after(&chain.locator(&(peer as u8)), limit).unwrap();
            let taken = chain.accept(peer as u8, &headers, LATE);
            prop_assert_eq!(taken.error, None);
            full.accept_headers(&headers, LATE).unwrap();
            let best = full.header(&full.best_header().unwrap()).unwrap().unwrap();
            let (tip, ours) = (chain.tip(), full.header(&chain.tip_hash()).unwrap().unwrap());
            prop_assert_eq!(tip, &ours);
            prop_assert_eq!(tip.hash(), best.hash());
            // Every place of the row is right.
            let mut hash = chain.tip_hash();
            for height in (0..=chain.height().0).rev() {
                prop_assert_eq!(chain.hash(Height(height)), Some(hash));
                prop_assert_eq!(chain.height_of(&hash), Some(Height(height)));
                hash = chain.header(Height(height)).unwrap().previous;
            }
        }
    }
}

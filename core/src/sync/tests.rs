//! Peers of all kinds, over a network that is a list of messages.

use super::*;
use crate::block::{Block, NetworkParams, PowMidstate};
use crate::chain::MemoryStore;
use crate::hash::KeyHash;
use crate::script::templates;
use crate::units::{Network, Timestamp};
use alloc::vec;
use proptest::prelude::*;

type MemoryChain = Chain<MemoryStore>;

/// A clock that no test's block is ahead of.
const LATE: Timestamp = Timestamp(u32::MAX);

fn empty() -> MemoryChain {
    Chain::open(MemoryStore::new(), NetworkParams::of(Network::Dev)).unwrap()
}

fn grow(chain: &mut MemoryChain, blocks: u32, payee: u8) {
    for _ in 0..blocks {
        let time = Timestamp(chain.tip().header.time.0 + 2);
        let mut block = chain.build_template(templates::p2pkh(KeyHash([payee; 20])), [], time).unwrap().block;
        block.header.merkle_root = block.merkle_root();
        let target = block.header.bits.target().unwrap();
        block.header.nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target).unwrap();
        chain.accept_block(block, LATE).unwrap();
    }
}

/// What a peer is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Honest,
    /// Answers nothing.
    Silent,
    /// Has headers, and no blocks.
    NoBlocks,
    /// Gives one block a question.
    Slow,
    /// Gives other blocks.
    OtherBlocks,
    /// Gives the right header with another body.
    OtherBody,
    /// Says that it is high, and gives no headers.
    Boaster,
    /// Answers with something else.
    Confused,
}

impl Kind {
    const LIARS: [Kind; 7] =
        [Kind::Silent, Kind::NoBlocks, Kind::Slow, Kind::OtherBlocks, Kind::OtherBody, Kind::Boaster, Kind::Confused];

    fn answer(self, chain: &MemoryChain, ask: &Ask) -> Option<Response> {
        let blocks = |hashes: &[BlockHash]| match serve::blocks(chain, hashes).unwrap() {
            Response::Blocks(blocks) => blocks,
            other => panic!("{other:?}"),
        };
        Some(match (self, ask) {
            (Kind::Silent, _) => return None,
            (Kind::Boaster, Ask::Status(_)) => Response::Status(ChainStatus {
                genesis: chain.params().genesis().hash(),
                tip: BlockHash([7; 32]),
                height: Height(1_000_000),
                time: LATE,
            }),
            (Kind::Boaster, Ask::Headers(_)) => Response::Headers(Vec::new()),
            (Kind::Confused, Ask::Blocks(_)) => Response::Headers(Vec::new()),
            (Kind::NoBlocks, Ask::Blocks(_)) => Response::Blocks(Vec::new()),
            (Kind::Slow, Ask::Blocks(hashes)) => Response::Blocks(blocks(&hashes[..1])),
            (Kind::OtherBlocks, Ask::Blocks(hashes)) => {
                Response::Blocks(vec![chain.params().genesis(); hashes.len().min(2)])
            }
            (Kind::OtherBody, Ask::Blocks(hashes)) => {
                let mut blocks = blocks(hashes);
                blocks.iter_mut().for_each(|b| b.transactions[0].version += 1);
                Response::Blocks(blocks)
            }
            (_, Ask::Status(_)) => Response::Status(ChainStatus {
                genesis: chain.params().genesis().hash(),
                tip: chain.tip_hash(),
                height: chain.height(),
                time: LATE,
            }),
            (_, Ask::Headers(locator)) => serve::headers(chain, locator).unwrap(),
            (_, Ask::Blocks(hashes)) => serve::blocks(chain, hashes).unwrap(),
            (_, Ask::Pools) => Response::Pools(Vec::new()),
        })
    }
}

struct World {
    chain: MemoryChain,
    sync: Sync<usize>,
    peers: Vec<(Kind, MemoryChain)>,
    banned: BTreeSet<usize>,
    elapsed: Duration,
    /// Blocks that came, with those that came twice.
    blocks: usize,
    most_waiting: usize,
}

impl World {
    fn new(peers: Vec<(Kind, MemoryChain)>) -> Self {
        let mut sync = Sync::new(Limits::default());
        (0..peers.len()).for_each(|peer| sync.connected(peer));
        let (banned, elapsed) = (BTreeSet::new(), Duration::ZERO);
        World { chain: empty(), sync, peers, banned, elapsed, blocks: 0, most_waiting: 0 }
    }

    fn now(&self) -> Now {
        Now { elapsed: self.elapsed, time: LATE }
    }

    fn ban(&mut self, peer: usize) {
        self.banned.insert(peer);
        self.sync.disconnected(&peer);
    }

    /// Asks, answers in an order that `pick` decides, and lets a second pass; over and over.
    fn run(&mut self, rounds: usize, mut pick: impl FnMut(usize) -> usize) {
        for _ in 0..rounds {
            let mut asks = self.sync.next(&self.chain, self.now()).unwrap();
            while !asks.is_empty() {
                let (id, peer, ask) = asks.swap_remove(pick(asks.len()));
                let (kind, theirs) = &self.peers[peer];
                let Some(response) = kind.answer(theirs, &ask) else { continue };
                if let Response::Blocks(blocks) = &response {
                    self.blocks += blocks.len();
                }
                let now = self.now();
                for event in self.sync.on_answer(id, response, &mut self.chain, now).unwrap() {
                    self.on_event(event);
                }
                self.most_waiting = self.most_waiting.max(self.sync.download.bytes());
            }
            let silent: Vec<usize> = self.sync.silent().collect();
            silent.into_iter().for_each(|peer| self.ban(peer));
            self.elapsed += Duration::from_secs(1);
        }
    }

    fn on_event(&mut self, event: Event<usize>) {
        match event {
            Event::Fault(peer, _) => self.ban(peer),
            Event::Blocks(blocks) => {
                for (peer, block) in blocks {
                    if self.chain.accept_block(block, LATE).is_err() {
                        self.ban(peer);
                    }
                }
            }
            Event::Pools(..) => {}
        }
    }
}

#[test]
fn blocks_come_from_all_peers_and_each_once() {
    let mut best = empty();
    grow(&mut best, 300, 1);
    let mut world = World::new(vec![(Kind::Honest, best.clone()); 4]);
    world.run(30, |_| 0);
    assert_eq!(world.chain.tip_hash(), best.tip_hash());
    assert_eq!((world.blocks, world.banned.len()), (300, 0));
    assert_eq!(world.sync.progress(&world.chain).unwrap(), None);

    // And when the chain grows, the new blocks alone.
    for (_, chain) in &mut world.peers {
        grow(chain, 3, 1);
    }
    world.run(12, |n| n - 1);
    assert_eq!(world.chain.height(), Height(303));
    assert_eq!(world.blocks, 303);
}

#[test]
fn progress_is_told_while_blocks_come() {
    let mut best = empty();
    grow(&mut best, 2_100, 1);
    let mut world = World::new(vec![(Kind::Slow, best)]);
    world.run(12, |_| 0);
    let progress = world.sync.progress(&world.chain).unwrap().unwrap();
    assert_eq!((progress.headers, progress.target), (Height(2_100), Height(2_100)));
    assert!(progress.height > Height(0) && progress.height < Height(100), "{progress:?}");
    assert!(progress.blocks_per_second > 0.5 && progress.seconds_left.unwrap() > 100.0, "{progress:?}");
}

#[test]
fn who_boasts_does_not_move_the_target() {
    let mut best = empty();
    grow(&mut best, 20, 1);
    let mut world = World::new(vec![(Kind::Boaster, empty()), (Kind::Honest, best)]);
    world.run(10, |_| 0);
    assert_eq!(world.chain.height(), Height(20));
    assert_eq!(world.sync.progress(&world.chain).unwrap(), None);
}

#[test]
fn a_better_chain_without_blocks_does_not_stop_the_next_best() {
    let (mut honest, mut withheld) = (empty(), empty());
    grow(&mut honest, 40, 1);
    grow(&mut withheld, 60, 2);
    let mut world = World::new(vec![(Kind::NoBlocks, withheld.clone()), (Kind::Honest, honest.clone())]);
    world.run(30, |_| 0);
    assert_eq!(world.chain.best_header().unwrap(), withheld.tip_hash());
    assert_eq!(world.chain.tip_hash(), honest.tip_hash());
    // Once somebody gives them, it is followed.
    world.peers[0].0 = Kind::Honest;
    world.sync.on_announced(0, withheld.tip_hash());
    world.run(10, |_| 0);
    assert_eq!(world.chain.tip_hash(), withheld.tip_hash());
}

#[test]
fn blocks_that_came_again_are_taken_after_others_were_refused() {
    let mut best = empty();
    grow(&mut best, 3, 1);
    let mut world = World::new(vec![(Kind::OtherBody, best.clone()), (Kind::Honest, best.clone())]);
    // Both are asked for the same blocks at once; the false ones come first.
    world.sync = Sync::new(Limits { stall: Duration::ZERO, ..Limits::default() });
    (0..2).for_each(|peer| world.sync.connected(peer));
    world.run(20, |_| 0);
    assert_eq!(world.banned, [0].into());
    assert_eq!(world.chain.tip_hash(), best.tip_hash());
}

#[test]
fn headers_from_the_future_wait_and_are_no_fault() {
    let mut best = empty();
    grow(&mut best, 20, 1);
    let mut world = World::new(vec![(Kind::Honest, best.clone())]);
    let early = Timestamp(best.block_at(Height(10)).unwrap().unwrap().block.header.time.0 - 120);
    for _ in 0..20 {
        let now = Now { elapsed: world.elapsed, time: early };
        for (id, peer, ask) in world.sync.next(&world.chain, now).unwrap() {
            let response = Kind::Honest.answer(&world.peers[peer].1, &ask).unwrap();
            for event in world.sync.on_answer(id, response, &mut world.chain, now).unwrap() {
                assert!(!matches!(event, Event::Fault(..)), "{event:?}");
                world.on_event(event);
            }
        }
        world.elapsed += Duration::from_secs(1);
    }
    assert!(world.chain.height() < Height(20));
    world.run(20, |_| 0);
    assert_eq!(world.chain.tip_hash(), best.tip_hash());
}

#[test]
fn forks_from_far_below_are_not_followed_and_checkpoints_hold() {
    let depth = NetworkParams::of(Network::Dev).max_reorganisation;
    let mut common = empty();
    grow(&mut common, 5, 1);
    let (mut own, mut other) = (common.clone(), common.clone());
    grow(&mut own, depth + 1, 1);
    grow(&mut other, depth + 2, 2);
    assert!(other.tip().work > own.tip().work);
    let headers = other.headers_after(&own.locator().unwrap(), 2000).unwrap();
    let error = own.clone().accept_headers(&headers, LATE).unwrap_err();
    let expected = Height(own.height().0 - depth);
    assert!(matches!(error, ChainError::ForkTooDeep { floor, .. } if floor == expected), "{error}");
    // One block less on top, and it is followed.
    let mut shorter = common.clone();
    grow(&mut shorter, depth, 1);
    shorter.accept_headers(&headers, LATE).unwrap();
    // Its headers were taken while the chain was shorter, its blocks come too late: the chain here stays.
    let mut late = shorter.clone();
    grow(&mut late, 1, 1);
    let tip = late.tip_hash();
    // The end of the fork, or one block before where its hash is the lower of two.
    let blocks = (6..=other.height().0).map(|h| other.block_at(Height(h)).unwrap().unwrap().block);
    let refused = blocks.map(|block| late.accept_block(block, LATE)).find_map(Result::err);
    assert!(matches!(refused, Some(ChainError::ForkTooDeep { .. })), "{refused:?}");
    assert_eq!(late.tip_hash(), tip);
    assert_eq!(late.best_header().unwrap(), tip);
    for height in 6..=other.height().0 {
        let block = other.block_at(Height(height)).unwrap().unwrap().block;
        shorter.accept_block(block, LATE).unwrap();
    }
    assert_eq!(shorter.tip_hash(), other.tip_hash());

    let named = own.hash_at(Height(6)).unwrap().unwrap();
    let mut held = common.clone().with_checkpoints([(Height(6), named)].into());
    let error = held.accept_headers(&headers, LATE).unwrap_err();
    assert!(
        matches!(error, ChainError::Checkpoint { height: Height(6), expected, .. } if expected == named),
        "{error}"
    );
    let headers = own.headers_after(&held.locator().unwrap(), 2000).unwrap();
    held.accept_headers(&headers, LATE).unwrap();
}

#[test]
fn useless_headers_are_taken_up_to_a_number() {
    let mut own = empty();
    grow(&mut own, 120, 1);
    let limits = Limits { useless_headers: 10, ..Limits::default() };
    let mut sync: Sync<usize> = Sync::new(limits);
    sync.connected(0);
    let mut fork = empty();
    grow(&mut fork, 30, 2);
    let mut asked = 0;
    for second in 0..60 {
        let now = Now { elapsed: Duration::from_secs(second), time: LATE };
        // A new fork each time that it is asked.
        for (id, _, ask) in sync.next(&own, now).unwrap() {
            if let Ask::Headers(_) = ask {
                asked += 1;
                fork = empty();
                grow(&mut fork, 30, 3 + asked);
            }
            let response = Kind::Honest.answer(&fork, &ask).unwrap();
            sync.on_answer(id, response, &mut own, now).unwrap();
        }
    }
    assert_eq!(asked, 1, "a minute is less than the pause");
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    prop::collection::vec(prop::sample::select(Kind::LIARS.to_vec()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever else is there: with one honest peer, its chain is followed; honest peers are never dropped.
    #[test]
    fn one_honest_peer_is_enough(
        liars in kinds(), at in any::<prop::sample::Index>(), own in 0u32..40, theirs in 0u32..40, seed in any::<u64>(),
    ) {
        let mut common = empty();
        grow(&mut common, 20, 1);
        let (mut best, mut start) = (common.clone(), common);
        grow(&mut start, own, 2);
        grow(&mut best, own + theirs + 1, 3);
        let mut peers: Vec<(Kind, MemoryChain)> = liars.iter().map(|kind| (*kind, best.clone())).collect();
        let honest = at.index(peers.len() + 1);
        peers.insert(honest, (Kind::Honest, best.clone()));
        let mut world = World::new(peers);
        world.chain = start;
        let mut state = seed;
        world.run(400, |n| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        });
        prop_assert_eq!(world.chain.tip_hash(), best.tip_hash());
        let slow = |peer: &usize| matches!(world.peers[*peer].0, Kind::Slow | Kind::NoBlocks | Kind::Boaster);
        prop_assert!(!world.banned.contains(&honest) && !world.banned.iter().any(slow), "{:?}", world.banned);
        prop_assert!(world.most_waiting < 64 << 20);
    }
}

#[test]
fn a_block_of_an_invalid_chain_is_its_givers_fault_alone() {
    let mut best = empty();
    grow(&mut best, 10, 1);
    let block: Block = best.block_at(Height(10)).unwrap().unwrap().block;
    let mut world = World::new(vec![(Kind::Honest, best), (Kind::Honest, empty())]);
    world.run(10, |_| 0);
    assert_eq!(world.chain.tip_hash(), block.hash());
    assert!(world.banned.is_empty());
}

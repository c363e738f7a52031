use super::*;
use camelid_core::chain::{Chain, MemoryStore, Outcome};
use camelid_core::script::templates;
use camelid_core::units::{Height, Network};

fn chain() -> Chain<MemoryStore> {
    Chain::open(MemoryStore::new(), NetworkParams::of(Network::Dev)).unwrap()
}

fn template(chain: &Chain<MemoryStore>) -> Template {
    let now = Timestamp(chain.tip().header.time.0 + 2);
    chain.build_template(templates::p2pkh(Default::default()), [], now).unwrap()
}

fn threads(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

#[test]
fn mines_blocks_that_the_chain_takes() {
    let mut chain = chain();
    for n in 1..=6 {
        let progress = Progress::new();
        let template = template(&chain);
        let block = mine(&template, threads(1 + n % 3), &progress).unwrap();
        assert!(progress.hashes() >= 1);
        let accepted = chain.accept_block(block, template.block.header.time).unwrap();
        assert_eq!((accepted.outcome, chain.height()), (Outcome::NewTip, Height(n as u32)));
    }
}

/// With eight nonces a header, most blocks need extra nonces in the coinbase.
#[test]
fn goes_on_with_extra_nonces() {
    let mut chain = chain();
    let mut used = 0;
    for _ in 0..4 {
        let progress = Progress::new();
        let template = template(&chain);
        let block = search(template.block.clone(), &template.target, threads(2), &progress, 0..8).unwrap();
        assert!(block.header.nonce < 8);
        used += usize::from(block.transactions[0].inputs[0] != template.block.transactions[0].inputs[0]);
        assert_eq!(block.transactions[0].txid(), template.block.transactions[0].txid());
        assert!(progress.hashes() <= 8 * (1 << 20));
        chain.accept_block(block, template.block.header.time).unwrap();
    }
    assert!(used > 0);
    assert!(chain.coin(&template(&chain).block.transactions[0].outpoint(0)).unwrap().is_none());
}

/// The last range of the nonces is searched too, and nothing is hashed twice.
#[test]
fn covers_all_of_a_range_once() {
    let chain = chain();
    let template = template(&chain);
    let midstate = PowMidstate::new(&template.block.header);
    let impossible = camelid_core::block::CompactTarget(0x0301_0000).target().unwrap();
    for (from, to) in [(0, 200_000), (NONCES - 70_000, NONCES), (5, 6)] {
        let progress = Progress::new();
        assert_eq!(search_header(&midstate, &impossible, threads(3), &progress, &(from..to)), None);
        assert_eq!(progress.hashes(), to - from);
    }
}

#[test]
fn stops_when_told() {
    let chain = chain();
    let mut template = template(&chain);
    template.target = camelid_core::block::CompactTarget(0x0301_0000).target().unwrap();
    let progress = Progress::new();
    thread::scope(|scope| {
        let miner = scope.spawn(|| mine(&template, all_cores(), &progress));
        while progress.hashes() == 0 {
            thread::yield_now();
        }
        progress.stop();
        assert_eq!(miner.join().unwrap(), None);
    });
    assert_eq!(mine(&template, threads(1), &progress), None);
}

#[test]
fn waits_one_gap_at_most() {
    let (dev, main) = (NetworkParams::of(Network::Dev), NetworkParams::of(Network::Main));
    assert_eq!(wait_before(dev, Timestamp(100), Timestamp(100)), 2);
    assert_eq!(wait_before(dev, Timestamp(100), Timestamp(101)), 1);
    assert_eq!(wait_before(dev, Timestamp(100), Timestamp(500)), 0);
    assert_eq!(wait_before(dev, Timestamp(500), Timestamp(100)), 2);
    assert_eq!(wait_before(main, Timestamp(100), Timestamp(100)), 0);
}

use super::*;
use camelid_core::block::{Block, NetworkParams, PowMidstate};
use camelid_core::chain::MemoryStore;
use camelid_core::encode::Encode;
use camelid_core::hash::{BlockHash, KeyHash};
use camelid_core::message::{HeaderRange, Response};
use camelid_core::script::templates;
use camelid_core::transaction::{Script, TxOut};
use camelid_core::units::{Amount, Network, Timestamp};

type MemoryChain = Chain<MemoryStore>;

const LATE: Timestamp = Timestamp(u32::MAX);

fn solve(mut block: Block) -> Block {
    block.header.merkle_root = block.merkle_root();
    let target = block.header.bits.target().unwrap();
    block.header.nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target).unwrap();
    block
}

/// A chain of so many blocks.
fn grown(blocks: u32) -> MemoryChain {
    let mut chain = Chain::open(MemoryStore::new(), NetworkParams::of(Network::Dev)).unwrap();
    for n in 0..blocks {
        let payee = templates::p2pkh(KeyHash([n as u8; 20]));
        let time = Timestamp(chain.tip().header.time.0 + 2);
        let block = solve(chain.build_template(payee, [], time).unwrap().block);
        chain.accept_block(block, LATE).unwrap();
    }
    chain
}

fn range(chain: &MemoryChain, start: u32) -> FilterRange {
    FilterRange { start: Height(start), stop: chain.tip_hash() }
}

fn filters_of(chain: &MemoryChain, start: u32) -> Vec<Filter> {
    match answer(chain, &LightRequest::Filters(range(chain, start))).unwrap() {
        LightResponse::Filters(filters) => filters,
        other => panic!("{other:?}"),
    }
}

/// The answer has to fit what a receiver decodes.
fn size(response: LightResponse) -> usize {
    use camelid_core::encode::Decode;
    let response = Response::Light(response);
    let bytes = response.to_bytes();
    assert_eq!(Response::from_bytes(&bytes), Ok(response));
    bytes.len()
}

#[test]
fn every_answer_is_bounded() {
    let chain = grown(2050);
    let all = range(&chain, 0);
    let LightResponse::Headers(headers) =
        answer(&chain, &LightRequest::Headers(HeaderRange { start: Height(0), count: u32::MAX })).unwrap()
    else {
        panic!("no headers")
    };
    assert_eq!(
        (headers.len(), headers[0].hash()),
        (MAX_HEADERS_PER_RESPONSE, chain.hash_at(Height(0)).unwrap().unwrap())
    );
    let filters = filters_of(&chain, 7);
    assert_eq!(filters.len(), MAX_FILTERS_PER_RESPONSE);
    assert_eq!(filters[0], chain.filter_at(Height(7)).unwrap().unwrap());
    assert_eq!(filters_of(&chain, 2049).len(), 2);
    size(LightResponse::Filters(filters));

    let LightResponse::FilterHeaders(headers) = answer(&chain, &LightRequest::FilterHeaders(all)).unwrap() else {
        panic!("no filter headers")
    };
    assert_eq!((headers.hashes.len(), headers.previous), (MAX_FILTER_HEADERS_PER_RESPONSE, FilterHeader::ZERO));
    let last = chain.filter_entry_at(Height(1999)).unwrap().unwrap().header;
    assert_eq!(headers.headers().last(), Some(&last));
    let LightResponse::FilterHeaders(rest) = answer(&chain, &LightRequest::FilterHeaders(range(&chain, 2000))).unwrap()
    else {
        panic!("no filter headers")
    };
    assert_eq!((rest.hashes.len(), rest.previous), (51, last));
    size(LightResponse::FilterHeaders(headers));

    for (start, heights) in [(0, vec![0, 1000, 2000]), (1, vec![1000, 2000]), (2000, vec![2000]), (2001, vec![])] {
        let expected: Vec<_> =
            heights.iter().map(|h| chain.filter_entry_at(Height(*h)).unwrap().unwrap().header).collect();
        let found = answer(&chain, &LightRequest::Checkpoints(range(&chain, start))).unwrap();
        assert_eq!(found, LightResponse::Checkpoints(expected));
    }
}

#[test]
fn what_is_not_on_the_chain_is_not_found() {
    let chain = grown(3);
    let nowhere = FilterRange { start: Height(0), stop: BlockHash([7; 32]) };
    for range in [nowhere, range(&chain, 4), range(&chain, u32::MAX)] {
        for request in
            [LightRequest::Filters(range), LightRequest::FilterHeaders(range), LightRequest::Checkpoints(range)]
        {
            assert_eq!(answer(&chain, &request).unwrap(), LightResponse::NotFound, "{request:?}");
        }
    }
    let nothing = LightRequest::Proof(Default::default());
    assert_eq!(answer(&chain, &nothing).unwrap(), LightResponse::NotFound);
    assert_eq!(answer(&chain, &LightRequest::CoinbaseProof(BlockHash([7; 32]))).unwrap(), LightResponse::NotFound);
    let beyond = LightRequest::Headers(HeaderRange { start: Height(u32::MAX), count: 9 });
    assert_eq!(answer(&chain, &beyond).unwrap(), LightResponse::Headers(Vec::new()));
}

/// Six filters that are too large for one response.
#[test]
fn large_filters_come_in_parts() {
    const SCRIPTS: u32 = 70_000;
    let mut chain = grown(8);
    for round in 0..6 {
        let time = Timestamp(chain.tip().header.time.0 + 2);
        let mut block = chain.build_template(Script(vec![0x51]), [], time).unwrap().block;
        let outputs = &mut block.transactions[0].outputs;
        let made = (0..SCRIPTS).map(|n| {
            let [a, b, c, _] = (round * SCRIPTS + n).to_le_bytes();
            TxOut { value: Amount(0), script_pubkey: Script(vec![0x51, a, b, c]) }
        });
        outputs.splice(1..1, made);
        chain.accept_block(solve(committed(&chain, block)), LATE).unwrap();
    }
    let (first, rest) = (filters_of(&chain, 9), filters_of(&chain, 14));
    assert_eq!((first.len(), rest.len()), (5, 1));
    let bytes = |filters: &[Filter]| filters.iter().map(|f| f.as_bytes().len()).sum::<usize>();
    assert!(bytes(&first) <= MAX_FILTER_BYTES_PER_RESPONSE);
    assert!(bytes(&first) + bytes(&rest) > MAX_FILTER_BYTES_PER_RESPONSE);
    size(LightResponse::Filters(first));
}

fn committed(chain: &MemoryChain, mut block: Block) -> Block {
    use camelid_core::filter::{FilterEntry, block_filter, commitment_script};
    let before = chain.filter_entry_at(chain.height()).unwrap().unwrap().header;
    let entry = FilterEntry::new(&block_filter(&block, []), &before);
    block.transactions[0].outputs.last_mut().unwrap().script_pubkey = commitment_script(&entry.header);
    block
}

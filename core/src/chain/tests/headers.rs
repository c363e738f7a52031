//! The rules of headers, each broken once.

use super::*;
use crate::block::{CompactTarget, Header};

fn mined(header: Header) -> Header {
    let target = header.bits.target().unwrap();
    let nonce = PowMidstate::new(&header).try_nonces(0..=u32::MAX, &target).unwrap();
    Header { nonce, ..header }
}

fn error(chain: &mut TestChain, header: Header, now: Timestamp) -> HeaderError {
    match chain.accept_headers(&[header], now) {
        Err(ChainError::Header { hash, error }) => {
            assert_eq!(hash, header.hash());
            error
        }
        other => panic!("expected an error of the header, found {other:?}"),
    }
}

#[test]
fn each_header_rule() {
    let mut chain = grown(3);
    let tip = chain.tip().clone();
    let good = next_block(&chain, 0, [], tip.header.time.0 + 2).header;
    for version in [1, 0, 0x4000_0000, 0xffff_ffff] {
        let header = mined(Header { version, ..good });
        assert_eq!(error(&mut chain, header, LATE), HeaderError::Version { found: version });
    }
    let negative = CompactTarget(0x0480_0001);
    assert!(matches!(error(&mut chain, Header { bits: negative, ..good }, LATE), HeaderError::Bits(_)));
    let limit = dev().pow_limit;
    let easy = CompactTarget(limit.0 + 0x0001_0000);
    assert_eq!(error(&mut chain, Header { bits: easy, ..good }, LATE), HeaderError::OverLimit { limit, found: easy });
    let target = limit.target().unwrap();
    let missed = (0..).map(|nonce| Header { nonce, ..good }).find(|h| !target.is_met_by(&h.hash())).unwrap();
    let hash = missed.hash();
    assert_eq!(error(&mut chain, missed, LATE), HeaderError::ProofOfWork { hash, bits: limit });
    let hard = CompactTarget(limit.0 - 1);
    let header = mined(Header { bits: hard, ..good });
    assert_eq!(error(&mut chain, header, LATE), HeaderError::WrongBits { expected: limit, found: hard });
    let median = tip.median_time_past;
    let header = mined(Header { time: median, ..good });
    assert_eq!(error(&mut chain, header, LATE), HeaderError::TimeTooOld { median, found: median });
    let found = Timestamp(good.time.0 + 500);
    let ahead = mined(Header { time: found, ..good });
    let now = Timestamp(found.0 - dev().max_future_seconds - 1);
    let too_new = HeaderError::TimeTooNew { limit: Timestamp(found.0 - 1), found };
    assert_eq!(error(&mut chain, ahead, now), too_new);
    // What came too early is taken later.
    assert_eq!(chain.accept_headers(&[ahead], Timestamp(now.0 + 1)).unwrap(), 1);
    // Miners may vary the other bits of the version.
    let rolled = mined(Header { version: 0x3fff_e000, ..good });
    assert_eq!(chain.accept_headers(&[rolled, good], LATE).unwrap(), 2);
    assert_eq!(chain.accept_headers(&[rolled, good], LATE).unwrap(), 0);
    let stranger = mined(Header { previous: Default::default(), ..good });
    assert!(matches!(chain.accept_headers(&[stranger], LATE), Err(ChainError::UnknownParent { .. })));
}

#[test]
fn median_time_past_of_eleven() {
    let mut chain = grown(12);
    // Times from here on: 100 ahead, then back to just above the median.
    assert_eq!(chain.median_time_past(), Timestamp(start().0 + 2 * 6));
    let ahead = next_block(&chain, 0, [], start().0 + 200);
    chain.accept_block(ahead, LATE).unwrap();
    assert_eq!(chain.median_time_past(), Timestamp(start().0 + 2 * 7));
    // A template's time is never at or below the median.
    let block = next_block(&chain, 0, [], 0);
    assert_eq!(block.header.time, Timestamp(start().0 + 2 * 7 + 1));
    chain.accept_block(block, LATE).unwrap();
}

/// Blocks that come too fast get harder, blocks that come late get easier again, and the schedule starts with block 1
/// wherever the clock stands.
#[test]
fn difficulty_follows_the_schedule() {
    let mut chain = new_chain();
    assert_eq!(chain.next_work_required(), dev().pow_limit);
    for _ in 0..60 {
        let block = next_block(&chain, 0, [], start().0);
        chain.accept_block(block, LATE).unwrap();
    }
    // 59 blocks in the ten seconds that the median needs: nearly two half-lives ahead.
    let hard = chain.next_work_required().target().unwrap();
    let limit = dev().pow_limit.target().unwrap();
    assert!(hard.0 < limit.0.unbounded_shr_vartime(1) && hard.0 > limit.0.unbounded_shr_vartime(2));
    let block = next_block(&chain, 0, [], start().0 + 120);
    chain.accept_block(block, LATE).unwrap();
    assert!(chain.next_work_required().target().unwrap() > hard);
    let block = next_block(&chain, 0, [], start().0 + 86_400);
    chain.accept_block(block, LATE).unwrap();
    assert_eq!(chain.next_work_required(), dev().pow_limit);
}

//! Opening stores, locators, and catching up over headers.

use super::*;
use crate::hash::BlockHash;
use crate::units::Height;

#[test]
fn a_store_is_opened_again_where_it_was_and_only_on_its_network() {
    let chain = grown(5);
    let tip = chain.tip().clone();
    let store = chain.into_store();
    let again = Chain::open(store.clone(), dev()).unwrap();
    assert_eq!(again.tip(), &tip);
    let test = NetworkParams::of(Network::Test);
    let (expected, found) = (test.genesis().hash(), dev().genesis().hash());
    assert_eq!(Chain::open(store, test).unwrap_err(), ChainError::WrongGenesis { expected, found });
}

#[test]
fn locators_thin_out_and_find_the_fork() {
    let chain = grown(60);
    let locator = chain.locator().unwrap();
    let heights: Vec<u32> = locator.iter().map(|h| chain.header(h).unwrap().unwrap().height.0).collect();
    assert_eq!(heights, [60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 49, 45, 37, 21, 0]);
    let other = grown(20);
    assert_eq!(other.tip_hash(), chain.hash_at(Height(20)).unwrap().unwrap());
    let headers = chain.headers_after(&other.locator().unwrap(), 2000).unwrap();
    assert_eq!((headers.len(), headers[0].previous), (40, other.tip_hash()));
    assert_eq!(chain.headers_after(&[BlockHash([7; 32])], 3).unwrap().len(), 3);
    assert_eq!(chain.headers_after(&[], 3).unwrap()[0].previous, dev().genesis().hash());
    assert!(chain.headers_after(&locator, 10).unwrap().is_empty());
}

#[test]
fn headers_first_catches_up_in_any_order_of_bodies() {
    let far = grown(30);
    let mut near = grown(4);
    let headers = far.headers_after(&near.locator().unwrap(), 2000).unwrap();
    assert_eq!(near.accept_headers(&headers, LATE).unwrap(), 26);
    assert_eq!(near.height(), Height(4));
    assert_eq!(near.best_header().unwrap(), far.tip_hash());
    loop {
        let mut missing = near.missing_blocks(7).unwrap();
        if missing.is_empty() {
            break;
        }
        missing.reverse();
        for hash in missing {
            near.accept_block(far.block(&hash).unwrap().unwrap(), LATE).unwrap();
        }
    }
    assert_eq!(near.tip(), far.tip());
    assert_eq!(near.store(), far.store());
}

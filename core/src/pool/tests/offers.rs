//! Who serves what.

use super::*;
use crate::hash::ModelRoot;
use crate::job::{ModelPrice, ServiceOffer, Signed};
use crate::transaction::Coin;

const MODEL: ModelRoot = ModelRoot([9; 32]);
const NOW: Timestamp = Timestamp(1_800_000_000);

fn offer(node: &str, at: u32, price: u64) -> Signed<ServiceOffer> {
    let body = ServiceOffer {
        node_peer: peer(node),
        node_key: key(node).public_key(),
        stake_coin: outpoint(node),
        timestamp: Timestamp(at),
        models: [ModelPrice { model: MODEL, per_thousand_tokens: Amount(price) }].into(),
    };
    Signed::sign(body, &key(node), Network::Dev)
}

fn coin(of: &str, value: u64) -> Coin {
    let output = TxOut { value: Amount(value), script_pubkey: templates::p2pkh(hash_of(of)) };
    Coin { output, height: Height(1), coinbase: false }
}

#[test]
fn offers_are_signed_staked_fresh_and_renewed() {
    let mut book = ServiceBook::default();
    let add = |book: &mut ServiceBook, offer, coin: Option<&Coin>, now| book.add(offer, coin, Network::Dev, now);
    let mut forged = offer("a", NOW.0, 10);
    forged.body.models[0].per_thousand_tokens = Amount(1);
    assert!(add(&mut book, forged, Some(&coin("a", 500)), NOW).is_err());
    assert_eq!(add(&mut book, offer("a", NOW.0, 10), None, NOW), Ok(false), "no coin");
    assert_eq!(add(&mut book, offer("a", NOW.0, 10), Some(&coin("b", 500)), NOW), Ok(false), "another's coin");
    assert_eq!(add(&mut book, offer("a", NOW.0 - 601, 10), Some(&coin("a", 500)), NOW), Ok(false), "old");
    assert_eq!(add(&mut book, offer("a", NOW.0 + 601, 10), Some(&coin("a", 500)), NOW), Ok(false), "from the future");
    assert_eq!(add(&mut book, offer("a", NOW.0, 10), Some(&coin("a", 500)), NOW), Ok(true));
    assert_eq!(add(&mut book, offer("a", NOW.0, 5), Some(&coin("a", 500)), NOW), Ok(false), "not newer");
    assert_eq!(add(&mut book, offer("a", NOW.0 + 19, 5), Some(&coin("a", 500)), NOW), Ok(false), "too soon again");
    assert_eq!(add(&mut book, offer("a", NOW.0 + 20, 20), Some(&coin("a", 500)), NOW), Ok(true));
    assert_eq!(add(&mut book, offer("b", NOW.0 + 300, 30), Some(&coin("b", 900)), NOW), Ok(true));
    assert_eq!(book.serving(MODEL).count(), 2);
    assert_eq!(book.serving(ModelRoot([1; 32])).count(), 0);
    let candidates = |stake, reward, tokens| {
        book.candidates(MODEL, Amount(stake), Amount(reward), tokens).map(|c| c.1.0).collect::<Vec<_>>()
    };
    let mut both = candidates(500, 30, 1000);
    both.sort_unstable();
    assert_eq!(both, [500, 900]);
    assert_eq!(candidates(501, 30, 1000), [900], "the stake");
    assert_eq!(candidates(1, 29, 1000), [500], "the price");
    assert_eq!(candidates(1, 20, 1001), [0u64; 0], "rounded up");
    for (node, price, value) in [("c", 20, 700), ("d", 9, 300)] {
        assert_eq!(add(&mut book, offer(node, NOW.0, price), Some(&coin(node, value)), NOW), Ok(true));
    }
    let cheapest = |stake, most| {
        let found = book.cheapest(MODEL, Amount(stake), most);
        found.map(|(o, value)| (o.body.models[0].per_thousand_tokens.0, value.0)).collect::<Vec<_>>()
    };
    assert_eq!(cheapest(0, 9), [(9, 300), (20, 700), (20, 500), (30, 900)]);
    assert_eq!(cheapest(500, 9), [(20, 700), (20, 500), (30, 900)], "a small stake does not hide the others");
    assert_eq!((cheapest(0, 2), cheapest(901, 9)), (Vec::from([(9, 300), (20, 700)]), Vec::new()));
    assert_eq!(book.cheapest(ModelRoot([1; 32]), Amount(0), 9).count(), 0);
    book.expire(Timestamp(NOW.0 + 621));
    assert_eq!(book.all().map(|o| o.body.node_key).collect::<Vec<_>>(), [key("b").public_key()]);
}

//! Nodes that lie to light clients, each about one thing, and one that does not: for the browser's tests. All have the same
//! chain of network `dev`, which pays a wallet of known words twice. One line of JSON tells the words and where they listen;
//! they go when their standard input ends.

use anyhow::{Context, Result, anyhow};
use camelid_core::block::NetworkParams;
use camelid_core::encode::{Decode, Encode};
use camelid_core::filter::Filter;
use camelid_core::hash::FilterHash;
use camelid_core::keys::Mnemonic;
use camelid_core::message::{LightResponse, Request, Response};
use camelid_core::script::templates::p2pkh;
use camelid_core::transaction::Script;
use camelid_core::units::{Amount, Network, Timestamp};
use camelid_core::wallet::Keyring;
use camelid_tests::peer::{TestChain, TestPeer, honest, new_chain, solve};
use std::time::SystemTime;
use tokio::io::AsyncReadExt;

/// For browsers.
const LISTEN: &str = "/ip4/127.0.0.1/tcp/0/ws";
const BLOCKS: u32 = 40;
/// Blocks that pay the wallet.
const PAYING: [u32; 2] = [7, 19];

/// What a node changes in its answers.
type Lie = fn(&mut Response);

const LIES: [(&str, Lie); 5] = [
    ("headers", |response| {
        if let Response::Headers(headers) = response
            && let Some(last) = headers.last_mut()
            && let Ok(target) = last.bits.target()
        {
            while target.is_met_by(&last.hash()) {
                last.nonce = last.nonce.wrapping_add(1);
            }
        }
    }),
    ("filter-hashes", |response| {
        if let Response::Light(LightResponse::FilterHeaders(told)) = response
            && let Some(first) = told.hashes.first_mut()
        {
            *first = FilterHash([9; 32]);
        }
    }),
    ("filters", |response| {
        if let Response::Light(LightResponse::Filters(filters)) = response {
            // An empty one: the wallet's coins would not be seen.
            filters.iter_mut().for_each(|filter| *filter = Filter::from_raw(vec![0]));
        }
    }),
    ("proofs", |response| {
        if let Response::Light(LightResponse::Proof(proof)) = response
            && let Some(output) = proof.transaction.outputs.first_mut()
        {
            output.value.0 += 1;
        }
    }),
    ("blocks", |response| {
        if let Response::Blocks(blocks) = response
            && let Some(block) = blocks.first_mut()
        {
            block.transactions[0].outputs[0].value.0 += 1;
        }
    }),
];

/// The chain, and what it pays to a script.
fn chain_for(payee: &Script) -> Result<(TestChain, Amount)> {
    let interval = NetworkParams::of(Network::Dev).block_interval;
    let now = u32::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs())?;
    let (mut chain, mut paid) = (new_chain()?, Amount::ZERO);
    for height in 1..=BLOCKS {
        let time = Timestamp(now - (BLOCKS - height) * interval);
        // The others are anybody's.
        let to = if PAYING.contains(&height) { payee.clone() } else { Script(vec![0x51]) };
        let mut block = chain.build_template(to, [], time).map_err(|e| anyhow!("{e}"))?.block;
        solve(&mut block)?;
        if PAYING.contains(&height) {
            paid.0 += block.transactions[0].outputs[0].value.0;
        }
        chain.accept_block(block, Timestamp(u32::MAX)).map_err(|e| anyhow!("block {height}: {e}"))?;
    }
    Ok((chain, paid))
}

/// Where a page finds a node.
fn address(peer: &TestPeer) -> Result<String> {
    let listens = peer.listens_on()?;
    let id = format!("/p2p/{}", peer.id());
    Ok(if listens.ends_with(&id) { listens } else { listens + &id })
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let words = Mnemonic::from_entropy(&[7; 16])?;
    let wallet = Keyring::new(Network::Dev, &words)?;
    let (chain, paid) = chain_for(&p2pkh(wallet.receive_address().hash))?;
    let truthful = TestPeer::listen_on(LISTEN, chain.clone(), Box::new(honest)).await?;
    let (mut liars, mut addresses) = (Vec::new(), serde_json::Map::new());
    for (about, lie) in LIES {
        let answers = move |chain: &TestChain, request: Request| {
            let mut response = Response::from_bytes(&honest(chain, request)?).ok()?;
            lie(&mut response);
            Some(response.to_bytes())
        };
        let peer = TestPeer::listen_on(LISTEN, chain.clone(), Box::new(answers)).await?;
        addresses.insert(about.into(), address(&peer)?.into());
        liars.push(peer);
    }
    let words: Vec<String> = words.phrase().split(' ').map(Into::into).collect();
    let told = serde_json::json!({
        "words": words,
        "height": BLOCKS,
        "coins": paid.to_string(),
        "honest": address(&truthful)?,
        "liars": addresses,
    });
    println!("{told}");
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await.context("standard input")?;
    Ok(())
}

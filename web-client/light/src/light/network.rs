//! Where the network stands, and what it knows of blocks, transactions and jobs.

use super::Light;
use crate::error::{Failure, Result};
use crate::net::{Net, Source};
use crate::object::{Builder, list};
use crate::outside;
use camelid_core::block::Block;
use camelid_core::chain::TransactionProof;
use camelid_core::contract::{Move, Witness, contract_output};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{BlockHash, JobId, Txid};
use camelid_core::keys::Address;
use camelid_core::message::{ClientRequest, ClientResponse, LightRequest, LightResponse, Request, Response};
use camelid_core::script::templates;
use camelid_core::transaction::Transaction;
use camelid_core::units::{Height, Network};
use js_sys::Object;
use wasm_bindgen::prelude::*;

/// The last blocks that are shown.
const LATEST: u32 = 20;
/// Between two looks whether a connection is there, in milliseconds, and how many.
const LOOK: (u32, u32) = (200, 75);

#[wasm_bindgen]
impl Light {
    /// Where everything stands.
    pub fn status(&self) -> Object {
        let state = self.state.borrow();
        let (client, headers) = (&state.client, state.client.headers());
        let height = headers.height();
        let scanned = client.scanned();
        let behind = state.progress.filter(|p| p.total > height);
        // What nodes say before their first headers are here.
        let told = state.net.links().filter_map(|(peer, _)| client.height_of(&peer)).max();
        let (word, have, total, left) = if state.net.links().next().is_none() {
            ("looking-for-peers", height, height, None)
        } else if let Some(progress) = behind {
            ("headers", height, progress.total, progress.left)
        } else if !state.silent.is_empty() {
            ("silent", height, height, None)
        } else if told.is_none() {
            ("looking-for-peers", height, height, None)
        } else if let Some(told) = told.filter(|told| height == Height(0) && *told > height) {
            ("headers", height, told, None)
        } else if state.is_open() && (scanned < height || client.is_looking_back()) {
            ("filters", scanned, height, None)
        } else {
            ("up-to-date", height, height, None)
        };
        let sync = Builder::default().set("state", word).set("have", have.0).set("total", total.0);
        let sync = sync.set("secondsLeft", left.map(|left| left.as_secs_f64())).done();
        let peers = state.net.links().map(|(peer, link)| {
            let known = state.neighbours.get(&peer);
            Builder::default()
                .set("id", peer.to_string())
                .set("address", crate::address::write(&link.address))
                .set("transport", link.kind.name())
                .set("height", client.height_of(&peer).unwrap_or_default().0)
                .set("roundTrip", known.and_then(|k| k.round_trip).map(|t| t.as_secs_f64() * 1000.0))
                .set("agent", known.map(|k| k.agent.clone()).unwrap_or_default())
                .done()
        });
        let blocks = (0..LATEST.min(height.0 + 1)).filter_map(|back| {
            let at = Height(height.0 - back);
            let (header, hash) = (headers.header(at)?, headers.hash(at)?);
            let block = Builder::default().set("height", at.0).set("hash", hash.to_string());
            Some(block.set("time", f64::from(header.time.0)).done())
        });
        let warnings = state.warnings.iter();
        let warnings =
            warnings.map(|(at, text)| Builder::default().set("at", f64::from(*at)).set("text", text.as_str()).done());
        let used: u64 = state.stored.values().sum();
        let storage = Builder::default().set("used", used as f64).set("persistent", self.store.is_kept()).done();
        Builder::default()
            .set("sync", sync)
            .set("height", height.0)
            .set("tipTime", (height > Height(0)).then(|| f64::from(headers.tip().header.time.0)))
            .set("peers", list(peers))
            .set("blocks", list(blocks))
            .set("warnings", list(warnings))
            .set("storage", storage)
            .set("trouble", state.net.trouble())
            .done()
    }

    /// A block of the best chain, by height or hash; its body is checked against its header.
    pub async fn block(&self, which: String) -> core::result::Result<Object, JsValue> {
        let (height, hash) = {
            let state = self.state.borrow();
            let headers = state.client.headers();
            let place = match which.trim().parse::<u32>() {
                Ok(height) => headers.hash(Height(height)).map(|hash| (Height(height), hash)),
                Err(_) => {
                    let hash: BlockHash = which.trim().parse().map_err(|_| {
                        Failure::bad_input(format_args!(
                            "{which:?} is neither a height nor a block's hash of 64 hexadecimal digits"
                        ))
                    })?;
                    headers.height_of(&hash).map(|height| (height, hash))
                }
            };
            place.ok_or_else(|| Failure::not_found(format_args!("there is no block {which} on the best chain")))?
        };
        let Response::Blocks(blocks) = self.ask(&Request::Blocks(vec![hash])).await? else {
            return Err(other_kind().into());
        };
        let block = blocks
            .into_iter()
            .next()
            .ok_or_else(|| Failure::not_found("the asked node does not have this block any more"))?;
        if block.header.hash() != hash || block.merkle_root() != block.header.merkle_root {
            return Err(Failure::refused("the asked node gave another block: try again with another node").into());
        }
        Ok(self.block_info(&block, hash, height))
    }

    /// A transaction, proved by its block's header, or one of ours that waits.
    pub async fn transaction(&self, txid: String) -> core::result::Result<Object, JsValue> {
        let id: Txid = parse(&txid, "a transaction's id")?;
        let waiting = {
            let state = self.state.borrow();
            state.client.ledger().pending().into_iter().find(|p| p.txid() == id).map(|p| p.transaction.clone())
        };
        match (self.proof(id).await, waiting) {
            (Ok(proof), _) => Ok(self.transaction_info(&proof.transaction, Some(proof.height))),
            (Err(_), Some(transaction)) => Ok(self.transaction_info(&transaction, None)),
            (Err(failure), None) => Err(failure.into()),
        }
    }

    /// A job, as far as the network knows it.
    pub async fn job(&self, id: String) -> core::result::Result<Object, JsValue> {
        let job: JobId = parse(&id, "a job's id")?;
        let Response::Client(ClientResponse::Job(report)) = self.ask(&Request::Client(ClientRequest::Job(job))).await?
        else {
            return Err(other_kind().into());
        };
        let own = {
            let state = self.state.borrow();
            state.jobs.view(&state.client, &job).map(|view| (view.model, view.reward))
        };
        let (mut terms, mut transactions) = (None, Vec::new());
        for transaction in &report.transactions {
            let proof = match transaction.height {
                Some(_) => self.proof(transaction.txid).await.ok(),
                None => None,
            };
            let kind = proof.as_ref().map_or("waiting", |proof| kind_of(&proof.transaction));
            let made =
                proof.as_ref().and_then(|proof| contract_output(proof.transaction.outputs.first()?, 0).ok().flatten());
            terms = terms.or(made.filter(|terms| terms.job_id == job));
            let seen = Builder::default().set("txid", transaction.txid.to_string()).set("kind", kind);
            transactions.push(seen.set("height", proof.map(|proof| proof.height.0)).done());
        }
        let model = own.as_ref().map(|(model, _)| *model).or(terms.as_ref().map(|terms| terms.model));
        let reward = own.as_ref().map(|(_, reward)| *reward).or(terms.as_ref().map(|terms| terms.reward));
        Ok(Builder::default()
            .set("id", job.to_string())
            .set("status", report.status.name())
            .set("model", model.map(|model| model.to_string()))
            .set("node", report.accept.as_ref().map(|accept| accept.body.node_key.to_string()))
            .set("reward", reward.map(|reward| reward.0))
            .set("stake", terms.map(|terms| terms.stake.0))
            .set("transactions", list(transactions.into_iter()))
            .done())
    }

    /// Connects to a node whose address somebody knows.
    pub async fn connect(&self, text: String) -> core::result::Result<(), JsValue> {
        let address = Net::parse(&text)?;
        let peer = address.iter().find_map(|part| match part {
            libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
            _ => None,
        });
        {
            let mut state = self.state.borrow_mut();
            state.net.learn(address, Source::User);
            state.net.nudge();
            state.wake();
        }
        for _ in 0..LOOK.1 {
            // Another network's node connects too, and then says what it is.
            if peer.is_some_and(|peer| self.state.borrow().neighbours.get(&peer).is_some_and(|known| known.ours)) {
                let kept = self.state.borrow().net.kept();
                self.store.write(&[kept]).await?;
                return Ok(());
            }
            outside::sleep(LOOK.0).await;
        }
        let state = self.state.borrow();
        let why = peer.and_then(|peer| state.net.trouble_of(&peer)).unwrap_or("no answer");
        Err(Failure::no_peers(format_args!(
            "{text} cannot be reached ({why}): is the node running, and the address right?"
        ))
        .into())
    }
}

fn parse<T: core::str::FromStr>(text: &str, what: &str) -> Result<T> {
    text.trim()
        .parse()
        .map_err(|_| Failure::bad_input(format_args!("{text:?} is not {what}: 64 hexadecimal digits are expected")))
}

fn other_kind() -> Failure {
    Failure::refused("the asked node answered something else: try again with another node")
}

/// What a job's transaction does.
fn kind_of(transaction: &Transaction) -> &'static str {
    let witness = transaction.inputs.iter().find_map(|input| Witness::from_bytes(input.script_sig.as_bytes()).ok());
    match witness.map(|witness| witness.contract_move()) {
        None | Some(Move::Settle) => "settle",
        Some(Move::Close) => "close",
        Some(Move::Reveal) => "reveal",
        Some(Move::Demand) => "demand",
        Some(Move::Claim) => "claim",
        Some(Move::Finalize) => "finalize",
    }
}

impl Light {
    /// A transaction with the proof that it is in a block of the best chain.
    async fn proof(&self, txid: Txid) -> Result<TransactionProof> {
        let answer = self.ask(&Request::Light(LightRequest::Proof(txid))).await?;
        let Response::Light(LightResponse::Proof(proof)) = answer else { return Err(other_kind()) };
        proof.verify().map_err(Failure::refused)?;
        let state = self.state.borrow();
        if proof.transaction.txid() != txid || state.client.headers().header(proof.height) != Some(&proof.header) {
            return Err(Failure::refused("the asked node proved something else: try again with another node"));
        }
        Ok(*proof)
    }

    fn confirmations(&self, height: Height) -> u32 {
        self.state.borrow().client.headers().height().0.saturating_sub(height.0) + 1
    }

    fn block_info(&self, block: &Block, hash: BlockHash, height: Height) -> Object {
        Builder::default()
            .set("hash", hash.to_string())
            .set("height", height.0)
            .set("time", f64::from(block.header.time.0))
            .set("previous", block.header.previous.to_string())
            .set("transactions", list(block.transactions.iter().map(|tx| JsValue::from(tx.txid().to_string()))))
            .set("bytes", block.to_bytes().len() as f64)
            .set("confirmations", self.confirmations(height))
            .done()
    }

    fn transaction_info(&self, tx: &Transaction, height: Option<Height>) -> Object {
        let network: Network = self.state.borrow().network;
        let inputs = tx.inputs.iter().map(|input| {
            let place = Builder::default().set("txid", input.previous.txid.to_string());
            place.set("index", input.previous.index).done()
        });
        let outputs = tx.outputs.iter().enumerate().map(|(index, output)| {
            let terms = if index == 0 { contract_output(output, 0).ok().flatten() } else { None };
            let to = match templates::p2pkh_key_hash(&output.script_pubkey) {
                Some(hash) => Address { network, hash }.to_string(),
                None if terms.is_some() => "a job's contract".into(),
                None if templates::is_unspendable(&output.script_pubkey) => "nobody: it is burnt, or no money".into(),
                None => "another script".into(),
            };
            let output = Builder::default().set("amount", output.value.0).set("to", to);
            output.set("contract", terms.map(|terms| terms.job_id.to_string())).done()
        });
        Builder::default()
            .set("txid", tx.txid().to_string())
            .set("height", height.map(|height| height.0))
            .set("confirmations", height.map_or(0, |height| self.confirmations(height)))
            .set("proved", height.is_some())
            .set("inputs", list(inputs))
            .set("outputs", list(outputs))
            .set("job", (!tx.job_id.is_zero()).then(|| tx.job_id.to_string()))
            .done()
    }
}

//! The node as its API shows it.

use super::peer_views;
use super::{JobRequest, Node, NodeHandle, Stopped, SubmitError, WalletError};
use crate::api::types::*;
use crate::api::{ApiError, NodeApi};
use crate::config::Cheat;
use crate::network::{AGENT, PeerInfo};
use camelid_core::block::{CompactTarget, subsidy};
use camelid_core::contract::{State, Witness, contract_output};
use camelid_core::deal::{ClientDeal, ComputeDeal, Timeline, VerifyMode};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{BlockHash, JobId, ModelRoot, Txid};
use camelid_core::job::{JobParams, PeerAddress};
use camelid_core::keys::Address;
use camelid_core::model::Sampling;
use camelid_core::script::templates;
use camelid_core::sync::Progress;
use camelid_core::transaction::{Script, Transaction, TxOut};
use camelid_core::units::{Amount, Height, TokenId};

type Answer<T> = Result<T, ApiError>;

fn failed(error: impl std::fmt::Display) -> ApiError {
    ApiError::internal(error.to_string())
}

fn stopped(_: Stopped) -> ApiError {
    ApiError::unavailable("the node is stopping")
}

fn wallet_error(error: WalletError) -> ApiError {
    match error {
        WalletError::Journal(_) | WalletError::Derivation(_) => failed(error),
        _ => ApiError::conflict(error.to_string()),
    }
}

impl NodeHandle {
    async fn view<T: Send + 'static>(&self, f: impl FnOnce(&mut Node) -> Answer<T> + Send + 'static) -> Answer<T> {
        self.call(f).await.map_err(stopped)?
    }
}

impl NodeApi for NodeHandle {
    async fn status(&self) -> Answer<Status> {
        let listen = self.network().full_addresses().iter().map(ToString::to_string).collect();
        self.view(move |n| Ok(n.view_status(listen))).await
    }

    async fn chain(&self) -> Answer<ChainInfo> {
        self.view(|n| n.view_chain()).await
    }

    async fn block(&self, hash_or_height: String) -> Answer<BlockView> {
        self.view(move |n| n.view_block(&hash_or_height)).await
    }

    async fn transaction(&self, txid: String) -> Answer<TransactionView> {
        self.view(move |n| n.view_transaction(&txid)).await
    }

    async fn balance(&self) -> Answer<WalletBalance> {
        self.view(|n| {
            let h = n.holdings().map_err(wallet_error)?;
            Ok(WalletBalance {
                confirmed_units: h.confirmed.0,
                pending_units: h.pending.0,
                immature_units: h.immature.0,
                in_jobs_units: h.in_jobs.0,
            })
        })
        .await
    }

    async fn address(&self) -> Answer<AddressView> {
        self.view(|n| {
            let wallet = n.wallet().map_err(wallet_error)?;
            Ok(AddressView { address: wallet.keyring.receive_address().to_string() })
        })
        .await
    }

    async fn send(&self, request: SendRequest) -> Answer<SendResponse> {
        self.view(move |n| {
            let to =
                Address::parse(&request.address, n.params.network).map_err(|e| ApiError::bad_request(e.to_string()))?;
            let rate = request.fee_rate_units.map(|units| units.saturating_mul(1000));
            let paid = n.pay(to, Amount(request.amount_units), rate).map_err(wallet_error)?;
            Ok(SendResponse { txid: paid.tx.txid().to_string(), fee_units: paid.fee.0 })
        })
        .await
    }

    async fn history(&self) -> Answer<Vec<HistoryEntry>> {
        self.view(|n| n.view_history()).await
    }

    async fn submit(&self, job: JobSubmit) -> Answer<JobView> {
        self.view(move |n| {
            let cheat = job.cheat.as_deref().map(parse_cheat).transpose()?;
            let request = JobRequest {
                model: job.model,
                prompt: job.prompt,
                max_tokens: job.max_tokens,
                seed: job.seed,
                sampling: Sampling { temperature: job.temperature, top_k: job.top_k, top_p: job.top_p },
                reward: Amount(job.reward_units),
                stake: job.stake_units.map(Amount),
                verify: match job.verify {
                    Verify::Full => VerifyMode::Full,
                    Verify::Spot => VerifyMode::Spot,
                    Verify::None => VerifyMode::None,
                },
                cheat,
            };
            let id = n.submit(request).map_err(|error| match error {
                SubmitError::Wallet(e) => wallet_error(e),
                SubmitError::Limit(_)
                | SubmitError::Model(_)
                | SubmitError::PromptBytes { .. }
                | SubmitError::Tokenizer(_) => ApiError::bad_request(error.to_string()),
                _ => ApiError::conflict(error.to_string()),
            })?;
            n.view_job(&id)
        })
        .await
    }

    async fn jobs(&self) -> Answer<Vec<JobView>> {
        self.view(|n| {
            let clients = n.clients.iter().map(|(id, d)| (d.create.params.timestamp, *id));
            let computes = n.computes.iter().map(|(id, d)| (d.create.params.timestamp, *id));
            let mut ids: Vec<_> = clients.chain(computes).collect();
            ids.sort_unstable_by(|a, b| b.cmp(a));
            ids.dedup();
            ids.iter().map(|(_, id)| n.view_job(id)).collect()
        })
        .await
    }

    async fn job(&self, id: String) -> Answer<JobView> {
        self.view(move |n| {
            let id = n.find_job(&id)?;
            n.view_job(&id)
        })
        .await
    }

    async fn models(&self) -> Answer<Vec<ModelView>> {
        self.view(|n| {
            let view = |stored: &crate::models::Stored| ModelView {
                computes: n.models.get_served(&stored.info.root).is_some(),
                ..ModelView::from(stored)
            };
            Ok(n.models.stored().iter().map(view).collect())
        })
        .await
    }

    async fn peers(&self) -> Answer<Vec<PeerView>> {
        let peers = self.network().peers();
        self.view(move |n| {
            let view = |p: PeerInfo| peer_views::peer(&p, n.sync.height_of(&p.peer));
            Ok(peers.into_iter().map(view).collect())
        })
        .await
    }

    async fn book(&self) -> Answer<BookView> {
        Ok(peer_views::book(self.network()))
    }

    async fn ban(&self, request: BanRequest) -> Answer<Done> {
        let length = std::time::Duration::from_secs(request.seconds.unwrap_or(24 * 3600));
        self.network().ban(peer_views::banned(&request.who)?, length).await;
        Ok(Done { done: true })
    }

    async fn unban(&self, request: UnbanRequest) -> Answer<Done> {
        if self.network().unban(peer_views::banned(&request.who)?).await {
            return Ok(Done { done: true });
        }
        Err(ApiError::not_found(format!("{} is not banned: `camelid node bans` shows who is", request.who)))
    }

    async fn cheat(&self, request: CheatRequest) -> Answer<Done> {
        self.view(move |n| {
            if n.params.network != camelid_core::units::Network::Dev {
                return Err(ApiError::conflict("cheating is for network dev, to show what comes of it"));
            }
            n.config.cheat = request.how.as_deref().map(parse_cheat).transpose()?;
            Ok(Done { done: true })
        })
        .await
    }

    async fn stop(&self) -> Answer<Done> {
        NodeHandle::stop(self);
        Ok(Done { done: true })
    }
}

fn parse_cheat(name: &str) -> Answer<Cheat> {
    Cheat::parse(name).ok_or_else(|| ApiError::bad_request(format!("{name:?} is no way to cheat")))
}

/// `coinbase`, `payment`, or the move of a contract.
pub(super) fn kind(tx: &Transaction) -> &'static str {
    if tx.is_coinbase() {
        return "coinbase";
    }
    if tx.job_id.is_zero() {
        return "payment";
    }
    let witness = tx.inputs.iter().find_map(|i| Witness::from_bytes(i.script_sig.as_bytes()).ok());
    witness.map_or("settle", |w| w.contract_move().name())
}

fn peer_text(peer: &PeerAddress) -> String {
    crate::network::netaddr::peer_id(peer).map_or_else(String::new, |p| p.to_string())
}

fn sync_view(p: Progress) -> SyncView {
    SyncView {
        headers: p.headers.0,
        target: p.target.0,
        blocks_per_second: p.blocks_per_second,
        seconds_left: p.seconds_left,
    }
}

fn timeline(timeline: &Timeline) -> Vec<TimelineView> {
    let entry = |e: &camelid_core::deal::TimelineEntry| TimelineView {
        status: e.status.name().into(),
        time: e.time.0,
        height: e.height.0,
    };
    timeline.entries().iter().map(entry).collect()
}

impl Node {
    fn view_status(&self, listen: Vec<String>) -> Status {
        let progress = self.sync_progress();
        let live = self.clients.values().filter(|d| !d.is_over()).count()
            + self.computes.values().filter(|d| !d.is_over()).count();
        Status {
            network: self.params.network.name().into(),
            agent: AGENT.into(),
            peer_id: self.network.local_peer_id().to_string(),
            reach: peer_views::reach(&self.reach, &self.network.listen_addresses()),
            listen,
            height: self.chain.height().0,
            tip: self.chain.tip_hash().to_string(),
            synced: progress.is_none_or(|p| p.target <= p.height.next()),
            sync: progress.map(sync_view),
            peers: self.sync.peers().len() as u32,
            mining: self.miner.is_on(),
            hashes_per_second: self.miner.rate(),
            computes: self.models.served().filter_map(|r| self.models.get(&r)).map(|p| p.info().name).collect(),
            wallet: self.wallet.is_some(),
            pool: self.pool.len() as u32,
            live_jobs: live as u32,
            uptime_seconds: self.started.elapsed().as_secs(),
        }
    }

    fn view_chain(&self) -> Answer<ChainInfo> {
        let tip = self.chain.tip();
        let bits: CompactTarget = self.chain.next_work_required();
        let target = bits.target().map_err(failed)?;
        let work = target.work();
        // What all blocks so far could make, genesis aside; whole eras first, then the rest.
        let mut supply = 0u64;
        let (mut height, last) = (1u32, tip.height.0);
        while height <= last {
            let era_end = (height / self.params.halving_interval + 1) * self.params.halving_interval - 1;
            let end = era_end.min(last);
            supply += subsidy(self.params, Height(height)).0 * u64::from(end - height + 1);
            height = end + 1;
        }
        Ok(ChainInfo {
            network: self.params.network.name().into(),
            height: tip.height.0,
            tip: tip.hash().to_string(),
            time: tip.header.time.0,
            target: format!("{:x}", target.0),
            hashes_per_block: u64::try_from(u128::from_str_radix(&format!("{:x}", work.0), 16).unwrap_or(u128::MAX))
                .unwrap_or(u64::MAX),
            work: format!("{:x}", tip.work.0),
            subsidy_units: subsidy(self.params, tip.height.next()).0,
            supply_units: supply,
            pool: self.pool.len() as u32,
            first_body: self.chain.first_body().map_err(failed)?.0,
        })
    }

    fn confirmations(&self, height: Height) -> u32 {
        self.chain.height().since(height) + 1
    }

    fn view_block(&self, text: &str) -> Answer<BlockView> {
        let hash = match text.parse::<u32>() {
            Ok(height) => self.chain.hash_at(Height(height)).map_err(failed)?.ok_or_else(|| {
                ApiError::not_found(format!("no block at height {height}: the chain ends at {}", self.chain.height()))
            })?,
            Err(_) => text.parse::<BlockHash>().map_err(|_| {
                ApiError::bad_request(format!("{text:?} is neither a height nor a block's hash of 64 digits"))
            })?,
        };
        let missing = || ApiError::not_found(format!("block {hash} is not known here"));
        let entry = self.chain.header(&hash).map_err(failed)?.ok_or_else(missing)?;
        if self.chain.is_pruned(&entry).map_err(failed)? {
            let (height, first) = (entry.height, self.chain.first_body().map_err(failed)?);
            return Err(ApiError::not_found(format!(
                "block {hash} at height {height} was pruned: this node keeps blocks from height {first} on; ask another"
            )));
        }
        let block = self.chain.block(&hash).map_err(failed)?.ok_or_else(missing)?;
        let in_chain = self.chain.hash_at(entry.height).map_err(failed)? == Some(hash);
        let place = in_chain.then(|| BlockPlace {
            hash: hash.to_string(),
            height: entry.height.0,
            time: block.header.time.0,
            confirmations: self.confirmations(entry.height),
        });
        let transactions = block.transactions.iter().map(|tx| self.transaction_view(tx, place.clone())).collect();
        Ok(BlockView {
            hash: hash.to_string(),
            height: entry.height.0,
            previous: block.header.previous.to_string(),
            merkle_root: block.header.merkle_root.to_string(),
            time: block.header.time.0,
            bits: format!("{:08x}", block.header.bits.0),
            nonce: block.header.nonce,
            size: block.to_bytes().len() as u64,
            confirmations: if in_chain { self.confirmations(entry.height) } else { 0 },
            transactions,
        })
    }

    fn view_transaction(&self, text: &str) -> Answer<TransactionView> {
        let txid: Txid = text
            .parse()
            .map_err(|_| ApiError::bad_request(format!("{text:?} is no transaction id of 64 hexadecimal digits")))?;
        if let Some(entry) = self.pool.get(&txid) {
            return Ok(self.transaction_view(&entry.transaction, None));
        }
        let (tx, at) = self
            .chain
            .transaction(&txid)
            .map_err(failed)?
            .ok_or_else(|| ApiError::not_found(format!("transaction {txid} is not known here")))?;
        let place = BlockPlace {
            hash: at.hash().to_string(),
            height: at.height.0,
            time: at.header.time.0,
            confirmations: self.confirmations(at.height),
        };
        Ok(self.transaction_view(&tx, Some(place)))
    }

    /// The output that an input spends, from the chain's history or the pool.
    fn spent_output(&self, txid: &Txid, index: u32) -> Option<TxOut> {
        let from_pool = self.pool.get(txid).map(|e| e.transaction.clone());
        let tx = from_pool.or_else(|| self.chain.transaction(txid).ok().flatten().map(|t| t.0))?;
        tx.outputs.get(index as usize).cloned()
    }

    fn address_of(&self, script: &Script) -> Option<String> {
        let hash = templates::p2pkh_key_hash(script)?;
        Some(Address { network: self.params.network, hash }.to_string())
    }

    fn transaction_view(&self, tx: &Transaction, block: Option<BlockPlace>) -> TransactionView {
        let inputs: Vec<InputView> = if tx.is_coinbase() {
            Vec::new()
        } else {
            let view = |i: &camelid_core::transaction::TxIn| {
                let spent = self.spent_output(&i.previous.txid, i.previous.index);
                InputView {
                    txid: i.previous.txid.to_string(),
                    index: i.previous.index,
                    value_units: spent.as_ref().map(|o| o.value.0),
                    address: spent.and_then(|o| self.address_of(&o.script_pubkey)),
                }
            };
            tx.inputs.iter().map(view).collect()
        };
        let known: Option<u64> = inputs.iter().map(|i| i.value_units).sum();
        let made: u64 = tx.outputs.iter().map(|o| o.value.0).sum();
        let output = |o: &TxOut| OutputView {
            value_units: o.value.0,
            address: self.address_of(&o.script_pubkey),
            contract: contract_output(o, 0).ok().flatten().map(|t| state_name(t.state).into()),
            script: hex::encode(o.script_pubkey.as_bytes()),
        };
        TransactionView {
            txid: tx.txid().to_string(),
            kind: kind(tx).into(),
            job: (!tx.job_id.is_zero()).then(|| tx.job_id.to_string()),
            fee_units: if tx.is_coinbase() { None } else { known.and_then(|k| k.checked_sub(made)) },
            inputs,
            outputs: tx.outputs.iter().map(output).collect(),
            size: tx.size() as u64,
            block,
        }
    }

    fn view_history(&self) -> Answer<Vec<HistoryEntry>> {
        let wallet = self.wallet().map_err(wallet_error)?;
        let mut entries = Vec::new();
        for (txid, entry) in self.pool.entries() {
            let change = self.change_of(&entry.transaction);
            if change != 0 {
                entries.push(HistoryEntry {
                    txid: txid.to_string(),
                    kind: kind(&entry.transaction).into(),
                    job: (!entry.transaction.job_id.is_zero()).then(|| entry.transaction.job_id.to_string()),
                    change_units: change,
                    height: None,
                    time: entry.added.0,
                    confirmations: 0,
                });
            }
        }
        for item in wallet.history().iter().rev() {
            let tx = self.chain.transaction(&item.txid).map_err(failed)?;
            let kind = if item.coinbase { "mined" } else { tx.as_ref().map_or("payment", |(tx, _)| kind(tx)) };
            entries.push(HistoryEntry {
                txid: item.txid.to_string(),
                kind: kind.into(),
                job: item.job.map(|j| j.to_string()),
                change_units: item.received.0 as i64 - item.spent.0 as i64,
                height: Some(item.height.0),
                time: item.time.0,
                confirmations: self.confirmations(item.height),
            });
        }
        Ok(entries)
    }

    /// What a loose transaction changes for the wallet.
    fn change_of(&self, tx: &Transaction) -> i64 {
        let Some(wallet) = &self.wallet else { return 0 };
        let ours = |o: &&TxOut| wallet.keyring.owner(&o.script_pubkey).is_some();
        let received: u64 = tx.outputs.iter().filter(ours).map(|o| o.value.0).sum();
        let spent: u64 = tx
            .inputs
            .iter()
            .filter_map(|i| self.spent_output(&i.previous.txid, i.previous.index))
            .filter(|o| ours(&o))
            .map(|o| o.value.0)
            .sum();
        received as i64 - spent as i64
    }

    /// A job by its id or the start of it.
    fn find_job(&mut self, text: &str) -> Answer<JobId> {
        if let Ok(id) = text.parse() {
            self.recall(&id).map_err(failed)?;
        }
        let ids = self.clients.keys().chain(self.computes.keys());
        let mut found: Vec<_> = ids.filter(|id| id.to_string().starts_with(&text.to_ascii_lowercase())).collect();
        found.dedup();
        match found[..] {
            [id] if text.len() >= 6 => Ok(*id),
            [] => Err(ApiError::not_found(format!("no job {text:?} of ours: `camelid job list` shows them"))),
            _ => Err(ApiError::bad_request(format!("{text:?} fits several jobs: give more of the id"))),
        }
    }

    fn view_job(&self, id: &JobId) -> Answer<JobView> {
        if let Some(deal) = self.clients.get(id) {
            return Ok(self.client_view(id, deal));
        }
        let deal = self.computes.get(id).ok_or_else(|| ApiError::not_found(format!("no job {id} of ours")))?;
        Ok(self.compute_view(id, deal))
    }

    fn client_view(&self, id: &JobId, deal: &ClientDeal) -> JobView {
        let generate_ms = deal.testament.as_ref().map(|t| t.generate_ms);
        let (text, verification) = (self.texts(&deal.create.params.model), &deal.verdict);
        let verification = verification.as_ref().map(|v| VerificationView {
            mode: match deal.verify {
                VerifyMode::Full => Verify::Full,
                VerifyMode::Spot => Verify::Spot,
                VerifyMode::None => Verify::None,
            },
            holds: v.holds(),
            positions_checked: v.checked,
            wrong: v
                .wrong
                .iter()
                .map(|w| WrongTokenView {
                    position: w.position,
                    found: w.found.0,
                    expected: w.expected.0,
                    found_text: text.piece(w.found),
                    expected_text: text.piece(w.expected),
                })
                .collect(),
            problem: v.problem.clone(),
            generate_ms,
            verify_ms: v.verify_ms,
            engine: v.engine.clone(),
        });
        let mut view = self.job_view(id, &deal.create.params, Role::Client, &deal.timeline, &deal.track);
        view.over = deal.is_over();
        view.prompt = Some(deal.private.prompt.clone());
        view.seed = Some(deal.private.seed);
        view.answer = deal.answer.as_ref().map(|a| text.decode(a));
        view.answer_tokens = deal.answer.as_ref().map(|a| a.iter().map(|t| t.0).collect());
        view.verification = verification;
        view.peer = deal.accept.as_ref().map(|a| peer_text(&a.body.node_peer));
        view.settlement = deal.settlement_id().map(|t| t.to_string());
        self.fill_money(&mut view, deal.settlement.as_ref());
        view
    }

    fn compute_view(&self, id: &JobId, deal: &ComputeDeal) -> JobView {
        let text = self.texts(&deal.create.params.model);
        let mut view = self.job_view(id, &deal.create.params, Role::Compute, &deal.timeline, &deal.track);
        view.over = deal.is_over();
        view.prompt = deal.private.as_ref().map(|p| p.prompt.clone());
        view.seed = deal.private.as_ref().map(|p| p.seed);
        view.answer = deal.answer.as_ref().map(|a| text.decode(a));
        view.answer_tokens = deal.answer.as_ref().map(|a| a.iter().map(|t| t.0).collect());
        view.peer = Some(peer_text(&deal.create.params.client_peer));
        view.settlement = deal.settlement.as_ref().map(|t| t.txid().to_string());
        self.fill_money(&mut view, deal.settlement.as_ref());
        view
    }

    fn job_view(
        &self,
        id: &JobId,
        params: &JobParams,
        role: Role,
        line: &Timeline,
        track: &camelid_core::deal::Track,
    ) -> JobView {
        let position = track.position(self.chain.height(), &self.rules, self.params);
        let end = match position {
            camelid_core::deal::Position::Ended(ending) => Some(ending.txid.to_string()),
            _ => None,
        };
        let mined = |(tx, height): (&Transaction, Height)| JobTransaction {
            kind: kind(tx).into(),
            txid: tx.txid().to_string(),
            height: Some(height.0),
        };
        let mut transactions: Vec<_> = track.transactions().map(mined).collect();
        let loose = self.pool.entries().filter(|(_, e)| e.transaction.job_id == *id);
        transactions.extend(loose.map(|(txid, e)| JobTransaction {
            kind: kind(&e.transaction).into(),
            txid: txid.to_string(),
            height: None,
        }));
        let root = params.model;
        JobView {
            id: id.to_string(),
            role,
            status: line.status().name().into(),
            over: false,
            timeline: timeline(line),
            model: self.models.get(&root).map_or_else(|| root.to_string(), |p| p.info().name),
            model_root: root.to_string(),
            prompt: None,
            prompt_tokens: params.prompt_tokens,
            max_tokens: params.max_tokens,
            seed: None,
            temperature: params.sampling.temperature,
            top_k: params.sampling.top_k,
            top_p: params.sampling.top_p,
            answer: None,
            answer_tokens: None,
            verification: None,
            peer: None,
            reward_units: params.reward.0,
            stake_units: params.stake.0,
            reserve_units: params.reserve.0,
            fees_units: 0,
            change_units: 0,
            settlement: None,
            end,
            transactions,
            note: None,
        }
    }

    /// What the job changed for the wallet, from its transactions in chain and pool.
    fn fill_money(&self, view: &mut JobView, settlement: Option<&Transaction>) {
        let Some(settlement) = settlement else { return };
        let Some(wallet) = &self.wallet else { return };
        let mut change = 0;
        for item in &view.transactions {
            let Ok(txid) = item.txid.parse::<Txid>() else { continue };
            let known = self.pool.get(&txid).map(|e| e.transaction.clone());
            if let Some(tx) = known.or_else(|| self.chain.transaction(&txid).ok().flatten().map(|t| t.0)) {
                change += self.change_of(&tx);
            }
        }
        // Finalize pays the client key, which the wallet watches as its own.
        view.change_units = change;
        let job_fee = |tx: &Transaction| self.transaction_view(tx, None).fee_units.unwrap_or(0);
        let paid_by_client = wallet.keyring.network() == self.params.network && view.role == Role::Client;
        if paid_by_client {
            view.fees_units = view
                .transactions
                .iter()
                .filter_map(|t| t.txid.parse::<Txid>().ok())
                .filter_map(|txid| {
                    let known = self.pool.get(&txid).map(|e| e.transaction.clone());
                    known.or_else(|| self.chain.transaction(&txid).ok().flatten().map(|t| t.0))
                })
                .map(|tx| job_fee(&tx))
                .sum::<u64>()
                .max(if view.transactions.is_empty() { job_fee(settlement) } else { 0 });
        }
    }

    fn texts(&self, model: &ModelRoot) -> Texts<'_> {
        Texts(self.models.get(model).map(|p| p.tokenizer()).filter(|t| t.usable().is_ok()))
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Settlement => "settlement",
        State::Demanded => "demanded",
        State::Revealed => "revealed",
        State::Challenged => "challenged",
    }
}

/// A model's tokenizer, where it is here and can be used.
struct Texts<'a>(Option<&'a camelid_core::model::Tokenizer>);

impl Texts<'_> {
    fn decode(&self, ids: &[TokenId]) -> String {
        let text = self.0.and_then(|tokenizer| tokenizer.decode(ids).ok());
        text.unwrap_or_else(|| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    fn piece(&self, id: TokenId) -> String {
        match self.0 {
            Some(tokenizer) => String::from_utf8_lossy(tokenizer.piece(id)).into_owned(),
            None => id.to_string(),
        }
    }
}

//! What a full node does for a client beside the chain: a model in chunks, its messages with an answer, its job from the
//! offer to the opened answer, all over one connection.

use super::client::{Light, PATIENCE, coins};
use anyhow::{Context, Result, bail, ensure};
use camelid_core::block::subsidy;
use camelid_core::contract::WalletRules;
use camelid_core::deal::{Action, ClientDeal, ClientKeys, DealVerdict, VerifyMode};
use camelid_core::encode::Encode;
use camelid_core::hash::{JobId, KeyHash, ModelRoot};
use camelid_core::job::{JobCreate, JobParams, JobPrivate, JobStatus};
use camelid_core::keys::{Address, SecretKey};
use camelid_core::message::{
    ChunkRange, ClientRequest, ClientResponse, Envelope, FeeRates, JobReport, LightResponse, ModelRequest,
    ModelResponse, OfferQuery, Payload, Request, Response,
};
use camelid_core::model::package::{MAX_CHUNKS_AT_ONCE, ModelDownload, Taken};
use camelid_core::model::{Package, Reference, Sampling, generate};
use camelid_core::script::{sign_p2pkh_inputs, templates};
use camelid_core::transaction::{Coin, OutPoint, Transaction, TransactionBuilder, TxOut};
use camelid_core::units::{Amount, COIN, Network, TokenId};
use camelid_node::api::types::{SendRequest, SendResponse, WalletBalance};
use camelid_node::models::{DEFAULT_MODEL, Place};
use camelid_tests::NodeProcess;
use camelid_tests::peer::honest;
use std::ops::ControlFlow;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const PROMPT: &str = "Once upon a time there was";
const SEED: u64 = 11;
const MAX_TOKENS: u32 = 12;

/// Messages that were passed on to the client.
type Inbox = Arc<Mutex<Vec<Envelope>>>;

/// A coin of the client's.
type Owned = (OutPoint, Amount);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_headers_alone_fetches_a_model_pays_and_has_a_prompt_answered() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let args = ["--listen", "127.0.0.1:0", "--mine", "--mining-threads", "1", "--compute", DEFAULT_MODEL];
    let mut node = NodeProcess::new("node", dir.path(), &args);
    node.make_wallet()?;
    node.spawn()?;
    node.ready().await?;
    let inbox = Inbox::default();
    let kept = inbox.clone();
    let mut client = Light::connect(
        &node,
        Box::new(move |chain, request| match request {
            Request::Forward(envelope) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(*envelope);
                Some(Response::Forwarded.to_bytes())
            }
            other => honest(chain, other),
        }),
    )
    .await?;
    let package = fetch_model(&client).await?;
    let key = SecretKey::from_bytes([77; 32])?;
    let [first, second] = coins_of(&node, &mut client, &key).await?;
    let told = pay(&mut client, &key, first).await.and(ask_offers(&client, package.root()).await);
    told.with_context(|| node.log())?;
    run_job(&mut client, &inbox, package, &key, second).await.with_context(|| node.log())?;
    node.stop().await
}

/// The program's own model, chunk by chunk, with a restart after each answer; and all that is no chunk.
async fn fetch_model(client: &Light) -> Result<Package> {
    let ModelResponse::List(models) = client.ask_model(ModelRequest::List(None)).await? else { bail!("no list") };
    let [listed] = &models[..] else { bail!("{models:?}") };
    let (root, chunks) = (listed.root, listed.chunks());
    ensure!(root == Place::Program.load()?.root() && listed.per_thousand_tokens.is_some(), "{listed:?}");
    ensure!(client.ask_model(ModelRequest::List(Some(root))).await? == ModelResponse::List(Vec::new()));

    let range = |first, count| ModelRequest::Chunks(ChunkRange { root, first, count });
    let mut bytes = vec![0; listed.length as usize];
    let (mut download, mut asked) = (ModelDownload::new(root), 0);
    while let Some(next) = download.next_missing(0, MAX_CHUNKS_AT_ONCE as u64) {
        let request = range(next.start, (next.end - next.start) as u32);
        let ModelResponse::Chunks(given) = client.ask_model(request).await? else { bail!("no chunks") };
        ensure!(!given.is_empty(), "chunk {} is not given", next.start);
        for chunk in &given {
            let Taken::New { offset } = download.take(chunk)? else { bail!("a chunk came twice") };
            let place = bytes.get_mut(offset as usize..).and_then(|rest| rest.get_mut(..chunk.bytes.len()));
            place.context("the model is longer than was said")?.copy_from_slice(&chunk.bytes);
        }
        asked += 1;
        let there: Vec<_> = download.present().collect();
        download = ModelDownload::resume(root, download.count().context("no count")?, there)?;
    }
    ensure!(download.count() == Some(chunks) && asked == chunks.div_ceil(MAX_CHUNKS_AT_ONCE as u64));
    let package = Package::parse(bytes)?;
    ensure!(package.root() == root && package.manifest().name == listed.name());

    for (first, count) in [(0, 0), (chunks, 1), (u64::MAX, u32::MAX)] {
        ensure!(client.ask_model(range(first, count)).await? == ModelResponse::Chunks(Vec::new()), "{first}, {count}");
    }
    let ModelResponse::Chunks(most) = client.ask_model(range(0, u32::MAX)).await? else { bail!("no chunks") };
    ensure!(most.len() == MAX_CHUNKS_AT_ONCE);
    // Its chunks are no other model's.
    let other = ModelRoot([1; 32]);
    ensure!(ModelDownload::new(other).take(&most[0]).is_err_and(|error| error.is_senders_fault()));
    let unknown = Request::Model(ModelRequest::Chunks(ChunkRange { root: other, first: 0, count: 1 }));
    ensure!(client.ask(unknown).await? == Response::Light(LightResponse::NotFound));
    Ok(package)
}

/// Two coins of the client's, which the node pays it and it finds by filters.
async fn coins_of(node: &NodeProcess, client: &mut Light, key: &SecretKey) -> Result<[Owned; 2]> {
    let begun = Instant::now();
    while node.get::<WalletBalance>("/v1/wallet/balance").await?.confirmed_units < 200 * COIN {
        ensure!(begun.elapsed() < PATIENCE, "no mined coins");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let address = Address::new(Network::Dev, &key.public_key()).to_string();
    for coins in [3, 20] {
        let request = SendRequest { address: address.clone(), amount_units: coins * COIN, fee_rate_units: None };
        let _: SendResponse = node.post("/v1/wallet/send", &request).await?;
    }
    let scripts = [templates::p2pkh(key.public_key().hash())];
    loop {
        client.follow().await?;
        let mut found = coins(&client.matching_blocks(&scripts).await?, &scripts);
        found.sort_by_key(|(_, value)| *value);
        if let [first, second] = found[..] {
            return Ok([first, second]);
        }
        ensure!(begun.elapsed() < PATIENCE, "the coins were not found: {}", node.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A payment of this coin to somebody, signed, for this fee.
fn payment(key: &SecretKey, coin: Owned, fee: u64) -> Result<Transaction> {
    let (outpoint, value) = coin;
    let to = templates::p2pkh(KeyHash([5; 20]));
    let mut tx = TransactionBuilder::new().input(outpoint).output(Amount(value.0 - fee), to).build();
    let spent = [TxOut { value, script_pubkey: templates::p2pkh(key.public_key().hash()) }];
    sign_p2pkh_inputs(&mut tx, &spent, [key], Network::Dev)?;
    Ok(tx)
}

fn refused_with(reason: Option<String>, part: &str) -> Result<()> {
    let reason = reason.with_context(|| format!("accepted, expected a refusal with {part:?}"))?;
    ensure!(reason.contains(part) && !reason.contains('\n'), "{reason:?} instead of {part:?}");
    Ok(())
}

async fn submit(client: &Light, tx: &Transaction) -> Result<Option<String>> {
    client.submit(&tx.clone().into()).await
}

/// Refusals say why; a payment that is taken is taken again, and is in a block in the end, which a proof shows.
async fn pay(client: &mut Light, key: &SecretKey, coin: Owned) -> Result<()> {
    let ClientResponse::FeeRates(rates) = client.ask_client(ClientRequest::FeeRates).await? else { bail!("no rates") };
    let FeeRates { next_block, least } = rates;
    ensure!(least > 0 && next_block >= least, "{rates:?}");
    // Another fee makes another signature, which may be some bytes longer.
    let size = payment(key, coin, 0)?.size() as u64 + 8;
    let tx = payment(key, coin, (next_block * size).div_ceil(1000))?;

    let nobodys = (OutPoint { index: 99, ..coin.0 }, coin.1);
    refused_with(submit(client, &payment(key, nobodys, 1000)?).await?, "does not exist or is spent")?;
    refused_with(submit(client, &payment(key, coin, 0)?).await?, "fee rate is 0 units per 1000 bytes")?;
    let mut unsigned = tx.clone();
    unsigned.inputs[0].script_sig.0.clear();
    ensure!(submit(client, &unsigned).await?.is_some(), "an unsigned payment was accepted");
    let to_one = client.peer.envelope_to(Some(client.peer.address()?), &tx.clone().into())?;
    refused_with(client.submit_envelope(to_one).await?, "for one peer")?;
    let genesis = client.chain.params().genesis();
    refused_with(client.submit(&genesis.into()).await?, "a block")?;
    ensure!(client.proof(tx.txid()).await?.is_none(), "it was not submitted yet");

    let refused = submit(client, &tx).await?;
    ensure!(refused.is_none(), "the payment is refused: {refused:?}");
    ensure!(submit(client, &tx).await?.is_none(), "what waits is accepted again");
    let begun = Instant::now();
    while client.proof(tx.txid()).await?.is_none() {
        ensure!(begun.elapsed() < PATIENCE, "the payment is in no block");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(submit(client, &tx).await?.is_none(), "what is mined was accepted");
    let twice = payment(key, coin, 2000)?;
    ensure!(submit(client, &twice).await?.is_some(), "a coin was spent twice");
    Ok(())
}

/// The node's own offer of service, signed, for the stakes that it can put up.
async fn ask_offers(client: &Light, model: ModelRoot) -> Result<()> {
    let ask = async |model, least_stake| {
        let query = OfferQuery { model, least_stake };
        match client.ask_client(ClientRequest::Offers(query)).await? {
            ClientResponse::Offers(offers) => anyhow::Ok(offers),
            other => bail!("{other:?}"),
        }
    };
    let begun = Instant::now();
    let offer = loop {
        if let Some(offer) = ask(model, Amount(COIN)).await?.pop() {
            break offer;
        }
        ensure!(begun.elapsed() < PATIENCE, "the node offers no service");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    offer.offer.check(&offer.offer.body.node_key, Network::Dev)?;
    ensure!(offer.stake >= Amount(COIN) && offer.offer.body.price(&model).is_some(), "{offer:?}");
    ensure!(ask(model, Amount(u64::MAX)).await?.is_empty(), "nobody has such a stake");
    ensure!(ask(ModelRoot([1; 32]), Amount(0)).await?.is_empty(), "nobody serves that");
    Ok(())
}

async fn report(client: &Light, id: JobId) -> Result<Option<JobReport>> {
    match client.ask(Request::Client(ClientRequest::Job(id))).await? {
        Response::Client(ClientResponse::Job(report)) => Ok(Some(*report)),
        Response::Light(LightResponse::NotFound) => Ok(None),
        other => bail!("{other:?}"),
    }
}

/// The coin behind an accept, by proof; that nobody spent it is the node's word.
async fn proved_coin(client: &mut Light, outpoint: &OutPoint) -> Result<Coin> {
    let proof = client.proof(outpoint.txid).await?.context("the stake coin is in no block")?;
    let output = proof.transaction.outputs.get(outpoint.index as usize).context("no such output")?.clone();
    Ok(Coin { output, height: proof.height, coinbase: proof.transaction.is_coinbase() })
}

/// A job from its offer to the checked answer and the mined settlement. The client sees no gossip: what others say to
/// everybody it learns from the job's report.
async fn run_job(client: &mut Light, inbox: &Inbox, package: Package, key: &SecretKey, coin: Owned) -> Result<()> {
    let (network, prompt) = (client.chain.params(), package.tokenizer().prompt(PROMPT)?);
    let rules = WalletRules::for_network(network);
    let private = JobPrivate { prompt: PROMPT.into(), token_ids: prompt.clone(), seed: SEED, salt: [3; 32] };
    let [client_key, job_key, challenge_key] = [78, 79, 80].map(|n| SecretKey::from_bytes([n; 32]));
    let (client_key, job_key, challenge_key) = (client_key?, job_key?, challenge_key?);
    let facts = client.facts(&rules)?;
    let (reward, stake) = (Amount(COIN), Amount(COIN));
    let params = JobParams {
        version: JobParams::VERSION,
        model: package.root(),
        prompt_tokens: prompt.len() as u32,
        max_tokens: MAX_TOKENS,
        sampling: Sampling::GREEDY,
        timestamp: facts.now,
        valid_until: facts.tip.plus(rules.job_lifetime),
        client_peer: client.peer.address()?,
        client_key: client_key.public_key(),
        challenge_key: challenge_key.public_key(),
        job_key: job_key.public_key(),
        reward,
        stake,
        reserve: Amount(128_000),
        move_fee: Amount(7_000),
        bond: Amount(100_000),
        fee: Amount(5_000),
        periods: rules.periods_for(Amount(2 * COIN), subsidy(network, facts.next())),
        commitment: private.commitment(),
    };
    let sign = |params: JobParams| {
        JobCreate::sign(params, key.public_key().hash(), &[(coin.0, key)], &client_key, Network::Dev)
    };
    let mut cheap = params.clone();
    cheap.move_fee = Amount(1);
    refused_with(client.submit(&sign(cheap).into()).await?, "the job's move fee is 0.00000001 coins")?;
    let mut forged = sign(params.clone());
    forged.change = KeyHash([9; 20]);
    ensure!(client.submit(&forged.into()).await?.is_some(), "a forged offer was accepted");

    let create = sign(params);
    let id = create.id(Network::Dev);
    ensure!(report(client, id).await?.is_none(), "the job was not offered yet");
    let mut deal = ClientDeal::new(create, private, vec![coin.1], 0, VerifyMode::Full, &facts);
    let keys = ClientKeys { client: &client_key, job: &job_key, coins: slice::from_ref(key) };
    let package = Arc::new(package);
    let (begun, mut seen) = (Instant::now(), Vec::new());
    let (settlement, height) = loop {
        ensure!(begun.elapsed() < PATIENCE, "the job stays {}; its reports said {seen:?}", deal.status());
        client.follow().await?;
        let facts = client.facts(&rules)?;
        for envelope in inbox.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // What comes twice does not fit any more.
            let _ = match envelope.open(Network::Dev)? {
                Payload::Ciphertext(ciphertext) => deal.on_ciphertext(&ciphertext.bytes),
                Payload::JobDelivery(delivery) => deal.on_delivery(&delivery, &keys, &facts),
                _ => Ok(()),
            };
        }
        for action in deal.step(&keys, &facts) {
            let refused = match action {
                Action::Broadcast(payload) => client.submit(&payload).await?,
                Action::Publish(tx) => client.submit(&Payload::Transaction(tx)).await?,
                Action::Send(to, payload) => client.forward(to, &payload).await.map(|()| None)?,
                Action::Verify { prompt, answer } => {
                    deal.on_verified(check(&package, &prompt, &answer)?, &facts);
                    None
                }
                Action::Compute => bail!("a client computes nothing"),
            };
            ensure!(refused.is_none(), "{refused:?}");
        }
        let report = report(client, id).await?.context("the job is gone")?;
        if seen.last() != Some(&report.status) {
            seen.push(report.status);
        }
        if let (Some(accept), None) = (&report.accept, &deal.accept) {
            let coin = proved_coin(client, &accept.body.stake_coin).await?;
            deal.on_accept(accept, Some(&coin), &client.facts(&rules)?)?;
        }
        if let (Some(testament), None) = (&report.testament, &deal.testament) {
            deal.on_testament(testament, &facts)?;
        }
        let settled = report.transactions.first().and_then(|tx| Some((tx.txid, tx.height?)));
        if let (Some(settled), Some(_)) = (settled, &deal.verdict) {
            break settled;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    ensure!(deal.status() == JobStatus::Verified, "{:?}", deal.verdict);
    ensure!(seen.is_sorted() && seen.last() >= Some(&JobStatus::Paid), "{seen:?}");
    ensure!(deal.settlement_id() == Some(settlement), "another settlement");
    let proof = client.proof(settlement).await?.context("the settlement is in no block")?;
    ensure!(proof.height == height && proof.transaction.job_id == id);
    Ok(())
}

/// Runs the model that was fetched, and compares.
fn check(package: &Arc<Package>, prompt: &[TokenId], answer: &[TokenId]) -> Result<DealVerdict> {
    let mut engine = Reference::new(package.clone());
    let mut go_on = |_| ControlFlow::Continue(());
    let expected = generate(&mut engine, prompt, &Sampling::GREEDY, SEED, MAX_TOKENS, &mut go_on)?;
    let problem = if expected.tokens == answer { String::new() } else { "another answer".into() };
    Ok(DealVerdict { checked: answer.len() as u32, problem, ..DealVerdict::default() })
}

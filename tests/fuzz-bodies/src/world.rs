//! A network on which blocks cost next to nothing, and people who own its coins.

use camelid_core::block::{Block, CompactTarget, NetworkParams, PowMidstate, ProvableModel};
use camelid_core::chain::{Chain, MemoryStore};
use camelid_core::encode::Encode;
use camelid_core::hash::{Hash32, KeyHash, ModelRoot, tagged_hash};
use camelid_core::keys::{PublicKey, SecretKey};
use camelid_core::script::templates;
use camelid_core::transaction::{Coin, OutPoint, Script, Transaction, TransactionBuilder, TxOut};
use camelid_core::units::{Amount, Network, Timestamp};
use std::sync::LazyLock;

/// A clock that no block is ahead of.
pub const LATE: Timestamp = Timestamp(u32::MAX);

/// How many people there are.
pub const PEOPLE: usize = 5;

/// A model that the network can prove.
pub const PROVABLE: ProvableModel =
    ProvableModel { root: ModelRoot([9; 32]), macs_per_token: 1_000_000, macs_per_pair: 1_000, context: 100 };

/// `dev`, with a target that every second hash reaches, and a provable model.
pub fn params() -> &'static NetworkParams {
    static PARAMS: LazyLock<NetworkParams> = LazyLock::new(|| {
        let mut params =
            NetworkParams { pow_limit: CompactTarget(0x207f_ffff), ..NetworkParams::of(Network::Dev).clone() };
        params.contract.provable_models = &[PROVABLE];
        params.genesis_nonce = solve(params.genesis()).header.nonce;
        params
    });
    &PARAMS
}

/// Sets the nonce; the Merkle root stays.
pub fn solve(mut block: Block) -> Block {
    let target = block.header.bits.target().expect("the target is a real one");
    let nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target);
    block.header.nonce = nonce.expect("every second hash or so reaches the target");
    block
}

/// Somebody's secret key.
pub fn secret(person: usize) -> &'static SecretKey {
    static KEYS: LazyLock<[SecretKey; PEOPLE]> = LazyLock::new(|| {
        core::array::from_fn(|n| SecretKey::from_bytes([n as u8 + 1; 32]).expect("a number below the order"))
    });
    &KEYS[person % PEOPLE]
}

/// Their public key.
pub fn public(person: usize) -> PublicKey {
    static KEYS: LazyLock<[PublicKey; PEOPLE]> = LazyLock::new(|| core::array::from_fn(|n| secret(n).public_key()));
    KEYS[person % PEOPLE]
}

/// Its hash.
pub fn hash(person: usize) -> KeyHash {
    static HASHES: LazyLock<[KeyHash; PEOPLE]> = LazyLock::new(|| core::array::from_fn(|n| public(n).hash()));
    HASHES[person % PEOPLE]
}

/// Pays to somebody.
pub fn pay_to(person: usize) -> Script {
    templates::p2pkh(hash(person))
}

/// Who owns a P2PKH output.
pub fn owner(output: &TxOut) -> Option<usize> {
    let found = templates::p2pkh_key_hash(&output.script_pubkey)?;
    (0..PEOPLE).find(|person| hash(*person) == found)
}

/// Signs every input that spends somebody's coin.
pub fn sign(tx: &mut Transaction, spent: &[TxOut]) {
    let people = (0..PEOPLE).map(secret);
    camelid_core::script::sign_p2pkh_inputs(tx, spent, people, Network::Dev).expect("one spent output for each input");
}

/// Spends coins into these outputs, signed.
pub fn spend(coins: &[(OutPoint, Coin)], outputs: &[(Amount, Script)]) -> Transaction {
    let builder = coins.iter().fold(TransactionBuilder::new(), |b, c| b.input(c.0));
    let builder = outputs.iter().fold(builder, |b, (value, script)| b.output(*value, script.clone()));
    let spent: Vec<TxOut> = coins.iter().map(|c| c.1.output.clone()).collect();
    let mut tx = builder.build();
    sign(&mut tx, &spent);
    tx
}

/// A chain on this network.
pub type TestChain = Chain<MemoryStore>;

/// The next block of a chain, solved: paid to somebody, with those of `transactions` that it can take.
pub fn next_block(
    chain: &TestChain,
    to: usize,
    transactions: impl IntoIterator<Item = Transaction>,
    time: Timestamp,
) -> (Block, Vec<Transaction>) {
    let template = chain.build_template(pay_to(to), transactions, time).expect("memory does not fail");
    (solve(template.block), template.left_out)
}

/// How many blocks [`grown`] has.
pub const BASE: u32 = 10;

/// A chain of [`BASE`] blocks on schedule, paid to everybody in turn; some of its coins are mature.
pub fn grown() -> &'static [TestChain] {
    static CHAINS: LazyLock<Vec<TestChain>> = LazyLock::new(|| {
        let mut chain = Chain::open(MemoryStore::new(), params()).expect("memory does not fail");
        let mut all = vec![chain.clone()];
        for n in 0..BASE {
            let time = Timestamp(params().genesis_time.0 + 1000 + params().block_interval * n);
            let (block, _) = next_block(&chain, n as usize, [], time);
            chain.accept_block(block, LATE).expect("a template makes a valid block");
            all.push(chain.clone());
        }
        all
    });
    &CHAINS
}

/// What a signature signs, restated: "the network's four bytes, version, P(outpoints), P(sequences), P(spent outputs …),
/// P(outputs), lock time, Job ID, then the index of the input and, with its length, what a contract's move adds".
pub fn signed_hash(tx: &Transaction, spent: &[TxOut], index: usize, added: &[u8]) -> Hash32 {
    let part = |all: Vec<Vec<u8>>| tagged_hash("camelid/sighash/part", &[&all.concat()]).0;
    let mut bytes = b"CAMd".to_vec();
    bytes.extend(tx.version.to_le_bytes());
    bytes.extend(part(tx.inputs.iter().map(|i| i.previous.to_bytes()).collect()));
    bytes.extend(part(tx.inputs.iter().map(|i| i.sequence.0.to_le_bytes().to_vec()).collect()));
    bytes.extend(part(spent.iter().map(TxOut::to_bytes).collect()));
    bytes.extend(part(tx.outputs.iter().map(TxOut::to_bytes).collect()));
    bytes.extend(tx.lock_time.to_le_bytes());
    bytes.extend(tx.job_id.0);
    bytes.extend((index as u32).to_le_bytes());
    // One byte is enough for the length: a move adds 33.
    bytes.push(added.len() as u8);
    bytes.extend(added);
    tagged_hash("camelid/sighash", &[&bytes])
}

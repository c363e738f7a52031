//! What else holds for a value that decoded.

use super::*;
use camelid_core::block::{HEADER_BYTES, NetworkParams, PowMidstate};
use camelid_core::chain::{check_block, check_header, check_transaction};
use camelid_core::contract::contract_output;
use camelid_core::hash::{sha256d, tagged_hash};
use camelid_core::message::{MAX_HOPS, Payload, peer_address, peer_key};
use camelid_core::model::package::Layout;
use camelid_core::script::{parse, signature_operations, templates};
use camelid_core::transaction::TxOut;
use camelid_core::units::Network;

pub(super) const NETWORKS: [Network; 3] = [Network::Main, Network::Test, Network::Dev];

/// The txid is that of the transaction with empty ScriptSigs, the wtxid that of all of it.
pub(super) fn transaction(tx: &Transaction) {
    let bytes = tx.to_bytes();
    assert_eq!(tx.size(), bytes.len());
    assert_eq!(tx.wtxid().0, tagged_hash("camelid/wtxid", &[&bytes]).0);
    let mut unsigned = tx.clone();
    unsigned.inputs.iter_mut().for_each(|i| i.script_sig = Script::empty());
    assert_eq!(tx.txid().0, sha256d(&unsigned.to_bytes()).0);
    assert_eq!(tx.txid(), unsigned.txid());
    assert_eq!(tx.merkle_leaf(), [tx.txid().0, tx.witness_hash().0].concat()[..]);
    let valid = check_transaction(tx).is_ok();
    if valid {
        assert!(!tx.is_coinbase() && tx.output_value().is_some());
    }
    for (index, output) in tx.outputs.iter().enumerate() {
        script(&output.script_pubkey);
        let _ = contract_output(output, index);
    }
    tx.inputs.iter().for_each(|i| script(&i.script_sig));
}

/// A script is a contract, or it is parsed, or neither: never both.
fn script(script: &Script) {
    let (parsed, contract) = (parse(script).is_ok(), templates::contract_terms(script).is_some());
    assert!(!(parsed && contract));
    if !parsed && !contract {
        assert_eq!(signature_operations(script), 0);
    }
}

pub(super) fn block(block: &Block) {
    assert_eq!(block.size(), block.to_bytes().len());
    assert_eq!(block.hash(), block.header.hash());
    for network in NETWORKS {
        if check_block(block, NetworkParams::of(network)).is_ok() {
            assert_eq!(block.merkle_root(), block.header.merkle_root);
        }
    }
}

/// 80 bytes; the miner's way to its hash is the same.
pub(super) fn header(header: &Header) {
    let bytes = header.to_bytes();
    assert_eq!(bytes.len(), HEADER_BYTES);
    assert_eq!(header.hash().0, sha256d(&bytes).0);
    assert_eq!(PowMidstate::new(header).hash(header.nonce), header.hash());
    for network in NETWORKS {
        let _ = check_header(header, NetworkParams::of(network));
    }
}

pub(super) fn proof(proof: &TransactionProof) {
    if proof.verify().is_ok() {
        assert_eq!(proof.transaction.is_coinbase(), proof.branch.index == 0);
        assert!(proof.branch.index < proof.branch.count);
    }
    transaction(&proof.transaction);
}

/// Forwarding does not change a message's id, and on one network at most it opens.
pub(super) fn envelope(envelope: &Envelope) {
    let mut forwarded = envelope.clone();
    forwarded.hops = envelope.hops.saturating_add(1) % (MAX_HOPS + 1);
    assert_eq!(envelope.id(), forwarded.id());
    let opened: Vec<_> = NETWORKS.iter().filter_map(|n| envelope.open(*n).ok()).collect();
    assert!(opened.len() <= 1);
    for payload in opened {
        assert_eq!((payload.kind(), payload.body()), (envelope.kind, envelope.payload.clone()));
        let mut altered = envelope.clone();
        altered.sequence ^= 1;
        assert!(NETWORKS.iter().all(|n| altered.open(*n).is_err()), "the signature covers the sequence");
    }
    if let Some(key) = peer_key(&envelope.sender) {
        assert_eq!(peer_address(&key), envelope.sender);
    }
}

/// A message's type, then its content.
pub(super) fn payload(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    let found = within(DECODING, body.len(), || Payload::from_parts(*kind, body));
    if let Ok(payload) = found {
        assert_eq!((payload.kind(), payload.body()), (*kind, body.to_vec()));
        let _ = payload.topic();
    }
}

/// The headers follow one another.
pub(super) fn filter_headers(all: &FilterHeaders) {
    let headers = all.headers();
    assert_eq!(headers.len(), all.hashes.len());
    let mut before = all.previous;
    for (header, hash) in headers.into_iter().zip(&all.hashes) {
        assert_eq!(header.0, sha256d(&[hash.0, before.0].concat()).0);
        before = header;
    }
}

/// No leaf is proved under a root that nobody made.
pub(super) fn branch(branch: &Branch) {
    let root = tagged_hash("camelid/fuzz/no root", &[]);
    assert!(branch.verify(b"a leaf", &root).is_err());
    if let Err(camelid_core::hash::MerkleError::WrongRoot { found, .. }) = branch.verify(b"a leaf", &root) {
        assert_eq!(branch.verify(b"a leaf", &found), Ok(()));
        assert!(branch.verify(b"another leaf", &found).is_err());
    }
}

/// A contract's script holds the terms and nothing else.
pub(super) fn terms(terms: &Terms) {
    let script = terms.script();
    assert_eq!(templates::contract_terms(&script), Some(&terms.to_bytes()[..]));
    let output = TxOut { value: Amount(1), script_pubkey: script };
    assert_eq!(contract_output(&output, 0), Ok(Some(terms.clone())));
    for network in NETWORKS {
        if terms.check(NetworkParams::of(network)).is_ok() {
            let (locked, paid) = (terms.locked().expect("sums are checked"), terms.reward_and_stake());
            assert_eq!(paid.and_then(|p| p.checked_add(terms.reserve)), Some(locked));
        }
    }
    for state in [State::Settlement, State::Demanded, State::Revealed, State::Challenged] {
        let (a, b) = (terms.to_bytes(), terms.in_state(state).to_bytes());
        let different = a.iter().zip(&b).filter(|(a, b)| a != b).count();
        assert_eq!(different, usize::from(state != terms.state), "only the state byte changes");
    }
}

pub(super) fn witness(witness: &Witness) {
    assert_eq!(witness.to_bytes().first().copied(), Some(witness.contract_move() as u8));
    assert_eq!(witness.contract_move().binding().len(), 33);
}

pub(super) fn job_params(params: &JobParams) {
    let ids = NETWORKS.map(|n| params.id(n));
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "an id is one network's");
    for network in NETWORKS {
        if params.check(NetworkParams::of(network)).is_ok() {
            assert!(params.client_pays().is_some() && params.sampling.valid().is_ok());
        }
    }
}

pub(super) fn job_private(private: &JobPrivate) {
    let mut other = private.clone();
    other.seed ^= 1;
    assert_ne!(private.commitment(), other.commitment());
}

pub(super) fn job_create(create: &JobCreate) {
    let valid = |c: &JobCreate| NETWORKS.iter().filter(|n| c.check(NetworkParams::of(**n)).is_ok()).count();
    let found = valid(create);
    assert!(found <= 1, "a signature is one network's");
    if found == 1 {
        let mut other = create.clone();
        other.change.0[0] ^= 1;
        assert_eq!(valid(&other), 0, "the signatures cover the change");
    }
}

/// One behaviour, one encoding.
pub(super) fn sampling(sampling: &Sampling) {
    if sampling.valid().is_ok() {
        assert_eq!(Sampling::new(sampling.temperature, sampling.top_k, sampling.top_p), Ok(*sampling));
    }
}

/// "A compact target … is in its canonical form."
pub(super) fn compact_target(bits: &CompactTarget) {
    if let Ok(target) = bits.target() {
        assert_eq!(target.compact(), *bits);
        assert_ne!(target.work(), Work::ZERO);
    }
}

/// A manifest that passes has a layout, whose tables stand one after another.
pub(super) fn manifest(manifest: &Manifest) {
    if manifest.check().is_err() {
        return;
    }
    let _ = (manifest.parameters(), manifest.cache_bytes(u64::MAX), manifest.multiply_accumulates(u32::MAX, u32::MAX));
    if let Ok(layout) = Layout::new(manifest, manifest.to_bytes().len() as u64) {
        let mut end = layout.head_len;
        for place in [&layout.activation, &layout.rotary, &layout.positions, &layout.embedding.mantissas] {
            assert!(place.start >= end && place.end >= place.start && place.start.is_multiple_of(64));
            end = place.end;
        }
        assert!(layout.total >= end);
    }
}

pub(super) fn tokenizer(spec: &TokenizerSpec) {
    for vocabulary in [1, 256, 300, 1 << 20] {
        let _ = spec.check(vocabulary);
    }
}

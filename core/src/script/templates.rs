//! The scripts that wallets and contracts use, and how to tell them.

use super::builder::put_push;
use super::opcode::{MAX_DIRECT_PUSH, OP_PUSHDATA1, OP_PUSHDATA2, Opcode};
use super::{Instruction, MAX_CONTRACT_TERMS, MAX_SCRIPT_BYTES, ScriptBuilder, parse};
use crate::hash::KeyHash;
use crate::keys::{PublicKey, Signature};
use crate::transaction::Script;
use alloc::vec;
use alloc::vec::Vec;

/// The longest ScriptSig of a [`p2pkh`] output, in bytes.
pub const MAX_P2PKH_SCRIPT_SIG: usize = 1 + 71 + 1 + 33;

/// What a ScriptPubKey is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptKind<'a> {
    /// Pays to the owner of a key ([`p2pkh`]).
    PayToKeyHash(KeyHash),
    /// Pays to `required` of the owners of `keys` ([`multisig`]).
    Multisig {
        /// Signatures needed.
        required: u8,
        /// The keys, in order.
        keys: Vec<PublicKey>,
    },
    /// A contract with its terms ([`contract`]).
    Contract(&'a [u8]),
    /// Begins with `OP_CONTRACT`, but is none: never spendable, and no transaction may make it.
    BrokenContract,
    /// Can never be spent: burnt, or holds data.
    Unspendable,
    /// Anything else, perhaps spendable.
    Other,
}

/// Tells what a ScriptPubKey is.
pub fn classify(script: &Script) -> ScriptKind<'_> {
    if let Some(hash) = p2pkh_key_hash(script) {
        ScriptKind::PayToKeyHash(hash)
    } else if let Some(terms) = contract_terms(script) {
        ScriptKind::Contract(terms)
    } else if script.0.first() == Some(&(Opcode::Contract as u8)) {
        ScriptKind::BrokenContract
    } else if is_unspendable(script) {
        ScriptKind::Unspendable
    } else if let Some((required, keys)) = multisig_parts(script) {
        ScriptKind::Multisig { required, keys }
    } else {
        ScriptKind::Other
    }
}

/// Pays to whoever shows the key with this hash and signs:
/// `OP_DUP OP_HASH160 <hash> OP_EQUALVERIFY OP_CHECKSIG`.
pub fn p2pkh(hash: KeyHash) -> Script {
    ScriptBuilder::new()
        .op(Opcode::Dup)
        .op(Opcode::Hash160)
        .push(&hash.0)
        .op(Opcode::EqualVerify)
        .op(Opcode::CheckSig)
        .build()
}

/// The key hash in a [`p2pkh`] script.
pub fn p2pkh_key_hash(script: &Script) -> Option<KeyHash> {
    const HEAD: [u8; 3] = [Opcode::Dup as u8, Opcode::Hash160 as u8, 20];
    const TAIL: [u8; 2] = [Opcode::EqualVerify as u8, Opcode::CheckSig as u8];
    let hash = script.as_bytes().strip_prefix(&HEAD)?.strip_suffix(&TAIL)?;
    hash.try_into().ok().map(KeyHash)
}

/// Satisfies a [`p2pkh`] script.
pub fn p2pkh_script_sig(signature: &Signature, key: &PublicKey) -> Script {
    ScriptBuilder::new().push(&signature.to_der()).push(key.as_bytes()).build()
}

/// The signature and key of a ScriptSig that has the form of [`p2pkh_script_sig`].
pub fn p2pkh_script_sig_parts(script_sig: &Script) -> Option<(Signature, PublicKey)> {
    match parse(script_sig).ok()?[..] {
        [Instruction::Push(signature), Instruction::Push(key)] => {
            Some((Signature::from_der(signature).ok()?, PublicKey::from_bytes(key).ok()?))
        }
        _ => None,
    }
}

/// Pays to any `required` of the owners of `keys`: `<m> <keys...> <n> OP_CHECKMULTISIG`. `None` unless
/// 1 <= m <= n <= 16.
pub fn multisig(required: u8, keys: &[PublicKey]) -> Option<Script> {
    if required == 0 || keys.len() > 16 || usize::from(required) > keys.len() {
        return None;
    }
    let script = ScriptBuilder::new().number(i64::from(required));
    let script = keys.iter().fold(script, |script, key| script.push(key.as_bytes()));
    Some(script.number(keys.len() as i64).op(Opcode::CheckMultisig).build())
}

fn multisig_parts(script: &Script) -> Option<(u8, Vec<PublicKey>)> {
    let instructions = parse(script).ok()?;
    let [Instruction::Small(m), keys @ .., Instruction::Small(n), Instruction::Op(Opcode::CheckMultisig)] =
        &instructions[..]
    else {
        return None;
    };
    if m > n || keys.len() != usize::from(*n) {
        return None;
    }
    let key = |i: &Instruction<'_>| match i {
        Instruction::Push(bytes) => PublicKey::from_bytes(bytes).ok(),
        _ => None,
    };
    Some((*m, keys.iter().map(key).collect::<Option<Vec<_>>>()?))
}

/// Satisfies a [`multisig`] script: signatures in the order of their keys.
pub fn multisig_script_sig(signatures: &[Signature]) -> Script {
    let script = ScriptBuilder::new().push(&[]);
    signatures.iter().fold(script, |script, signature| script.push(&signature.to_der())).build()
}

/// A contract's ScriptPubKey: `OP_CONTRACT <terms>`. Terms have 1 to [`MAX_CONTRACT_TERMS`] bytes; with
/// others the script is none that [`contract_terms`] knows, and no transaction may make it.
pub fn contract(terms: &[u8]) -> Script {
    let mut bytes = vec![Opcode::Contract as u8];
    put_push(terms, &mut bytes);
    Script(bytes)
}

/// The terms in a script that is exactly what [`contract`] writes for them.
pub fn contract_terms(script: &Script) -> Option<&[u8]> {
    let rest = script.as_bytes().strip_prefix(&[Opcode::Contract as u8])?;
    // "The length is in its shortest form": one list of terms, one script.
    let (len, terms) = match rest {
        [len @ 1..=MAX_DIRECT_PUSH, terms @ ..] => (usize::from(*len), terms),
        [OP_PUSHDATA1, len, terms @ ..] if *len > MAX_DIRECT_PUSH => (usize::from(*len), terms),
        [OP_PUSHDATA2, a, b, terms @ ..] if *b > 0 => (usize::from(u16::from_le_bytes([*a, *b])), terms),
        _ => return None,
    };
    (terms.len() == len && len <= MAX_CONTRACT_TERMS).then_some(terms)
}

/// Pays to nobody: a lone `OP_RETURN`.
pub fn burn() -> Script {
    ScriptBuilder::new().op(Opcode::Return).build()
}

/// Holds up to 520 bytes of data and pays to nobody: `OP_RETURN <data>`.
pub fn null_data(data: &[u8]) -> Script {
    ScriptBuilder::new().op(Opcode::Return).push(data).build()
}

/// The data of a [`null_data`] script, its push longer than one byte.
pub fn null_data_content(script: &Script) -> Option<&[u8]> {
    match parse(script).ok()?[..] {
        [Instruction::Op(Opcode::Return), Instruction::Push(data)] => Some(data),
        _ => None,
    }
}

/// Whether no ScriptSig can ever satisfy the script, by its first byte or its length: such outputs are not
/// kept among the coins.
pub fn is_unspendable(script: &Script) -> bool {
    script.0.first() == Some(&(Opcode::Return as u8)) || script.0.len() > MAX_SCRIPT_BYTES
}

//! Signs inputs that spend plain coins.

use super::templates;
use crate::keys::SecretKey;
use crate::transaction::{SignatureHasher, Transaction, TxOut};
use crate::units::Network;

/// Why an input cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The spent outputs do not match the inputs.
    #[error("{found} spent outputs are given for {expected} inputs")]
    SpentOutputs {
        /// Inputs of the transaction.
        expected: usize,
        /// Spent outputs given.
        found: usize,
    },
    /// There is no such input.
    #[error("input {index} does not exist, the transaction has {count}")]
    NoSuchInput {
        /// The input asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The spent output does not pay to the key.
    #[error("input {index} spends an output that does not pay to this key")]
    OtherKey {
        /// The input.
        index: usize,
    },
}

/// Signs every input that spends a P2PKH output of one of `keys`, and gives their number. Other inputs stay
/// as they are: another party may have to sign them.
pub fn sign_p2pkh_inputs<'k>(
    tx: &mut Transaction,
    spent: &[TxOut],
    keys: impl IntoIterator<Item = &'k SecretKey>,
    network: Network,
) -> Result<usize, SignError> {
    let hasher = hasher(tx, spent, network)?;
    let mut signed = 0;
    for key in keys {
        let public = key.public_key();
        let mine = templates::p2pkh(public.hash());
        for (index, (input, output)) in (0u32..).zip(tx.inputs.iter_mut().zip(spent)) {
            if output.script_pubkey == mine {
                input.script_sig = templates::p2pkh_script_sig(&key.sign(&hasher.input(index)), &public);
                signed += 1;
            }
        }
    }
    Ok(signed)
}

/// Signs one input, which must spend a P2PKH output of `key`.
pub fn sign_p2pkh_input(
    tx: &mut Transaction,
    index: usize,
    spent: &[TxOut],
    key: &SecretKey,
    network: Network,
) -> Result<(), SignError> {
    let (hasher, count) = (hasher(tx, spent, network)?, tx.inputs.len());
    let no_such_input = SignError::NoSuchInput { index, count };
    let (Some(input), Some(output), Ok(number)) = (tx.inputs.get_mut(index), spent.get(index), u32::try_from(index))
    else {
        return Err(no_such_input);
    };
    let public = key.public_key();
    if output.script_pubkey != templates::p2pkh(public.hash()) {
        return Err(SignError::OtherKey { index });
    }
    input.script_sig = templates::p2pkh_script_sig(&key.sign(&hasher.input(number)), &public);
    Ok(())
}

fn hasher(tx: &Transaction, spent: &[TxOut], network: Network) -> Result<SignatureHasher, SignError> {
    if tx.inputs.len() != spent.len() {
        return Err(SignError::SpentOutputs { expected: tx.inputs.len(), found: spent.len() });
    }
    Ok(SignatureHasher::new(tx, spent, network))
}

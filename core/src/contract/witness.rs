//! The typed witness: what a ScriptSig holds where a contract is spent.

use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::encode_enum;
use crate::keys::Signature;
use alloc::vec::Vec;

/// The ways to move a contract's money. The bytes 6, 7 and 8 belong to challenge, resolve with evidence and
/// resolve without, which come with the on-chain challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Move {
    /// Plain coins into a settlement. It spends no contract, so no witness names it.
    Settle = 0,
    /// Both agree.
    Close = 1,
    /// The node puts the key on chain.
    Reveal = 2,
    /// The client asks for the key on chain.
    Demand = 3,
    /// The node stayed silent: the client takes everything.
    Claim = 4,
    /// The client stayed silent: the node is paid.
    Finalize = 5,
}

encode_enum!(Move, "move" { Settle = 0, Close = 1, Reveal = 2, Demand = 3, Claim = 4, Finalize = 5 });

impl Move {
    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Move::Settle => "settle",
            Move::Close => "close",
            Move::Reveal => "reveal",
            Move::Demand => "demand",
            Move::Claim => "claim",
            Move::Finalize => "finalize",
        }
    }

    /// What a signature of this move signs beside the transaction: "the terms (they are in the spent
    /// ScriptPubKey), the move and the evidence's hash". No move so far has evidence: its hash is zero.
    pub fn binding(self) -> Vec<u8> {
        let mut binding = Vec::from([self as u8]);
        binding.extend_from_slice(&[0; 32]);
        binding
    }
}

/// Who signed, where either may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signer {
    /// The client key.
    Client,
    /// The node key.
    Node,
}

encode_enum!(Signer, "signer" { Client = 0, Node = 1 });

/// A witness: the move, its signatures, and what else it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// Both agree.
    Close {
        /// By the client key.
        client: Signature,
        /// By the node key.
        node: Signature,
    },
    /// The node puts the key on chain.
    Reveal {
        /// By the node key.
        node: Signature,
        /// The key `k`.
        key: [u8; 32],
    },
    /// The client asks for the key.
    Demand {
        /// By the client key.
        client: Signature,
    },
    /// The client takes everything.
    Claim {
        /// By the client key.
        client: Signature,
    },
    /// The node is paid.
    Finalize {
        /// Who signed.
        signer: Signer,
        /// By that key.
        signature: Signature,
    },
}

impl Witness {
    /// The move that this witness makes.
    pub fn contract_move(&self) -> Move {
        match self {
            Witness::Close { .. } => Move::Close,
            Witness::Reveal { .. } => Move::Reveal,
            Witness::Demand { .. } => Move::Demand,
            Witness::Claim { .. } => Move::Claim,
            Witness::Finalize { .. } => Move::Finalize,
        }
    }
}

impl Encode for Witness {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.contract_move() as u8);
        match self {
            Witness::Close { client, node } => {
                client.encode(out);
                node.encode(out);
            }
            Witness::Reveal { node, key } => {
                node.encode(out);
                key.encode(out);
            }
            Witness::Demand { client } | Witness::Claim { client } => client.encode(out),
            Witness::Finalize { signer, signature } => {
                signer.encode(out);
                signature.encode(out);
            }
        }
    }
}

impl Decode for Witness {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::decode(r)? {
            1 => Witness::Close { client: Decode::decode(r)?, node: Decode::decode(r)? },
            2 => Witness::Reveal { node: Decode::decode(r)?, key: r.array()? },
            3 => Witness::Demand { client: Decode::decode(r)? },
            4 => Witness::Claim { client: Decode::decode(r)? },
            5 => Witness::Finalize { signer: Decode::decode(r)?, signature: Decode::decode(r)? },
            other => return Err(DecodeError::InvalidValue { what: "contract move", value: other as u64 }),
        })
    }
}

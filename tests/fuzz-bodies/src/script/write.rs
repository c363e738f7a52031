//! Steps and elements of scripts, chosen.

use super::*;
use camelid_core::script::opcode::Opcode;

/// Preimages for hash locks.
const SECRETS: [&[u8]; 3] = [b"open sesame", b"", &[7; 32]];

/// A step of a ScriptPubKey.
pub(super) fn step(builder: ScriptBuilder, choices: &mut Choices<'_>) -> ScriptBuilder {
    match choices.below(8) {
        0 => builder.push(public(choices.below(PEOPLE)).as_bytes()),
        1 => builder.push(&hash(choices.below(PEOPLE)).0),
        2 => builder.push(&sha256(SECRETS[choices.below(3)]).0),
        3 => builder.number(i64::from(choices.byte())),
        4 => constant(builder, choices),
        _ => builder.op(Opcode::ALL[choices.below(Opcode::ALL.len())]),
    }
}

/// An element of a ScriptSig.
pub(super) fn element(builder: ScriptBuilder, choices: &mut Choices<'_>, spend: &Spend) -> ScriptBuilder {
    match choices.below(8) {
        0 | 1 => builder.push(&spend.signature(choices.below(PEOPLE)).to_der()),
        2 => builder.push(public(choices.below(PEOPLE)).as_bytes()),
        3 => builder.push(&[]),
        4 => builder.number(1),
        5 => builder.push(SECRETS[choices.below(3)]),
        6 => {
            // Another input's: well-formed, and of no use here.
            let other = spend.hasher.input(1 - spend.index as u32);
            builder.push(&secret(choices.below(PEOPLE)).sign(&other).to_der())
        }
        _ => constant(builder, choices),
    }
}

fn constant(builder: ScriptBuilder, choices: &mut Choices<'_>) -> ScriptBuilder {
    match choices.below(5) {
        0 => builder.number(choices.long() as i64 >> choices.below(64)),
        1 => builder.number(i64::from(choices.word())),
        2 => {
            let length = choices.below(80);
            builder.push(choices.bytes(length))
        }
        3 => builder.push(&vec![choices.byte(); 500 + choices.below(30)]),
        _ => builder.push(&KeyHash([choices.byte(); 20]).0),
    }
}

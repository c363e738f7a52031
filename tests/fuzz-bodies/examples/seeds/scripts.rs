//! Scripts as wallets write them, after the choices that stand before them.

use camelid_core::script::opcode::Opcode;
use camelid_core::script::{ScriptBuilder, templates};
use camelid_core::transaction::Script;
use camelid_fuzz_bodies::world::{hash, pay_to, public, secret};

type Seed = (&'static str, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Seed> {
    let signature = secret(0).sign(&camelid_core::hash::sha256(b"something"));
    let keys = [public(0), public(1), public(2)];
    let multisig = templates::multisig(2, &keys).expect("2 of 3");
    let lock = ScriptBuilder::new()
        .op(Opcode::If)
        .op(Opcode::Sha256)
        .push(&camelid_core::hash::sha256(b"open sesame").0)
        .op(Opcode::EqualVerify)
        .push(public(0).as_bytes())
        .op(Opcode::Else)
        .number(500)
        .op(Opcode::CheckLockTimeVerify)
        .op(Opcode::Drop)
        .push(public(1).as_bytes())
        .op(Opcode::EndIf)
        .op(Opcode::CheckSig)
        .build();
    let after = ScriptBuilder::new()
        .number(5)
        .op(Opcode::CheckSequenceVerify)
        .op(Opcode::Drop)
        .number(1)
        .op(Opcode::EndIf)
        .build();
    let pairs = [
        (templates::p2pkh_script_sig(&signature, &public(0)), pay_to(0)),
        (templates::multisig_script_sig(&[signature, signature]), multisig),
        (ScriptBuilder::new().push(b"open sesame").number(1).build(), lock),
        (Script::empty(), after),
        (Script::empty(), templates::null_data(b"a few words")),
        (Script::empty(), templates::contract(&hash(0).0)),
        (Script(vec![0x51]), ScriptBuilder::new().op(Opcode::Dup).op(Opcode::Size).op(Opcode::Swap).build()),
    ];
    let seed = |(script_sig, script_pubkey): (Script, Script)| {
        let length = (script_pubkey.0.len() as u16).to_le_bytes();
        ("script", [&[0][..], &[0; 16], &length, &script_pubkey.0, &script_sig.0].concat())
    };
    pairs.into_iter().map(seed).collect()
}

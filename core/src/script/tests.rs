use super::opcode::Opcode as Op;
use super::templates::*;
use super::*;
use crate::hash::{JobId, KeyHash, hash160, sha256, sha256d};
use crate::keys::{PublicKey, SecretKey, Signature};
use crate::transaction::{OutPoint, Script, Sequence, SignatureHasher, Transaction, TransactionBuilder, TxOut};
use crate::units::{Amount, Network};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Fits signatures of the hash of `b"message"`; all locks at 100.
struct Fixed;

fn message() -> crate::hash::Hash32 {
    sha256(b"message")
}

impl Checker for Fixed {
    fn check_signature(&self, signature: &Signature, key: &crate::keys::VerifyingKey) -> bool {
        key.verify(&message(), signature)
    }
    fn check_lock_time(&self, lock_time: i64) -> bool {
        lock_time <= 100
    }
    fn check_sequence(&self, sequence: i64) -> bool {
        sequence <= 100
    }
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_bytes([n; 32]).unwrap()
}

fn script() -> ScriptBuilder {
    ScriptBuilder::new()
}

fn run(sig: ScriptBuilder, pubkey: ScriptBuilder) -> Result<(), ScriptError> {
    verify(&sig.build(), &pubkey.build(), &Fixed)
}

/// The error of a script that runs on an empty stack.
fn error(pubkey: ScriptBuilder) -> ScriptError {
    run(script(), pubkey).unwrap_err()
}

#[test]
fn key_hash_is_spent_by_its_key() {
    let (owner, thief) = (key(1), key(2));
    let output = p2pkh(owner.public_key().hash());
    let by = |k: &SecretKey| p2pkh_script_sig(&k.sign(&message()), &k.public_key());
    assert_eq!(verify(&by(&owner), &output, &Fixed), Ok(()));
    assert_eq!(verify(&by(&thief), &output, &Fixed), Err(ScriptError::VerifyFailed { opcode: Op::EqualVerify }));
    let stolen = p2pkh_script_sig(&thief.sign(&message()), &owner.public_key());
    assert_eq!(verify(&stolen, &output, &Fixed), Err(ScriptError::WrongSignature));
    let other = p2pkh_script_sig(&owner.sign(&sha256(b"other")), &owner.public_key());
    assert_eq!(verify(&other, &output, &Fixed), Err(ScriptError::WrongSignature));
    assert_eq!(
        verify(&Script::empty(), &output, &Fixed),
        Err(ScriptError::StackUnderflow { opcode: Op::Dup, expected: 1, found: 0 })
    );
    // One element more would let anybody change the transaction's hash.
    let padded = [&[0x51], by(&owner).as_bytes()].concat();
    assert_eq!(verify(&Script(padded), &output, &Fixed), Err(ScriptError::UncleanStack { found: 2 }));
    // A hash type after the signature, as Bitcoin has it, is not DER.
    let typed = [owner.sign(&message()).to_der(), vec![1]].concat();
    let typed = script().push(&typed).push(owner.public_key().as_bytes()).build();
    assert!(matches!(verify(&typed, &output, &Fixed), Err(ScriptError::BadSignature(_))));
}

#[test]
fn checksig_is_strict() {
    let public = key(1).public_key();
    let good = key(1).sign(&message()).to_der();
    let check = |sig: &[u8], key: &[u8]| run(script().push(sig), script().push(key).op(Op::CheckSig));
    assert_eq!(check(&good, public.as_bytes()), Ok(()));
    assert_eq!(check(&[], public.as_bytes()), Err(ScriptError::False));
    assert!(matches!(check(&good, &[4; 65]), Err(ScriptError::BadPublicKey(_))));
    assert!(matches!(check(&good[1..], public.as_bytes()), Err(ScriptError::BadSignature(_))));
    let refused = script().op(Op::Swap).op(Op::CheckSigVerify).push(&[1]);
    assert_eq!(
        run(script().push(public.as_bytes()).push(&[]), refused),
        Err(ScriptError::VerifyFailed { opcode: Op::CheckSigVerify })
    );
}

#[test]
fn multisig_wants_its_signatures_in_order() {
    let keys: Vec<PublicKey> = (1..=3).map(|n| key(n).public_key()).collect();
    let output = multisig(2, &keys).unwrap();
    assert_eq!(classify(&output), ScriptKind::Multisig { required: 2, keys: keys.clone() });
    let by = |who: &[u8]| {
        let signatures: Vec<Signature> = who.iter().map(|n| key(*n).sign(&message())).collect();
        verify(&multisig_script_sig(&signatures), &output, &Fixed)
    };
    for good in [[1, 2], [1, 3], [2, 3]] {
        assert_eq!(by(&good), Ok(()));
    }
    for bad in [[2, 1], [1, 1], [1, 4], [4, 5]] {
        assert_eq!(by(&bad), Err(ScriptError::WrongSignature), "{bad:?}");
    }
    assert!(matches!(by(&[1]), Err(ScriptError::StackUnderflow { .. })));
    assert_eq!(by(&[1, 2, 3]), Err(ScriptError::NullDummy));
    let signatures = [1, 2].map(|n| key(n).sign(&message()).to_der());
    let dummy = script().push(&[1]).push(&signatures[0]).push(&signatures[1]);
    assert_eq!(verify(&dummy.build(), &output, &Fixed), Err(ScriptError::NullDummy));
    let none = script().push(&[]).push(&[]).push(&[]);
    assert_eq!(verify(&none.build(), &output, &Fixed), Err(ScriptError::False));
    let half = script().push(&[]).push(&[]).push(&signatures[1]);
    assert!(matches!(verify(&half.build(), &output, &Fixed), Err(ScriptError::BadSignature(_))));
    for (m, n) in [(0, 1), (2, 1), (1, 17)] {
        assert_eq!(multisig(m, &vec![keys[0]; n]), None);
    }
    // Zero of no keys is true; more signatures than keys cannot be asked for, nor more than 20 keys.
    let count = |m, n| run(script(), script().push(&[]).number(m).number(n).op(Op::CheckMultisig));
    let out_of_range = |found, max| Err(ScriptError::NumberOutOfRange { opcode: Op::CheckMultisig, found, max });
    assert_eq!(count(0, 0), Ok(()));
    assert_eq!(count(1, 0), out_of_range(1, 0));
    assert_eq!(count(-1, 0), out_of_range(-1, 0));
    assert_eq!(count(0, 21), out_of_range(21, 20));
}

#[test]
fn hash_locks_open_with_the_preimage() {
    let secret = b"preimage";
    for (op, hash) in [
        (Op::Sha256, sha256(secret).0.to_vec()),
        (Op::Hash256, sha256d(secret).0.to_vec()),
        (Op::Hash160, hash160(secret).0.to_vec()),
    ] {
        let lock = || script().op(Op::Size).number(8).op(Op::EqualVerify).op(op).push(&hash).op(Op::Equal);
        assert_eq!(run(script().push(secret), lock()), Ok(()));
        assert_eq!(run(script().push(b"preimagf"), lock()), Err(ScriptError::False));
    }
}

#[test]
fn conditionals_take_one_branch() {
    let either = || script().op(Op::If).number(2).op(Op::Else).number(3).op(Op::EndIf).number(2).op(Op::Equal);
    assert_eq!(run(script().number(1), either()), Ok(()));
    assert_eq!(run(script().number(0), either()), Err(ScriptError::False));
    assert_eq!(run(script().number(2), either()), Err(ScriptError::ConditionNotMinimal));
    let nested = script().op(Op::NotIf).op(Op::If).op(Op::Return).op(Op::EndIf).op(Op::Else).number(1).op(Op::EndIf);
    assert_eq!(run(script().number(1), nested), Ok(()));
    for unbalanced in [
        script().number(1).op(Op::If).number(1),
        script().op(Op::EndIf),
        script().op(Op::Else),
        script().number(1).op(Op::If).op(Op::EndIf).op(Op::EndIf),
    ] {
        assert_eq!(error(unbalanced), ScriptError::UnbalancedConditional);
    }
}

#[test]
fn locks_follow_bip65_and_bip112() {
    let lock = |op, n| run(script(), script().number(n).op(op));
    assert_eq!(lock(Op::CheckLockTimeVerify, 100), Ok(()));
    assert_eq!(lock(Op::CheckLockTimeVerify, 101), Err(ScriptError::LockTime { required: 101 }));
    assert_eq!(lock(Op::CheckSequenceVerify, 100), Ok(()));
    assert_eq!(lock(Op::CheckSequenceVerify, 101), Err(ScriptError::Sequence { required: 101 }));
    assert_eq!(lock(Op::CheckSequenceVerify, 1 << 31 | 101), Ok(()));
    for op in [Op::CheckLockTimeVerify, Op::CheckSequenceVerify] {
        assert!(matches!(lock(op, -1), Err(ScriptError::NumberOutOfRange { found: -1, .. })));
        assert!(matches!(error(script().op(op)), ScriptError::StackUnderflow { .. }));
        assert_eq!(error(script().push(&[1; 6]).op(op)), ScriptError::BadNumber { len: 6 });
        assert_eq!(error(script().push(&[100, 0]).op(op)), ScriptError::BadNumber { len: 2 });
    }
}

#[test]
fn limits_hold_at_their_edges() {
    let bytes = |b: Vec<u8>| verify(&Script::empty(), &Script(b), &Fixed);
    // 201 operations, 1 before them; 202 are too many.
    let drops = |n| [vec![0x51], vec![Op::Dup as u8; n]].concat();
    assert_eq!(bytes(drops(201)), Err(ScriptError::UncleanStack { found: 202 }));
    assert_eq!(bytes(drops(202)), Err(ScriptError::TooManyOperations));
    assert_eq!(bytes(vec![0x51; 1000]), Err(ScriptError::UncleanStack { found: 1000 }));
    assert_eq!(bytes(vec![0x51; 1001]), Err(ScriptError::StackOverflow));
    assert_eq!(bytes(vec![0x51; 10_000]), Err(ScriptError::StackOverflow));
    assert_eq!(bytes(vec![0x51; 10_001]), Err(ScriptError::TooLong { found: 10_001 }));
    assert_eq!(error(script().push(&[7; 521])), ScriptError::PushTooLong { found: 521 });
    assert_eq!(run(script(), script().push(&[7; 520])), Ok(()));
    // Keys count: 11 multisigs of 19 keys are 11 + 209 operations.
    let key = key(1).public_key();
    let many = (0..11).fold(script(), |s, _| {
        let s = (0..19).fold(s.push(&[]).number(0), |s, _| s.push(key.as_bytes()));
        s.number(19).op(Op::CheckMultisigVerify)
    });
    assert_eq!(error(many.number(1)), ScriptError::TooManyOperations);
}

#[test]
fn pushes_have_one_form() {
    for (bytes, len) in [
        (&[1, 5][..], 1),
        (&[0x4c, 0], 0),
        (&[0x4c, 1, 99], 1),
        (&[0x4d, 1, 0, 99], 1),
        (&[&[0x4c, 75][..], &[9; 75]].concat(), 75),
        (&[&[0x4d, 255, 0][..], &[9; 255]].concat(), 255),
    ] {
        assert_eq!(parse(&Script(bytes.to_vec())), Err(ScriptError::PushNotMinimal { len }));
    }
    for bytes in [&[2, 1][..], &[0x4c], &[0x4d, 0], &[0x4c, 76, 1]] {
        assert!(matches!(parse(&Script(bytes.to_vec())), Err(ScriptError::TruncatedPush { .. })));
    }
    for byte in 0x4e..=u8::MAX {
        let expected = match byte {
            0x51..=0x60 => Ok(vec![Instruction::Small(byte - 0x50)]),
            0xc0 => Err(ScriptError::Contract),
            _ => Op::from_byte(byte)
                .map(|op| vec![Instruction::Op(op)])
                .ok_or(ScriptError::InvalidOpcode { found: byte }),
        };
        assert_eq!(parse(&Script(vec![byte])), expected);
    }
}

#[test]
fn script_sig_pushes_alone() {
    let op = Op::Dup;
    assert_eq!(run(script().number(1).op(op), script()), Err(ScriptError::NotPushOnly { found: op }));
    assert_eq!(run(script().number(1), script()), Ok(()));
    assert_eq!(run(script(), script()), Err(ScriptError::UncleanStack { found: 0 }));
    assert_eq!(error(burn_builder()), ScriptError::Return);
}

fn burn_builder() -> ScriptBuilder {
    script().op(Op::Return)
}

#[test]
fn contracts_are_no_plain_scripts() {
    let output = contract(&[7; 600]);
    assert_eq!(verify(&script().number(1).build(), &output, &Fixed), Err(ScriptError::Contract));
    // Not even in a branch that is not taken.
    let hidden = script().number(0).op(Op::If).op(Op::Contract).op(Op::EndIf).number(1);
    assert_eq!(error(hidden), ScriptError::Contract);
    let long = contract(&[7; 2001]);
    for broken in
        [&[0xc0][..], &[0xc0, 0], &[0xc0, 0x51], &[0xc0, 2, 1], &[0xc0, 1, 1, 1], &[0xc0, 0x4c, 1, 1], &long.0]
    {
        let broken = Script(broken.to_vec());
        assert_eq!(contract_terms(&broken), None);
        assert_eq!(classify(&broken), ScriptKind::BrokenContract);
    }
}

#[test]
fn unspendable_scripts_are_known_as_such() {
    assert!(is_unspendable(&burn()) && is_unspendable(&null_data(b"data")));
    assert!(is_unspendable(&Script(vec![0x51; 10_001])));
    assert!(!is_unspendable(&p2pkh(KeyHash::ZERO)) && !is_unspendable(&Script::empty()));
    assert_eq!(null_data_content(&null_data(b"data")), Some(&b"data"[..]));
    assert_eq!(classify(&burn()), ScriptKind::Unspendable);
    assert_eq!(classify(&Script(vec![0x51])), ScriptKind::Other);
}

#[test]
fn signature_operations_bound_the_checks() {
    let keys = vec![key(1).public_key(); 3];
    assert_eq!(signature_operations(&p2pkh(KeyHash::ZERO)), 1);
    assert_eq!(signature_operations(&multisig(2, &keys).unwrap()), 3);
    assert_eq!(signature_operations(&script().op(Op::CheckMultisig).build()), 20);
    assert_eq!(signature_operations(&contract(&[1; 300])), 2);
    assert_eq!(signature_operations(&burn()), 0);
    assert_eq!(signature_operations(&Script(vec![Op::CheckSig as u8, 0xff])), 0);
}

/// A payment of two inputs of different owners, and what they spend.
fn payment() -> (Transaction, Vec<TxOut>) {
    let outpoint = |n| OutPoint { txid: crate::hash::Txid([n; 32]), index: n as u32 };
    let tx = TransactionBuilder::new()
        .input(outpoint(1))
        .input_after(outpoint(2), Sequence::blocks(10))
        .output(Amount(900), p2pkh(key(3).public_key().hash()))
        .lock_time(500)
        .job(JobId([9; 32]))
        .build();
    let coin = |n: u8| TxOut { value: Amount(500), script_pubkey: p2pkh(key(n).public_key().hash()) };
    (tx, vec![coin(1), coin(2)])
}

fn check(tx: &Transaction, spent: &[TxOut], network: Network) -> Vec<Result<(), ScriptError>> {
    let hasher = SignatureHasher::new(tx, spent, network);
    let run = |i: usize| verify(&tx.inputs[i].script_sig, &spent[i].script_pubkey, &SpendChecker::new(tx, i, &hasher));
    (0..spent.len()).map(run).collect()
}

#[test]
fn each_owner_signs_what_is_his() {
    let (mut tx, spent) = payment();
    assert_eq!(sign_p2pkh_inputs(&mut tx, &spent, &[key(1)], Network::Dev), Ok(1));
    assert!(tx.inputs[1].script_sig.0.is_empty());
    sign_p2pkh_input(&mut tx, 1, &spent, &key(2), Network::Dev).unwrap();
    assert_eq!(check(&tx, &spent, Network::Dev), [Ok(()), Ok(())]);
    assert!(tx.inputs.iter().all(|i| i.script_sig.0.len() <= MAX_P2PKH_SCRIPT_SIG));
    let unsigned = payment().0;
    assert_eq!(tx.txid(), unsigned.txid());
    let mut both = unsigned;
    assert_eq!(sign_p2pkh_inputs(&mut both, &spent, &[key(1), key(2), key(3)], Network::Dev), Ok(2));
    assert_eq!(both, tx);
    let refuse = |index, spent: &[TxOut], n| sign_p2pkh_input(&mut payment().0, index, spent, &key(n), Network::Dev);
    assert_eq!(refuse(0, &spent, 2), Err(SignError::OtherKey { index: 0 }));
    assert_eq!(refuse(2, &spent, 2), Err(SignError::NoSuchInput { index: 2, count: 2 }));
    assert_eq!(refuse(0, &spent[..1], 1), Err(SignError::SpentOutputs { expected: 2, found: 1 }));
}

#[test]
fn a_signature_covers_everything() {
    let (mut tx, spent) = payment();
    sign_p2pkh_inputs(&mut tx, &spent, &[key(1), key(2)], Network::Dev).unwrap();
    let wrong = Err(ScriptError::WrongSignature);
    assert_eq!(check(&tx, &spent, Network::Test), [wrong.clone(), wrong.clone()]);
    let changes: [fn(&mut Transaction); 7] = [
        |tx| tx.version = 2,
        |tx| tx.lock_time += 1,
        |tx| tx.job_id.0[0] ^= 1,
        |tx| tx.outputs[0].value = Amount(899),
        |tx| tx.outputs[0].script_pubkey = burn(),
        |tx| tx.inputs[1].previous.index += 1,
        |tx| tx.inputs[1].sequence = Sequence::blocks(9),
    ];
    for change in changes {
        let mut changed = tx.clone();
        change(&mut changed);
        assert_eq!(check(&changed, &spent, Network::Dev), [wrong.clone(), wrong.clone()]);
    }
    let mut richer = spent.clone();
    richer[1].value = Amount(501);
    assert_eq!(check(&tx, &richer, Network::Dev), [wrong.clone(), wrong.clone()]);
    // Nor can the signature of one input stand in another of the same owner.
    let same = vec![spent[0].clone(), spent[0].clone()];
    sign_p2pkh_inputs(&mut tx, &same, &[key(1)], Network::Dev).unwrap();
    tx.inputs[1].script_sig = tx.inputs[0].script_sig.clone();
    assert_eq!(check(&tx, &same, Network::Dev), [Ok(()), wrong]);
}

#[test]
fn the_checker_reads_locks_from_the_transaction() {
    let (mut tx, spent) = payment();
    let ask = |tx: &Transaction, index: usize| {
        let hasher = SignatureHasher::new(tx, &spent, Network::Dev);
        let checker = SpendChecker::new(tx, index, &hasher);
        let lock = |n| checker.check_lock_time(n);
        let sequence = |n| checker.check_sequence(n);
        (lock(500), lock(501), lock(500_000_000), sequence(10), sequence(11), sequence(1 << 22 | 1))
    };
    assert_eq!(ask(&tx, 0), (true, false, false, false, false, false));
    assert_eq!(ask(&tx, 1), (true, false, false, true, false, false));
    assert_eq!(ask(&tx, 2), (false, false, false, false, false, false));
    tx.inputs[1].sequence = Sequence(1 << 22 | 5);
    assert_eq!(ask(&tx, 1), (true, false, false, false, false, true));
    tx.inputs[1].sequence = Sequence::FINAL;
    assert_eq!(ask(&tx, 1), (false, false, false, false, false, false));
    tx.lock_time = 500_000_000;
    assert_eq!(ask(&tx, 0), (false, false, true, false, false, false));
}

/// Bytes that are likelier to get far than random ones.
fn script_like() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop::sample::select(Op::ALL).prop_map(|op| vec![op as u8]);
    let small = (0x4fu8..=0x60).prop_map(|b| vec![b]);
    let push = prop::collection::vec(any::<u8>(), 0..40).prop_map(|d| script().push(&d).build().0);
    let key = (1u8..4).prop_map(|n| script().push(key(n).public_key().as_bytes()).build().0);
    let signature = (1u8..4).prop_map(|n| script().push(&key_sign(n)).build().0);
    let piece = prop_oneof![4 => opcode, 3 => small, 1 => push, 1 => key, 1 => signature];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn key_sign(n: u8) -> Vec<u8> {
    key(n).sign(&message()).to_der()
}

proptest! {
    #[test]
    fn random_bytes_never_panic(sig: Vec<u8>, pubkey: Vec<u8>) {
        let (sig, pubkey) = (Script(sig), Script(pubkey));
        let _ = verify(&sig, &pubkey, &Fixed);
        let _ = (classify(&pubkey), signature_operations(&pubkey), p2pkh_script_sig_parts(&sig));
    }

    #[test]
    fn likely_scripts_never_panic(sig in script_like(), pubkey in script_like()) {
        let (sig, pubkey) = (Script(sig), Script(pubkey));
        let _ = verify(&sig, &pubkey, &Fixed);
        let _ = verify(&Script(vec![0x51; 20]), &pubkey, &Fixed);
        let _ = (classify(&pubkey), signature_operations(&pubkey), null_data_content(&pubkey));
    }

    /// What `parse` accepts is what the builder writes: one list of instructions, one script.
    #[test]
    fn parsing_is_canonical(bytes in script_like()) {
        let script = Script(bytes);
        if let Ok(instructions) = parse(&script) {
            let again = instructions.iter().fold(ScriptBuilder::new(), |s, i| match i {
                Instruction::Push(data) => s.push(data),
                Instruction::Small(n) => s.number(*n as i64),
                Instruction::Op(op) => s.op(*op),
            });
            prop_assert_eq!(again.build(), script);
        }
    }

    #[test]
    fn key_hashes_round_trip(hash: [u8; 20]) {
        let script = p2pkh(KeyHash(hash));
        prop_assert_eq!(p2pkh_key_hash(&script), Some(KeyHash(hash)));
        prop_assert_eq!(classify(&script), ScriptKind::PayToKeyHash(KeyHash(hash)));
    }

    #[test]
    fn script_sigs_round_trip(n in 1u8..255, text: [u8; 4]) {
        let (signature, public) = (key(n).sign(&sha256(&text)), key(n).public_key());
        let script = p2pkh_script_sig(&signature, &public);
        prop_assert!(script.0.len() <= MAX_P2PKH_SCRIPT_SIG);
        prop_assert_eq!(p2pkh_script_sig_parts(&script), Some((signature, public)));
    }

    #[test]
    fn multisigs_round_trip(keys in prop::collection::vec(1u8..200, 1..=16), m in 1u8..=16) {
        let keys: Vec<PublicKey> = keys.iter().map(|n| key(*n).public_key()).collect();
        let required = (m - 1) % keys.len() as u8 + 1;
        let script = multisig(required, &keys).unwrap();
        prop_assert_eq!(classify(&script), ScriptKind::Multisig { required, keys });
    }

    #[test]
    fn contract_terms_round_trip(terms in prop::collection::vec(any::<u8>(), 1..=MAX_CONTRACT_TERMS)) {
        let script = contract(&terms);
        prop_assert_eq!(contract_terms(&script), Some(&terms[..]));
        prop_assert_eq!(classify(&script), ScriptKind::Contract(&terms));
    }

    /// Whatever reads as a contract is what `contract` writes.
    #[test]
    fn contract_scripts_are_canonical(head in prop::collection::vec(any::<u8>(), 0..4), tail in 0usize..300, byte: u8) {
        let script = Script([&[0xc0], &head[..], &vec![byte; tail]].concat());
        if let Some(terms) = contract_terms(&script) {
            prop_assert_eq!(contract(terms), script.clone());
        }
    }

    #[test]
    fn data_outputs_round_trip(data in prop::collection::vec(any::<u8>(), 2..=520)) {
        let script = null_data(&data);
        prop_assert_eq!(null_data_content(&script), Some(&data[..]));
        prop_assert_eq!(classify(&script), ScriptKind::Unspendable);
    }
}

//! Scripts: a second interpreter, written from `docs/protocol.md` alone and on the other curve library, has the same verdict;
//! no more signatures are checked than a block's limit counted; scripts read as instructions are written again as they were;
//! what the templates write, the templates tell.

mod second;
mod write;

use crate::Choices;
use crate::world::{PEOPLE, hash, pay_to, public, secret};
use camelid_core::hash::{KeyHash, sha256};
use camelid_core::keys::{Signature, VerifyingKey};
use camelid_core::script::{
    Checker, Instruction, ScriptBuilder, ScriptKind, SpendChecker, classify, parse, signature_operations, templates,
    verify,
};
use camelid_core::transaction::{OutPoint, Script, Sequence, SignatureHasher, Transaction, TransactionBuilder, TxOut};
use camelid_core::units::{Amount, Network};
use std::cell::Cell;

/// The target.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    match choices.below(3) {
        0 => raw(&mut choices),
        1 => assembled(&mut choices),
        _ => template(&mut choices),
    }
}

/// A transaction with two inputs, of which one spends the output that is looked at.
struct Spend {
    tx: Transaction,
    spent: [TxOut; 2],
    index: usize,
    hasher: SignatureHasher,
}

impl Spend {
    fn new(script_pubkey: &Script, choices: &mut Choices<'_>) -> Self {
        let index = choices.below(2);
        let sequences = [0xffff_fffe, 0xffff_ffff, 0, 5, 0x0040_0007, 0x8000_0000];
        let lock_times = [0, 1, 499_999_999, 500_000_000, u32::MAX];
        let number =
            |choices: &mut Choices<'_>, all: &[u32]| if choices.seldom() { choices.word() } else { choices.of(all) };
        let builder = (0..2).fold(TransactionBuilder::new(), |builder, n| {
            let previous = OutPoint { txid: Default::default(), index: n };
            builder.input_after(previous, Sequence(number(choices, &sequences)))
        });
        let tx = builder.output(Amount(7), pay_to(3)).lock_time(number(choices, &lock_times)).build();
        let mut spent = [
            TxOut { value: Amount(4), script_pubkey: pay_to(4) },
            TxOut { value: Amount(5), script_pubkey: pay_to(4) },
        ];
        spent[index].script_pubkey = script_pubkey.clone();
        let hasher = SignatureHasher::new(&tx, &spent, Network::Dev);
        Spend { tx, spent, index, hasher }
    }

    fn signature(&self, person: usize) -> Signature {
        secret(person).sign(&self.hasher.input(self.index as u32))
    }
}

/// Counts what is asked.
struct Counting<'a> {
    inner: SpendChecker<'a>,
    checks: Cell<u32>,
    asked: Cell<bool>,
}

impl Checker for Counting<'_> {
    fn check_signature(&self, signature: &Signature, key: &VerifyingKey) -> bool {
        self.checks.set(self.checks.get() + 1);
        self.asked.set(true);
        self.inner.check_signature(signature, key)
    }

    fn check_lock_time(&self, lock_time: i64) -> bool {
        self.asked.set(true);
        self.inner.check_lock_time(lock_time)
    }

    fn check_sequence(&self, sequence: i64) -> bool {
        self.asked.set(true);
        self.inner.check_sequence(sequence)
    }
}

/// The verdict, after everything that must hold of it.
fn judged(script_sig: &Script, script_pubkey: &Script, spend: &Spend) -> bool {
    let inner = SpendChecker::new(&spend.tx, spend.index, &spend.hasher);
    let checker = Counting { inner, checks: Cell::new(0), asked: Cell::new(false) };
    let verdict = verify(script_sig, script_pubkey, &checker);
    let (sig, pubkey) = (script_sig.as_bytes(), script_pubkey.as_bytes());
    let second = second::satisfied(sig, pubkey, &spend.tx, &spend.spent, spend.index);
    assert_eq!(verdict.is_ok(), second, "{verdict:?} for {script_sig:?} {script_pubkey:?}");
    // "They are counted before they are made."
    assert!(checker.checks.get() <= signature_operations(script_pubkey), "{} checks", checker.checks.get());
    if !checker.asked.get() {
        let other = Spend::new(&pay_to(0), &mut Choices::new(&[]));
        let other = SpendChecker::new(&other.tx, 0, &other.hasher);
        assert_eq!(verify(script_sig, script_pubkey, &other), verdict, "the transaction was not looked at");
    }
    written_again(script_sig);
    written_again(script_pubkey);
    told(script_pubkey, verdict.is_ok());
    verdict.is_ok()
}

/// "Every push is in its shortest form": a script has one way to be written.
fn written_again(script: &Script) {
    let Ok(instructions) = parse(script) else { return };
    let again = instructions.iter().fold(ScriptBuilder::new(), |builder, instruction| match instruction {
        Instruction::Push(data) => builder.push(data),
        Instruction::Small(n) => builder.number(i64::from(*n)),
        Instruction::Op(op) => builder.op(*op),
    });
    assert_eq!(again.build(), *script);
}

/// What a template is told for, that it is.
fn told(script: &Script, satisfied: bool) {
    match classify(script) {
        ScriptKind::PayToKeyHash(hash) => assert_eq!(templates::p2pkh(hash), *script),
        ScriptKind::Multisig { required, keys } => {
            assert_eq!(templates::multisig(required, &keys).as_ref(), Some(script));
        }
        ScriptKind::Contract(terms) => assert!(!satisfied && templates::contract(terms) == *script),
        // "Any other script that begins with OP_CONTRACT is none"; "an output is unspendable when …".
        ScriptKind::BrokenContract | ScriptKind::Unspendable => assert!(!satisfied),
        ScriptKind::Other => {}
    }
    if let Some(data) = templates::null_data_content(script) {
        assert_eq!(templates::null_data(data), *script);
    }
}

/// Bytes as they come.
fn raw(choices: &mut Choices<'_>) {
    let mut head = Choices::new(choices.bytes(16));
    let length = usize::from(choices.short());
    let script_pubkey = Script(choices.bytes(length).to_vec());
    let script_sig = Script(choices.rest().to_vec());
    judged(&script_sig, &script_pubkey, &Spend::new(&script_pubkey, &mut head));
}

/// Opcodes and elements that fit each other more often than bytes do.
fn assembled(choices: &mut Choices<'_>) {
    let mut head = Choices::new(choices.bytes(16));
    let steps = choices.below(64);
    let script_pubkey = (0..steps).fold(ScriptBuilder::new(), |builder, _| write::step(builder, choices)).build();
    let spend = Spend::new(&script_pubkey, &mut head);
    let mut script_sig = ScriptBuilder::new();
    while !choices.is_empty() {
        script_sig = write::element(script_sig, choices, &spend);
    }
    judged(&script_sig.build(), &script_pubkey, &spend);
}

/// What wallets write is satisfied by what they sign, and by nothing else.
fn template(choices: &mut Choices<'_>) {
    let mut head = Choices::new(choices.bytes(16));
    let first = choices.below(PEOPLE);
    let multisig = choices.below(2) == 1;
    let count = if multisig { choices.below(PEOPLE) + 1 } else { 1 };
    let required = choices.below(count) + 1;
    let people: Vec<usize> = (first..first + count).map(|p| p % PEOPLE).collect();
    let keys: Vec<_> = people.iter().map(|p| public(*p)).collect();
    let script_pubkey = match multisig {
        true => templates::multisig(required as u8, &keys).expect("1 <= m <= n <= 16"),
        false => pay_to(first),
    };
    let spend = Spend::new(&script_pubkey, &mut head);
    // Those who must sign, and what goes wrong.
    let mut signers: Vec<usize> = people.iter().copied().take(required).collect();
    match choices.below(6) {
        0 => signers[0] = choices.below(PEOPLE),
        1 => signers.reverse(),
        2 if signers.len() > 1 => drop(signers.pop()),
        3 => signers = people.iter().copied().skip(count - required).collect(),
        _ => {}
    }
    let signatures: Vec<Signature> = signers.iter().map(|p| spend.signature(*p)).collect();
    // "Signatures stand in the order of their keys."
    let mut left = people.iter();
    let fits = signers.len() == required && signers.iter().all(|signer| left.any(|p| p == signer));
    let script_sig = if multisig {
        templates::multisig_script_sig(&signatures)
    } else {
        let script_sig = templates::p2pkh_script_sig(&signatures[0], &public(first));
        assert_eq!(templates::p2pkh_script_sig_parts(&script_sig), Some((signatures[0], public(first))));
        assert!(script_sig.as_bytes().len() <= templates::MAX_P2PKH_SCRIPT_SIG);
        script_sig
    };
    assert_eq!(judged(&script_sig, &script_pubkey, &spend), fits, "{signers:?} for {people:?}");
}

//! Settlements and moves: what the builders of wallets make, and what is wrong by a little.

use super::Case;
use crate::Choices;
use crate::world::{PROVABLE, hash, params, pay_to, public, secret, sign};
use camelid_core::contract::{Move, Signer, State, Terms, Witness};
use camelid_core::encode::Encode;
use camelid_core::hash::{Hash32, JobId, ModelRoot, Txid};
use camelid_core::job::{Periods, key_hash};
use camelid_core::keys::Signature;
use camelid_core::transaction::{Coin, OutPoint, Script, SignatureHasher, Transaction, TxIn, TxOut};
use camelid_core::units::{Amount, Height, Network};

const CLIENT: usize = 0;
const NODE: usize = 3;
/// The key that the answer is sealed with.
const K: [u8; 32] = [0x42; 32];
const JOB: JobId = JobId([8; 32]);

pub(super) fn choose(choices: &mut Choices<'_>) -> Case {
    let terms = terms(choices);
    if choices.below(3) == 0 { settlement(terms, choices) } else { contract_move(terms, choices) }
}

/// A number at an edge, or beside it.
fn near(edge: u64, choices: &mut Choices<'_>) -> u64 {
    match choices.below(12) {
        0 => edge.wrapping_sub(1),
        1 => edge.wrapping_add(1),
        2 => choices.long() >> choices.below(64),
        _ => edge,
    }
}

fn terms(choices: &mut Choices<'_>) -> Terms {
    let p = &params().contract;
    let dust = p.dust.0;
    let person = |usual, choices: &mut Choices<'_>| public(if choices.seldom() { choices.below(5) } else { usual });
    let move_fee = {
        let edge = choices.of(&[10_000, 0, p.max_move_fee.0]);
        near(edge, choices)
    };
    let bond = {
        let edge = choices.of(&[100_000, 0, 12]);
        near(edge, choices)
    };
    let reserve = {
        let edge = bond.wrapping_add(move_fee.wrapping_mul(4));
        near(edge, choices)
    };
    let period = |least: u32, choices: &mut Choices<'_>| {
        let edge = if choices.seldom() { p.max_period } else { least + choices.below(8) as u32 };
        near(u64::from(edge), choices) as u16
    };
    let (prompt_tokens, answer_tokens) = (near(3, choices) as u32, near(5, choices) as u32);
    let provable = choices.below(4) == 0;
    let weight = PROVABLE.weight(prompt_tokens.saturating_add(answer_tokens)).filter(|_| provable).unwrap_or(0);
    Terms {
        version: if choices.seldom() { choices.byte() } else { 1 },
        state: choices.of(&[State::Settlement, State::Settlement, State::Demanded, State::Revealed, State::Challenged]),
        job_id: JOB,
        client_key: person(CLIENT, choices),
        challenge_key: public(1),
        job_key: public(2),
        node_key: person(NODE, choices),
        reward_address: hash(4),
        reward: Amount({
            let edge = choices.of(&[200_000, dust, 100_000_000]);
            near(edge, choices)
        }),
        stake: Amount({
            let edge = choices.of(&[300_000, dust, 200_000_000]);
            near(edge, choices)
        }),
        reserve: Amount(reserve),
        move_fee: Amount(move_fee),
        bond: Amount(bond),
        model: if provable { PROVABLE.root } else { ModelRoot([1; 32]) },
        prompt_tokens,
        answer_tokens,
        rerun_weight: near(weight, choices),
        output_root: Hash32([2; 32]),
        ciphertext_hash: Hash32([3; 32]),
        key_hash: key_hash(&K),
        valid_until: Height(near(500, choices) as u32),
        periods: Periods {
            reveal: period(p.min_reveal, choices),
            contest: period(p.min_contest, choices),
            grace: period(p.min_grace, choices),
            evidence: period(p.min_evidence, choices),
        },
    }
}

fn plain(value: u64, person: usize) -> Coin {
    Coin { output: TxOut { value: Amount(value), script_pubkey: pay_to(person) }, height: Height(1), coinbase: false }
}

/// What is put together, before anything is signed.
struct Draft {
    coins: Vec<Coin>,
    outputs: Vec<TxOut>,
    job: JobId,
}

impl Draft {
    /// Outputs that pay what plain inputs bring, more or less.
    fn change(&mut self, value: u64, choices: &mut Choices<'_>) {
        let value = near(value, choices);
        let half = if choices.below(2) == 0 { 0 } else { value / 2 };
        for value in [value - half, half].into_iter().filter(|v| *v > 0) {
            self.outputs.push(TxOut { value: Amount(value), script_pubkey: pay_to(choices.below(5)) });
        }
    }

    /// What nobody in his right mind does.
    fn spoil(&mut self, terms: &Terms, choices: &mut Choices<'_>) {
        match choices.below(24) {
            0 => self.job = JobId::ZERO,
            1 => self.job = JobId([choices.byte(); 32]),
            2 => self.outputs.push(TxOut { value: Amount(5), script_pubkey: terms.script() }),
            3 => self.outputs.push(TxOut { value: Amount(0), script_pubkey: Script(vec![0xc0, 1, 1]) }),
            4 => self
                .coins
                .push(Coin { output: TxOut { value: Amount(9), script_pubkey: terms.script() }, ..plain(0, 0) }),
            5 => self.outputs.rotate_left(1),
            6 => drop(self.outputs.pop()),
            7 => {
                let length = choices.below(8);
                let script = [&[0xc0][..], choices.bytes(length)].concat();
                self.coins
                    .push(Coin { output: TxOut { value: Amount(9), script_pubkey: Script(script) }, ..plain(0, 0) });
            }
            _ => {}
        }
    }

    fn transaction(&self) -> Transaction {
        let input = |n: usize| TxIn::unsigned(OutPoint { txid: Txid([n as u8 + 1; 32]), index: n as u32 });
        Transaction {
            version: Transaction::VERSION,
            inputs: (0..self.coins.len()).map(input).collect(),
            outputs: self.outputs.clone(),
            lock_time: 0,
            job_id: self.job,
        }
    }

    fn spent(&self) -> Vec<TxOut> {
        self.coins.iter().map(|c| c.output.clone()).collect()
    }
}

fn settlement(terms: Terms, choices: &mut Choices<'_>) -> Case {
    let locked = terms.reward.0.wrapping_add(terms.stake.0).wrapping_add(terms.reserve.0);
    let owner = if choices.seldom() { choices.below(5) } else { NODE };
    let stake = near(terms.stake.0, choices);
    let paying = terms.reward.0.wrapping_add(terms.reserve.0).wrapping_add(20_000);
    let mut draft = Draft {
        coins: vec![plain(stake, owner), plain(paying, CLIENT)],
        outputs: vec![TxOut { value: Amount(near(locked, choices)), script_pubkey: terms.script() }],
        job: terms.job_id,
    };
    if choices.below(2) == 0 {
        let more = u64::from(choices.word());
        draft.coins.push(plain(more, choices.below(5)));
        draft.change(more, choices);
    }
    draft.spoil(&terms, choices);
    let height = Height(near(u64::from(terms.valid_until.0), choices) as u32);
    let mut tx = draft.transaction();
    sign(&mut tx, &draft.spent());
    Case { terms, since: Height(100), tx, coins: draft.coins, height }
}

fn contract_move(terms: Terms, choices: &mut Choices<'_>) -> Case {
    let p = terms.periods;
    let since = Height(100 + choices.below(100) as u32);
    let offset = choices.of(&[0, 2, p.reveal, p.contest, p.grace, 20_000]);
    let height = Height(near(u64::from(since.plus(u32::from(offset)).0), choices) as u32);
    let locked = terms.reward.0.saturating_add(terms.stake.0).saturating_add(terms.reserve.0);
    let value = near(locked.saturating_sub(terms.move_fee.0.saturating_mul(choices.below(2) as u64)), choices);
    let contract =
        Coin { output: TxOut { value: Amount(value), script_pubkey: terms.script() }, height: since, coinbase: false };
    let made = choices.of(&[Move::Close, Move::Reveal, Move::Demand, Move::Claim, Move::Finalize]);
    let mut draft = Draft { coins: vec![contract], outputs: outputs(&terms, value, made, choices), job: terms.job_id };
    if choices.below(2) == 0 {
        let more = u64::from(choices.word());
        draft.coins.push(plain(more, choices.below(5)));
        draft.change(more, choices);
    }
    draft.spoil(&terms, choices);
    if choices.below(4) == 0 {
        draft.coins.reverse();
    }
    let mut tx = draft.transaction();
    let spent = draft.spent();
    sign(&mut tx, &spent);
    let index = draft.coins.iter().position(|c| c.output.script_pubkey == terms.script()).unwrap_or(0);
    tx.inputs[index].script_sig = witness(made, &tx, &spent, index, choices);
    Case { terms, since, tx, coins: draft.coins, height }
}

/// The outputs that a move makes, as builders do, and beside that.
fn outputs(terms: &Terms, value: u64, made: Move, choices: &mut Choices<'_>) -> Vec<TxOut> {
    let to = |value: u64, script_pubkey| TxOut { value: Amount(value), script_pubkey };
    let fee = near(choices.of(&[terms.move_fee.0, 0, terms.move_fee.0 / 2]), choices);
    match made {
        Move::Reveal | Move::Demand => {
            let usual = if made == Move::Reveal { State::Revealed } else { State::Demanded };
            let state = if choices.seldom() { State::Challenged } else { usual };
            let mut next = terms.in_state(state);
            match choices.below(24) {
                0 => next.reward_address = hash(1),
                1 => next.reserve.0 = next.reserve.0.wrapping_add(1),
                2 => next.key_hash = Hash32([0; 32]),
                _ => {}
            }
            vec![to(value.wrapping_sub(fee), next.script())]
        }
        Move::Finalize => {
            let rest = value.wrapping_sub(terms.reward.0).wrapping_sub(terms.stake.0).wrapping_sub(fee);
            let person =
                |usual, choices: &mut Choices<'_>| pay_to(if choices.seldom() { choices.below(5) } else { usual });
            let mut all = vec![
                to(near(terms.reward.0, choices), person(4, choices)),
                to(near(terms.stake.0, choices), person(NODE, choices)),
                to(near(rest, choices), person(CLIENT, choices)),
            ];
            if choices.below(8) == 0 {
                all.pop();
            }
            all
        }
        _ => vec![to(value.wrapping_sub(fee), pay_to(choices.below(5)))],
    }
}

fn witness(made: Move, tx: &Transaction, spent: &[TxOut], index: usize, choices: &mut Choices<'_>) -> Script {
    if choices.seldom() {
        return Script(choices.bytes(130).to_vec());
    }
    let hasher = SignatureHasher::new(tx, spent, Network::Dev);
    let mut by = |usual: usize| -> Signature {
        let person = if choices.seldom() { choices.below(5) } else { usual };
        let signed = if choices.seldom() { Move::Claim } else { made };
        secret(person).sign(&hasher.contract_input(index as u32, &signed.binding()))
    };
    let witness = match made {
        Move::Close => Witness::Close { client: by(CLIENT), node: by(NODE) },
        Move::Reveal => {
            let node = by(NODE);
            Witness::Reveal { node, key: if choices.seldom() { [0; 32] } else { K } }
        }
        Move::Demand => Witness::Demand { client: by(CLIENT) },
        Move::Claim => Witness::Claim { client: by(CLIENT) },
        Move::Finalize | Move::Settle => {
            let client = by(CLIENT);
            let node = by(NODE);
            let signer = choices.of(&[Signer::Node, Signer::Client]);
            let signature = if signer == Signer::Client { client } else { node };
            Witness::Finalize { signer, signature }
        }
    };
    Script(witness.to_bytes())
}

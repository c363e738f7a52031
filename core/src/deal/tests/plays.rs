//! How the parties of a game behave: what a strategy changes about what an honest deal does.

use super::world::{ANSWER, World};
use crate::contract::{Move, State, Terms, Witness, claim, close_signature, demand, half_sign};
use crate::deal::settlement::{job_settlement, settlement_spends};
use crate::deal::{Action, ComputeDeal, DealError, Facts, Position};
use crate::encode::Decode;
use crate::hash::sha256;
use crate::job::fixtures::*;
use crate::job::{JobClose, JobDelivery, Signed, ciphertext_hash};
use crate::keys::{SecretKey, seal};
use crate::message::Payload;
use crate::script::{sign_p2pkh_inputs, templates};
use crate::transaction::{Transaction, TransactionBuilder, TxOut};
use crate::units::{Amount, Network, TokenId};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Numbers that follow from a seed.
#[derive(Clone, Debug)]
pub(super) struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Random { seed, drawn: 0 }
    }

    pub fn below(&mut self, n: u32) -> u32 {
        self.drawn += 1;
        let hash = sha256(&[self.seed.to_le_bytes(), self.drawn.to_le_bytes()].concat());
        (u64::from_le_bytes(hash.0[..8].try_into().unwrap()) % u64::from(n)) as u32
    }

    /// True once in `n` times; never for zero.
    pub fn one_in(&mut self, n: u32) -> bool {
        n > 0 && self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize].clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Client,
    Node,
}

/// What a fork's first block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Nothing.
    Empty,
    /// What the blocks held that it replaces, and what waits.
    Same,
    /// Another spend of the client's paying coin.
    Conflict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientPlay {
    Honest,
    /// Takes part until the testament, never pays.
    NeverPays,
    /// Keeps the settlement back and has a miner put it into the last block that may hold it.
    PaysLast,
    /// Pays and is never heard of again.
    Vanishes,
    /// Never closes, and takes what it can: demands and claims as soon as the chain allows.
    Greedy,
    /// Sends its close so many blocks late.
    ClosesLate(u32),
    /// Its closes are no good.
    GarbageCloses,
    /// A miner puts another spend of its coin into the block that should hold the settlement.
    DoubleSpends,
    /// The same, by a fork, once the settlement is so deep.
    DoubleSpendsBelow(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodePlay {
    Honest,
    /// Accepts, and is never heard of again.
    SilentAfterAccept,
    /// Sends its statement, not the ciphertext.
    KeepsCiphertext,
    /// Is never heard of again once it is paid.
    SilentAfterPayment,
    /// Hands over a wrong key. Reveals the right one on chain.
    WrongKey,
    /// Hands over a wrong key, and does nothing on chain.
    WrongKeyThenSilent,
    /// Hands over the right key, and does nothing else.
    DeliversThenSilent,
    /// What it sealed does not open.
    Garbage,
    /// Another token than the model's.
    AlteredToken,
    /// That, and it does nothing on chain.
    AlteredThenSilent,
    /// Says nothing until a demand is about to become a claim.
    RevealsInTheLastBlock,
    /// Its terms are not the job's: which of them.
    OtherTerms(u8),
}

/// One game.
#[derive(Clone, Debug)]
pub(super) struct Game {
    pub seed: u64,
    pub client: ClientPlay,
    pub node: NodePlay,
    /// One message in so many is lost; none for zero.
    pub lost_mail: u32,
    /// Both parties stop and start again after every step.
    pub restarts: bool,
    /// The sums are larger than a block's subsidy.
    pub rich: bool,
    /// The node hands the key over before the settlement is in a block.
    pub releases_early: bool,
    /// Miners leave this party's transactions out of two blocks.
    pub censored: Option<Party>,
    /// After so many blocks a fork, so deep, longer by one.
    pub forks: Vec<(u32, usize, Fill)>,
}

impl Game {
    pub fn new(client: ClientPlay, node: NodePlay) -> Self {
        Game {
            seed: 0,
            client,
            node,
            lost_mail: 0,
            restarts: false,
            rich: false,
            releases_early: false,
            censored: None,
            forks: Vec::new(),
        }
    }
}

fn move_of(tx: &Transaction) -> Option<Move> {
    tx.inputs.iter().find_map(|i| Witness::from_bytes(i.script_sig.as_bytes()).ok()).map(|w| w.contract_move())
}

impl ClientPlay {
    /// What becomes of an action.
    pub fn filter(world: &mut World, action: Action, facts: &Facts<'_>) -> Option<Action> {
        use ClientPlay::*;
        let (play, paid) = (world.game.client, world.client.settlement.as_ref());
        let is_settlement = |tx: &Transaction| paid.is_some_and(|s| s.txid() == tx.txid());
        match (&action, play) {
            (Action::Publish(tx), NeverPays | PaysLast) if is_settlement(tx) => None,
            (Action::Publish(tx), Vanishes) if is_settlement(tx) => Some(action),
            (Action::Publish(_) | Action::Send(..) | Action::Broadcast(_), Vanishes) if paid.is_some() => None,
            (Action::Send(_, Payload::JobClose(_)), Greedy) => None,
            (Action::Send(_, Payload::JobClose(_)), ClosesLate(blocks)) => {
                let at = world.client.track.settled_at()?;
                (facts.tip.since(at) >= blocks).then_some(action)
            }
            (Action::Send(to, Payload::JobClose(close)), GarbageCloses) => {
                Some(Action::Send(to.clone(), garbled(close, world).into()))
            }
            (Action::Publish(tx), DoubleSpends) if is_settlement(tx) && world.bribes.is_empty() => {
                let double = Self::double_spend(world);
                world.bribes.push(double);
                Some(action)
            }
            _ => Some(action),
        }
    }

    /// What a greedy client does that an honest one does not.
    pub fn extra(world: &mut World, facts: &Facts<'_>) -> Vec<Action> {
        let Position::In { terms, outpoint, output, since, .. } = world.position() else { return Vec::new() };
        let (key, network, next) = (&world.keys.client, world.network(), facts.next());
        let publish = |tx| vec![Action::Publish(Box::new(tx))];
        match (world.game.client, terms.state) {
            (ClientPlay::Greedy, State::Settlement) if next >= since.plus(terms.periods.reveal.into()) => {
                publish(demand(outpoint, &output, &terms, key, network))
            }
            (ClientPlay::Greedy, State::Demanded) if next >= since.plus(terms.periods.grace.into()) => {
                publish(claim(outpoint, &output, &terms, key, hash_of("change"), network))
            }
            _ => Vec::new(),
        }
    }

    /// The fork that the client pays a miner for.
    pub fn fork(world: &World) -> Option<(usize, Fill)> {
        let (ClientPlay::DoubleSpendsBelow(depth), Some(at)) = (world.game.client, world.client.track.settled_at())
        else {
            return None;
        };
        (world.chain.height().since(at) + 1 == depth as u32).then_some((depth, Fill::Conflict))
    }

    /// The paying coin back to its owner.
    pub fn double_spend(world: &World) -> Transaction {
        let (coin, fee) = (world.paying_coin, Amount(50_000));
        let script = templates::p2pkh(hash_of("change"));
        let mut tx = TransactionBuilder::new().input(coin).output(world.had.0.saturating_sub(fee), script).build();
        let spent = [TxOut { value: world.had.0, script_pubkey: templates::p2pkh(hash_of("coin")) }];
        sign_p2pkh_inputs(&mut tx, &spent, &world.keys.coins, Network::Dev).unwrap();
        tx
    }
}

/// A close that the node must not sign: another one each time.
fn garbled(close: &JobClose, world: &World) -> JobClose {
    let mut bad = close.clone();
    match world.now.0 / 2 % 6 {
        0 => bad.close.outputs[0].value.0 -= 1,
        1 => bad.close.inputs[0].previous = world.paying_coin,
        2 => bad.close.lock_time = world.chain.height().0 + 50,
        // No fee: nobody would mine it.
        3 => bad.close.outputs[1].value.0 += 10_000,
        4 => bad.close.outputs.reverse(),
        _ => bad.client_signature = world.keys.node.sign(&crate::hash::Hash32([1; 32])),
    }
    if let (Position::In { output, .. }, true) = (world.position(), bad.close != close.close) {
        bad.client_signature = close_signature(&bad.close, &output, &world.keys.client, world.network());
    }
    bad
}

/// What miners are paid for outside of the pool.
pub(super) struct Bribe;

impl Bribe {
    pub fn take(world: &mut World) -> Vec<Transaction> {
        let mut txs = core::mem::take(&mut world.bribes);
        let last = world.client.create.params.valid_until;
        if world.game.client == ClientPlay::PaysLast && world.chain.height().next() == last {
            txs.extend(world.client.settlement.clone());
        }
        txs
    }
}

impl NodePlay {
    pub fn serves_ciphertext(self) -> bool {
        self != NodePlay::KeepsCiphertext
    }

    /// What becomes of an action.
    pub fn filter(world: &mut World, action: Action, facts: &Facts<'_>) -> Option<Action> {
        use NodePlay::*;
        let play = world.game.node;
        let node = world.node.as_ref()?;
        let paid = node.settlement.is_some();
        match (&action, play) {
            (Action::Broadcast(Payload::JobAccept(_)), _) => Some(action),
            (_, SilentAfterAccept) => None,
            (_, SilentAfterPayment) if paid => None,
            (Action::Publish(_), WrongKeyThenSilent | DeliversThenSilent | AlteredThenSilent) => None,
            (Action::Send(to, Payload::JobDelivery(delivery)), WrongKey | WrongKeyThenSilent) => {
                let mut body = delivery.body.clone();
                let context = JobDelivery::context(&body.job_id, &body.settlement);
                body.sealed_key = seal(&node.create.params.job_key, &key("ephemeral"), &context, &[7; 32]);
                let signed = Signed::sign(body, &world.keys.node, Network::Dev);
                Some(Action::Send(to.clone(), signed.into()))
            }
            (Action::Send(_, Payload::JobDelivery(_)), RevealsInTheLastBlock) => None,
            (Action::Publish(tx), RevealsInTheLastBlock) if move_of(tx) == Some(Move::Reveal) => {
                let Position::In { terms, since, .. } = node.track.position(facts.tip, facts.rules, facts.network)
                else {
                    return None;
                };
                let last = since.plus(u32::from(terms.periods.grace) - 1);
                (terms.state == State::Demanded && facts.next() == last).then_some(action)
            }
            _ => Some(action),
        }
    }

    /// The node has run its model, or says so.
    pub fn compute(self, deal: &mut ComputeDeal, node: &SecretKey, facts: &Facts<'_>) -> Result<(), DealError> {
        let mut answer = ANSWER.to_vec();
        if matches!(self, NodePlay::AlteredToken | NodePlay::AlteredThenSilent) {
            answer[2] = TokenId(99);
        }
        deal.on_computed(answer, 5, node, facts)?;
        match self {
            NodePlay::Garbage => {
                let bytes: Vec<u8> = deal.ciphertext.iter().map(|b| b ^ 1).collect();
                let hash = ciphertext_hash(&bytes);
                restate(deal, node, |t| t.ciphertext_hash = hash);
                deal.ciphertext = bytes;
            }
            NodePlay::OtherTerms(which) => restate(deal, node, |t| other_terms(which, t)),
            _ => {}
        }
        Ok(())
    }
}

/// How many kinds of other terms there are.
pub(super) const OTHER_TERMS: u8 = 12;

fn other_terms(which: u8, t: &mut Terms) {
    match which {
        0 => t.stake.0 -= 1,
        1 => t.reward.0 += 1,
        2 => t.reserve.0 += 1,
        3 => t.move_fee.0 += 1,
        4 => t.bond.0 -= 1,
        5 => t.periods.contest += 1,
        6 => t.periods.reveal += 1,
        7 => t.valid_until.0 += 1,
        8 => t.challenge_key = key("node").public_key(),
        9 => t.client_key = key("stranger").public_key(),
        10 => t.answer_tokens = 9,
        _ => t.prompt_tokens += 1,
    }
}

/// Replaces the node's statement by one to other terms.
fn restate(deal: &mut ComputeDeal, node: &SecretKey, change: impl Fn(&mut Terms)) {
    let mut terms = deal.terms().unwrap();
    change(&mut terms);
    let (create, accept) = (&deal.create, &deal.accept);
    let mut settlement =
        job_settlement(create, accept, &terms, deal.stake_value, &deal.coin_values, network()).unwrap();
    let spent = settlement_spends(create, accept, deal.stake_value, &deal.coin_values);
    half_sign(&mut settlement, 0, &spent, node, network());
    deal.testament.as_mut().unwrap().settlement = settlement;
}

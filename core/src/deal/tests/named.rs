//! The strategies one by one.

use super::plays::{ClientPlay, Fill, Game, NodePlay, OTHER_TERMS, Party};
use super::world::{ANSWER, World};
use crate::job::JobStatus;
use alloc::vec;

const W: i128 = 200_000_000;
const S: i128 = 300_000_000;
const FEE: i128 = 20_000;
const F: i128 = 10_000;

fn play(game: Game) -> World {
    let world = World::new(game).play();
    world.check_accounts();
    world
}

fn pair(client: ClientPlay, node: NodePlay) -> World {
    play(Game::new(client, node))
}

#[test]
fn two_honest_parties_close() {
    use JobStatus::*;
    let world = pair(ClientPlay::Honest, NodePlay::Honest);
    assert_eq!(world.won(), (-W - FEE - F, W));
    assert_eq!(world.client.answer.as_deref(), Some(&ANSWER[..]));
    assert!(world.client.verdict.as_ref().unwrap().holds());
    assert_eq!(world.statuses(), [Created, Accepted, Completed, Paid, Delivered, Verified, Closed]);
    assert_eq!(world.node.unwrap().status(), Closed);
}

#[test]
fn nothing_is_said_about_an_early_answer_before_burial() {
    for rich in [false, true] {
        let game = Game::new(ClientPlay::Honest, NodePlay::Honest);
        // The world checks every close that the client sends.
        let world = play(Game { releases_early: true, rich, ..game });
        assert_eq!(world.client.status(), JobStatus::Closed);
    }
}

#[test]
fn a_restart_after_every_step_changes_nothing() {
    for (client, node) in [
        (ClientPlay::Honest, NodePlay::Honest),
        (ClientPlay::Greedy, NodePlay::Honest),
        (ClientPlay::Honest, NodePlay::SilentAfterPayment),
        (ClientPlay::Honest, NodePlay::AlteredToken),
    ] {
        let (plain, restarted) = (pair(client, node), play(Game { restarts: true, ..Game::new(client, node) }));
        assert_eq!(plain.won(), restarted.won());
        assert_eq!(plain.statuses(), restarted.statuses());
        assert_eq!(plain.client.answer, restarted.client.answer);
    }
}

#[test]
fn a_client_that_vanishes_has_paid_all_the_same() {
    for client in [ClientPlay::Vanishes, ClientPlay::Greedy, ClientPlay::GarbageCloses, ClientPlay::ClosesLate(9)] {
        let world = pair(client, NodePlay::Honest);
        // Reveal and finalize.
        assert_eq!(world.won(), (-W - FEE - 2 * F, W), "{client:?}");
    }
    assert_eq!(pair(ClientPlay::ClosesLate(2), NodePlay::Honest).won(), (-W - FEE - F, W));
}

#[test]
fn a_client_that_never_pays_gets_nothing_and_locks_nothing() {
    let world = pair(ClientPlay::NeverPays, NodePlay::Honest);
    assert_eq!(world.won(), (0, 0));
    assert_eq!(world.client.answer, None);
    assert_eq!(world.client.status(), JobStatus::Refunded);
    assert_eq!(world.node.unwrap().status(), JobStatus::Expired);
}

#[test]
fn a_settlement_kept_back_until_the_last_block_binds_both() {
    let world = pair(ClientPlay::PaysLast, NodePlay::Honest);
    assert!(world.settled());
    assert_eq!(world.won().1, W);
}

#[test]
fn a_double_spend_costs_the_node_nothing() {
    for client in [ClientPlay::DoubleSpends, ClientPlay::DoubleSpendsBelow(1)] {
        for releases_early in [false, true] {
            let world = play(Game { releases_early, ..Game::new(client, NodePlay::Honest) });
            assert!(!world.settled());
            assert_eq!(world.won(), (-50_000, 0), "{client:?}");
            // The answer is out only where the node took that risk.
            assert_eq!(world.client.answer.is_some(), releases_early, "{client:?}");
        }
    }
    let world = pair(ClientPlay::DoubleSpendsBelow(2), NodePlay::Honest);
    assert_eq!(world.won(), (-50_000, 0));
}

#[test]
fn a_silent_node_loses_its_stake() {
    for node in [NodePlay::SilentAfterPayment, NodePlay::WrongKeyThenSilent] {
        let world = pair(ClientPlay::Honest, node);
        assert_eq!(world.won(), (S - FEE - 2 * F, -S), "{node:?}");
        assert_eq!(world.client.status(), JobStatus::Slashed);
    }
}

#[test]
fn a_node_that_is_gone_for_good_locks_no_money() {
    for node in [NodePlay::DeliversThenSilent, NodePlay::AlteredThenSilent] {
        let world = pair(ClientPlay::Honest, node);
        assert_eq!(world.won(), (S - FEE - 2 * F, -S), "{node:?}");
    }
}

#[test]
fn a_node_that_binds_nobody_costs_nobody() {
    for node in [NodePlay::SilentAfterAccept, NodePlay::KeepsCiphertext] {
        let world = pair(ClientPlay::Honest, node);
        assert_eq!(world.won(), (0, 0), "{node:?}");
        assert_eq!(world.client.status(), JobStatus::Expired);
    }
    for which in 0..OTHER_TERMS {
        let world = pair(ClientPlay::Honest, NodePlay::OtherTerms(which));
        assert_eq!(world.won(), (0, 0), "{which}");
        assert_eq!(world.client.testament, None);
    }
}

#[test]
fn a_wrong_answer_gets_no_signature() {
    let world = pair(ClientPlay::Honest, NodePlay::AlteredToken);
    let verdict = world.client.verdict.clone().unwrap();
    assert_eq!((verdict.wrong[0].position, verdict.wrong[0].found.0, verdict.wrong[0].expected), (2, 99, ANSWER[2]));
    assert!(world.statuses().contains(&JobStatus::Rejected));
    // Without the challenge the node may still reveal and be paid: later than with the client's signature.
    assert_eq!(world.won(), (-W - FEE - 2 * F, W));
    let world = pair(ClientPlay::Honest, NodePlay::Garbage);
    assert!(!world.client.verdict.as_ref().unwrap().holds());
    assert_eq!((world.client.answer.clone(), world.won().1), (None, W));
}

#[test]
fn the_right_key_on_chain_heals_a_wrong_delivery() {
    for node in [NodePlay::WrongKey, NodePlay::RevealsInTheLastBlock] {
        let world = pair(ClientPlay::Honest, node);
        assert_eq!(world.client.answer.as_deref(), Some(&ANSWER[..]), "{node:?}");
        assert_eq!(world.won().1, W, "{node:?}");
    }
}

#[test]
fn two_blocks_of_censorship_change_no_payment() {
    for censored in [Party::Client, Party::Node] {
        for client in [ClientPlay::Honest, ClientPlay::Vanishes, ClientPlay::Greedy] {
            let world = play(Game { censored: Some(censored), ..Game::new(client, NodePlay::Honest) });
            assert_eq!(world.won().1, W, "{censored:?} {client:?}");
        }
        let game = Game::new(ClientPlay::Honest, NodePlay::SilentAfterPayment);
        assert_eq!(play(Game { censored: Some(censored), ..game }).won().0, S - FEE - 2 * F);
    }
}

#[test]
fn large_sums_take_longer_and_end_the_same() {
    let rich = |client, node| play(Game { rich: true, ..Game::new(client, node) });
    let world = rich(ClientPlay::Honest, NodePlay::Honest);
    assert_eq!(world.won(), (-70 * W / 2 - FEE - F, 70 * W / 2));
    // W + S is 150 coins, three subsidies: the third block buries it.
    let [settlement, close] = world.client.track.transactions().map(|t| t.1.0).collect::<alloc::vec::Vec<_>>()[..]
    else {
        panic!("settlement and close expected")
    };
    assert!(close >= settlement + 3);
    assert_eq!(rich(ClientPlay::Greedy, NodePlay::Honest).won().1, 70 * W / 2);
    assert_eq!(rich(ClientPlay::Honest, NodePlay::SilentAfterPayment).won().1, -80 * W / 2);
}

#[test]
fn a_reorganisation_at_any_moment_changes_no_payment() {
    for at in 1..=20 {
        for (depth, fill) in [(1, Fill::Empty), (2, Fill::Empty), (1, Fill::Same), (2, Fill::Same)] {
            let forks = vec![(at, depth, fill)];
            let said = alloc::format!("after block {at}, {depth} deep, {fill:?}");
            let world = play(Game { forks: forks.clone(), ..Game::new(ClientPlay::Honest, NodePlay::Honest) });
            assert_eq!(world.won().1, W, "{said}");
            assert!(world.client.verdict.as_ref().unwrap().holds());
            let world = play(Game { forks: forks.clone(), ..Game::new(ClientPlay::Greedy, NodePlay::Honest) });
            assert_eq!(world.won().1, W, "{said}");
            let world = play(Game { forks, ..Game::new(ClientPlay::Honest, NodePlay::SilentAfterPayment) });
            assert_eq!(world.won().0, S - FEE - 2 * F, "{said}");
        }
    }
}

//! Games drawn at random. The seed of one that fails is printed; `CAMELID_GAME=seed` plays it alone.

use super::plays::{ClientPlay, Fill, Game, NodePlay, OTHER_TERMS, Party, Random};
use super::world::World;
use alloc::vec::Vec;
use std::panic::{AssertUnwindSafe, catch_unwind};

const GAMES: u64 = 200;

fn draw(seed: u64) -> Game {
    let r = &mut Random::new(seed);
    let clients = [
        ClientPlay::NeverPays,
        ClientPlay::PaysLast,
        ClientPlay::Vanishes,
        ClientPlay::Greedy,
        ClientPlay::ClosesLate(r.below(10)),
        ClientPlay::GarbageCloses,
        ClientPlay::DoubleSpends,
        ClientPlay::DoubleSpendsBelow(1 + r.below(2) as usize),
    ];
    let nodes = [
        NodePlay::SilentAfterAccept,
        NodePlay::KeepsCiphertext,
        NodePlay::SilentAfterPayment,
        NodePlay::WrongKey,
        NodePlay::WrongKeyThenSilent,
        NodePlay::DeliversThenSilent,
        NodePlay::Garbage,
        NodePlay::AlteredToken,
        NodePlay::AlteredThenSilent,
        NodePlay::RevealsInTheLastBlock,
        NodePlay::OtherTerms(r.below(OTHER_TERMS.into()) as u8),
    ];
    // One honest party at least: two cheats may harm each other as they like.
    let (client, node) = match r.below(5) {
        0 => (ClientPlay::Honest, NodePlay::Honest),
        1 | 2 => (r.pick(&clients), NodePlay::Honest),
        _ => (ClientPlay::Honest, r.pick(&nodes)),
    };
    let fork = |r: &mut Random| (1 + r.below(24), 1 + r.below(2) as usize, r.pick(&[Fill::Empty, Fill::Same]));
    let forks: Vec<_> = (0..r.below(3)).map(|_| fork(r)).collect();
    Game {
        seed,
        client,
        node,
        lost_mail: r.pick(&[0, 4, 10]),
        restarts: r.one_in(3),
        rich: r.one_in(8),
        releases_early: r.one_in(4),
        censored: r.pick(&[None, Some(Party::Client), Some(Party::Node)]),
        forks,
    }
}

fn play(seed: u64) {
    let game = draw(seed);
    let played = catch_unwind(AssertUnwindSafe(|| World::new(game.clone()).play().check_accounts()));
    assert!(played.is_ok(), "play it again with CAMELID_GAME={seed}: {game:?}");
}

#[test]
fn random_games() {
    match std::env::var("CAMELID_GAME").ok().and_then(|s| s.parse().ok()) {
        Some(seed) => play(seed),
        None => {
            let games = std::env::var("CAMELID_GAMES").ok().and_then(|s| s.parse().ok()).unwrap_or(GAMES);
            (0..games).for_each(play);
        }
    }
}

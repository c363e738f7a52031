//! Nobody says what should be heard.

use super::world::*;
use crate::light::{Event, Silence};
use crate::units::Height;
use alloc::vec;
use alloc::vec::Vec;

fn heard(world: &World) -> Vec<(bool, Silence)> {
    let of = |event: &Event<usize>| match event {
        Event::Silent(silence) => Some((true, *silence)),
        Event::Heard(silence) => Some((false, *silence)),
        _ => None,
    };
    world.events.iter().filter_map(of).collect()
}

#[test]
fn silent_peers_are_told_and_so_is_their_return() {
    let mut chain = empty();
    grow(&mut chain, 10, 1);
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    world.run(50);
    world.assert_at(&chain);
    assert_eq!(heard(&world), []);
    world.light.disconnected(&0);
    world.run(70);
    // The last block has become old meanwhile.
    assert_eq!(heard(&world), [(true, Silence::Tip), (true, Silence::Peers)]);
    assert_eq!(world.light.silence().collect::<Vec<_>>(), [Silence::Peers, Silence::Tip]);
    grow(&mut chain, 60, 1);
    world.peers.push((Play::Honest, chain.clone()));
    world.start.0 = chain.tip().header.time.0 - world.elapsed.as_secs() as u32;
    world.light.connected(1);
    world.run(10);
    world.assert_at(&chain);
    assert_eq!(heard(&world)[2..], [(false, Silence::Peers), (false, Silence::Tip)]);
}

#[test]
fn who_only_says_that_there_is_more_hides_no_old_block() {
    let mut chain = empty();
    grow(&mut chain, 10, 1);
    let mut world = World::new(vec![(Play::Honest, chain.clone()), (Play::Boaster, chain.clone())]);
    world.run(70);
    assert!(heard(&world).contains(&(true, Silence::Tip)), "{:?}", heard(&world));
}

#[test]
fn an_old_last_block_is_told() {
    let mut chain = empty();
    grow(&mut chain, 10, 1);
    let mut world = World::new(vec![(Play::Honest, chain.clone())]);
    // 30 usual intervals.
    world.run(58);
    assert_eq!(heard(&world), []);
    world.run(6);
    assert_eq!(heard(&world), [(true, Silence::Tip)]);
    grow(&mut chain, 30, 1);
    world.peers[0].1 = chain;
    world.run(10);
    assert_eq!(heard(&world), [(true, Silence::Tip), (false, Silence::Tip)]);
}

#[test]
fn filters_that_nobody_proves_are_told() {
    let mut chain = empty();
    grow(&mut chain, 10, 1);
    let mut world = World::new(vec![(Play::NoProofs, chain.clone()), (Play::NoProofs, chain.clone())]);
    world.run(70);
    assert_eq!((world.light.headers().height(), world.light.scanned()), (Height(10), Height(0)));
    assert!(heard(&world).contains(&(true, Silence::Filters)), "{:?}", heard(&world));
    assert!(world.blamed.is_empty());
    world.peers[1].0 = Play::Honest;
    world.run(10);
    world.assert_at(&chain);
    assert!(heard(&world).contains(&(false, Silence::Filters)));
}

#[test]
fn the_next_headers_are_asked_for_before_the_last_are_checked() {
    let mut chain = empty();
    grow(&mut chain, 6_100, 1);
    // The second peer has the same chain, and lies about the work of its last header.
    for play in [Play::Honest, Play::Work] {
        let mut world = World::new(vec![(play, chain.clone())]);
        let (mut ahead, mut most) = (0, 0);
        world.steps(60, |light, _| {
            let have = light.headers().height();
            ahead += usize::from(light.is_checking());
            most = most.max(have.0);
        });
        match play {
            Play::Honest => {
                assert!(ahead >= 2, "{ahead} answers were put aside");
                world.assert_at(&chain);
            }
            _ => {
                assert!(matches!(world.blamed.get(&0), Some(crate::light::Fault::Headers(_))), "{:?}", world.blamed);
                assert!(most < 2_000, "{most}");
            }
        }
        assert!(!world.light.is_checking());
    }
}

#[test]
fn progress_is_told_while_headers_come() {
    let mut chain = empty();
    grow(&mut chain, 4_100, 1);
    let mut world = World::new(vec![(Play::Honest, chain.clone()), (Play::Honest, chain.clone())]);
    world.run(8);
    world.assert_at(&chain);
    let progress: Vec<_> = world
        .events
        .iter()
        .filter_map(|e| match e {
            Event::HeadersProgress(progress) => Some((progress.have, progress.total)),
            _ => None,
        })
        .collect();
    assert_eq!(progress, [(Height(2000), Height(4100)), (Height(4000), Height(4100))]);
    // One gives the long chain while the other waits.
    assert!(world.asked["headers"] <= 4, "{:?}", world.asked);
    let scanned: Vec<_> = world
        .events
        .iter()
        .filter_map(|e| match e {
            Event::Scanned { to, .. } => Some(*to),
            _ => None,
        })
        .collect();
    assert!(scanned.is_sorted() && scanned.last() == Some(&Height(4100)), "{scanned:?}");
}

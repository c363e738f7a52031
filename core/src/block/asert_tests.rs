use super::*;
use crate::units::Network;

/// Bitcoin Cash's main network, whose published vectors we check against.
fn bch() -> NetworkParams {
    NetworkParams {
        block_interval: 600,
        difficulty_half_life: 2 * 86_400,
        pow_limit: CompactTarget(0x1d00_ffff),
        ..NetworkParams::of(Network::Main).clone()
    }
}

fn at(anchor: &AsertAnchor, height: u32, time: u32) -> u32 {
    asert(&bch(), anchor, Height(height), Timestamp(time)).0
}

/// On schedule the target stays; two days ahead halve it, two days behind double it, and the limit holds.
#[test]
fn schedule_half_life_and_limit() {
    let anchor = AsertAnchor { height: Height(1), bits: CompactTarget(0x1d00_ffff), parent_time: 0 };
    for n in 0..10 {
        assert_eq!(at(&anchor, 1 + n, 600 * (n + 1)), 0x1d00_ffff);
    }
    let anchor = AsertAnchor { height: Height(1), bits: CompactTarget(0x1a2b_3c4d), parent_time: 0 };
    assert_eq!(at(&anchor, 1, 600), 0x1a2b_3c4d);
    // 288 blocks without a second passing: one half-life ahead. 0x2b3c4d / 2 = 0x159e26.
    assert_eq!(at(&anchor, 289, 600), 0x1a15_9e26);
    assert_eq!(at(&anchor, 1, 600 + 172_800), 0x1a56_789a);
    assert_eq!(at(&anchor, 1, u32::MAX), 0x1d00_ffff);
    // Far ahead of schedule the target ends at 1, not at 0.
    assert_eq!(at(&anchor, u32::MAX, 0), 0x0101_0000);
}

/// The table of Bitcoin ABC's and Bitcoin Cash Node's unit test `calculate_asert_test`, whose limit is 2^224 - 1.
#[test]
fn the_published_table() {
    let limit = Target(U256::MAX.unbounded_shr_vartime(32));
    let shifted = |by| Target(limit.0.unbounded_shr_vartime(by));
    let one = Target(U256::ONE);
    for (start, time, height, target, bits) in [
        (limit, 0, 2 * 144, shifted(1), 0x1c7f_ffff),
        (limit, 0, 4 * 144, shifted(2), 0x1c3f_ffff),
        (shifted(1), 0, 2 * 144, shifted(2), 0x1c3f_ffff),
        (shifted(2), 0, 2 * 144, shifted(3), 0x1c1f_ffff),
        (shifted(3), 0, 2 * 144, shifted(4), 0x1c0f_ffff),
        (limit, 0, 2 * (256 - 34) * 144, Target(U256::from_u32(3)), 0x0103_0000),
        (limit, 0, 2 * (256 - 34) * 144 + 119, Target(U256::from_u32(3)), 0x0103_0000),
        (limit, 0, 2 * (256 - 34) * 144 + 120, Target(U256::from_u32(2)), 0x0102_0000),
        (limit, 0, 2 * (256 - 33) * 144 - 1, Target(U256::from_u32(2)), 0x0102_0000),
        (limit, 0, 2 * (256 - 33) * 144, one, 0x0101_0000),
        (limit, 0, 2 * (256 - 32) * 144, one, 0x0101_0000),
        (one, 0, 2 * (256 - 32) * 144, one, 0x0101_0000),
    ] {
        // The table's times start at the anchor, the formula's at its parent.
        let found = next_target(start, time + 600, height, 600, 172_800).unwrap();
        assert_eq!((found, found.compact().0), (target, bits), "{height}");
    }
    for (start, time) in [(limit, 2 * (512 - 32) * 144 * 600), (one, (512 - 64) * 144 * 600)] {
        assert!(next_target(start, time + 600, 0, 600, 172_800).is_none_or(|t| t > limit));
    }
}

/// Against the formula that the integers approximate: the published bound of the cubic is 0.013 %.
#[test]
fn close_to_the_exponential() {
    let start = CompactTarget(0x1b12_3456).target().unwrap();
    let size =
        |t: Target| t.0.to_words().iter().rev().fold(0f64, |sum, w| sum * 18_446_744_073_709_551_616.0 + *w as f64);
    for step in -400i64..400 {
        let time_delta = step * 3_571;
        let got = size(next_target(start, time_delta, 99, 600, 172_800).unwrap());
        let exact = size(start) * 2f64.powf((time_delta - 600 * 100) as f64 / 172_800.0);
        assert!((got / exact - 1.0).abs() < 0.000_14, "step {step}: {got} {exact}");
    }
}

#[test]
fn a_later_block_never_makes_the_next_one_harder() {
    let params = NetworkParams::of(Network::Dev);
    let anchor =
        AsertAnchor { bits: CompactTarget(0x1d12_3456), ..AsertAnchor::block_one(params, Timestamp(1_000_000)) };
    let target = |time| asert(params, &anchor, Height(50), Timestamp(time)).target().unwrap();
    for time in 1_000_000..1_001_000 {
        assert!(target(time) <= target(time + 1), "{time}");
    }
}

#[test]
fn block_one_asks_for_the_limit_and_so_does_the_next_on_schedule() {
    for network in [Network::Main, Network::Test, Network::Dev] {
        let params = NetworkParams::of(network);
        let anchor = AsertAnchor::block_one(params, Timestamp(1));
        assert_eq!(asert(params, &anchor, Height(1), Timestamp(1)), params.pow_limit);
        let late = asert(params, &anchor, Height(1), Timestamp(u32::MAX));
        assert_eq!(late, params.pow_limit);
    }
}

//! Double SHA-256 of headers beside OpenSSL's SHA-256.

use super::stopwatch::rates;
use super::{ChainPlan, dev, median};
use camelid_core::block::{PowMidstate, Target};
use serde::Serialize;
use std::hint::black_box;
use std::process::Command;

/// Nonces in one go.
const NONCES: u32 = 1 << 16;
/// Compressions of a header with another nonce: its first 64 bytes are hashed once for all.
const COMPRESSIONS: f64 = 2.0;
const BLOCK_BYTES: f64 = 64.0;

/// Headers hashed a second on one core.
#[derive(Clone, Debug, Serialize)]
pub struct HashReport {
    /// As the miner does it.
    pub double_sha256_per_second: f64,
    /// Without the processor's instructions side by side: the reference.
    pub portable_per_second: f64,
    /// The whole hash of a header, as a check of one header has it: three compressions.
    pub whole_headers_per_second: f64,
    /// What OpenSSL's SHA-256 of 16 KiB would make with the same two compressions a header; none without `openssl`.
    pub openssl_per_second: Option<f64>,
    /// The first over the last.
    pub ratio_to_openssl: Option<f64>,
}

pub(super) fn measure(plan: &ChainPlan, progress: &dyn Fn(&str)) -> HashReport {
    let header = dev().genesis().header;
    let pow = PowMidstate::new(&header);
    // One hash in 2^256 reaches it.
    let nothing = Target(Default::default());
    let (mut ours, mut portable, mut whole, mut openssl) = (vec![], vec![], vec![], vec![]);
    for round in 1..=plan.rounds {
        progress(&format!("hashing, round {round} of {}", plan.rounds));
        openssl.extend(openssl_rate(plan.seconds));
        let mut search = || {
            black_box(pow.try_nonces(black_box(0)..=NONCES - 1, &nothing));
            u64::from(NONCES)
        };
        let mut search_portably = || {
            black_box(pow.try_nonces_portably(black_box(0)..=NONCES - 1, &nothing));
            u64::from(NONCES)
        };
        let mut hash = || {
            (0..1024).for_each(|_| {
                black_box(black_box(&header).hash());
            });
            1024
        };
        let rates = rates(plan.seconds, [&mut search, &mut search_portably, &mut hash]);
        for (all, rate) in [&mut ours, &mut portable, &mut whole].into_iter().zip(rates) {
            all.push(rate);
        }
    }
    let (ours, openssl) = (median(ours), (!openssl.is_empty()).then(|| median(openssl)));
    HashReport {
        double_sha256_per_second: ours,
        portable_per_second: median(portable),
        whole_headers_per_second: median(whole),
        openssl_per_second: openssl,
        ratio_to_openssl: openssl.map(|o| ours / o),
    }
}

/// Headers a second at the speed of `openssl speed`, which counts processor time as we do.
fn openssl_rate(seconds: f64) -> Option<f64> {
    let seconds = (seconds.ceil().max(1.0) as u32).to_string();
    let args = ["speed", "-mr", "-seconds", &seconds, "-bytes", "16384", "-evp", "sha256"];
    let output = Command::new("openssl").args(args).output().ok().filter(|o| o.status.success())?;
    let bytes = bytes_per_second(&String::from_utf8_lossy(&output.stdout))?;
    Some(bytes / BLOCK_BYTES / COMPRESSIONS)
}

/// The last field of the line that begins with `+F`.
fn bytes_per_second(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("+F"))?;
    line.rsplit(':').next()?.trim().parse().ok().filter(|rate| *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssls_lines() {
        let text = "+H:16384\n+F:22:sha256:1822334976.00\n";
        assert_eq!(bytes_per_second(text), Some(1_822_334_976.0));
        for bad in ["", "+F", "+F:22:sha256:fast", "+F:22:sha256:0"] {
            assert_eq!(bytes_per_second(bad), None, "{bad}");
        }
    }
}

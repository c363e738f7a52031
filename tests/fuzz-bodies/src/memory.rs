//! How much memory something takes: "never allocates by an attacker's number".
//!
//! libFuzzer's `-malloc_limit_mb` needs a sanitizer. This counts to the byte, with any toolchain, and in plain tests too.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What may be taken: so many bytes, and so many for each byte of the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub base: usize,
    pub factor: usize,
}

/// Runs `run` on an input of `length` bytes. Panics when it takes more than it may; what it returns counts.
pub(crate) fn within<T>(allowance: Allowance, length: usize, run: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let out = run();
    let used = ALLOCATOR.peak_usage().saturating_sub(before);
    let most = allowance.base + allowance.factor * length;
    assert!(used <= most, "an input of {length} bytes made it take {used} bytes, at most {most} allowed");
    out
}

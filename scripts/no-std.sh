#!/bin/sh
# Proves that core needs no standard library: compiles it for a processor that has none (ARM Cortex-M3).
# rustup brings that target where it can download. Where it cannot, Debian's own Rust compiles core and alloc from source.
. "$(dirname "$0")/env.sh"
. scripts/debian-rust.sh

target=thumbv7m-none-eabi
export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/no-std"

if rustup_target "$target"; then
    say "no_std: checking camelid-core for $target"
    cargo check --locked -p camelid-core --target "$target"
else
    unpack_debian_rust no_std "run rustup target add $target"
    say "no_std: checking camelid-core for $target with $(cat "$debian_rust/complete")"
    RUSTC="$debian_rust/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="" \
        cargo check --locked -p camelid-core -Zbuild-std=core,alloc --target "$target"
fi
say "no_std: core builds without the standard library"

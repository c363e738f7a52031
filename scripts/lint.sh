#!/bin/sh
# Format and lints. Warnings are errors with the Rust version that the project is written with (rust-version in
# Cargo.toml); a newer clippy knows new warnings, which must not stop a newcomer.
. "$(dirname "$0")/env.sh"

say "format"
cargo fmt --all -- --check || die "the format differs: run cargo fmt --all"

ours=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
case "$(rustc --version)" in
"rustc $ours."*) deny="-D warnings" ;;
*) deny="" && say "clippy: warnings are shown, not errors: they are errors with Rust $ours" ;;
esac
say "clippy"
# shellcheck disable=SC2086
cargo clippy --locked --workspace --all-targets --features "$(sh scripts/features.sh)" -- $deny
if [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
    say "clippy for WASM"
    # shellcheck disable=SC2086
    cargo clippy --locked -p camelid-core -p camelid-web-worker -p camelid-web-light --features camelid-core/cpu --target wasm32-unknown-unknown -- $deny
fi

if cargo deny --version >/dev/null 2>&1; then
    say "cargo deny: licences, bans"
    cargo deny --locked check licenses bans
fi

#!/bin/sh
# The terminal story; builds what it needs, which is neither burn nor WASM. MODEL, if given, is what `camelid model
# import` takes; else the program's own.
. "$(dirname "$0")/env.sh"
[ -z "${MODEL:-}" ] || [ -e "$MODEL" ] || die "no model at $MODEL: make demo-cli MODEL=path, or make demo-cli"
say "building the demo"
cargo build --locked -p camelid-node -p camelid-tests --bins
exec "$CARGO_TARGET_DIR/debug/demo-cli" ${MODEL:+"$MODEL"}

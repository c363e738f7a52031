#!/bin/sh
# The terminal story; builds what it needs. MODEL is a package or a llama2.c checkpoint.
. "$(dirname "$0")/env.sh"
[ -n "${MODEL:-}" ] || die "which model? give a package or a llama2.c checkpoint with its tokenizer beside it: make demo MODEL=path"
[ -f "$MODEL" ] || die "no model file at $MODEL: make demo MODEL=path"
say "building the demo"
cargo build --locked -p camelid-node -p camelid-tests --bins
exec "$CARGO_TARGET_DIR/debug/demo" "$MODEL"

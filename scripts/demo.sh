#!/bin/sh
# The demo with the page: builds what it needs, saying beforehand for how long, then runs until Ctrl-C. MODEL, if given,
# is what `camelid model import` takes; else the program's own. CHEAT=1 adds a compute node that cheats. GPU=1 builds what lets
# the page check answers on WebGPU; once built it is in the page of each demo.
. "$(dirname "$0")/env.sh"
[ -z "${MODEL:-}" ] || [ -e "$MODEL" ] || die "no model at $MODEL: make demo MODEL=path, or make demo"
case "${CHEAT:-0}" in
0) cheat= ;;
1) cheat=--cheat ;;
*) die "CHEAT is $CHEAT: expected 1, or nothing" ;;
esac
case "${GPU:-0}" in
0 | 1) ;;
*) die "GPU is $GPU: expected 1, or nothing" ;;
esac

# Roughly the minutes that one core works for what was never built here; beyond eight cores little is gained.
cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
[ "$cores" -le 8 ] || cores=8
work=0
if [ ! -e "$CARGO_TARGET_DIR/web/worker/complete" ] || [ ! -e "$CARGO_TARGET_DIR/web/light/complete" ]; then
    work=$((work + 14))
fi
[ -e "$CARGO_TARGET_DIR/debug/demo" ] || work=$((work + 18))
# Of another checkout the libraries are there, and what is ours is compiled again: ten minutes on two cores.
built="$CARGO_TARGET_DIR/demo-built-in"
[ "$work" != 0 ] || [ "$(cat "$built" 2>/dev/null)" = "$PWD" ] || work=18
[ "${GPU:-0}" = 0 ] || [ -e "$CARGO_TARGET_DIR/web/gpu/complete" ] || work=$((work + 16))
if [ "$work" = 0 ]; then
    say "all was built before: what changed since is built again, in a minute or two; nothing changed: seconds"
else
    say "building the WASM modules, the page and the node first: about $((work / cores + 1)) minutes here, once"
fi

sh scripts/wasm.sh
[ "${GPU:-0}" = 0 ] || sh scripts/wasm-gpu.sh
sh scripts/www.sh
say "building the node with the page in it"
page_sum
cargo build --locked -p camelid-node -p camelid-tests --bins --features camelid-node/page
echo "$PWD" > "$built"
exec "$CARGO_TARGET_DIR/debug/demo" ${cheat:+"$cheat"} ${MODEL:+"$MODEL"}

#!/bin/sh
# The engine's figures and their bars: camelid and llama.cpp by turns on this machine. Nothing else should run.
# ROUNDS (3) and ARGS (--json) change it; some three minutes a round.
. "$(dirname "$0")/env.sh"
sh scripts/llama-baseline.sh >&2
baseline=$(sh scripts/llama-baseline.sh | tail -2)
sh scripts/build.sh >&2
# shellcheck disable=SC2086
exec python3 scripts/bench_engine.py "$CARGO_TARGET_DIR/debug/camelid" $baseline --rounds "${ROUNDS:-3}" ${ARGS:-}

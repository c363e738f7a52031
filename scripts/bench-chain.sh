#!/bin/sh
# What blocks cost on this machine, beside OpenSSL's SHA-256 and libsecp256k1 in the same run. Nothing else should run.
# ARGS goes to `camelid bench chain`: --json, --rounds, --sync-blocks; some three minutes.
. "$(dirname "$0")/env.sh"
say "building camelid (no engine for GPUs)" >&2
cargo build --locked -p camelid-node >&2
command -v openssl >/dev/null 2>&1 || say "no openssl here: hashes are not compared" >&2
# shellcheck disable=SC2086
exec "$CARGO_TARGET_DIR/debug/camelid" bench chain ${ARGS:-}

#!/bin/sh
# Every architecture and format against an implementation that is not ours: models that transformers makes, trains and
# saves are imported and compared with what it says of the same tokens. ARGS=--large adds a model of
# 2 GB, to show that memory stays bounded.
. "$(dirname "$0")/env.sh"
python=$(sh scripts/torch-venv.sh)
data="${CAMELID_DATA:-../shared/data}"
for file in text/tinyshakespeare.txt stories260k/stories260K.bin; do
    [ -f "$data/$file" ] || die "no $data/$file: CAMELID_DATA names the folder that has it"
done
say "building camelid"
cargo build --locked -p camelid-node
# shellcheck disable=SC2086
exec "$python" scripts/test_models.py "$CARGO_TARGET_DIR/debug/camelid" "$data" "$CAMELID_CACHE/test-models" ${ARGS:-}

#!/bin/sh
# Tokenizers against Python's: the same ids and the same text for CAMELID_TOKENIZER_LINES (10,000 if not set) texts on each
# of seven tokenizers, which Python trains. Python's `tokenizers` comes from PyPI into the cache, once.
. "$(dirname "$0")/env.sh"
lines=${CAMELID_TOKENIZER_LINES:-10000}
home="$CAMELID_CACHE/tokenizers-0.23.3"
if [ ! -e "$home/complete" ]; then
    python3 -c 'import venv, ensurepip' 2>/dev/null ||
        die "no Python 3 with venv to compare tokenizers with: install it (Debian: apt-get install python3-venv)"
    say "Python's tokenizers, into $home"
    rm -rf "$home" && python3 -m venv "$home"
    "$home/bin/python" -m pip install -q --disable-pip-version-check tokenizers==0.23.3
    : > "$home/complete"
fi
export CAMELID_TOKENIZER_VECTORS="$CARGO_TARGET_DIR/tokenizer-vectors"
rm -rf "$CAMELID_TOKENIZER_VECTORS"
say "training tokenizers, encoding $lines texts with each"
"$home/bin/python" scripts/tokenizer_vectors.py "$CAMELID_TOKENIZER_VECTORS" --lines "$lines"
say "comparing"
cargo test --locked --workspace --features "$(sh scripts/features.sh)" --test tokenizers -- --nocapture

#!/bin/sh
# Builds and runs the fuzz targets, one on each core: SECONDS of each (1200), or of TARGET='name name' alone; ends with a table.
# What they find lies in $CAMELID_CACHE/fuzz. MERGE=1 then puts what covers something new into fuzz/corpus, as few inputs as
# that takes.
#
# libFuzzer comes with the crate libfuzzer-sys, and coverage with flags that the stable compiler has: cargo-fuzz, which would
# do no more here, takes longer to install than all this to build, and AddressSanitizer needs a nightly compiler and finds
# little where there is no unsafe code (docs/fuzzing.md). Memory is counted by the targets themselves.
seconds=${SECONDS:-1200}
. "$(dirname "$0")/env.sh"
[ -n "$seconds" ] || seconds=1200

command -v c++ >/dev/null 2>&1 || die "no C++ compiler for libFuzzer: install one (Debian: apt-get install g++)"
targets=$(sed -n 's/^name = "\([a-z]*\)"/\1/p' fuzz/Cargo.toml)
for target in ${TARGET:-}; do
    echo "$targets" | grep -qx "$target" || die "no target is called $target: chain, contract, decoders and so on are, see docs/fuzzing.md"
done
targets=${TARGET:-$targets}

host=$(rustc -vV | sed -n 's/^host: //p')
say "building the fuzz targets in $CARGO_TARGET_DIR/fuzz (the first time: minutes)"
# With --target the flags are not for build scripts and macros. No --cfg fuzzing: libraries leave out their checks under it.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares ${RUSTFLAGS:-}" \
    cargo build --locked --release --target "$host" --target-dir "$CARGO_TARGET_DIR/fuzz" --manifest-path fuzz/Cargo.toml
programs="$CARGO_TARGET_DIR/fuzz/$host/release"

found="$CAMELID_CACHE/fuzz"
export CAMELID_CACHE
# shellcheck disable=SC2086
printf '%s\n' $targets | xargs -P "$(nproc)" -I '{}' sh scripts/fuzz-target.sh "$programs" '{}' "$seconds" "${MERGE:-0}"
echo
printf '%-12s %12s %9s %8s %8s %9s\n' target executions edges corpus new findings
bad=0
for target in $targets; do
    cat "$found/$target/line"
    [ -z "$(find "$found/$target/findings" -type f)" ] || bad=1
done
[ "$bad" = 0 ] || die "there are findings: each is a file in $found/TARGET/findings; run $programs/TARGET FILE to see it again"

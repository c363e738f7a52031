#!/bin/sh
# Builds and runs the fuzz targets: SECONDS of each (1200), or of TARGET=name alone; ends with a table. What they find lies in
# $CAMELID_CACHE/fuzz. MERGE=1 then puts what covers something new into fuzz/corpus, as few inputs as that takes.
#
# libFuzzer comes with the crate libfuzzer-sys, and coverage with flags that the stable compiler has: cargo-fuzz, which would
# do no more here, takes longer to install than all this to build, and AddressSanitizer needs a nightly compiler and finds
# little where there is no unsafe code (docs/fuzzing.md). Memory is counted by the targets themselves.
seconds=${SECONDS:-1200}
. "$(dirname "$0")/env.sh"
[ -n "$seconds" ] || seconds=1200

command -v c++ >/dev/null 2>&1 || die "no C++ compiler for libFuzzer: install one (Debian: apt-get install g++)"
targets=$(sed -n 's/^name = "\([a-z]*\)"/\1/p' fuzz/Cargo.toml)
[ -z "${TARGET:-}" ] || targets=$(echo "$targets" | grep -x "$TARGET") ||
    die "no target is called $TARGET: chain, contract, decoders and so on are, see docs/fuzzing.md"

host=$(rustc -vV | sed -n 's/^host: //p')
say "building the fuzz targets in $CARGO_TARGET_DIR/fuzz (the first time: minutes)"
# With --target the flags are not for build scripts and macros. No --cfg fuzzing: libraries leave out their checks under it.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares ${RUSTFLAGS:-}" \
    cargo build --locked --release --target "$host" --target-dir "$CARGO_TARGET_DIR/fuzz" --manifest-path fuzz/Cargo.toml
programs="$CARGO_TARGET_DIR/fuzz/$host/release"

# The longest input that is made, in bytes: room for a small model, or for some dozens of choices.
longest() {
    case $1 in
    importers | packages | tokenizers) echo 16384 ;;
    decoders) echo 8192 ;;
    *) echo 2048 ;;
    esac
}

dictionary() {
    [ ! -f "fuzz/dictionaries/$1.dict" ] || echo "-dict=fuzz/dictionaries/$1.dict"
}

found="$CAMELID_CACHE/fuzz"
table="$found/table"
mkdir -p "$found"
printf '%-12s %12s %9s %8s %8s %9s\n' target executions edges corpus new findings > "$table"
bad=0
for target in $targets; do
    corpus="$found/$target/corpus" log="$found/$target/log"
    mkdir -p "$corpus" "$found/$target/findings"
    say "$target: $seconds seconds"
    before=$(find "$corpus" -type f | wc -l)
    # A finding ends the run: it is to be fixed first.
    # shellcheck disable=SC2046
    "$programs/$target" "$corpus" "fuzz/corpus/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 \
        -max_len="$(longest "$target")" $(dictionary "$target") -artifact_prefix="$found/$target/findings/" \
        -print_final_stats=1 -use_value_profile=1 > "$log" 2>&1 || bad=1
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    now=$(find "$corpus" -type f | wc -l)
    findings=$(find "$found/$target/findings" -type f | wc -l)
    printf '%-12s %12s %9s %8s %8s %9s\n' "$target" "${executions:-?}" "${edges:-?}" \
        "$(find "fuzz/corpus/$target" -type f | wc -l)" "$((now - before))" "$findings" >> "$table"
    [ "$findings" = 0 ] || tail -40 "$log"
    if [ "${MERGE:-0}" = 1 ]; then
        merged="$found/$target/merged"
        rm -rf "$merged" && mkdir -p "$merged"
        # By edges alone, the smallest inputs first: a corpus for the repository, not for going on.
        "$programs/$target" -set_cover_merge=1 -use_counters=0 -max_len="$(longest "$target")" -timeout=20 \
            "$merged" "fuzz/corpus/$target" "$corpus" >> "$log" 2>&1 || die "$target: merging failed, see $log"
        rm -rf "fuzz/corpus/$target" && mv "$merged" "fuzz/corpus/$target"
        for input in "fuzz/corpus/$target"/*; do
            mv "$input" "fuzz/corpus/$target/$(basename "$input" | cut -c1-16)" 2>/dev/null || true
        done
    fi
done
echo
cat "$table"
[ "$bad" = 0 ] || die "there are findings: each is a file in $found/TARGET/findings; run $programs/TARGET FILE to see it again"

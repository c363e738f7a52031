#!/bin/sh
# Everything that must be green, cheapest first. Ends with where the time went, the skipped tests by name and the sum of all
# runs.
. "$(dirname "$0")/env.sh"
. scripts/vulkan.sh

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
last=$(date +%s)
# `took WHAT`: what was done since the last of these.
took() {
    now=$(date +%s)
    printf '%6d s  %s\n' "$((now - last))" "$1" >> "$logs/times"
    last=$now
}

sh scripts/lint.sh
took lint

# The page goes into the node, so it comes first.
sh scripts/wasm.sh
sh scripts/www.sh
page_sum
took 'WASM and the page'

# A test that cannot run appends "SKIPPED name: reason" to this file (camelid_test_support::skipped).
export CAMELID_SKIPPED_LOG="$logs/skipped"
: > "$CAMELID_SKIPPED_LOG"

say "compiling the tests"
features=$(sh scripts/features.sh)
cargo test --locked --workspace --no-run --features "$features"
took 'compiling the tests'
say "tests"
{
    cargo test --locked --workspace --no-fail-fast --features "$features" 2>&1 && echo 0 > "$logs/status" ||
        echo "$?" > "$logs/status"
} | tee "$logs/output"
status=$(cat "$logs/status")
took tests

{
    sh scripts/test-browser.sh 2>&1 && echo 0 > "$logs/browser-status" || echo "$?" > "$logs/browser-status"
} | tee "$logs/browser"
browser=$(cat "$logs/browser-status")
took 'tests in the browser'

std=0
sh scripts/no-std.sh || std=$?
took no_std

skipped=$(grep -c . "$CAMELID_SKIPPED_LOG" || true)
echo
cat "$logs/times"
sort "$CAMELID_SKIPPED_LOG"
sed -n 's/^test \(.*\) \.\.\. ignored/SKIPPED \1: ignored/p' "$logs/output"
awk -v skipped="$skipped" '
    /^test result:/ { gsub(";", ""); for (i = 2; i <= NF; i++) n[$i] += $(i - 1) }
    END { printf "%d passed, %d failed, %d skipped\n", n["passed"] - skipped, n["failed"], skipped + n["ignored"] }
' "$logs/output" "$logs/browser"
[ "$status" = 0 ] || die "tests failed (cargo test ended with $status): their names stand above"
[ "$browser" = 0 ] || die "tests in the browser failed: see above"
[ "$std" = 0 ] || die "core does not build without the standard library: see above"

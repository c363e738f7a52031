#!/bin/sh
# The tests in Chromium: the same bits as the reference engine, checks of answers, bad input, the package in apps, sizes, the page.
# CAMELID_BROWSER_TOKENS says how many tokens the texts have at least; each is fed in four ways.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh

need_node
need_chromium
sh scripts/wasm.sh
sh scripts/www.sh
sh scripts/examples.sh
npm_packages tests/browser
say "writing models, texts and the reference's digests"
export CAMELID_WEB="$CARGO_TARGET_DIR/web" CAMELID_VECTORS="$CARGO_TARGET_DIR/browser-vectors"
rm -rf "$CAMELID_VECTORS"
# What is missing is a skipped test of the browser's, and counted there.
env -u CAMELID_SKIPPED_LOG cargo run --locked -q -p camelid-browser-tests --bin browser-vectors -- "$CAMELID_VECTORS"

say "tests in $(${CAMELID_CHROMIUM:-chromium} --version 2>/dev/null || echo Chromium)"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
{ node --test --test-reporter=spec tests/browser/*.test.js 2>&1 && sh scripts/test-page.sh 2>&1 && echo 0 > "$output.status" ||
    echo "$?" > "$output.status"; } | tee "$output"
status=$(cat "$output.status")
rm -f "$output.status"
# The same line as cargo's, so that one sum counts all.
awk '
    { sub(/^[^a-z]*/, "") }
    /^(pass|fail|cancelled|skipped) [0-9]+$/ { n[$1] += $2 }
    END {
        failed = n["fail"] + n["cancelled"]
        printf "test result: %s. %d passed; %d failed; %d ignored\n", failed ? "FAILED" : "ok", n["pass"], failed, n["skipped"]
    }
' "$output"
[ "$status" = 0 ] || die "tests in the browser failed: their names stand above"

#!/bin/sh
# The tests of the page in Chromium, as a real node serves it: from a first visit to a verified answer, and what can go wrong
# on the way. Pictures of each view go to $CAMELID_SCREENSHOTS. WHAT names one of tests/browser/page-tests, such as wallet, or
# soak, which is short here: make soak-browser runs it at full length.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh

need_node
need_chromium
sh scripts/wasm.sh
sh scripts/www.sh
npm_packages tests/browser
say "building the node with the page in it"
page_sum
# As the tests of the whole workspace do, which have compiled all of it before: the page's own part takes seconds.
cargo build --locked --workspace --all-targets --features "$(sh scripts/features.sh)"
export CAMELID_WEB="$CARGO_TARGET_DIR/web" CAMELID_BINARY="$CARGO_TARGET_DIR/debug/camelid"
export CAMELID_SCREENSHOTS="${CAMELID_SCREENSHOTS:-$CARGO_TARGET_DIR/web/screenshots}"
say "tests of the page in $(${CAMELID_CHROMIUM:-chromium} --version 2>/dev/null || echo Chromium)"
case "${WHAT:-all}" in
all)
    # The longest first, so that none is waited for alone.
    files=tests/browser/soak/soak.test.js
    for name in jobs browsers interruptions views; do
        files="$files tests/browser/page-tests/$name.test.js"
    done
    for file in tests/browser/page-tests/*.test.js; do
        case " $files " in
        *" $file "*) ;;
        *) files="$files $file" ;;
        esac
    done
    ;;
soak) files=tests/browser/soak/soak.test.js ;;
*) files="tests/browser/page-tests/$WHAT.test.js" ;;
esac
export CAMELID_SOAK_JOBS="${CAMELID_SOAK_JOBS:-10}" CAMELID_SOAK_MB="${CAMELID_SOAK_MB:-2}"
export CAMELID_SOAK_IDLE_S="${CAMELID_SOAK_IDLE_S:-20}"
# Each starts a network of its own, and waits most of the time: for blocks, for others.
# shellcheck disable=SC2086
exec node tests/browser/run.js 2 $files

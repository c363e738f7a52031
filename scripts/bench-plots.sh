#!/bin/sh
# Draws the plots of docs/performance.md again with this machine's numbers. Nothing else should run.
. "$(dirname "$0")/env.sh"
sh scripts/build.sh
mkdir -p docs/plots
for threads in 1 2; do
    say "generating and checking, $threads thread(s)"
    "$CARGO_TARGET_DIR/debug/camelid" bench rastic --threads "$threads" --plot "docs/plots/rastic-$threads.svg"
done

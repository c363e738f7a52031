#!/bin/sh
# Builds the page: $CARGO_TARGET_DIR/web/www holds it, ready to be served. Ends with the sizes of its files, compressed.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh

need_node
npm_packages www
say "checking the page's types, and testing its pure parts"
npm --prefix www run --silent check
npm --prefix www run --silent test
say "building the page"
out="$CARGO_TARGET_DIR/web/www"
npm --prefix www run --silent build -- --logLevel warn --outDir "$out" --emptyOutDir

# The first visit loads the page, its script and style; icons and the WASM worker come later or not at all.
(cd "$out" && find . -type f | sort) | while read -r file; do
    printf '%9d B  %s\n' "$(gzip -9 -c "$out/$file" | wc -c)" "${file#./}"
done
first=$(cd "$out" && cat index.html assets/*.js assets/*.css | gzip -9 -c | wc -c)
say "built $out: $first B of page, script and style, compressed"

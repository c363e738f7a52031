#!/bin/sh
# Builds the package and the page on it, from the modules that scripts/wasm.sh built: $CARGO_TARGET_DIR/web/www holds the
# page, ready to be served. Ends with the sizes of its files, compressed.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh

need_node
sh scripts/package.sh
npm_packages www
say "checking the page's types, and testing its pure parts"
npm --prefix www run --silent check
npm --prefix www run --silent test
say "building the page"
out="$CARGO_TARGET_DIR/web/www"
export CAMELID_PACKAGE="$CARGO_TARGET_DIR/web/package"
npm --prefix www run --silent build -- --logLevel warn --outDir "$out" --emptyOutDir

(cd "$out" && find . -type f | sort) | while read -r file; do
    printf '%9d B  %s\n' "$(gzip -9 -c "$out/$file" | wc -c)" "${file#./}"
done
say "built $out"

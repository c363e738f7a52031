#!/bin/sh
# Builds the package's examples with the package that scripts/package.sh assembled: $CARGO_TARGET_DIR/web/examples/NAME/dist
# holds each, ready to be served.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh

need_node
package="$CARGO_TARGET_DIR/web/package"
[ -e "$package/index.js" ] || die "no package in $package: run sh scripts/package.sh"
for example in vite webpack plain ssr; do
    out="$CARGO_TARGET_DIR/web/examples/$example"
    mkdir -p "$out"
    # With their times, by which npm_packages sees whether anything is new.
    cp -pR "web-client/examples/$example/." "$out"
    rm -rf "$out/camelidcoin" "$out/dist"
    cp -R "$package" "$out/camelidcoin"
    [ ! -e "$out/package-lock.json" ] || npm_packages "$out"
    say "building the example $example"
    npm --prefix "$out" run --silent build
done

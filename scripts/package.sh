#!/bin/sh
# Assembles the npm package camelidcoin from what scripts/wasm.sh built: $CARGO_TARGET_DIR/web/package holds it, ready for
# npm install or npm pack. The GPU engine is in it where scripts/wasm-gpu.sh was run.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh

need_node
say "testing the package's pure parts"
node --test --test-reporter=dot web-client/test/*.test.js

web="$CARGO_TARGET_DIR/web"
out="$web/package"
# Built aside and exchanged as a whole, so that nobody finds half of it.
new="$out.new"
rm -rf "$new" && mkdir -p "$new"
trap 'rm -rf "$new"' EXIT
cp web-client/js/* web-client/README.md LICENSE-APACHE LICENSE-MIT "$new"

# `module PART NAME`: copies the module that stands in PART, its types included.
module() {
    [ -e "$web/$1/complete" ] || return 1
    mkdir "$new/$1"
    cp "$web/$1/$2.js" "$web/$1/$2.d.ts" "$web/$1/$2_bg.wasm" "$web/$1/$2_bg.wasm.d.ts" "$new/$1"
}
module light camelid_web_light || die "no module of the light client in $web/light: run sh scripts/wasm.sh"
module worker camelid_web_worker || die "no module of the worker in $web/worker: run sh scripts/wasm.sh"
if ! module gpu camelid_web_gpu; then
    say "without the GPU engine, which checks answers faster (sh scripts/wasm-gpu.sh builds it)"
    cat > "$new/gpu.js" <<'NONE'
/** URLs of the GPU engine's module; nothing where the package has none. */
export const gpuEngine = () => undefined;
NONE
fi

(cd "$new" && npm pack --dry-run --loglevel=warn --json) > "$new.json" || die "npm would not pack $new: see above"
rm -rf "$out" && mv "$new" "$out"
node -e '
    const [{ files, size }] = JSON.parse(require("fs").readFileSync(process.argv[1]));
    console.log(`== built ${process.argv[2]}: ${files.length} files, ${size} B packed`);
' "$new.json" "$out"
rm -f "$new.json"

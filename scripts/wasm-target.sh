# Sourced after env.sh: makes sure that cargo can compile for wasm32-unknown-unknown. `wasm_cargo ARGUMENTS` is then a
# cargo that does. rustup brings the target where it can download; where it cannot, Debian's own Rust is unpacked and
# compiles the standard library once, into the cache. Either way a later call has nothing left to do.
. scripts/debian-rust.sh

wasm_target=wasm32-unknown-unknown
wasm_sysroot="$debian_rust/root/usr/lib/rustlib"

compile_wasm_std() {
    say "wasm: compiling the standard library for $wasm_target (two or three minutes, once)"
    work=$(mktemp -d)
    mkdir "$work/src"
    : > "$work/src/lib.rs"
    cat > "$work/Cargo.toml" <<MANIFEST
[package]
name = "nothing-of-its-own"
edition = "2024"
[profile.release]
panic = "abort"
[workspace]
MANIFEST
    # Bitcode is kept, so that our modules can be optimised as one with it.
    if ! (cd "$work" && RUSTC="$debian_rust/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Cembed-bitcode=yes" CARGO_TARGET_DIR="$work/target" \
        cargo build -q --release -Zbuild-std=core,alloc,std,panic_abort,proc_macro,test --target "$wasm_target"); then
        rm -rf "$work"
        die "wasm: the standard library for $wasm_target did not compile (see above); run rustup target add $wasm_target"
    fi
    mkdir -p "$wasm_sysroot/$wasm_target/lib"
    rm -f "$work/target/$wasm_target"/release/deps/libnothing_of_its_own*
    cp "$work/target/$wasm_target"/release/deps/*.rlib "$wasm_sysroot/$wasm_target/lib"
    rm -rf "$work"
    : > "$wasm_sysroot/$wasm_target/complete"
}

if rustup_target "$wasm_target"; then
    wasm_cargo() { cargo "$@"; }
else
    unpack_debian_rust wasm "run rustup target add $wasm_target"
    # The linker for WASM comes with every rustup toolchain.
    wasm_linker=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld
    [ -x "$wasm_linker" ] || die "wasm: no linker at $wasm_linker; run rustup target add $wasm_target"
    [ -e "$wasm_sysroot/$wasm_target/complete" ] || compile_wasm_std
    wasm_cargo() {
        RUSTC="$debian_rust/rustc" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$wasm_linker" cargo "$@"
    }
fi

# `wasm_opt MODULE OPTION...`: in place.
wasm_opt() {
    module_in=$1
    shift
    node web-client/node_modules/binaryen/bin/wasm-opt "$@" --enable-simd --enable-bulk-memory --enable-sign-ext \
        --enable-nontrapping-float-to-int --enable-mutable-globals --enable-reference-types --enable-multivalue \
        "$module_in" -o "$module_in.small"
    mv "$module_in.small" "$module_in"
}

# `wasm_module MADE BINDGEN MANIFEST OUT OPTIMISE`: turns cargo's module into what browsers load, in OUT: MANIFEST's program
# BINDGEN writes the JavaScript, wasm-opt makes the module small or fast. Nothing to do if OUT is newer.
wasm_module() {
    [ ! "$4/complete" -nt "$1" ] || return 0
    CARGO_TARGET_DIR="$CARGO_TARGET_DIR/bindgen" cargo build --locked --manifest-path "$3"
    rm -rf "$4" && mkdir -p "$4"
    "$CARGO_TARGET_DIR/bindgen/debug/$2" "$1" "$4"
    module="$4/$(basename "$1" .wasm)_bg.wasm"
    if [ "$5" = -Oz ]; then
        # Nothing lies below 1,024: there is the end of the stack.
        wasm_opt "$module" -Oz --converge --low-memory-unused -g
        # Functions with like names have like code, which compresses better side by side. Then nobody needs the names.
        wasm_opt "$module" --reorder-functions-by-name
    else
        wasm_opt "$module" "$5" -g
    fi
    : > "$4/complete"
    say "built $module: $(wc -c < "$module") B, compressed $(gzip -9 -c "$module" | wc -c) B"
}

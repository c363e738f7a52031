#!/bin/sh
# Proves that core needs no standard library: compiles it for a processor that has none (ARM Cortex-M3).
# rustup brings that target where it can download. Where it cannot, Debian's own Rust and its library sources are
# unpacked (not installed, no root) into the cache, and core and alloc are compiled from source.
. "$(dirname "$0")/env.sh"

target=thumbv7m-none-eabi
home="$CAMELID_CACHE/debian-rust"
export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/no-std"

have_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; }

unpack_debian_rust() {
    command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 ||
        die "the no_std check needs the Rust target $target: run rustup target add $target"
    say "no_std: unpacking Debian's Rust and its library sources into $home (130 MB to download, once)"
    rm -rf "$home" && mkdir -p "$home/lists/partial" "$home/packages" "$home/cache/archives/partial"
    # Package lists of our own, so that neither root nor a recent `apt-get update` is needed.
    apt="-qq -o Dir::State::Lists=$home/lists -o Dir::Cache=$home/cache -o APT::Sandbox::User=$(id -un)"
    # shellcheck disable=SC2086
    apt-get $apt update
    # shellcheck disable=SC2086
    names=$(apt-cache $apt depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances rustc-web rust-web-src | grep '^[a-z]' | sort -u)
    [ -n "$names" ] || die "apt offers no rustc-web: run rustup target add $target"
    missing=""
    for name in $names; do
        dpkg -s "$name" >/dev/null 2>&1 || missing="$missing $name"
    done
    # shellcheck disable=SC2086
    (cd "$home/packages" && apt-get $apt download $missing)
    for package in "$home"/packages/*.deb; do
        dpkg -x "$package" "$home/root"
    done
    rm -rf "$home/packages" "$home/lists" "$home/cache"
    cat > "$home/rustc" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH="$home/root/usr/lib/$(uname -m)-linux-gnu:$home/root/lib/$(uname -m)-linux-gnu" exec "$home/root/usr/bin/rustc" "\$@"
WRAPPER
    chmod 755 "$home/rustc"
    "$home/rustc" --version > "$home/complete"
}

if ! have_target && [ ! -e "$home/complete" ] && command -v rustup >/dev/null 2>&1; then
    say "no_std: installing the Rust target $target (rustup target add)"
    timeout 120 rustup target add "$target" || say "no_std: rustup could not download it"
fi
if have_target; then
    say "no_std: checking camelid-core for $target"
    cargo check --locked -p camelid-core --target "$target"
else
    [ -e "$home/complete" ] || unpack_debian_rust
    say "no_std: checking camelid-core for $target with $(cat "$home/complete")"
    RUSTC="$home/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="" \
        cargo check --locked -p camelid-core -Zbuild-std=core,alloc --target "$target"
fi
say "no_std: core builds without the standard library"

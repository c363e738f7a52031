# Sourced after env.sh: Debian's own Rust with its library sources, for targets that rustup cannot download here.
# It is unpacked (not installed, no root) into the cache, once: `unpack_debian_rust "what needs it" "what to run instead"`.
# `$debian_rust/rustc` is then a compiler whose standard library can be compiled for any target.

debian_rust="$CAMELID_CACHE/debian-rust"

unpack_debian_rust() {
    [ ! -e "$debian_rust/complete" ] || return 0
    command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 || die "$1: $2"
    say "$1: unpacking Debian's Rust and its library sources into $debian_rust (130 MB to download, once)"
    rm -rf "$debian_rust" && mkdir -p "$debian_rust/lists/partial" "$debian_rust/packages" "$debian_rust/cache/archives/partial"
    # Package lists of our own, so that neither root nor a recent `apt-get update` is needed.
    apt="-qq -o Dir::State::Lists=$debian_rust/lists -o Dir::Cache=$debian_rust/cache -o APT::Sandbox::User=$(id -un)"
    # shellcheck disable=SC2086
    apt-get $apt update
    # shellcheck disable=SC2086
    names=$(apt-cache $apt depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances rustc-web rust-web-src | grep '^[a-z]' | sort -u)
    [ -n "$names" ] || die "$1: apt offers no rustc-web; $2"
    missing=""
    for name in $names; do
        dpkg -s "$name" >/dev/null 2>&1 || missing="$missing $name"
    done
    # shellcheck disable=SC2086
    (cd "$debian_rust/packages" && apt-get $apt download $missing)
    for package in "$debian_rust"/packages/*.deb; do
        dpkg -x "$package" "$debian_rust/root"
    done
    rm -rf "$debian_rust/packages" "$debian_rust/lists" "$debian_rust/cache"
    cat > "$debian_rust/rustc" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH="$debian_rust/root/usr/lib/$(uname -m)-linux-gnu:$debian_rust/root/lib/$(uname -m)-linux-gnu" exec "$debian_rust/root/usr/bin/rustc" "\$@"
WRAPPER
    chmod 755 "$debian_rust/rustc"
    "$debian_rust/rustc" --version > "$debian_rust/complete"
}

# Asks rustup for a target, if there is a rustup and if it can download: `rustup_target TARGET`. With CAMELID_DEBIAN_RUST set
# the answer is no: that is how the way by Debian is tested.
rustup_target() {
    [ -z "${CAMELID_DEBIAN_RUST:-}" ] || return 1
    [ ! -d "$(rustc --print sysroot)/lib/rustlib/$1" ] || return 0
    [ ! -e "$debian_rust/complete" ] && command -v rustup >/dev/null 2>&1 || return 1
    say "installing the Rust target $1 (rustup target add)"
    timeout 120 rustup target add "$1" && [ -d "$(rustc --print sysroot)/lib/rustlib/$1" ]
}

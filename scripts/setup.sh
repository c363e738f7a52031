#!/bin/sh
# Checks for what the build needs, and adds what can be added without asking.
. "$(dirname "$0")/env.sh"

command -v cc >/dev/null 2>&1 || die "no C compiler: install one (Debian: apt-get install gcc libc6-dev)"
command -v cargo >/dev/null 2>&1 || die "no Rust toolchain: install Rust 1.95 or newer with rustup"
for part in rustfmt:fmt clippy:clippy; do
    if ! cargo "${part#*:}" --version >/dev/null 2>&1; then
        say "installing ${part%:*} (rustup component add ${part%:*})"
        rustup component add "${part%:*}" || die "cargo ${part#*:} is missing and rustup cannot add it: install ${part%:*}"
    fi
done

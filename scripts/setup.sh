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

# A Vulkan driver for the tests of the GPU engine: where there is none, lavapipe, which is a program on the processor.
# Without any those tests are reported as skipped.
if [ -z "$(find /usr/share/vulkan/icd.d /etc/vulkan/icd.d -name '*.json' 2>/dev/null)" ] && [ "$(uname -s)" = Linux ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing lavapipe (apt-get install mesa-vulkan-drivers libvulkan1)"
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1; } >/dev/null ||
            say "lavapipe could not be installed: the tests of the GPU engine will be skipped"
    else
        say "no Vulkan driver: the tests of the GPU engine will be skipped (Debian: apt-get install mesa-vulkan-drivers libvulkan1)"
    fi
fi

# Sourced after env.sh: what the web side needs beside Rust. `need COMMAND PACKAGE WHY` installs a Debian package where it can.
need() {
    command -v "$1" >/dev/null 2>&1 && return 0
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        say "installing $2, $3 (apt-get install $2)"
        apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2" >/dev/null ||
            die "apt-get could not install $2: see above"
    else
        die "no $1: install $2, $3 (Debian, as root: apt-get install $2)"
    fi
}

need_node() {
    need node nodejs "to build and test the web side"
    need npm npm "to build and test the web side"
    node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' ||
        die "Node.js $(node --version) is too old: install version 20 or newer"
}

need_chromium() {
    [ -z "${CAMELID_CHROMIUM:-}" ] || return 0
    need chromium chromium "a download of more than 100 MB, once: the browser that the tests run in"
}

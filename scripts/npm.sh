# Sourced after env.sh: `npm_packages FOLDER` installs what the folder's package-lock.json names into its node_modules, where
# Node and bundlers look for it, unless it is there already.
npm_packages() {
    # npm writes this file last.
    installed="$1/node_modules/.package-lock.json"
    [ ! "$installed" -nt "$1/package-lock.json" ] || return 0
    say "installing the packages that $1/package-lock.json names (npm ci)"
    npm ci --prefix "$1" --no-audit --no-fund --loglevel=error || die "npm could not install the packages of $1: see above"
}

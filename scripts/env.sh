# Sourced by every script: where we are, where results go, and that cargo is found.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${HOME:-}" ]; then
    HOME=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6 || true)
    export HOME="${HOME:-/tmp}"
fi
command -v cargo >/dev/null 2>&1 || PATH="$HOME/.cargo/bin:$PATH"
# Kept between runs, outside the checkout.
CAMELID_CACHE=${CAMELID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/camelid}
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$CAMELID_CACHE/target}"

say() { printf '== %s\n' "$*"; }
die() { printf 'camelid: %s\n' "$*" >&2; exit 1; }

# The page as it is built goes into the node; an empty folder is no page. The sum tells cargo that it has changed: `page_sum`
# again after building it.
export CAMELID_PAGE="${CAMELID_PAGE:-$CARGO_TARGET_DIR/web/www}"
mkdir -p "$CAMELID_PAGE"
page_sum() {
    CAMELID_PAGE_SUM=$(cksum "$CAMELID_PAGE/index.html" 2>/dev/null || echo none)
    export CAMELID_PAGE_SUM
}
page_sum

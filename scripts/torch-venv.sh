#!/bin/sh
# The other implementation that imported models are held against: transformers on Debian's PyTorch (processor alone;
# PyPI's drags in gigabytes), in a venv in the cache. Prints its Python.
. "$(dirname "$0")/env.sh"
home="$CAMELID_CACHE/transformers-4.45.2"
python=/usr/bin/python3

if ! "$python" -c 'import torch, venv, ensurepip' 2>/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 ||
        die "no PyTorch for $python: install it (Debian: apt-get install python3-torch python3-venv)"
    say "installing PyTorch (apt-get install python3-torch python3-venv)" >&2
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-torch python3-venv; } >/dev/null ||
        die "PyTorch could not be installed: apt-get install python3-torch python3-venv"
fi
if ! "$home/bin/python" -c 'import gguf, torch, transformers' 2>/dev/null; then
    say "installing transformers into $home" >&2
    rm -rf "$home" && "$python" -m venv --system-site-packages "$home"
    "$home/bin/python" -m pip install -q --disable-pip-version-check transformers==4.45.2 safetensors==0.4.5 \
        tokenizers==0.20.3 gguf==0.19.0 'numpy<2' >&2 || die "transformers could not be installed: see above"
fi
echo "$home/bin/python"

#!/bin/sh
# Builds what the CPU engine is measured against, once, into the cache: llama.cpp's `llama-bench` from the source package
# of llama-cpp-python on PyPI, and a random Q8_0 model in SmolLM2-135M's shape. No root is needed.
. "$(dirname "$0")/env.sh"
version=0.3.36
home="$CAMELID_CACHE/llama.cpp-$version"
model="$CAMELID_CACHE/llama-135m-q8_0.gguf"

if [ ! -x "$home/bin/llama-bench" ] || [ ! -s "$model" ]; then
    command -v c++ >/dev/null 2>&1 || die "no C++ compiler for llama.cpp: install one (Debian: apt-get install g++)"
    python3 -c 'import venv, ensurepip' 2>/dev/null ||
        die "no Python 3 with venv for llama.cpp's baseline: install it (Debian: apt-get install python3-venv)"
    mkdir -p "$home"
    python="$home/venv/bin/python"
    if ! [ -x "$home/venv/bin/cmake" ]; then
        say "python packages for the baseline, into $home/venv"
        rm -rf "$home/venv" && python3 -m venv "$home/venv"
        "$python" -m pip install -q --disable-pip-version-check cmake==4.1.3 \
            ninja==1.13.2 numpy==2.3.5 gguf==0.19.0 scikit-build-core==0.11.6
    fi
fi

if [ ! -x "$home/bin/llama-bench" ]; then
    say "building llama.cpp's llama-bench in $home (once, about 7 minutes of a core)"
    # The archive alone: nothing of it is installed. pip asks its build system, which is in the venv, for its name.
    "$python" -m pip download -q --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation \
        --dest "$home" "llama-cpp-python==$version"
    tar -xzf "$home"/llama_cpp_python-"$version".tar.gz -C "$home" --strip-components=1
    PATH="$home/venv/bin:$PATH" cmake -S "$home/vendor/llama.cpp" -B "$home/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TESTS=OFF -DBUILD_SHARED_LIBS=OFF \
        > "$home/cmake.log" 2>&1 || die "cmake failed: see $home/cmake.log"
    PATH="$home/venv/bin:$PATH" cmake --build "$home/build" --target llama-bench > "$home/build.log" 2>&1 ||
        die "llama.cpp does not build: see $home/build.log"
    mkdir -p "$home/bin" && cp "$home/build/bin/llama-bench" "$home/bin/llama-bench"
    rm -rf "$home/build"
fi

if [ ! -s "$model" ]; then
    say "writing $model"
    "$python" scripts/random_gguf.py "$model.part" && mv "$model.part" "$model"
fi
printf '%s\n%s\n' "$home/bin/llama-bench" "$model"

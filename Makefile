# CamelidCoin. `make` alone lists what there is.
# Build results go to ~/.cache/camelid/target, outside the checkout; CARGO_TARGET_DIR names another place.

.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-cli test soak test-bits test-gpu test-models test-tokenizers test-browser test-page soak-browser bench-wasm wasm package www lint no-std bench-chain bench-engine bench-plots train fuzz

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup: ## Check the tools; install what is missing and say so
	@sh scripts/setup.sh

build: setup ## Build the node, `camelid`
	@sh scripts/build.sh

demo: setup ## A network on this machine with the page to open in a browser: MODEL=path, CHEAT=1 for a node that cheats, GPU=1 for WebGPU
	@MODEL="$(MODEL)" CHEAT="$(CHEAT)" GPU="$(GPU)" sh scripts/demo.sh

demo-cli: setup ## A prompt paid for, answered and checked between three processes, told in the terminal: MODEL=path
	@MODEL="$(MODEL)" sh scripts/demo-cli.sh

test: setup ## Format, lints, unit, property and end-to-end tests, and the no_std check
	@sh scripts/test.sh

soak: setup ## The long runs (hours): WHAT=simulator, kills, power-cuts or transports for one of them
	@WHAT="$(WHAT)" sh scripts/soak.sh

soak-browser: setup ## The page for hours: 500 jobs and 64 MB over one WebRTC connection, then an hour idle
	@sh scripts/soak-browser.sh

test-bits: setup ## The same bits on every engine: 100,000 tokens a kernel against the reference
	@sh scripts/test-bits.sh

test-gpu: setup ## The same bits on the GPU (or lavapipe): 10,000 tokens natively, and on a browser's WebGPU
	@sh scripts/test-gpu.sh
	@sh scripts/test-gpu-browser.sh

test-models: setup ## Tokenizers against Python's, imported models of every architecture against transformers: ARGS=--large
	@sh scripts/test-tokenizers.sh
	@ARGS="$(ARGS)" sh scripts/test-models.sh

test-tokenizers: setup ## Tokenizers against Python's: ids and text of 10,000 lines on each of seven
	@sh scripts/test-tokenizers.sh

test-browser: setup ## The tests in Chromium alone: the same bits, checks of answers (the first run builds for minutes)
	@sh scripts/test-browser.sh

wasm: setup ## Build the WASM modules
	@sh scripts/wasm.sh

package: setup ## Build the npm package camelidcoin, and test its pure parts
	@sh scripts/wasm.sh
	@sh scripts/package.sh

www: setup ## Build the page, and test its pure parts
	@sh scripts/wasm.sh
	@sh scripts/www.sh

test-page: setup ## The page in Chromium, from a first visit to a verified answer, with real nodes: WHAT=wallet for one file
	@WHAT="$(WHAT)" sh scripts/test-page.sh

bench-wasm: setup ## The WASM module in Chromium against the native engine on one thread
	@sh scripts/bench-wasm.sh

bench-engine: setup ## The engine's speed against llama.cpp (built on first use), with the bars: ROUNDS=3 ARGS=--json
	@ROUNDS="$(ROUNDS)" ARGS="$(ARGS)" sh scripts/bench-engine.sh

bench-chain: setup ## Hashes, signatures, headers, blocks and sync against OpenSSL and libsecp256k1: ARGS=--json
	@ARGS="$(ARGS)" sh scripts/bench-chain.sh

bench-plots: setup ## Draw the plots of docs/performance.md again
	@sh scripts/bench-plots.sh

train: setup ## Train the default model from nothing, or go on with it: make train TEACHER=path/to/stories260K.bin
	@TEACHER="$(TEACHER)" sh scripts/train.sh

fuzz: setup ## Run the fuzz targets, twenty minutes each: TARGET='name name' SECONDS=60, MERGE=1 puts what is new into the corpus
	@TARGET="$(TARGET)" SECONDS="$(SECONDS)" MERGE="$(MERGE)" sh scripts/fuzz.sh

lint: setup ## Format and lints alone
	@sh scripts/lint.sh

no-std: setup ## Check that core builds without the standard library
	@sh scripts/no-std.sh

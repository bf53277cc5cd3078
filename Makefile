# SPDX-License-Identifier: Apache-2.0
# One target per intention; each does its own set-up. The work is in scripts/ and CMakePresets.json.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run build library test check tidy bench bench-avx2 bench-serving bench-http bench-embed roofline stream bench-index bench-kv bench-formats bench-order bench-streams tiles package package-test prove aarch64 fuzz asan tsan format clean

help: ## this list
	@echo "Cairn: language models on the CPU you already have"; echo
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s%s\n", $$1, $$2}'

run: build ## set up, build, fetch the default model and chat (answers once without a terminal)
	@scripts/run

build: ## set up and build build/release/cairn
	@scripts/setup build
	@scripts/build release cairn

library: ## set up and build libcairn, shared and static (docs/library.md installs it)
	@scripts/setup build
	@scripts/build release cairn cairn_shared cairn_static

test: ## set up, build and run every test; the last line counts them
	@scripts/test

check: ## format, rooms, instruction sets, interface, words and links (fast; also part of test)
	@scripts/setup build test
	@scripts/build release cairn cairn_shared cairn_static
	@scripts/check

tidy: ## clang-tidy over every source (minutes)
	@scripts/setup build test
	@scripts/tidy

bench: ## ours and the peers in one alternating run, into docs/performance.md (quiet machine, please)
	@scripts/setup build bench
	@scripts/build release cairn
	@.venv-peers/bin/python scripts/bench --write

bench-avx2: ## compile llama.cpp for AVX2 alone, once (minutes); bench then measures beside it
	@scripts/setup build bench-avx2

bench-serving: ## a serving trace, ours and llama.cpp's server, into docs/performance.md (quiet, an hour)
	@scripts/setup build bench bench-serving
	@scripts/build release cairn
	@scripts/build bench serving_bench
	@.venv-peers/bin/python scripts/bench-serving --write

bench-http: ## what HTTP costs, beside cairn batch and llama.cpp's server, into docs/performance.md (quiet)
	@scripts/setup build bench bench-serving
	@scripts/build release cairn
	@.venv-peers/bin/python bench/http/run.py --write

roofline: ## draw docs/roofline.svg: each stage beside the limits of this machine
	@scripts/setup build
	@scripts/build release cairn
	@python3 bench/roofline.py

stream: ## memory bandwidth and empty regions beside OpenMP, threads by hand and TBB (quiet machine)
	@scripts/setup build bench
	@scripts/build bench stream_bench
	@python3 bench/parallel/stream.py

bench-embed: ## sentences per second of MiniLM, beside onnxruntime (quiet machine)
	@scripts/setup build bench-embed
	@scripts/build release cairn
	@build/release/cairn pull minilm
	@.venv-embed/bin/python bench/embed/run.py

bench-index: ## the ordered index beside TBB's map, a B-tree, std::map and a skiplist (quiet machine)
	@scripts/setup build bench
	@scripts/build bench index_bench
	@python3 bench/index/index.py

bench-kv: ## the two backends of KV memory, and attention over tiles of 16, 64 and 256 (quiet machine)
	@scripts/setup build bench
	@scripts/build bench bench/kv/all
	@python3 bench/kv/kv.py

bench-formats: ## the matmul of every weight format beside ggml's on the same tensor (quiet machine)
	@scripts/setup build bench
	@scripts/build bench format_bench
	@python3 bench/formats/formats.py

bench-order: ## what the canonical order of sums costs, and a free order as proposer (quiet machine)
	@scripts/setup build
	@scripts/build bench bench/order/all
	@scripts/build release cairn
	@python3 bench/order/order.py

bench-streams: ## prompts that arrive in pieces, in every order, beside waiting for all of them (minutes)
	@scripts/setup build bench
	@scripts/build bench stream_input
	@scripts/build release cairn
	@build/bench/bench/stream_input/stream_input "$$(build/release/cairn show smollm2 --json | \
	  python3 -c 'import json, sys; print(json.load(sys.stdin)["path"])')"

tiles: ## measure the tile shapes of the matmuls and write their table (quiet machine, minutes)
	@scripts/setup build bench
	@scripts/build bench tile_table
	@build/bench/bench/tiles/tile_table --write src/kernels/isa/tile_table.h

package: ## .deb files, a tarball and a wheel of the committed tree, into build/packages (docs/packages.md)
	@scripts/setup build package
	@scripts/package

package-test: ## install, use and remove each package in a clean system (as root, minutes)
	@scripts/setup package
	@scripts/package-test

prove: ## the same logits over threads, chunks and instruction sets: one hash per model
	@scripts/setup build test
	@scripts/build release cairn
	@.venv/bin/python scripts/prove

aarch64: ## cross build for 64-bit ARM, its tests under QEMU, and the proof of the same bytes
	@scripts/setup build test aarch64
	@scripts/build release cairn cairn_tiny_models
	@scripts/aarch64

fuzz: ## every fuzz target, ten minutes together
	@scripts/setup build test
	@scripts/fuzz 600

asan: ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/setup build test
	@scripts/sanitized asan

tsan: ## unit tests under ThreadSanitizer
	@scripts/setup build test
	@scripts/sanitized tsan

format: ## format the sources in place
	@scripts/setup build test
	@git ls-files '*.h' '*.hpp' '*.c' '*.cc' | xargs -r clang-format-14 -i

clean: ## remove what was built and the Python environments (models stay)
	@rm -rf build .venv .venv-peers .venv-peers-avx2 .venv-reference

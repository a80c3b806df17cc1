# What a stranger types: `make up`, then `make test`. Everything else is a part of one of them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := up

# Where programs are built. An outer CARGO_TARGET_DIR is respected.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
# Published test vectors and example folders that are not part of this repository.
export GATEWRIGHT_SHARED ?= $(abspath $(CURDIR)/../shared)

.PHONY: up test bench setup build counterparts checks tests

## Installs what is missing, builds, and shows a gateway at work.
up: setup build
	@scripts/show.sh bin/gatewright

## Everything that must hold before a change lands.
test: setup counterparts checks tests

## Measures. Never part of `make test`.
bench:
	@benches/setup.sh
	cargo build --locked --release --quiet --package gw
	python3 benches/run.py --binary "$(CARGO_TARGET_DIR)/release/gatewright" --haproxy "$$(benches/haproxy.sh .cache)"

setup:
	@scripts/setup.sh

build:
	@cargo build --locked --quiet --package gw
	@mkdir -p bin
	@cp "$(CARGO_TARGET_DIR)/debug/gatewright" bin/gatewright

counterparts:
	@scripts/counterparts.sh

checks:
	cargo xtask fmt --check
	cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
	cargo xtask tidy
	cargo xtask licenses
	cargo xtask contracts --check
	cargo xtask schema --check
	cargo xtask openapi --check
	cargo xtask reference --check
	cargo xtask proofs --check

tests:
	cargo test --locked --workspace

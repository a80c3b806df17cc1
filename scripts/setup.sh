#!/usr/bin/env bash
# Says what a machine lacks and what installing it means, then installs it. Does nothing where
# nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

toolchain=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
target=${CARGO_TARGET_DIR:-target}

packages=()
need() { command -v "$1" >/dev/null 2>&1 || packages+=("$2"); }
need cc gcc
need make make
need git git
need curl curl
need node nodejs
need npm npm
need python3 python3
need pip3 python3-pip

if ! command -v rustup >/dev/null 2>&1 && ! command -v cargo >/dev/null 2>&1; then
  echo "Rust is missing. Install rustup as its makers say (rustup.rs), then run this again." >&2
  exit 1
fi

say_build() {
  if [ -x "$target/debug/gatewright" ]; then
    echo "Gatewright is built already; what changed since is built again."
  else
    echo "Building Gatewright the first time compiles about 350 packages: about 5 minutes on 2 cores,"
    echo "about 3 GB in $target. Nothing is written outside of this folder and cargo's own cache."
  fi
}

missing_toolchain=
if command -v rustup >/dev/null 2>&1 && ! rustup toolchain list | grep -q "^$toolchain"; then
  missing_toolchain=$toolchain
fi

if [ ${#packages[@]} -gt 0 ]; then
  echo "Missing: Debian packages ${packages[*]}. Installing them takes about a minute."
fi
if [ -n "$missing_toolchain" ]; then
  echo "Missing: Rust $missing_toolchain. rustup fetches it, about a minute."
fi
say_build

if [ ${#packages[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install --yes --no-install-recommends "${packages[@]}"
fi
if [ -n "$missing_toolchain" ]; then
  rustup toolchain install "$missing_toolchain" --profile minimal --component clippy --component rustfmt
fi

#!/usr/bin/env bash
# Installs what only measuring needs: nginx, wrk and the means to unpack the newest HAProxy.
set -euo pipefail
packages=()
need() { command -v "$1" >/dev/null 2>&1 || packages+=("$2"); }
need nginx nginx-light
need wrk wrk
need debootstrap debootstrap
need openssl openssl
[ ${#packages[@]} -gt 0 ] || exit 0
echo "Missing: Debian packages ${packages[*]}. Installing them takes about a minute."
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install --yes -qq --no-install-recommends "${packages[@]}"

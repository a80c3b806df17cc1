#!/usr/bin/env bash
# Gets the programs that only tests need: into .cache/, each pinned by its lock file in tests/, and
# from Debian those that watch a test or give it a network of its own. A server of ssh is unpacked
# into .cache/ and not installed, which would start it.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need strace strace
need valgrind valgrind
need ip iproute2
need unshare util-linux
need gpg gpg
need gpg-agent gpg-agent
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
fi

server=.cache/openssh-server
if [ ! -x /usr/sbin/sshd ] && [ ! -x "$server/usr/sbin/sshd" ]; then
  echo "fetching openssh-server"
  mkdir -p "$server"
  (cd "$server" && apt-get download --quiet openssh-server libwrap0)
  for package in "$server"/*.deb; do
    dpkg-deb --extract "$package" "$server"
    rm "$package"
  done
fi
# Started by root it locks itself up as this user.
if [ "$(id -u)" = 0 ] && ! id sshd >/dev/null 2>&1; then
  useradd --system --no-create-home --home-dir /run/sshd --shell /usr/sbin/nologin sshd
fi

for lock in tests/*/package-lock.json; do
  from=$(dirname "$lock")
  to=.cache/$(basename "$from")
  mkdir -p "$to"
  want=$(sha256sum "$from/package-lock.json" | cut -d' ' -f1)
  if [ "$(cat "$to/.fetched" 2>/dev/null || true)" != "$want" ]; then
    echo "fetching $(basename "$from")"
    cp "$from/package.json" "$from/package-lock.json" "$to/"
    (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    echo "$want" >"$to/.fetched"
  fi
  # The scripts beside the lock file run from where their packages are.
  find "$from" -maxdepth 1 -name '*.mjs' -exec cp {} "$to/" \;
done

for lock in tests/*/requirements.txt; do
  from=$(dirname "$lock")
  to=.cache/$(basename "$from")
  want=$(sha256sum "$lock" | cut -d' ' -f1)
  if [ "$(cat "$to/.fetched" 2>/dev/null || true)" != "$want" ]; then
    echo "fetching $(basename "$from")"
    rm -rf "$to"
    python3 -m pip install --quiet --root-user-action ignore --require-hashes --no-deps --target "$to" \
      --only-binary :all: --requirement "$lock"
    echo "$want" >"$to/.fetched"
  fi
  # The scripts beside the lock file run from where their packages are.
  find "$from" -maxdepth 1 -name '*.py' -exec cp {} "$to/" \;
done

scripts/openapi-documents.sh

#!/usr/bin/env bash
# Prints the command line of the newest HAProxy that Debian's archive has: the one of the testing
# distribution, unpacked beside the system (about 300 MB, once) and run with its own loader.
set -euo pipefail
cache=${1:?a folder to keep it in}
root=$cache/haproxy
if [ ! -x "$root/usr/sbin/haproxy" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
  rm -rf "$root"
  mkdir -p "$cache"
  debootstrap --variant=minbase --include=haproxy forky "$root" "$mirror" \
    /usr/share/debootstrap/scripts/sid >"$cache/haproxy.log" 2>&1
fi
echo "$root/lib64/ld-linux-x86-64.so.2 --library-path $root/usr/lib/x86_64-linux-gnu $root/usr/sbin/haproxy"

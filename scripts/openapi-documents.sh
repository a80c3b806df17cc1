#!/usr/bin/env bash
# Fetches the published OpenAPI documents that the tests of gw-model read into .cache/openapi/.
# The list pins package, version and digest; what is there already is not fetched again.
set -euo pipefail
cd "$(dirname "$0")/.."

list=crates/gw-model/tests/all/published.txt
to=.cache/openapi
want=$(sha256sum "$list" "$0" | sha256sum | cut -d' ' -f1)
[ "$(cat "$to/.fetched" 2>/dev/null || true)" != "$want" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$to"

# Puts the archive of a package into a folder of its own and checks its digest.
fetch() { # registry package version digest
  local folder="$work/$4"
  [ ! -d "$folder" ] || return 0
  mkdir "$folder"
  echo "fetching $2 $3"
  case $1 in
    npm) (cd "$folder" && npm pack --silent --ignore-scripts "$2@$3" >/dev/null) ;;
    pypi) python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$folder" "$2==$3" ;;
    *) echo "$list: unknown registry $1" >&2; exit 1 ;;
  esac
  echo "$4  $(echo "$folder"/*)" | sha256sum --check --quiet
}

grep -v '^#' "$list" | while read -r registry package version digest path name; do
  fetch "$registry" "$package" "$version" "$digest"
  case $registry in
    npm) tar -xzOf "$work/$digest"/*.tgz "$path" >"$to/$name" ;;
    pypi) python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
      "$work/$digest"/*.whl "$path" >"$to/$name" ;;
  esac
done

# The other reader that the operations are counted with: a wheel where there is one, else its source.
cat >"$work/requirements.txt" <<'END'
pyyaml==6.0.3 \
  --hash=sha256:b8bb0864c5a28024fac8a632c443c87c5aa6f215c0b126c449ae1a150412f31d \
  --hash=sha256:d76623373421df22fb4cf8817020cbb7ef15c725b9d5e45f17e189bfc384190f
END
rm -rf "$to/python"
python3 -m pip install --quiet --root-user-action ignore --require-hashes --no-deps --target "$to/python" \
  --requirement "$work/requirements.txt"

echo "$want" >"$to/.fetched"

#!/usr/bin/env bash
# Shows the main job once, in a folder of its own that is gone afterwards: a workspace, its check, its
# plan, a verified apply, one call that is refused and one that is allowed. Then says what to type.
#
# usage: scripts/show.sh bin/gatewright
set -euo pipefail
cd "$(dirname "$0")/.."
gatewright=$(realpath "$1")

folder=$(mktemp -d)
dev=
finish() {
  if [ -n "$dev" ]; then
    kill "$dev" 2>/dev/null || true
    wait "$dev" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap finish EXIT
export GATEWRIGHT_STATE=$folder/state

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
show() {
  echo
  echo "\$ gatewright $*"
  "$gatewright" "$@"
}

cd "$folder"
show init --demo shop
cd shop

# The demo names three ports. Somebody may listen there, so this show takes free ones.
gateway=$(free_port) issuer=$(free_port) backend=$(free_port)
sed -i "s/:8080/:$gateway/; s/:7071/:$issuer/; s/:7072/:$backend/" gatewright.yaml

show check
show can --matrix
show plan

echo
echo '$ gatewright dev &'
"$gatewright" dev >"$folder/dev.log" 2>&1 &
dev=$!
for _ in $(seq 150); do
  grep -q verified "$folder/dev.log" && break
  kill -0 "$dev" 2>/dev/null || break
  read -r -t 0.2 <> <(:) || true
done
cat "$folder/dev.log"
grep -q verified "$folder/dev.log" || { echo "the gateway did not come up" >&2; exit 1; }

call() {
  local want=$1 got
  shift
  got=$(curl --silent --output "$folder/body" --write-out '%{http_code}' "$@" "http://localhost:$gateway/orders")
  echo "$got  $(cat "$folder/body")"
  [ "$got" = "$want" ] || { echo "expected $want" >&2; exit 1; }
}
echo
echo "\$ curl localhost:$gateway/orders"
call 401
echo
echo "\$ curl -H \"Authorization: Bearer \$(gatewright dev token bob --group sales)\" localhost:$gateway/orders"
token=$("$gatewright" dev token bob --group sales)
call 200 -H "Authorization: Bearer $token"
show status

cat <<'NEXT'

That was it, in a folder that is gone now. Yours begins here (docs/quickstart.md):

  ./bin/gatewright init --demo shop && cd shop
  ../bin/gatewright dev                             stays in this terminal; the rest in a second one

  cd shop
  curl -i localhost:8080/orders
  T=$(../bin/gatewright dev token bob --group sales)
  curl -s -H "Authorization: Bearer $T" localhost:8080/orders
  curl -s -X POST -H "Authorization: Bearer $T" -H 'content-type: application/json' \
       -d '{"sku":"tea","quantity":1}' localhost:8080/orders
  ../bin/gatewright explain --last
NEXT

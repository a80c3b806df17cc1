#!/bin/sh
# The step of a pipeline: asks a Gatewright server to plan or to apply the commit that is built.
# It brings only a proof of who it is. The server fetches the commit itself, decides, and does.
set -eu

fail() {
    echo "gatewright pipe: $1" >&2
    exit 2
}

: "${SERVER:?gatewright pipe: SERVER is missing: the address of the server}"
COMMAND="${COMMAND:-plan}"
COMMIT="${BITBUCKET_COMMIT:-}"
[ -n "$COMMIT" ] || fail "BITBUCKET_COMMIT is missing: this runs in a step of Bitbucket Pipelines"

case "$COMMAND" in
plan | apply) ;;
rotate) fail "rotate is not available yet (GW3114)" ;;
*) fail "COMMAND is \`plan\` or \`apply\`, not \`$COMMAND\`" ;;
esac
[ -n "${ENVIRONMENT:-}" ] || fail "ENVIRONMENT is missing: the environment to $COMMAND"

# A token in a secured variable is known to everybody who may change the pipeline, and lives longer
# than the step: it is taken where there is no other.
if [ -z "${BITBUCKET_STEP_OIDC_TOKEN:-}" ]; then
    [ -n "${TOKEN:-}" ] || fail "there is no token: say \`oidc: true\` in the step"
    echo "gatewright pipe: TOKEN is weaker than the token of a step: say \`oidc: true\`" >&2
    BITBUCKET_STEP_OIDC_TOKEN="$TOKEN"
    export BITBUCKET_STEP_OIDC_TOKEN
fi

set -- --server "$SERVER" --env "$ENVIRONMENT" --no-input "$COMMAND" --commit "$COMMIT"
[ -z "${TIMEOUT:-}" ] || set -- "$@" --timeout "$TIMEOUT"
exec "${GATEWRIGHT:-gatewright}" "$@"

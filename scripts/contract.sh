#!/usr/bin/env bash
# Holds a running daemon against the OpenAPI document that it serves, with schemathesis: calls that
# the document allows and calls that it does not, alone and one after the other.
#
#   scripts/contract.sh [EXAMPLES [SEED]]      20 examples for each operation, unless told
#
# All checks are on but one: DELETE cancels a request and does not remove it, so that its requester
# and its approvers are told, and it can be read afterwards. The stream is left out, because it has
# no end to wait for; tests/it reads it.
set -euo pipefail
cd "$(dirname "$0")/.."

examples=${1:-20}
seed=${2:-1}
tools=${XDG_CACHE_HOME:-$HOME/.cache}/pushd-check
version=4.32.5
venv=$tools/schemathesis-$version
schemathesis=$venv/bin/schemathesis
if [ ! -x "$schemathesis" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "schemathesis==$version"
fi

cargo build --quiet --locked --bin pushd
scratch=$(mktemp -d)
daemon=
cleanup() {
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT
: >"$scratch/log" # the daemon's shell may come to it later than this one
env -i HOME="$scratch" "${CARGO_TARGET_DIR:-target}/debug/pushd" --listen 127.0.0.1:0 --store memory 2>"$scratch/log" &
daemon=$!
address=
until [ -n "$address" ]; do
    kill -0 "$daemon" 2>/dev/null || {
        cat "$scratch/log" >&2
        exit 1
    }
    address=$(sed -n 's/.*address=\([0-9.:]*\).*/\1/p' "$scratch/log")
    sleep 0.05
done

# In the scratch folder, because what it remembers would make one run depend on the one before.
here=$PWD
cd "$scratch"
export SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here/tests/schemathesis PYTHONDONTWRITEBYTECODE=1
"$schemathesis" --no-color --config-file "$here/tests/schemathesis/schemathesis.toml" \
    run "http://$address/openapi.json" --url "http://$address" \
    --checks all --exclude-checks use_after_free --mode all --max-examples "$examples" --seed "$seed" \
    --exclude-path /v1/events --request-timeout 20 --continue-on-failure

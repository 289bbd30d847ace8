#!/bin/sh
# A deploy that waits for a yes.
#
#   deploy-gate.sh SERVICE VERSION COMMAND [ARG...]
#
# Asks about SERVICE and VERSION, and runs COMMAND once somebody has approved; its exit code is the
# command's. Without a yes nothing runs, and the exit code says why: see the table in the README.
# Where the daemon is and who asks comes from the environment (PUSHD_URL, PUSHD_TOKEN_FILE, ...).
set -eu

[ "$#" -ge 3 ] || {
    echo 'usage: deploy-gate.sh SERVICE VERSION COMMAND [ARG...]' >&2
    exit 64
}
service=$1 version=$2
shift 2

# The topic lets a policy, a token or an approver's terminal pick out deploys of this service.
code=0
requester --message="Deploy $service $version?" --topic="deploy/$service" \
    --field="service=$service" --field="version=$version" --field="command=$*" \
    --expires="${DEPLOY_EXPIRES:-30m}" || code=$?

case $code in
0) exec "$@" ;;
1) echo "deploy-gate: somebody said no, $service stays as it is" >&2 ;;
124) echo 'deploy-gate: nobody answered in time' >&2 ;;
*) echo "deploy-gate: no answer ($code); requester doctor says what is wrong" >&2 ;;
esac
exit "$code"

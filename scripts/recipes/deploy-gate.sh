#!/bin/sh
# A deploy that waits for a yes.
#
#   deploy-gate.sh SERVICE VERSION COMMAND [ARG...]
#
# Shows COMMAND exactly as it is, and becomes it, once, when somebody has approved: then its exit
# code is the command's. Without a yes nothing runs, and the exit code says why, never 0: 1 for a no,
# 124 when nobody answered in time, and so on as in the README.
# Where the daemon is, who asks and how long it waits comes from the environment (PUSHD_URL,
# PUSHD_TOKEN_FILE, PUSHD_EXPIRES, ...).
set -eu

[ "$#" -ge 3 ] || {
    echo 'usage: deploy-gate.sh SERVICE VERSION COMMAND [ARG...]' >&2
    exit 64
}
service=$1 version=$2
shift 2

# The topic lets a policy, a token or an approver's terminal pick out deploys of this service.
exec requester --message="Deploy $service $version?" --topic="deploy/$service" -- "$@"

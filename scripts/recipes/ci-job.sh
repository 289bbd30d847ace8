#!/bin/sh
# A CI pipeline that waits for a yes without holding a runner.
#
#   ci-job.sh ask TITLE               the first job: asks, and leaves at once
#   ci-job.sh continue COMMAND...     a later job: runs COMMAND if the answer is yes
#
# The answer is asked for, and not used up: a later job that is run again within the hour in which
# the yes counts (PUSHD_USE_WITHIN) runs COMMAND again. That is right for a job that may be retried;
# where a yes is for one run, let both jobs be the same `requester --key=... -- COMMAND`, the first
# with --detach, on the same machine: the daemon then gives the approval to one of them.
#
# The first job leaves the request's id in the file approval-id (or $APPROVAL_FILE), which the
# pipeline hands on, as an artifact for instance. The later job is begun by a person, by a schedule,
# or by `pushd --notify` with a command that calls the CI.
#
# $APPROVAL_KEY names this run of the pipeline, such as "$CI_PIPELINE_ID-$ATTEMPT". A first job that
# is run again with the same key joins the request that it has made, and asks nobody twice.
#
# Exit codes of the later job: the command's after a yes; 3 while nobody has decided, so run it again
# later; 1 for a no; 124 when nobody answered in time, or the yes is too old to be used.
set -eu

file=${APPROVAL_FILE:-approval-id}

ask() {
    code=0
    # A detached request has no lease: it waits for its answer although nobody waits for it.
    id=$(requester --detach --key="${APPROVAL_KEY:?name this run of the pipeline}" \
        --expires="${APPROVAL_EXPIRES:-24h}" --message="$1") || code=$?
    # 3 is "asked, still pending"; with a key that was used before there may be an answer already.
    case $code in
    0 | 1 | 3) ;;
    *) exit "$code" ;;
    esac
    printf '%s\n' "$id" >"$file"
    exit 0
}

continue_() {
    id=$(cat "$file")
    code=0
    requester status "$id" || code=$?
    # Only a yes is 0; whatever else happened, a crash included, the command does not run.
    [ "$code" -eq 0 ] || exit "$code"
    exec "$@"
}

case ${1-}:$# in
ask:2) ask "$2" ;;
continue:1) ;;
continue:*) shift && continue_ "$@" ;;
esac

echo 'usage: ci-job.sh ask TITLE | continue COMMAND [ARG...]' >&2
exit 64

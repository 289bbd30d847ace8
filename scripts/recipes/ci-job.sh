#!/bin/sh
# A CI pipeline that waits for a yes without holding a runner.
#
#   ci-job.sh ask TITLE                    the first job: asks, and leaves at once
#   ci-job.sh continue TITLE COMMAND...    a later job: runs COMMAND if the answer is yes
#
# $APPROVAL_KEY names this run of the pipeline, such as "$CI_PIPELINE_ID-$ATTEMPT", and is all that
# the jobs share: the same key and title are the same request, so that a job that is run again asks
# nobody twice. The later job is begun by a person, by a schedule, or by `pushd --notify` with a
# command that calls the CI.
#
# Exit codes of the first job: 0 when it has asked, whatever the answer.
# Of the later job: the command's after a yes; 3 while nobody has decided, so run it again later; 1
# for a no; 124 when nobody answered in time, or the yes is too old to be used (PUSHD_USE_WITHIN).
# A yes counts for each job that finds it; that only one runs is up to the CI. Where both jobs run
# on one machine, `requester --detach --key KEY -- COMMAND` and later the same without `--detach`
# runs exactly that command, once.
set -eu

usage() {
    echo 'usage: APPROVAL_KEY=KEY ci-job.sh ask TITLE | continue TITLE COMMAND [ARG...]' >&2
    exit 64
}

case ${1-}:$# in
ask:2) ;;
continue:[0-2]) usage ;;
continue:*) ;;
*) usage ;;
esac
[ -n "${APPROVAL_KEY-}" ] || usage
job=$1 title=$2
shift 2

# Asks, or finds what was asked before. Detached, a request has no lease: it waits for its answer
# although nobody waits for it.
code=0
requester --detach --key="$APPROVAL_KEY" --expires="${APPROVAL_EXPIRES:-24h}" \
    --message="$title" >&2 || code=$? # its output is the id; that of `continue` is the command's

case $job:$code in
ask:[013]) exit 0 ;;
# Only a yes is 0; whatever else happened, a crash included, the command does not run.
continue:0) exec "$@" ;;
*) exit "$code" ;;
esac

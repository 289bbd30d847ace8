#!/usr/bin/env bash
# The story of the README, played with the real programs: build, daemon, question, answer.
#
# With a terminal you answer the question yourself. Without one (or with --auto) a second `approver`
# is run on a terminal of its own and answered by this script.
# Everything that is started here is ended here.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
started=()
# shellcheck disable=SC2317  # the trap calls it
finish() {
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait || true
    rm -rf "$work"
}
trap finish EXIT

die() {
    printf 'demo.sh: %s\n' "$*" >&2
    exit 1
}

# until_true SECONDS COMMAND...: waits for a condition.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

echo '$ cargo build --bins'
cargo build --locked --bins
bin=${CARGO_TARGET_DIR:-target}/debug

echo
echo "\$ $bin/pushd --listen 127.0.0.1:0 --store sqlite:$work/pushd.db &"
: >"$work/pushd.log"
"$bin/pushd" --listen 127.0.0.1:0 --store "sqlite:$work/pushd.db" 2>"$work/pushd.log" &
started+=("$!")
until_true 10 grep -q ' listening ' "$work/pushd.log" || die "$(cat "$work/pushd.log")"
url=http://$(sed -n 's/.* address=\([0-9.:]*\).*/\1/p' "$work/pushd.log" | head -n 1)
cat "$work/pushd.log"

ask=("$bin/requester" --url "$url" --timeout 5s -m 'Deploy version 1.4.2 to production?'
    -f 'service=shop' -f 'commit=3f9c2ab' -d 'Migrates the orders table; takes about a minute.')
echo
echo "\$ requester --url $url --timeout 5s -m 'Deploy version 1.4.2 to production?' ... &"

if [ "${1-}" != --auto ] && [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; then
    "${ask[@]}" 2>"$work/requester.log" &
    requester=$!
    started+=("$requester")
    echo "\$ approver --url $url"
    # Background programs of a script have no standard input unless they are given one.
    exec 3<&0
    "$bin/approver" --url "$url" <&3 &
    approver=$!
    started+=("$approver")
    code=0
    wait "$requester" || code=$?
    sleep 0.5 # so that the terminal can show what became of it
    kill "$approver" 2>/dev/null || true
    wait "$approver" || true
    echo
    cat "$work/requester.log"
else
    "${ask[@]}" &
    requester=$!
    started+=("$requester")
    echo "\$ approver --url $url    # on a terminal of its own"
    mkfifo "$work/keys"
    script --quiet --flush --command "$bin/approver --url $url" "$work/screen" \
        <"$work/keys" >"$work/shown" &
    terminal=$!
    started+=("$terminal")
    exec 4>"$work/keys"
    until_true 20 grep -q 'Approve?' "$work/screen" || die "the question did not come: $(cat "$work/shown")"
    # Keys that come right after the question are thrown away, as those of a person who was
    # typing something else would be.
    sleep 1
    echo 'y' >&4
    code=0
    wait "$requester" || code=$?
    echo 'q' >&4
    exec 4>&-
    wait "$terminal" || true
    cat "$work/shown"
fi

echo
case $code in
0) echo 'requester exited with 0: approved. A script would go on now.' ;;
*) echo "requester exited with $code: not approved. A script would stop here." ;;
esac
exit "$code"

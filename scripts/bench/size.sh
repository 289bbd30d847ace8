# Part: a database with a million settled requests: how fast it is opened, also after a crash, what
# lists and a decision alone take on it, and what a pending request costs in memory.
# shellcheck shell=bash disable=SC2034,SC2154  # scripts/bench.sh sources this and has the variables

size() {
    local database=$work/size.db round opened figures middle
    say "size: a database with $settled settled requests"
    rm -f "$database"*
    figures=$("$bin/examples/load" fill --database "$database" --count "$settled") || die 'no database'
    was_busy=null
    record size fill 1 "$figures"
    middle=$(sed -n 's/.*"middle":"\([^"]*\)".*/\1/p' <<<"$figures")
    for round in $(seq "$few_rounds"); do
        addresses=() daemons=() watch=()
        quiet
        opened=$(python3 scripts/bench/size.py open "$bin/pushd" "$database") || die 'it is not opened'
        record size opened "$round" "$opened"
        start_node --store "sqlite:$database"
        quiet
        measure size calls "$round" size --middle "$middle" --calls "$calls" --disk "$work"
        # By SIGKILL, so that the next one finds a write-ahead log.
        stop_all
        opened=$(python3 scripts/bench/size.py open "$bin/pushd" "$database") || die 'it is not opened'
        record size opened-after-kill "$round" "$opened"
        start_stack sqlite
        quiet
        measure size pending "$round" kept --count "$pending" --settle "$settle"
        stop_all
    done
    rm -f "$database"*
}

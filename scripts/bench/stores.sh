# Part: round trips, writes and memory of kept requests on each store.
# shellcheck shell=bash disable=SC2034,SC2154  # scripts/bench.sh sources this and has the variables

stores() {
    local cases round store concurrency
    for round in $(seq "$rounds"); do
        cases=(memory sqlite)
        if [ "$round" -le "$few_rounds" ] && has_nats; then
            cases+=(nats-1 nats-3 nats-3-nodes-3)
        fi
        for store in "${cases[@]}"; do
            start_stack "$store"
            for concurrency in "${concurrencies[@]}"; do
                quiet
                # What a decision alone on SQLite is compared with, right before it.
                [ "$store $concurrency" != 'sqlite 1' ] ||
                    record stores disk "$round" "$(python3 scripts/bench/flush.py "$work")"
                measure stores "$store" "$round" flows --in-flight "$concurrency" --seconds "$seconds"
            done
            stop_all
            start_stack "$store"
            quiet
            measure stores "$store" "$round" kept --count "$kept" --settle "$settle"
            stop_all
        done
    done
}

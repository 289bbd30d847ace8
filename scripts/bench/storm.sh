# Part: a daemon is killed under all who wait on it.
# shellcheck shell=bash disable=SC2034,SC2154  # scripts/bench.sh sources this and has the variables

storm() {
    local round policy
    for round in $(seq "$few_rounds"); do
        for policy in "${policies[@]}"; do
            storm_restart "$round" "$policy"
            if has_nats; then
                storm_move "$round" "$policy"
            fi
        done
    done
}

# The only daemon is killed, and started again at once.
storm_restart() {
    local round=$1 policy=$2 generator first=$number
    start_stack sqlite
    local store=$work/$((first + 1)).db
    quiet
    say "storm, restart, round $round: $policy"
    "$bin/examples/load" storm --count "$crowd" --policy "$policy" --kill "${daemons[0]}" \
        "${addresses[@]}" "${watch[@]}" >"$work/storm.json" &
    generator=$!
    started+=("$generator")
    # It ends by the generator's hand, which the shell need not tell.
    wait "${daemons[0]}" 2>/dev/null || true
    kill -0 "$generator" 2>/dev/null || die 'the generator failed before the storm'
    start_daemon "${addresses[1]}" --store "sqlite:$store"
    wait "$generator" || die 'the generator failed'
    record storm restart "$round" "$(cat "$work/storm.json")" "$(cpu_of "$daemon_pid")"
    stop_all
}

# One of two nodes is killed, and all of its waiters go to the other one.
storm_move() {
    start_stack_of_two
    quiet
    measure storm move "$1" storm --count "$crowd" --policy "$2" --kill "${daemons[0]}"
    stop_all
}

start_stack_of_two() {
    addresses=() daemons=() watch=()
    start_nats_nodes 1 2
}

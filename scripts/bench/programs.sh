# Part: the clients as whole processes, beside the commands of curl that make the same calls.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

programs() {
    local round figures
    for round in $(seq "$rounds"); do
        start_stack memory
        quiet
        say "programs, clients, round $round: $program_times times each"
        figures=$(python3 scripts/bench/run_programs.py --bin "$bin" --address "$daemon_address" \
            --times "$program_times" --work "$work") || die 'the clients could not be measured'
        record programs clients "$round" "$figures"
        stop_all
    done
}

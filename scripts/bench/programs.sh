# shellcheck shell=bash
# A part of scripts/bench.sh: the clients as whole processes, beside the commands of curl that make
# the same calls. It uses what that script has: start_stack, stop_all, quiet, record and say.

# shellcheck disable=SC2154  # bench.sh sets them
programs() {
    local round times=200 figures
    [ -z "$quick" ] || times=3
    for round in $(seq "$rounds"); do
        start_stack memory
        quiet
        say "programs, clients, round $round: $times times each"
        figures=$(python3 scripts/bench/run_programs.py --bin "$bin" --address "$daemon_address" \
            --times "$times" --work "$work") || die 'the clients could not be measured'
        record programs clients "$round" "$figures"
        stop_all
    done
}

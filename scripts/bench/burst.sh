# Part: many held polls that are all decided as fast as possible, beside the peers.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

burst() {
    local round peer
    for round in $(seq "$rounds"); do
        those_of_round "$round" pushd hub-1 hub-2 nchan
        start_peers "${these[@]}"
        for peer in "${these[@]}"; do
            measure_peer burst "$peer" "$round" burst --count "$burst_polls"
        done
        stop_all
    done
}

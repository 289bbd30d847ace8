# Part: ask, event, decision and answer, beside the peers; one flow at a time is the answer alone.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

flows() {
    local round count peer
    for round in $(seq "$rounds"); do
        those_of_round "$round" "${peers[@]}"
        start_peers "${these[@]}"
        for count in "${in_flight[@]}"; do
            for peer in "${these[@]}"; do
                measure_peer flows "$peer" "$round" flows --in-flight "$count" --seconds "$peer_seconds"
            done
        done
        stop_all
        # What the lines of the log cost that there are by default.
        those_of pushd
        if [ "${#these[@]}" -gt 0 ]; then
            start_peer pushd-log
            measure_peer flows pushd-log "$round" flows --in-flight 16 --seconds "$peer_seconds"
            stop_all
        fi
    done
}

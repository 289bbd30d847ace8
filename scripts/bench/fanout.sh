# Part: one event after the other to many streams, beside the peers.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

# More than there is time for.
many_events=10000

fanout() {
    local round count peer
    for round in $(seq "$rounds"); do
        those_of_round "$round" pushd hub-1 hub-2 nchan
        start_peers "${these[@]}"
        for count in "${crowds[@]}"; do
            for peer in "${these[@]}"; do
                measure_peer fanout "$peer" "$round" fanout --streams "$count" \
                    --events "$many_events" --seconds "$peer_seconds"
            done
        done
        stop_all
    done
}

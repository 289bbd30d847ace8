# Part: one event after the other to many streams, beside the peers.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

fanout() {
    local round count peer
    those_of pushd hub-1 hub-2 nchan
    for round in $(seq "$rounds"); do
        start_peers "${these[@]}"
        for count in "${crowds[@]}"; do
            for peer in "${these[@]}"; do
                measure_peer fanout "$peer" "$round" fanout --streams "$count" --events "$fanout_events"
            done
        done
        stop_all
    done
}

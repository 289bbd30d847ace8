# Part: events as fast as possible to many streams, beside the peers.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

flood() {
    local round count peer
    for round in $(seq "$rounds"); do
        those_of_round "$round" pushd hub-1 hub-2 nchan
        for count in "${crowds[@]}"; do
            # Anew for each crowd, as what one flood has left is not the next one's.
            start_peers "${these[@]}"
            for peer in "${these[@]}"; do
                measure_peer flood "$peer" "$round" flood --streams "$count" \
                    --events "$((flood_deliveries / count))" --seconds "$peer_seconds"
            done
            stop_all
        done
    done
}

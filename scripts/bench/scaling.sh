# Part: whether a flow and a delivery cost the same beside few and many that are held.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

scaling() {
    local round count peer
    those_of pushd nchan
    for round in $(seq "$few_rounds"); do
        for count in "${beside[@]}"; do
            [ "$count" -le "$most" ] || continue
            start_peers "${these[@]}"
            for peer in "${these[@]}"; do
                measure_peer scaling "$peer" "$round" flows --in-flight 16 --seconds "$peer_seconds" \
                    --beside "$count"
            done
            for peer in "${these[@]}"; do
                measure_peer scaling "$peer" "$round" fanout --streams "$count" \
                    --events "$((fanout_events * (count < 1000 ? 25 : count < 5000 ? 10 : 1)))" \
                    --seconds "$peer_seconds"
            done
            stop_all
        done
    done
}

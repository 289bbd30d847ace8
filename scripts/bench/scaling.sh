# Part: whether a flow and a delivery cost the same beside few and many that are held.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

scaling() {
    local round count peer
    for round in $(seq "$rounds"); do
        # The goal is against itself; nchan beside it says what is the machine's.
        those_of pushd nchan
        [ "$round" -le "$few_rounds" ] || those_of pushd
        for count in "${beside[@]}"; do
            [ "$count" -le "$most" ] || continue
            start_peers "${these[@]}"
            for peer in "${these[@]}"; do
                measure_peer scaling "$peer" "$round" flows --in-flight 16 --seconds "$peer_seconds" \
                    --beside "$count"
            done
            for peer in "${these[@]}"; do
                measure_peer scaling "$peer" "$round" fanout --streams "$count" \
                    --events "$many_events" --seconds "$peer_seconds"
            done
            stop_all
        done
    done
}

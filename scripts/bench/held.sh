# Part: what held polls and open streams cost while nothing happens, beside the peers.
# shellcheck shell=bash disable=SC2154  # scripts/bench.sh sources this and has the variables

held() {
    local round kind peer count counts=''
    those_of pushd hub-1 nchan pushpin
    for count in "${held[@]}"; do
        [ "$count" -gt "$most" ] || counts+=,$count
    done
    for round in $(seq "$few_rounds"); do
        for kind in poll stream; do
            for peer in "${these[@]}"; do
                start_peer "$peer"
                measure_peer held "$peer" "$round" held --kind "$kind" --count "${counts#,}" \
                    --seconds "$idle" --settle "$settle"
                stop_all
            done
        done
    done
}

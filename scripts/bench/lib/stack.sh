# Daemons on each store, and the servers of NATS behind them.
# shellcheck shell=bash disable=SC2034,SC2154  # scripts/bench.sh sources this and has the variables

addresses=() daemons=() watch=()
number=0

# start_daemon ADDRESS FLAG...: sets daemon_pid and daemon_address once it listens.
start_daemon() {
    local address=$1 log
    shift
    number=$((number + 1))
    log=$work/pushd-$number.log
    : >"$log"
    env -i HOME="$work" "$bin/pushd" --listen "$address" "$@" 2>"$log" &
    daemon_pid=$!
    started+=("$daemon_pid")
    until_true 30 grep -q ' listening ' "$log" || die "the daemon does not listen: $(cat "$log")"
    daemon_address=$(sed -n 's/.* address=\([0-9.:]*\).*/\1/p' "$log" | head -n 1)
}

is_ready() { curl -fsS -o /dev/null "http://$1/readyz" 2>/dev/null; }

# start_node FLAG...: adds a daemon to those that get load.
start_node() {
    start_daemon 127.0.0.1:0 "$@"
    until_true 30 is_ready "$daemon_address" || die "the daemon is not ready: $(cat "$work/pushd-$number.log")"
    daemons+=("$daemon_pid")
    addresses+=(--address "$daemon_address")
    watch+=(--watch "pushd=$daemon_pid")
}

# Whether each write is flushed before it is acknowledged, which older servers cannot be told.
flush_always() {
    printf 'jetstream { store_dir: "%s/none", sync_interval: always }\n' "$work" >"$work/flush.conf"
    nats-server -t -c "$work/flush.conf" >/dev/null 2>&1
}

# start_nats N: N servers of NATS JetStream; sets nats_url.
start_nats() {
    local ports routes='' urls='' place flush='' logs=() log
    read -ra ports < <(free_ports $(($1 * 2)))
    flush_always && flush=', sync_interval: always'
    for place in $(seq 0 $(($1 - 1))); do
        routes+=", \"nats-route://127.0.0.1:${ports[$(($1 + place))]}\""
        urls+=",127.0.0.1:${ports[$place]}"
    done
    for place in $(seq 0 $(($1 - 1))); do
        number=$((number + 1))
        {
            printf 'listen: 127.0.0.1:%s\nserver_name: bench-%s\n' "${ports[$place]}" "$place"
            printf 'jetstream { store_dir: "%s/nats-%s"%s }\n' "$work" "$number" "$flush"
            [ "$1" -eq 1 ] || printf 'cluster { name: bench, listen: 127.0.0.1:%s, routes: [%s] }\n' \
                "${ports[$(($1 + place))]}" "${routes#, }"
        } >"$work/nats-$number.conf"
        : >"$work/nats-$number.log"
        nats-server -c "$work/nats-$number.conf" >/dev/null 2>"$work/nats-$number.log" &
        started+=("$!")
        watch+=(--watch "nats=$!")
        logs+=("$work/nats-$number.log")
    done
    for log in "${logs[@]}"; do
        until_true 20 grep -q 'Server is ready' "$log" || die "no nats-server: $(cat "$log")"
    done
    nats_url=nats://${urls#,}
}

has_nats() {
    # Into a variable, as grep would close the pipe under the program.
    local help
    help=$("$bin/pushd" --help)
    command -v nats-server >/dev/null && [[ $help == *nats://* ]]
}

# start_stack STORE: daemons on that store, and the store.
start_stack() {
    addresses=() daemons=() watch=()
    number=$((number + 1))
    case $1 in
    memory) start_node --store memory ;;
    sqlite) start_node --store "sqlite:$work/$number.db" ;;
    nats-1) start_nats_nodes 1 1 ;;
    nats-3) start_nats_nodes 3 1 ;;
    nats-3-nodes-3) start_nats_nodes 3 3 ;;
    *) die "there is no store $1" ;;
    esac
}

# start_nats_nodes SERVERS DAEMONS
start_nats_nodes() {
    start_nats "$1"
    for _ in $(seq "$2"); do
        start_node --store "$nats_url" --nats-replicas "$1"
    done
}


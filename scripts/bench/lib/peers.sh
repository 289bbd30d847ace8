# The daemon and its peers, each started by one function and spoken to in one way.
# shellcheck shell=bash disable=SC2034,SC2154  # scripts/bench.sh sources this and has the variables

# What the generator is told about each peer that runs: whose calls, where, and which processes.
declare -A peer_flags
# The peers that can be measured.
peers=()

# find_peers: those of the wanted ones that are here; the others are named.
find_peers() {
    local peer about='' version
    for peer in ${wanted//,/ }; do
        version=
        case $peer in
        pushd | hub-1 | hub-2) version=$(git describe --always --dirty 2>/dev/null || echo 'of this project') ;;
        nchan) version=$(nchan_version) || say 'nchan is absent: install nginx-light and libnginx-mod-nchan' ;;
        pushpin) version=$(pushpin_version) || say 'pushpin is absent: install pushpin' ;;
        *) die "there is no peer $peer; see the first lines of this script" ;;
        esac
        [ -z "$version" ] || peers+=("$peer")
        about+=",\"$peer\":\"$version\""
    done
    printf '{%s}\n' "${about#,}" >"$out/peers.json"
}

# those_of PEER...: sets these to those of the peers that can be measured.
those_of() {
    local peer
    these=()
    for peer in "${peers[@]}"; do
        [[ " $* " != *" $peer "* ]] || these+=("$peer")
    done
}

# those_of_round ROUND PEER...: the same, of which the floors and Pushpin, which are in no goal, have
# only the first rounds.
those_of_round() {
    local round=$1 peer
    shift
    those_of "$@"
    [ "$round" -gt "$few_rounds" ] || return 0
    for peer in "${!these[@]}"; do
        [[ " pushd nchan " == *" ${these[$peer]} "* ]] || unset "these[$peer]"
    done
}

# start_peers PEER...: starts them all, and fills peer_flags.
start_peers() {
    local peer
    for peer in "$@"; do
        start_peer "$peer"
    done
}

start_peer() {
    addresses=() daemons=() watch=()
    case $1 in
    pushd)
        # As the peers run without a log of calls: a line for each ask and decision is one.
        start_node --store memory --log "$quiet_log"
        peer_flags[pushd]="--peer pushd ${addresses[*]} ${watch[*]}"
        ;;
    pushd-log)
        start_node --store memory
        peer_flags[pushd-log]="--peer pushd ${addresses[*]} ${watch[*]}"
        ;;
    hub-[0-9]) start_hub "$1" "${1#hub-}" ;;
    nchan) start_nchan ;;
    pushpin) start_pushpin ;;
    esac
    addresses=() daemons=() watch=()
}

# What --log warn is, and the line that tells the port, for which the script waits.
quiet_log=warn,pushd::cli::pushd::sockets=info

# start_hub PEER THREADS
start_hub() {
    local told=$work/$1.json address
    : >"$told"
    "$bin/examples/load" hub --address 127.0.0.1:0 --threads "$2" >"$told" &
    started+=("$!")
    until_true 10 test -s "$told" || die 'the hub does not listen'
    address=$(sed 's/.*"address":"\([^"]*\)".*/\1/' "$told")
    peer_flags[$1]="--peer hub --address $address --watch hub=$!"
}

# start_on_a_port COMMAND...: runs it with a free port behind its arguments, which is no longer free
# when another program was faster; then it gets another one.
start_on_a_port() {
    local port
    for _ in 1 2 3 4 5; do
        read -r port < <(free_ports 1)
        ! "$@" "$port" || return 0
    done
    die "$1 did not work"
}

# --- nchan -------------------------------------------------------------------------------------

nginx_modules() { nginx -V 2>&1 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p'; }

nchan_version() {
    command -v nginx >/dev/null || return 1
    local module
    module=$(nginx_modules)/ngx_nchan_module.so
    [ -f "$module" ] || return 1
    printf 'nginx %s' "$(nginx -v 2>&1 | sed 's|.*nginx/||')"
    # The module tells its version only when it runs, so the package is asked where there is one.
    dpkg-query -W -f ', nchan ${Version}' libnginx-mod-nchan 2>/dev/null || printf ', nchan'
}

is_nchan() { curl -fs "http://$1/status" 2>/dev/null | grep -q '^nchan version'; }

# A request is a channel whose only message is its answer; a topic is a channel of events. One
# worker and memory, no logs, no time-outs, no limit that a workload reaches. The newest event is all
# that is kept of a topic, and an answer is kept for its poll if that comes late.
start_nchan() { start_on_a_port start_nchan_on; }

start_nchan_on() {
    local port=$1 place master worker
    number=$((number + 1))
    place=$PWD/$work/nchan-$number
    [[ $work != /* ]] || place=$work/nchan-$number
    mkdir "$place"
    cat >"$place/nginx.conf" <<NGINX
load_module $(nginx_modules)/ngx_nchan_module.so;
$([ "$(id -u)" -ne 0 ] || echo "user $(id -un) $(id -gn);")
daemon off;
worker_processes 1;
worker_rlimit_nofile $files;
pid $place/pid;
error_log $place/log warn;
events {
    worker_connections $((files - 500));
}
http {
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    tcp_nodelay on;
    client_body_temp_path $place/body;
    proxy_temp_path $place/proxy;
    fastcgi_temp_path $place/fastcgi;
    uwsgi_temp_path $place/uwsgi;
    scgi_temp_path $place/scgi;
    nchan_shared_memory_size 512M;
    nchan_message_timeout 10s;
    nchan_subscriber_timeout 0;
    server {
        listen 127.0.0.1:$port backlog=4096;
        location = /ask {
            nchan_publisher;
            nchan_channel_id \$arg_id;
            nchan_message_buffer_length $nchan_events;
        }
        location = /events {
            nchan_subscriber eventsource;
            nchan_channel_id \$arg_id;
            nchan_subscriber_first_message newest;
        }
        location = /decide {
            nchan_publisher;
            nchan_channel_id \$arg_id;
            nchan_message_buffer_length 1;
        }
        location = /poll {
            nchan_subscriber longpoll;
            nchan_channel_id \$arg_id;
            nchan_subscriber_first_message oldest;
        }
        location = /status {
            nchan_stub_status;
        }
    }
}
NGINX
    nginx -p "$place" -c "$place/nginx.conf" 2>"$place/start" &
    master=$!
    started+=("$master")
    until_true 10 is_nchan "127.0.0.1:$port" || {
        say "nchan does not listen: $(cat "$place/start" "$place/log")"
        kill -KILL "$master" 2>/dev/null
        return 1
    }
    peer_flags[nchan]="--peer nchan --address 127.0.0.1:$port --watch nchan=$master"
    for worker in $(pgrep -P "$master"); do
        started+=("$worker")
        peer_flags[nchan]+=" --watch nchan=$worker"
    done
}

# Events of a topic that are kept for subscribers that are behind.
nchan_events=100

# --- Pushpin -----------------------------------------------------------------------------------

pushpin_version() {
    command -v pushpin >/dev/null && command -v condure >/dev/null && command -v zurl >/dev/null || return 1
    pushpin --version 2>/dev/null | head -n 1
}

# Pushpin asks an origin what to do with each call; ours says "hold it" and nothing else. Messages go
# to Pushpin's own control port, as many as come.
start_pushpin() { start_on_a_port start_pushpin_on; }

start_pushpin_on() {
    local port=$1 control place origin runner child told log
    read -r control < <(free_ports 1)
    number=$((number + 1))
    place=$PWD/$work/pushpin-$number
    [[ $work != /* ]] || place=$work/pushpin-$number
    mkdir -p "$place/log"
    # The path of a socket has a hundred characters at most.
    pushpin_sockets=$(mktemp -d)
    elsewhere+=("$pushpin_sockets")
    told=$place/origin.json
    : >"$told"
    "$bin/examples/load" origin --address 127.0.0.1:0 >"$told" &
    origin=$!
    started+=("$origin")
    until_true 10 test -s "$told" || die 'the origin does not listen'
    sed 's/.*"address":"\([^"]*\)".*/* \1/' "$told" >"$place/routes"
    cat >"$place/pushpin.conf" <<PUSHPIN
[global]
include=/usr/lib/pushpin/internal.conf
rundir=$pushpin_sockets
ipc_prefix=b-
port_offset=0
[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:$port
logdir=$place/log
log_level=1
client_buffer_size=8192
client_maxconn=$files
[proxy]
routesfile=$place/routes
zurl_out_specs=ipc://{rundir}/{ipc_prefix}zurl-in
zurl_out_stream_specs=ipc://{rundir}/{ipc_prefix}zurl-in-stream
zurl_in_specs=ipc://{rundir}/{ipc_prefix}zurl-out
[handler]
push_in_spec=ipc://{rundir}/{ipc_prefix}push
push_in_sub_specs=ipc://{rundir}/{ipc_prefix}sub
command_spec=ipc://{rundir}/{ipc_prefix}command
push_in_http_addr=127.0.0.1
push_in_http_port=$control
message_rate=10000000
message_hwm=10000000
PUSHPIN
    log=$place/out
    pushpin --config "$place/pushpin.conf" >"$log" 2>&1 &
    runner=$!
    if ! until_true 15 is_pushpin "$port"; then
        say "pushpin does not listen: $(cat "$log")"
        started+=("$runner")
        return 1
    fi
    peer_flags[pushpin]="--peer pushpin --address 127.0.0.1:$port --publish-at 127.0.0.1:$control"
    peer_flags[pushpin]+=" --watch origin=$origin"
    # The runner ends with its children, and would start them again, so it goes first.
    for child in "$runner" $(pgrep -P "$runner"); do
        started+=("$child")
        peer_flags[pushpin]+=" --watch pushpin=$child"
    done
}

is_pushpin() { curl -fs -o /dev/null --max-time 2 "http://127.0.0.1:$1/"; }

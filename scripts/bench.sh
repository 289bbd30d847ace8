#!/usr/bin/env bash
# The benchmarks: round trips and latencies on each store, what held calls cost, and a storm of
# reconnects. docs/benchmarks.md says what is measured and what came out.
#
#   scripts/bench.sh                       all parts, 3 rounds: about 25 minutes
#   scripts/bench.sh PART...               some of: stores held storm
#   scripts/bench.sh --rounds 5 stores     more rounds
#   scripts/bench.sh --noisy [PART...]     does not wait until others leave the machine alone
#   scripts/bench.sh --publish [PART...]   also puts the tables into docs/benchmarks.md
#   scripts/bench.sh --quick               only proves that the bench works: a debug build, small runs
#
# Everything runs on loopback addresses of this machine and is ended here. Figures are written to
# target/bench, of --quick to target/bench/quick: one line of JSON for each run in PART.jsonl, all of
# them in results.json, and the tables of medians and spreads in tables.md, which has every part that
# was measured since the directory was made.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
    printf 'bench.sh: %s\n' "$*" >&2
    exit 1
}

say() { printf '%s\n' "$*" >&2; }

rounds=3
quick=
noisy=
publish=()
parts=()
while [ "$#" -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --noisy) noisy=1 ;;
    --publish) publish=(--into docs/benchmarks.md) ;;
    --rounds)
        rounds=${2-}
        [[ $rounds =~ ^[1-9][0-9]?$ ]] || die "--rounds takes a number from 1 to 99, not ${2-nothing}"
        shift
        ;;
    stores | held | storm) parts+=("$1") ;;
    *) die "there is no part $1; see the first lines of this script" ;;
    esac
    shift
done
[ -z "$quick" ] || [ "${#publish[@]}" -eq 0 ] || die 'what --quick measures says nothing'
[ "${#parts[@]}" -gt 0 ] || parts=(stores held storm)

# Daemons, generator and NATS servers need a file for each connection.
ulimit -n "$(ulimit -Hn)"
files=$(ulimit -n)
[ "$files" != unlimited ] || files=1000000

if [ -n "$quick" ]; then
    rounds=1 seconds=1 concurrencies=(4) kept=300 idle=1 settle=0
    held=(200) crowd=200 policies=(client)
    build=build_debug
else
    seconds=5 concurrencies=(1 16 64 256) kept=20000 idle=10 settle=2
    held=(1000 5000 15000) crowd=15000
    policies=(client steady none spread=2s spread=5s)
    build=build_release
fi
# A waiter is two files, one at each end; no process has both.
most=$((files - 1000))
[ "$crowd" -le "$most" ] || crowd=$most

target=${CARGO_TARGET_DIR:-target}
build_debug() {
    cargo build --locked --bins --example load
    bin=$target/debug
}
# The daemon is built as it is shipped, without what examples and tests add to its libraries.
build_release() {
    cargo build --release --locked --bins
    cargo build --release --locked --example load
    bin=$target/release
}

out=$target/bench${quick:+/quick}
mkdir -p "$out"
# On the disk that the project is on: a directory in memory would make SQLite look fast.
work=$(mktemp -d "$out/work.XXXXXX")
started=()
# shellcheck disable=SC2317  # the trap calls it
finish() {
    stop_all
    rm -rf "$work"
}
trap finish EXIT

stop_all() {
    for pid in "${started[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    started=()
}

# until_true SECONDS COMMAND...: waits for a condition.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# free_ports N: ports that nobody has at the moment.
free_ports() {
    python3 - "$1" <<'PYTHON'
import socket, sys

sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*[held.getsockname()[1] for held in sockets])
PYTHON
}

# --- What runs ---------------------------------------------------------------------------------

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

# --- Runs --------------------------------------------------------------------------------------

# What all cores together did in the last second, as a part of 1.
busy() {
    python3 - <<'PYTHON'
import time

def read():
    with open("/proc/stat") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]

whole, idle = read()
time.sleep(1)
whole_now, idle_now = read()
print(round(1 - (idle_now - idle) / max(1, whole_now - whole), 3))
PYTHON
}

# Waits for up to a minute until the machine is quiet; sets was_busy.
quiet() {
    was_busy=null
    [ -z "$quick$noisy" ] || return 0
    for _ in $(seq 20); do
        was_busy=$(busy)
        python3 -c "raise SystemExit($was_busy >= 0.1)" && return
        sleep 2
    done
    say "  the machine is not quiet: $was_busy of its cores are used by others"
}

# measure PART CASE ROUND FLAG...: one run of the generator, into the part's file.
measure() {
    local part=$1 case=$2 round=$3 figures
    shift 3
    say "$part, $case, round $round: $*"
    figures=$("$bin/examples/load" "$@" "${addresses[@]}" "${watch[@]}") || die 'the generator failed'
    record "$part" "$case" "$round" "$figures"
}

# record PART CASE ROUND FIGURES [CPU]: CPU is what a daemon used that the generator did not know of.
record() {
    printf '{"case":"%s","round":%s,"busy_before":%s,"unwatched_cpu_seconds":%s,"run":%s}\n' \
        "$2" "$3" "$was_busy" "${5-null}" "$4" >>"$out/$1.jsonl"
}

# CPU seconds of a process since it began.
cpu_of() {
    local stat fields
    stat=$(cat "/proc/$1/stat")
    read -ra fields <<<"${stat##*) }"
    # USER_HZ is 100 on every Linux that this runs on.
    printf '%d.%02d' $(((fields[11] + fields[12]) / 100)) $(((fields[11] + fields[12]) % 100))
}

stores() {
    local cases=(memory sqlite) round store concurrency
    if has_nats; then
        cases+=(nats-1 nats-3 nats-3-nodes-3)
    fi
    for round in $(seq "$rounds"); do
        for store in "${cases[@]}"; do
            start_stack "$store"
            for concurrency in "${concurrencies[@]}"; do
                quiet
                measure stores "$store" "$round" flows --in-flight "$concurrency" --seconds "$seconds"
            done
            stop_all
            start_stack "$store"
            quiet
            measure stores "$store" "$round" kept --count "$kept" --settle "$settle"
            stop_all
        done
    done
}

held() {
    local round kind count
    for round in $(seq "$rounds"); do
        for kind in poll stream; do
            for count in "${held[@]}"; do
                [ "$count" -le "$most" ] || continue
                start_stack memory
                quiet
                measure held "$kind" "$round" held --kind "$kind" --count "$count" \
                    --seconds "$idle" --settle "$settle"
                stop_all
            done
        done
    done
}

storm() {
    local round policy
    for round in $(seq "$rounds"); do
        for policy in "${policies[@]}"; do
            storm_restart "$round" "$policy"
            if has_nats; then
                storm_move "$round" "$policy"
            fi
        done
    done
}

# The only daemon is killed, and started again at once.
storm_restart() {
    local round=$1 policy=$2 generator first=$number
    start_stack sqlite
    local store=$work/$((first + 1)).db
    quiet
    say "storm, restart, round $round: $policy"
    "$bin/examples/load" storm --count "$crowd" --policy "$policy" --kill "${daemons[0]}" \
        "${addresses[@]}" "${watch[@]}" >"$work/storm.json" &
    generator=$!
    started+=("$generator")
    # It ends by the generator's hand, which the shell need not tell.
    wait "${daemons[0]}" 2>/dev/null || true
    kill -0 "$generator" 2>/dev/null || die 'the generator failed before the storm'
    start_daemon "${addresses[1]}" --store "sqlite:$store"
    wait "$generator" || die 'the generator failed'
    record storm restart "$round" "$(cat "$work/storm.json")" "$(cpu_of "$daemon_pid")"
    stop_all
}

# One of two nodes is killed, and all of its waiters go to the other one.
storm_move() {
    start_stack_of_two
    quiet
    measure storm move "$1" storm --count "$crowd" --policy "$2" --kill "${daemons[0]}"
    stop_all
}

start_stack_of_two() {
    addresses=() daemons=() watch=()
    start_nats_nodes 1 2
}

# A function, so that the shell has read all of it before a long run begins.
main() {
    local part
    "$build"
    say "writing to $out"
    for part in "${parts[@]}"; do
        rm -f "$out/$part.jsonl"
        "$part"
    done
    python3 scripts/bench/tables.py "$out" --disk "$work" "${publish[@]}" >&2
    say "written: $out/tables.md, $out/results.json"
}

main

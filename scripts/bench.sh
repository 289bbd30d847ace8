#!/usr/bin/env bash
# The benchmarks: pushd beside its peers, the clients beside curl, round trips on each store, a large
# database, and a storm of reconnects. docs/benchmarks.md says what is measured and what came out.
#
#   scripts/bench.sh                       all parts, 5 rounds: about half an hour
#   scripts/bench.sh PART...               some of: flows fanout flood burst held scaling programs stores
#                                          size storm, each of which is a scripts/bench/PART.sh
#   scripts/bench.sh --peers pushd,nchan   only these of: pushd hub-1 hub-2 nchan pushpin
#   scripts/bench.sh --policies client,steady,spread=2s storm    other rules for the pauses in a storm
#   scripts/bench.sh --rounds 9 stores     more rounds
#   scripts/bench.sh --noisy [PART...]     does not wait until others leave the machine alone
#   scripts/bench.sh --against DIR         also says whether the goals come out as in that directory,
#                                          which is a copy of target/bench from another run
#   scripts/bench.sh --publish [PART...]   also puts the tables and plots into docs/
#   scripts/bench.sh --quick               only proves that the bench works: a debug build, small runs
#
# A peer that is not installed is named and left out. On Debian the peers are in the packages
# nginx-light with libnginx-mod-nchan, pushpin, and nats-server; plots need gnuplot-nox.
#
# Everything runs on loopback addresses of this machine and is ended here. Figures are written to
# target/bench, of --quick to target/bench/quick: one line of JSON for each run in PART.jsonl, all of
# them in results.json, the tables of medians and spreads in tables.md, which has every part that
# was measured since the directory was made, the goals in goals.md, and the plots beside them.
#
# shellcheck disable=SC2034  # the parts use what is set here
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONDONTWRITEBYTECODE=1

die() {
    printf 'bench.sh: %s\n' "$*" >&2
    exit 1
}

say() { printf '%s\n' "$*" >&2; }

# A part is a file with a function of its name; the heaviest that need quiet the most come first.
all_parts=()
for part in flows fanout flood burst held scaling programs stores size storm; do
    [ ! -f "scripts/bench/$part.sh" ] || all_parts+=("$part")
done

rounds=5
quick=
noisy=
wanted=pushd,hub-1,hub-2,nchan,pushpin
policies=(client none)
publish=()
against=()
parts=()
while [ "$#" -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --noisy) noisy=1 ;;
    --against)
        if [ ! -f "${2-}/results.json" ] || [ "$2" -ef "${CARGO_TARGET_DIR:-target}/bench" ]; then
            die "--against takes a copy of target/bench from another run, not ${2-nothing}"
        fi
        against=(--against "$2")
        shift
        ;;
    --publish) publish=(--into docs/benchmarks.md) ;;
    --rounds)
        rounds=${2-}
        [[ $rounds =~ ^[1-9][0-9]?$ ]] || die "--rounds takes a number from 1 to 99, not ${2-nothing}"
        shift
        ;;
    --peers)
        wanted=${2-}
        shift
        ;;
    --policies)
        [ -n "${2-}" ] || die '--policies takes names of rules, with commas'
        IFS=, read -ra policies <<<"${2-}"
        shift
        ;;
    *)
        [[ " ${all_parts[*]} " == *" $1 "* ]] || die "there is no part $1; see the first lines of this script"
        parts+=("$1")
        ;;
    esac
    shift
done
[ -z "$quick" ] || [ "${#publish[@]}" -eq 0 ] || die 'what --quick measures says nothing'
[ "${#parts[@]}" -gt 0 ] || parts=("${all_parts[@]}")

# Daemons, peers, generator and NATS servers need a file for each connection.
ulimit -n "$(ulimit -Hn)"
files=$(ulimit -n)
[ "$files" != unlimited ] || files=1000000

if [ -n "$quick" ]; then
    rounds=1 few_rounds=1 seconds=1 concurrencies=(4) kept=300 idle=1 settle=0
    in_flight=(1 16) peer_seconds=1 crowds=(50) flood_deliveries=5000 burst_polls=200
    held=(50 200) beside=(10 100) crowd=200 policies=("${policies[0]}")
    program_times=3 settled=3000 pending=300 calls=20
    build=build_debug
else
    seconds=2 concurrencies=(1 16 64 256) kept=20000 idle=3 settle=1
    in_flight=(1 16 64 256) peer_seconds=3 crowds=(1000 5000) flood_deliveries=1500000
    burst_polls=15000
    held=(5000 15000) beside=(100 2000 15000) crowd=15000
    program_times=200 settled=1000000 pending=20000 calls=500
    build=build_release
    # What hardly differs from round to round, takes long, or has no goal.
    few_rounds=$((rounds > 2 ? 2 : rounds))
fi
# A waiter is two files, one at each end; no process has both.
most=$((files - 1000))
[ "$crowd" -le "$most" ] || crowd=$most
[ "$burst_polls" -le "$most" ] || burst_polls=$most

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
# Directories that are elsewhere and go at the end.
elsewhere=()
# shellcheck disable=SC2317  # the trap calls it
finish() {
    stop_all
    rm -rf "$work" "${elsewhere[@]}"
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

for file in scripts/bench/lib/*.sh scripts/bench/*.sh; do
    # shellcheck source=/dev/null  # each is checked by itself
    source "$file"
done

# A function, so that the shell has read all of it before a long run begins.
main() {
    local part begun
    "$build"
    find_peers
    say "writing to $out"
    for part in "${parts[@]}"; do
        rm -f "$out/$part.jsonl"
        begun=$SECONDS
        "$part"
        say "$part took $((SECONDS - begun)) s"
    done
    python3 scripts/bench/tables.py "$out" --disk "$work" "${against[@]}" "${publish[@]}" --measured "${parts[@]}" >&2
    say "written: $out/tables.md, $out/goals.md, $out/results.json"
}

main

# One run: when it may begin, and where its figures go.
# shellcheck shell=bash disable=SC2034,SC2154  # scripts/bench.sh sources this and has the variables

# What all cores together did in a moment, as a part of 1.
busy() {
    python3 - <<'PYTHON'
import time

def read():
    with open("/proc/stat") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]

whole, idle = read()
time.sleep(0.5)
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

# Seconds that the longest run needs less of by far, also on a slow machine.
run_limit=300

# measure PART CASE ROUND FLAG...: one run of the generator, into the part's file.
measure() {
    local part=$1 case=$2 round=$3 figures
    shift 3
    say "$part, $case, round $round: $*"
    if ! figures=$(timeout --foreground --signal=KILL "$run_limit" "$bin/examples/load" "$@" "${addresses[@]}" "${watch[@]}"); then
        # What a peer cannot do is said and left out; what is ours has to work.
        [[ " nchan pushpin " == *" $case "* ]] || die "the generator failed, or did not end within $run_limit s"
        say "  $case did not come through this run, which is left out"
        return
    fi
    record "$part" "$case" "$round" "$figures"
}

# measure_peer PART PEER ROUND FLAG...: the same with a peer that was started.
measure_peer() {
    local part=$1 peer=$2 round=$3
    shift 3
    # Loopback addresses and process ids have no spaces in them.
    read -ra addresses <<<"${peer_flags[$peer]}"
    watch=()
    quiet
    measure "$part" "$peer" "$round" "$@"
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

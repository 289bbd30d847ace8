#!/usr/bin/env bash
# The long runs, which are no part of scripts/check.sh.
#
#   scripts/soak.sh faults [RUNS [SEED]]     seeded fault runs, 500 from seed 1 on
#   scripts/soak.sh load [SECONDS [PLOT]]    a steady load with restarts, for 1800 s; draws PLOT (an SVG file)
#   scripts/soak.sh cluster [MINUTES [SEED]] 100 requesters and 3 approvers at three daemons on three
#                                            nats-servers, of which some are killed or stopped all the
#                                            time; for 5 minutes
#   scripts/soak.sh peers                    15,000 waiters beside all hostile peers at once; then peers
#                                            that vanish (as root, in a network namespace)
#
# All of them run on loopback, print figures, and end with an error if a promise was broken.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
    printf 'soak.sh: %s\n' "$*" >&2
    exit 1
}

# draw FIGURES PLOT: draws columns of a CSV file over its first one, a panel each.
draw() {
    python3 - "$1" "$2" <<'PYTHON'
import csv, sys

figures, plot = sys.argv[1:]
rows = list(csv.DictReader(open(figures)))
panels = [
    ("rss_kib", 1 / 1024, "memory, MiB"),
    ("descriptors", 1, "open descriptors"),
    ("threads", 1, "threads"),
    ("p50_us", 1 / 1000, "decision to answer, p50, ms"),
    ("p99_us", 1 / 1000, "decision to answer, p99, ms"),
]
width, height, left, gap = 800, 120, 60, 40
seconds = [float(row["seconds"]) for row in rows]
out = [
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {len(panels) * (height + gap) + 20}"'
    ' font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
]
for place, (column, factor, label) in enumerate(panels):
    values = [float(row[column]) * factor for row in rows]
    top, most = place * (height + gap) + 25, max(values) * 1.15 or 1
    x = lambda s: left + (width - left - 20) * s / seconds[-1]
    y = lambda v: top + height - height * v / most
    out.append(f'<text x="{left}" y="{top - 8}">{label} (at most {max(values):.1f})</text>')
    out.append(f'<rect x="{left}" y="{top}" width="{width - left - 20}" height="{height}" fill="none" stroke="#bbb"/>')
    for part in (0, 0.5, 1):
        out.append(f'<text x="{left - 6}" y="{y(most * part) + 4:.1f}" text-anchor="end">{most * part:.1f}</text>')
    points = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in zip(seconds, values))
    out.append(f'<polyline points="{points}" fill="none" stroke="#2a5db0" stroke-width="1.5"/>')
out.append(f'<text x="{left}" y="{len(panels) * (height + gap) + 12}">0 s</text>')
out.append(f'<text x="{width - 20}" y="{len(panels) * (height + gap) + 12}" text-anchor="end">{seconds[-1]:.0f} s</text></svg>')
open(plot, "w").write("\n".join(out) + "\n")
PYTHON
}

faults() {
    PUSHD_FAULT_RUNS=${1:-500} PUSHD_FAULT_SEED=${2:-1} \
        cargo test --locked --test it faults::the_promises -- --nocapture
}

cluster() {
    PUSHD_CLUSTER_SECS=$((60 * ${1:-5})) PUSHD_CLUSTER_SEED=${2:-1} PUSHD_CLUSTER_RUNS=1 \
        PUSHD_CLUSTER_REQUESTERS=100 \
        cargo test --locked --test it cluster::the_promises -- --nocapture
}

load() {
    local figures
    figures=$(mktemp)
    PUSHD_SOAK_SECS=${1:-1800} cargo test --locked --release --test it soak:: -- --ignored --nocapture 2>&1 |
        tee /dev/stderr | sed -n '/^seconds,/p; /^[0-9][0-9,]*$/p' >"$figures"
    if [ -n "${2-}" ]; then
        draw "$figures" "$2"
        echo "drawn: $2"
    fi
    rm "$figures"
}

peers() {
    cargo test --locked --release --test it -- --ignored --nocapture --test-threads 1 \
        peers::crowd peers::vanished
}

case ${1-} in
faults | cluster | load | peers) "$@" ;;
*) die "say what to run: faults, cluster, load or peers; see the first lines of this script" ;;
esac

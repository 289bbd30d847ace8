"""Rows of the part `size` of scripts/bench.sh, and how long a daemon takes to open a database.

    size.py open PUSHD DATABASE    one line of JSON: from the start of the process to ready
    size.py DIRECTORY              rows of Markdown from size.jsonl in it
"""

import json
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HEADS = ["goal", "figure", "target", "met or missed"]
# A list call that takes less does not make anybody wait.
LIST_MS = 10
OPEN_MS = 1000
DECISION_TO_FLUSH = 1.3


def opened(pushd, database):
    """Starts a daemon, waits until it is ready, and ends it with SIGTERM."""
    begun = time.perf_counter()
    command = [pushd, "--listen", "127.0.0.1:0", "--store", f"sqlite:{database}"]
    daemon = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in daemon.stderr:
            if " listening " in line:
                break
        else:
            raise SystemExit("size.py: the daemon does not listen")
        listening = time.perf_counter() - begun
        address = line.split(" address=")[1].split()[0]
        while not is_ready(address):
            time.sleep(0.001)
        ready = time.perf_counter() - begun
    finally:
        daemon.terminate()
        daemon.communicate()
    return {"workload": "opened", "listening_ms": listening * 1000, "ready_ms": ready * 1000}


def is_ready(address):
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False


def number(value):
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.3g}"


def spread(values):
    middle, least, most = (number(of(values)) for of in (statistics.median, min, max))
    return middle if least == most else f"{middle} ({least} to {most})"


def row(goal, values, unit, most=None):
    """One goal; without `most` it is only told."""
    figure = f"{spread(values)} {unit}".strip()
    if most is None:
        return [goal, figure, "stated", ""]
    met = "met" if statistics.median(values) <= most else "missed"
    return [goal, figure, f"at most {number(most)} {unit}".strip(), met]


def rows(directory):
    """The goals of this part, as far as they were measured in this directory."""
    path = Path(directory) / "size.jsonl"
    if not path.exists():
        return []
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    of = lambda case: [run["run"] for run in runs if run["case"] == case]
    filled, calls, pending = of("fill"), of("calls"), of("pending")
    if not (filled and calls and pending):
        return []
    kept = f"{number(filled[0]['count'])} settled requests"
    result = [
        row(f"open with {kept}, from process start to ready", [run["ready_ms"] for run in of("opened")], "ms", OPEN_MS),
        row("the same after kill -9", [run["ready_ms"] for run in of("opened-after-kill")], "ms", OPEN_MS),
    ]
    for name in calls[0]["lists"]:
        for quantile, most in ("p50", LIST_MS), ("p99", 2 * LIST_MS):
            times = [run["lists"][name][quantile] / 1000 for run in calls]
            result.append(row(f"list of 100, {name}, {quantile}", times, "ms", most))
    ratios = [run["decide_alone"]["p50"] / run["flush"]["p50"] for run in calls]
    result += [
        row("one flush of 4 KiB (fdatasync), p50", [run["flush"]["p50"] for run in calls], "us"),
        row("one decision alone, p50", [run["decide_alone"]["p50"] for run in calls], "us"),
        row("the decision in flushes", ratios, "", DECISION_TO_FLUSH),
        row(f"memory of the daemon with {kept}", [run["bytes_before"] / 2**20 for run in calls], "MiB"),
        row("memory for each pending request", [run["bytes_pending_each"] for run in pending], "bytes"),
        row("the database on the disk, for each settled request", [run["bytes"] / run["count"] for run in filled], "bytes"),
    ]
    return result


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "open":
        print(json.dumps(opened(*sys.argv[2:])))
    elif len(sys.argv) == 2:
        for cells in [HEADS, ["---"] * len(HEADS), *rows(sys.argv[1])]:
            print("| " + " | ".join(cells) + " |")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()

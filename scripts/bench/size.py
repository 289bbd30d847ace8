"""Tables of the part `size` of scripts/bench.sh, and how long a daemon takes to open a database.

    size.py open PUSHD DATABASE    one line of JSON: from the start of the process to ready
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

from figures import number, spread, table


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


def lines(results):
    """The tables of this part, of which goals.py tells the goals."""
    runs = results.runs("size", "size")
    every = lambda key: [run[key]["p50"] for run in runs]
    filled, kept = results.runs("size", "fill"), results.runs("size", "kept")
    ready = lambda case: spread([run["ready_ms"] for run in results.runs("size", "opened", case)])
    rows = [["from the start of the process to ready", f"{ready('opened')} ms"]]
    rows.append(["the same after `kill -9`", f"{ready('opened-after-kill')} ms"])
    rows.append(["one decision alone, p50", f"{spread(every('decide_alone'))} us"])
    rows.append(["one flush of 4 KiB after each of them, p50", f"{spread(every('flush'))} us"])
    rows.append(["memory of the daemon", f"{spread([run['bytes_before'] / 2**20 for run in runs])} MiB"])
    rows.append(
        ["memory for each pending request, on an empty store", f"{spread([run['bytes_pending_each'] for run in kept])} bytes"]
    )
    rows.append(["the database, for each request", f"{spread([run['bytes'] / run['count'] for run in filled])} bytes"])
    settled = number(filled[0]["count"]) if filled else "many"
    heads = ["list of 100", "p50, ms", "p99"]
    lists = [
        [name] + [spread([run["lists"][name][quantile] for run in runs], 0.001) for quantile in ("p50", "p99")]
        for name in runs[0]["lists"]
    ]
    return table([f"with {settled} settled requests", "figure"], rows) + table(heads, lists)


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "open":
        print(json.dumps(opened(*sys.argv[2:])))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()

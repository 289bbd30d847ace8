"""How long a flush of 4 KiB takes: one line of JSON as of a run.

A directory on the disk is the argument. `fdatasync` overwrites a file that has its full length, as
SQLite does with its write-ahead log once that has been used; `growing` appends to a file, whose new
length has to be written as well. Both are measured in turns.
"""

import json
import os
import sys
import time
from pathlib import Path

PAGE = 4096
TIMES = 200


def flushes(directory):
    """Microseconds of each flush, in order, of a file of full length and of one that grows."""
    taken = {"fdatasync": [], "growing": []}
    paths = {kind: Path(directory) / f"flushed-{kind}" for kind in taken}
    files = {kind: open(path, "wb", buffering=0) for kind, path in paths.items()}
    files["fdatasync"].write(b"\1" * (PAGE * TIMES))
    files["fdatasync"].seek(0)
    for file in files.values():
        os.fsync(file.fileno())
    for _ in range(TIMES):
        for kind, file in files.items():
            file.write(b"\2" * PAGE)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            taken[kind].append((time.perf_counter() - begun) * 1e6)
    for kind, file in files.items():
        file.close()
        paths[kind].unlink()
    return {kind: sorted(times) for kind, times in taken.items()}


def quantiles(times):
    at = lambda part: times[int(part * len(times))]
    return {"samples": len(times), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": times[-1]}


if __name__ == "__main__":
    told = {kind: quantiles(times) for kind, times in flushes(sys.argv[1]).items()}
    print(json.dumps({"workload": "flush", "us": told}))

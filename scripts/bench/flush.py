"""How long a flush of 4 KiB that were appended to a file takes: one line of JSON as of a run.

A directory on the disk is the argument.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

path = Path(sys.argv[1]) / "flushed"
times = []
with open(path, "wb", buffering=0) as file:
    for _ in range(200):
        file.write(bytes(4096))
        begun = time.perf_counter()
        os.fdatasync(file.fileno())
        times.append((time.perf_counter() - begun) * 1e6)
path.unlink()
times.sort()
told = {"samples": len(times), "p50": statistics.median(times), "p90": times[180], "p99": times[198], "max": times[-1]}
print(json.dumps({"workload": "flush", "us": {"fdatasync": told}}))

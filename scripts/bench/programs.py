"""Tables of what scripts/bench/run_programs.py measured: the clients beside curl.

`runs` is the list of the objects that run_programs.py has printed, one for each round.
"""

import statistics

from figures import table

MEGABYTE = 1_000_000

CASES = {
    "nothing": "nothing: `true`",
    "answered": "`requester`, answered already (one call)",
    "asked": "`requester`, approved at once (ask and poll)",
    "status": "`requester status`",
    "approve": "`approver approve`",
    "list": "`approver list`",
}


def middle(runs, case, who, what="wall_ms", quantile="p50"):
    """The median of the rounds."""
    return statistics.median(run["cases"][case][who][what][quantile] for run in runs)


def ratio(runs, case, what="wall_ms"):
    """Ours as a part of curl's, for each round."""
    return [run["cases"][case]["ours"][what]["p50"] / run["cases"][case]["curl"][what]["p50"] for run in runs]


def most(runs, part):
    """The largest peak of each process over all rounds, in KiB; without those that could not be read."""
    peaks = {}
    for run in runs:
        for name, told in run[part].items():
            told = told["peak_kib"] if isinstance(told, dict) else told
            if told is not None:
                peaks[name] = max(told, peaks.get(name, 0))
    return peaks


def peaks(runs):
    """Peak memory by process, in KiB: those that wait, and those that end by themselves."""
    return most(runs, "waiting") | most(runs, "peak_kib")


def lines(runs):
    """The table of times, and that of memory."""
    heads = ["process", "by", "wall p50, ms", "p10 to p90", "CPU p50, ms", "beside curl"]
    rows = []
    for case, words in CASES.items():
        for who in runs[-1]["cases"][case]:
            figure = lambda quantile, what="wall_ms": f"{middle(runs, case, who, what, quantile):.2f}"
            beside = f"{statistics.median(ratio(runs, case)):.2f}" if who == "ours" else ""
            rows.append(
                [words, who, figure("p50"), f"{figure('p10')} to {figure('p90')}", figure("p50", "cpu_ms"), beside]
            )
    threads = {name: told["threads"] for name, told in runs[-1]["waiting"].items()}
    memory = [
        [name, f"{peak * 1024 / MEGABYTE:.1f}", str(threads.get(name, ""))] for name, peak in peaks(runs).items()
    ]
    return table(heads, rows) + table(["process", "peak memory, MB", "threads while it waits"], memory)

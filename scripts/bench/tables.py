"""Tables of medians and spreads from the runs of scripts/bench.sh.

Reads stores.jsonl, held.jsonl and storm.jsonl in a directory, as far as they are there, and writes
results.json and tables.md beside them.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections import defaultdict
from pathlib import Path

ORDER = ["memory", "sqlite", "nats-1", "nats-3", "nats-3-nodes-3"]
NAMES = {
    "memory": "memory",
    "sqlite": "SQLite",
    "nats-1": "NATS, 1 server",
    "nats-3": "NATS, 3 servers",
    "nats-3-nodes-3": "NATS, 3 servers, 3 daemons",
    "restart": "its own daemon, started again",
    "move": "another node",
}


def number(value):
    """Three digits that say something, and no more."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def spread(values, factor=1):
    """The median, and the least and the most beside it when they differ."""
    values = [value * factor for value in values if value is not None]
    if not values:
        return ""
    middle = number(statistics.median(values))
    least, most = number(min(values)), number(max(values))
    return middle if least == most else f"{middle} ({least} to {most})"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def used(runs, seconds):
    """What each used of one core, and others of all cores, at the median of the runs."""
    shares = defaultdict(list)
    for run in runs:
        for name, secs in {"generator": run["cpu_seconds"]["generator"], **run["cpu_seconds"]["watched"]}.items():
            shares[name].append(secs / seconds(run))
    others = [run["cpu_seconds"]["others"] / seconds(run) / run["cores"] for run in runs]
    return {name: statistics.median(values) for name, values in shares.items()}, others


def bottleneck(shares, others, cores):
    """Who was at the end of what they can do."""
    ours = sum(shares.values()) / cores
    if shares["generator"] > 0.95 and cores > 1:
        return "generator"
    if ours > 0.85:
        return "CPU"
    return "others" if ours + statistics.median(others) > 0.85 else "waiting"


def shares_in_words(shares):
    return ", ".join(f"{name} {share * 100:.0f}" for name, share in sorted(shares.items()))


def flows(groups):
    heads = ["store", "in flight", "flows/s", "decision to answer p50, us", "p90", "p99", "max"]
    heads += ["ask p50 / p99", "event p50 / p99", "decide p50 / p99"]
    heads += ["CPU per flow, us", "% of a core", "limit", "others, % of the machine"]
    rows = []
    for (case, in_flight), runs in groups:
        us = lambda what, quantile: [run["us"][what][quantile] for run in runs]
        both = lambda what: f"{spread(us(what, 'p50'))} / {spread(us(what, 'p99'))}"
        cpu = defaultdict(list)
        for run in runs:
            for name, each in run["cpu_us_per_flow"].items():
                cpu[name].append(each)
        shares, others = used(runs, lambda run: run["seconds"])
        rows.append(
            [NAMES[case], str(in_flight), spread([run["flows_per_second"] for run in runs])]
            + [spread(us("decision_to_answer", quantile)) for quantile in ("p50", "p90", "p99", "max")]
            + [both(what) for what in ("ask", "event", "decide")]
            + [", ".join(f"{name} {spread(values)}" for name, values in sorted(cpu.items(), reverse=True))]
            + [shares_in_words(shares), bottleneck(shares, others, runs[0]["cores"]), spread(others, 100)]
        )
    return table(heads, rows)


def kept(groups):
    heads = ["store", "asks/s", "ask p50 / p99, ms", "decisions/s", "decide p50 / p99, ms"]
    heads += ["reads/s", "read p50 / p99, ms", "bytes per pending request and node", "bytes per settled one", "CPU of daemons per ask / decision / read, us"]
    rows = []
    for (case, _), runs in groups:
        both = lambda what: " / ".join(
            spread([run[what]["us"][quantile] for run in runs], 0.001) for quantile in ("p50", "p99")
        )
        cpu = lambda key: spread([run[key]["watched"]["pushd"] / run["count"] * 1e6 for run in runs])
        rows.append(
            [NAMES[case], spread([run["asks"]["per_second"] for run in runs]), both("asks")]
            + [spread([run["decisions"]["per_second"] for run in runs]), both("decisions")]
            + [spread([run["reads"]["per_second"] for run in runs]), both("reads")]
            + [spread([run[key] for run in runs]) for key in ("bytes_pending_each", "bytes_settled_each")]
            + [" / ".join(cpu(key) for key in ("asks_cpu_seconds", "cpu_seconds", "reads_cpu_seconds"))]
        )
    return table(heads, rows)


def held(groups):
    heads = ["held", "count", "bytes each", "files each", "daemon's CPU in so many idle s, ms"]
    rows = []
    for (case, count), runs in groups:
        idle = spread([run["idle_cpu_seconds"] for run in runs], 1000)
        rows.append(
            [f"{case}s", str(count), spread([run["bytes_each"] for run in runs])]
            + [spread([run["files_each"] for run in runs]), f"{idle} in {runs[0]['idle_seconds']} s"]
        )
    return table(heads, rows)


def storm(groups):
    heads = ["came back to", "pauses", "lost", "held again: half after, s", "99 %", "all"]
    heads += ["connections tried, each", "peak tried/s", "refused", "not connected", "cut", "silent"]
    heads += ["turned away", "CPU of those left, s"]
    rows = []
    for (case, policy), runs in groups:
        every = lambda key: spread([run[key] for run in runs])
        missed = sum(run["all_held_seconds"] is None for run in runs)
        held = [every(f"{part}_held_seconds") for part in ("half", "most", "all")]
        if missed:
            held[-1] += f" (never in {runs[0]['seconds']:.0f} s: {missed} of {len(runs)})"
        rows.append(
            [NAMES[case], policy, every("lost")]
            + held
            + [spread([run["attempts"] / max(1, run["lost"]) for run in runs])]
            + [every("peak_attempts_per_second")]
            + [every(key) for key in ("refused", "not_connected", "cut", "silent", "turned_away")]
            + [spread([cpu_of_those_left(run) for run in runs])]
        )
    return table(heads, rows)


def cpu_of_those_left(run):
    unwatched = run["unwatched_cpu_seconds"]
    return run["cpu_seconds"]["watched"].get("pushd", 0) if unwatched is None else unwatched


def flush_time(disk):
    """The median of flushes of 4 KiB that are appended to a file, in ms."""
    path = Path(disk) / "flushed"
    times = []
    with open(path, "wb") as file:
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    path.unlink()
    return statistics.median(times)


def said_by(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"


def machine(runs, disk):
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = [
        f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, Linux {platform.release()}",
        f"{said_by('rustc', '--version')}; {said_by('nats-server', '--version')}",
        f"load average when a run began: {spread([run['load_average'] for run in runs])}",
    ]
    if disk:
        facts.append(f"one flush of 4 KiB to the disk (fdatasync), median: {number(flush_time(disk))} ms")
    return [f"- {fact}" for fact in facts] + [""]


def publish(text, document):
    """Puts the tables in the place of those that a document has."""
    begin, end = "<!-- scripts/bench.sh writes from here -->", "<!-- to here -->"
    before, rest = document.read_text().split(begin)
    _, after = rest.split(end)
    document.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--disk", type=Path, help="a directory on which a flush to the disk is timed")
    parser.add_argument("--into", type=Path, help="a document that the tables are put into")
    return parser.parse_args()


def main():
    args = arguments()
    directory = args.directory
    results, groups = [], defaultdict(list)
    for part in ("stores", "held", "storm"):
        path = directory / f"{part}.jsonl"
        for line in path.read_text().splitlines() if path.exists() else []:
            told = json.loads(line)
            run = told["run"]
            run["unwatched_cpu_seconds"] = told["unwatched_cpu_seconds"]
            results.append(told)
            key = {"flows": "in_flight", "kept": "count", "held": "count", "storm": "policy"}
            groups[run["workload"], told["case"], run[key[run["workload"]]]].append(run)
    order = lambda item: ORDER.index(item[0][0]) if item[0][0] in ORDER else 0
    of = lambda workload: sorted(
        (((case, what), runs) for (kind, case, what), runs in groups.items() if kind == workload),
        key=order,
    )
    text = ["Medians, with the least and the most of the rounds in brackets.", ""]
    text += machine([told["run"] for told in results], args.disk)
    for title, workload, rows in (
        ("Flows: ask, event, decision, answer to a held poll", "flows", flows),
        ("Writes, and memory of kept requests", "kept", kept),
        ("Held calls", "held", held),
        ("A storm of reconnects", "storm", storm),
    ):
        if of(workload):
            text += [f"### {title}", ""] + rows(of(workload))
    (directory / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (directory / "tables.md").write_text("\n".join(text))
    print("\n".join(text))
    if args.into:
        publish("\n".join(text), args.into)


if __name__ == "__main__":
    main()

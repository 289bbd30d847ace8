"""Tables of medians and spreads from the runs of scripts/bench.sh.

Reads each PART.jsonl in a directory, and writes results.json, tables.md, goals.md and plots beside
them. A new part gets its tables in TABLES, and its goals in goals.py.
"""

import argparse
import json
import os
import platform
import subprocess
from pathlib import Path

import agreement
import flush
import goals
import plots
import programs
import size
from figures import LIMIT_HEADS, NAMES, Results, limit_columns, number, per_each, spread, table


def quantiles(runs, what, quantile, factor=1):
    return spread([run["us"][what][quantile] for run in runs], factor)


def flows(results, part, first):
    heads = [first, "in flight", "flows/s", "decision to answer p50, us", "p90", "p99", "max"]
    heads += ["ask p50 / p99", "event p50 / p99", "decide p50 / p99", "CPU per flow, us", *LIMIT_HEADS]
    rows = []
    for (case, in_flight), runs in results.groups(part, "flows", "in_flight"):
        both = lambda what: f"{quantiles(runs, what, 'p50')} / {quantiles(runs, what, 'p99')}"
        rows.append(
            [NAMES[case], str(in_flight), spread([run["flows_per_second"] for run in runs])]
            + [quantiles(runs, "decision_to_answer", quantile) for quantile in ("p50", "p90", "p99", "max")]
            + [both(what) for what in ("ask", "event", "decide")]
            + [per_each(runs, "cpu_us_per_flow"), *limit_columns(case, runs)]
        )
    return table(heads, rows)


def fanout(results):
    heads = ["peer", "streams", "publish to last p50, ms", "p90", "max", "deliveries/s", "bytes each"]
    heads += ["CPU per delivery, us", *LIMIT_HEADS]
    rows = []
    for (case, streams), runs in results.groups("fanout", "fanout", "streams"):
        rows.append(
            [NAMES[case], str(streams)]
            + [quantiles(runs, "publish_to_last", quantile, 0.001) for quantile in ("p50", "p90", "max")]
            + [spread([run[key] for run in runs]) for key in ("deliveries_per_second", "bytes_per_delivery")]
            + [per_each(runs, "cpu_us_per_delivery"), *limit_columns(case, runs)]
        )
    return table(heads, rows)


def flood(results):
    heads = ["peer", "streams", "events", "deliveries/s", "events per read", "bytes each"]
    heads += ["orders seen", "CPU per delivery, us", *LIMIT_HEADS]
    keys = ("events", "deliveries_per_second", "deliveries_per_read", "bytes_per_delivery", "orders")
    rows = []
    for (case, streams), runs in results.groups("flood", "flood", "streams"):
        rows.append(
            [NAMES[case], str(streams)]
            + [spread([run[key] for run in runs]) for key in keys]
            + [per_each(runs, "cpu_us_per_delivery"), *limit_columns(case, runs)]
        )
    return table(heads, rows)


def burst(results):
    heads = ["peer", "held polls", "answers/s", "decision to answer p50, ms", "p99"]
    heads += ["CPU per answer, us", *LIMIT_HEADS]
    rows = []
    for (case, count), runs in results.groups("burst", "burst", "count"):
        rows.append(
            [NAMES[case], str(count), spread([run["answers_per_second"] for run in runs])]
            + [quantiles(runs, "decision_to_answer", quantile, 0.001) for quantile in ("p50", "p99")]
            + [per_each(runs, "cpu_us_per_answer"), *limit_columns(case, runs)]
        )
    return table(heads, rows)


def held(results):
    heads = ["peer", "held", "count", "bytes each", "files each", "CPU in so many idle s, ms"]
    rows = []
    for (case, kind), runs in results.groups("held", "held", "kind"):
        for place, step in enumerate(runs[0]["steps"]):
            every = lambda key: spread([run["steps"][place][key] for run in runs])
            idle = spread([run["idle_cpu_seconds"] for run in runs], 1000)
            last = place == len(runs[0]["steps"]) - 1
            rows.append(
                [NAMES[case], f"{kind}s", str(step["count"]), every("bytes_each"), every("files_each")]
                + [f"{idle} in {runs[0]['idle_seconds']} s" if last else ""]
            )
    return table(heads, rows)


def scaling(results):
    heads = ["peer", "calls held", "flows/s", "CPU per flow, us", *LIMIT_HEADS]
    rows = [
        [NAMES[case], str(beside), spread([run["flows_per_second"] for run in runs])]
        + [per_each(runs, "cpu_us_per_flow"), *limit_columns(case, runs)]
        for (case, beside), runs in results.groups("scaling", "flows", "beside")
    ]
    lines = ["16 flows in flight beside polls and streams on which nothing happens, half of each:", ""]
    lines += table(heads, rows)
    heads = ["peer", "streams", "deliveries/s", "publish to last p50, ms", "CPU per delivery, us", *LIMIT_HEADS]
    rows = [
        [NAMES[case], str(streams), spread([run["deliveries_per_second"] for run in runs])]
        + [quantiles(runs, "publish_to_last", "p50", 0.001)]
        + [per_each(runs, "cpu_us_per_delivery"), *limit_columns(case, runs)]
        for (case, streams), runs in results.groups("scaling", "fanout", "streams")
    ]
    return lines + ["One event after the other to more and more streams:", ""] + table(heads, rows)


def kept(results):
    heads = ["store", "asks/s", "ask p50 / p99, ms", "decisions/s", "decide p50 / p99, ms"]
    heads += ["reads/s", "read p50 / p99, ms", "bytes per pending request and node", "bytes per settled one", "CPU of daemons per ask / decision / read, us", "made again"]
    rows = []
    for (case, _), runs in results.groups("stores", "kept", "count"):
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
            + [spread([sum(run[what]["again"] for what in ("asks", "decisions", "reads")) for run in runs])]
        )
    return table(heads, rows)


def storm(results):
    heads = ["came back to", "pauses", "lost", "held again: half after, s", "99 %", "all"]
    heads += ["connections tried, each", "peak tried/s", "refused", "not connected", "cut", "silent"]
    heads += ["turned away", "CPU of those left, s"]
    rows = []
    for (case, policy), runs in results.groups("storm", "storm", "policy"):
        every = lambda key: spread([run[key] for run in runs])
        missed = sum(run["all_held_seconds"] is None for run in runs)
        times = [every(f"{part}_held_seconds") for part in ("half", "most", "all")]
        if missed:
            times[-1] += f" (never in {runs[0]['seconds']:.0f} s: {missed} of {len(runs)})"
        rows.append(
            [NAMES[case], policy, every("lost")]
            + times
            + [spread([run["attempts"] / max(1, run["lost"]) for run in runs])]
            + [every("peak_attempts_per_second")]
            + [every(key) for key in ("refused", "not_connected", "cut", "silent", "turned_away")]
            + [spread([cpu_of_those_left(run) for run in runs])]
        )
    return table(heads, rows)


def cpu_of_those_left(run):
    unwatched = run["unwatched_cpu_seconds"]
    return run["cpu_seconds"]["watched"].get("pushd", 0) if unwatched is None else unwatched


# Title, part and workload whose runs there have to be, and what makes the lines.
TABLES = [
    ("Flows beside the peers", "flows", "flows", lambda results: flows(results, "flows", "peer")),
    ("One event to many streams", "fanout", "fanout", fanout),
    ("A flood of events to many streams", "flood", "flood", flood),
    ("Held polls, all decided", "burst", "burst", burst),
    ("Held calls", "held", "held", held),
    ("Beside more and more held calls", "scaling", "flows", scaling),
    (
        "The clients as processes", "programs", "programs",
        lambda results: programs.lines(results.runs("programs", "programs")),
    ),
    ("Flows on each store", "stores", "flows", lambda results: flows(results, "stores", "store")),
    ("Writes, and memory of kept requests", "stores", "kept", kept),
    ("A large database", "size", "size", size.lines),
    ("A storm of reconnects", "storm", "storm", storm),
]


def said_by(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"


def machine(results, directory, disk):
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    loads = [told["run"]["load_average"] for told in results.told if "load_average" in told["run"]]
    facts = [
        f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, Linux {platform.release()}",
        f"{said_by('rustc', '--version')}; {said_by('nats-server', '--version')}",
        f"load average when a run began: {spread(loads)}",
    ]
    versions = directory / "peers.json"
    if versions.exists():
        told = json.loads(versions.read_text())
        facts.append("; ".join(f"{peer}: {version or 'absent'}" for peer, version in told.items()))
    if disk:
        took = {kind: number(flush.quantiles(times)["p50"]) for kind, times in flush.flushes(disk).items()}
        facts.append(
            "one flush of 4 KiB to the disk (fdatasync) when this was written, median:"
            f" {took['fdatasync']} us in a file of full length, {took['growing']} us in one that grows"
        )
    return [f"- {fact}" for fact in facts] + [""]


def publish(text, document, name):
    """Puts lines in the place of those that a document has between its marks of this name."""
    begin, end = f"<!-- scripts/bench.sh writes {name} from here -->", f"<!-- to here: {name} -->"
    before, rest = document.read_text().split(begin)
    _, after = rest.split(end)
    document.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--disk", type=Path, help="a directory on which a flush to the disk is timed")
    parser.add_argument("--against", type=Path, help="the directory of another run, whose goals are compared")
    parser.add_argument("--measured", nargs="*", help="the parts that are compared; the others are not of this run")
    parser.add_argument("--into", type=Path, help="a document that goals, tables and plots are put into")
    return parser.parse_args()


def main():
    args = arguments()
    directory = args.directory
    results = Results(directory)
    tables = ["Medians, with the least and the most of the rounds in brackets.", ""]
    tables += machine(results, directory, args.disk)
    for title, part, workload, lines in TABLES:
        if results.runs(part, workload):
            tables += [f"### {title}", ""] + lines(results)
    reached = goals.table_of(results)
    (directory / "results.json").write_text(json.dumps(results.told, indent=1) + "\n")
    (directory / "tables.md").write_text("\n".join(tables))
    (directory / "goals.md").write_text("\n".join(reached))
    print("\n".join(reached + tables))
    if args.against:
        compared = agreement.lines(*(Results(run, args.measured) for run in (directory, args.against)))
        (directory / "agreement.md").write_text("\n".join(compared))
        print("\n".join(compared))
    pictures = plots.draw(results, directory)
    if args.into:
        shown = [f"![{picture.stem}](plots/{picture.name})" for picture in pictures]
        publish("\n".join(reached + shown), args.into, "goals")
        publish("\n".join(tables), args.into, "tables")
        for picture in pictures:
            (args.into.parent / "plots").mkdir(exist_ok=True)
            (args.into.parent / "plots" / picture.name).write_bytes(picture.read_bytes())


if __name__ == "__main__":
    main()

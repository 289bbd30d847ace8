"""What the tables, the goals and the plots have in common: the runs, and how figures are written."""

import json
import statistics
from collections import defaultdict

NAMES = {
    "pushd": "pushd",
    "pushd-log": "pushd, with its log",
    "hub-1": "bare hub, 1 thread",
    "hub-2": "bare hub, 2 threads",
    "nchan": "nchan, 1 worker",
    "pushpin": "Pushpin",
    "memory": "memory",
    "sqlite": "SQLite",
    "nats-1": "NATS, 1 server",
    "nats-3": "NATS, 3 servers",
    "nats-3-nodes-3": "NATS, 3 servers, 3 daemons",
    "restart": "its own daemon, started again",
    "move": "another node",
}
ORDER = list(NAMES)


class Results:
    """All runs of a directory, or of these parts only, by part."""

    def __init__(self, directory, parts=None):
        self.told = []
        for path in sorted(directory.glob("*.jsonl")):
            if parts is not None and path.stem not in parts:
                continue
            for line in path.read_text().splitlines():
                told = {"part": path.stem, **json.loads(line)}
                told["run"]["unwatched_cpu_seconds"] = told.get("unwatched_cpu_seconds")
                self.told.append(told)

    def runs(self, part, workload, case=None, **members):
        """The runs whose members have these values."""
        return [told["run"] for told in self._those(part, workload, case, members)]

    def rounds(self, part, workload, case, value, **members):
        """A value of each round, by the round's number."""
        return {told["round"]: value(told["run"]) for told in self._those(part, workload, case, members)}

    def groups(self, part, workload, *keys):
        """Runs of the same case and of the same values of these members, the cases in their order."""
        groups = defaultdict(list)
        for told in self._those(part, workload, None, {}):
            groups[told["case"], *(told["run"][key] for key in keys)].append(told["run"])
        place = lambda group: ORDER.index(group[0]) if group[0] in ORDER else len(ORDER)
        return sorted(groups.items(), key=lambda item: place(item[0]))

    def _those(self, part, workload, case, members):
        for told in self.told:
            run = told["run"]
            if (told["part"], run["workload"]) == (part, workload) and case in (None, told["case"]):
                if all(run[key] == value for key, value in members.items()):
                    yield told


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


def used(runs, seconds=lambda run: run["seconds"]):
    """What each used of one core, and others of all cores, at the median of the runs."""
    shares = defaultdict(list)
    for run in runs:
        for name, secs in {"generator": run["cpu_seconds"]["generator"], **run["cpu_seconds"]["watched"]}.items():
            shares[name].append(secs / seconds(run))
    others = [run["cpu_seconds"]["others"] / seconds(run) / run["cores"] for run in runs]
    return {name: statistics.median(values) for name, values in shares.items()}, others


def bottleneck(shares, others, cores, one_thread=""):
    """Who was at the end of what they can do; one_thread names who has only one."""
    ours = sum(shares.values()) / cores
    for name in ("generator", one_thread):
        if shares.get(name, 0) > 0.9 and cores > 1:
            return name
    if ours > 0.85:
        return "CPU"
    return "others" if ours + statistics.median(others) > 0.85 else "waiting"


def limit_columns(case, runs, seconds=lambda run: run["seconds"]):
    """The last columns of each table of rates: who used how much, and who was the limit."""
    shares, others = used(runs, seconds)
    one_thread = {"nchan": "nchan", "hub-1": "hub"}.get(case, "")
    words = ", ".join(f"{name} {share * 100:.0f}" for name, share in sorted(shares.items()))
    return [words, bottleneck(shares, others, runs[0]["cores"], one_thread), spread(others, 100)]


LIMIT_HEADS = ["% of a core", "limit", "others, % of the machine"]


def per_each(runs, key):
    """CPU time of each program per something, in words."""
    cpu = defaultdict(list)
    for run in runs:
        for name, each in run[key].items():
            cpu[name].append(each)
    if len(cpu) == 1:
        return spread(*cpu.values())
    return ", ".join(f"{name} {spread(values)}" for name, values in sorted(cpu.items(), reverse=True))

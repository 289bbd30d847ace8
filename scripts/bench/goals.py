"""What the figures should be, most as a ratio within one run of the benchmarks, and whether they are.

A goal is a function that yields Rows; it is listed by the decorator, and tells only of what was
measured. Ratios are taken round by round, as rounds alternate, and then the median counts.
"""

import statistics
from dataclasses import dataclass

import programs
from figures import number, spread, table

GOALS = []


@dataclass
class Row:
    goal: str
    ours: str
    against: str
    figures: list  # ratios, one of each round; a figure that is beside nothing, in its unit
    most: float | None = None
    least: float | None = None
    unit: str = ""  # of a figure that is no ratio

    def verdict(self):
        """A figure without a bound is only stated."""
        middle = statistics.median(self.figures)
        if self.most is not None:
            return "met" if middle <= self.most else "**missed**"
        if self.least is not None:
            return "met" if middle >= self.least else "**missed**"
        return "stated"

    def cells(self):
        told = "" if self.unit else spread(self.figures)
        target = ""
        if self.most is not None:
            target = f"at most {number(self.most)}{self.unit}"
        elif self.least is not None:
            target = f"at least {number(self.least)}{self.unit}"
        return [self.goal, self.ours, self.against, told, target, self.verdict()]


def goal(function):
    GOALS.append(function)
    return function


def rows_of(results):
    return [row for function in GOALS for row in function(results)]


def table_of(results):
    """The lines of the table, none when nothing was measured that has a goal."""
    rows = [row.cells() for row in rows_of(results)]
    if not rows:
        return []
    heads = ["goal", "pushd", "beside", "ratio", "target", "met or missed"]
    return table(heads, rows)


def ratio(name, ours, theirs, unit="", against="nchan", factor=1, **bound):
    """A row of what we do to what they do, of the rounds that have both."""
    rounds = sorted(number for number in set(ours) & set(theirs) if theirs[number])
    if not rounds:
        return []
    tell = lambda values: f"{spread([values[number] for number in rounds], factor)}{unit}"
    figures = [ours[number] / theirs[number] for number in rounds]
    return [Row(name, tell(ours), f"{against} {tell(theirs)}", figures, **bound)]


def absolute(name, figures, unit, factor=1, **bound):
    """A row of figures that have nothing beside them."""
    figures = [figure * factor for figure in figures]
    if not figures:
        return []
    return [Row(name, f"{spread(figures)}{unit}", "", figures, unit=unit, **bound)]


def beside_nchan(results, name, part, workload, value, unit="", factor=1, members=None, **bound):
    rounds = lambda peer: results.rounds(part, workload, peer, value(peer), **(members or {}))
    return ratio(name, rounds("pushd"), rounds("nchan"), unit, factor=factor, **bound)


def same(value):
    """A value that is read alike whoever it is of."""
    return lambda _: value


@goal
def answer(results):
    for quantile, most in (("p50", 1), ("p99", 2)):
        value = same(lambda run: run["us"]["decision_to_answer"][quantile])
        yield from beside_nchan(
            results, f"1. Decision to answer, one flow at a time, {quantile}", "flows", "flows", value,
            " us", members={"in_flight": 1}, most=most,
        )


@goal
def flows(results):
    for in_flight in (16, 64):
        where = {"part": "flows", "workload": "flows", "members": {"in_flight": in_flight}}
        yield from beside_nchan(
            results, f"2. Flows per second, {in_flight} in flight",
            value=same(lambda run: run["flows_per_second"]), least=1.5, **where,
        )
        yield from beside_nchan(
            results, f"2. Server's CPU per flow, {in_flight} in flight", unit=" us",
            value=lambda peer: lambda run: run["cpu_us_per_flow"][peer], most=0.75, **where,
        )


@goal
def held(results):
    for kind in ("poll", "stream"):
        each = lambda run: run["steps"][-1]["bytes_each"]
        found = results.runs("held", "held", "pushd", kind=kind)
        count = found[0]["steps"][-1]["count"] if found else 0
        yield from beside_nchan(
            results, f"3. Memory per held {kind}, {count} held", "held", "held", same(each), " KB",
            factor=0.001, members={"kind": kind}, most=1,
        )


@goal
def fanout(results):
    for streams in (1000, 5000):
        yield from beside_nchan(
            results, f"4. One event to {streams} streams, publish to last, p50", "fanout", "fanout",
            same(lambda run: run["us"]["publish_to_last"]["p50"]), " ms", factor=0.001,
            members={"streams": streams}, most=0.8,
        )


@goal
def flood(results):
    for streams in (1000, 5000):
        yield from beside_nchan(
            results, f"4. Flood to {streams} streams, nothing lost or reordered, deliveries per second",
            "flood", "flood", same(lambda run: run["deliveries_per_second"]),
            members={"streams": streams}, least=4,
        )


@goal
def burst(results):
    yield from beside_nchan(
        results, "5. Held polls, all decided, answers per second", "burst", "burst",
        same(lambda run: run["answers_per_second"]), least=1.2,
    )


@goal
def durable(results):
    rate = lambda store: results.rounds("stores", "flows", store, lambda run: run["flows_per_second"], in_flight=256)
    yield from ratio(
        "6. Flows per second on SQLite, 256 in flight", rate("sqlite"), rate("memory"), against="in memory", least=0.6
    )
    alone = results.rounds("stores", "flows", "sqlite", lambda run: run["us"]["decide"]["p50"], in_flight=1)
    flush = results.rounds("stores", "flush", "disk", lambda run: run["us"]["fdatasync"]["p50"])
    yield from ratio(
        "6. One decision on SQLite, nothing else in flight, p50", alone, flush, " us", "fdatasync", most=1.3
    )
    of = lambda key: results.rounds("size", "size", "calls", lambda run: run[key]["p50"])
    yield from ratio(
        f"6. One decision alone beside {settled(results)}, p50", of("decide_alone"), of("flush"), " us", "fdatasync",
        most=1.3,
    )
    rates = results.runs("stores", "flows", "nats-1", in_flight=256)
    yield from absolute(
        "6. Flows on NATS, one server on the same machine, 256 in flight",
        [run["flows_per_second"] for run in rates], " per second",
    )


def settled(results):
    filled = results.runs("size", "fill")
    return f"{number(filled[0]['count'])} settled requests" if filled else "settled requests"


@goal
def clients(results):
    for case in ("answered", "asked", "status", "approve", "list"):
        of = lambda who: results.rounds(
            "programs", "programs", "clients", lambda run: run["cases"][case][who]["wall_ms"]["p50"]
        )
        name = f"7. {programs.CASES[case]}, as a process, p50"
        yield from ratio(name, of("ours"), of("curl"), " ms", "curl", most=1)
    runs = results.runs("programs", "programs")
    peaks = {name: peak for name, peak in programs.peaks(runs).items() if name != "curl"}
    for client in ("requester", "approver"):
        most = [peak * 1024 for name, peak in peaks.items() if name.startswith(client)]
        yield from absolute(
            f"7. Peak memory of `{client}`, whatever it does", [max(most)] if most else [], " MB", 1e-6, most=12
        )
    for name, size in (runs[-1]["binary_bytes"] if runs else {}).items():
        yield from absolute(f"7. `{name}`, stripped", [size], " MB", 1e-6, most=12)


@goal
def scaling(results):
    for workload, key, what, value in (
        ("flows", "beside", "CPU per flow beside", lambda run: run["cpu_us_per_flow"]["pushd"]),
        ("fanout", "streams", "CPU per delivery to", lambda run: run["cpu_us_per_delivery"]["pushd"]),
    ):
        counts = sorted({run[key] for run in results.runs("scaling", workload, "pushd")})
        if len(counts) < 2:
            continue
        few, many = counts[0], counts[-1]
        of = lambda count: results.rounds("scaling", workload, "pushd", value, **{key: count})
        # "Flat" is what the spread of quiet rounds does not hide.
        yield from ratio(f"8. {what} {many} held calls", of(many), of(few), " us", f"{few}:", most=1.25)


# What makes nobody wait.
LIST_MS = 10


@goal
def large(results):
    with_settled = settled(results)
    for case, what in ("opened", "Opening"), ("opened-after-kill", "Opening after `kill -9`"):
        yield from absolute(
            f"8. {what}, {with_settled}, until ready",
            [run["ready_ms"] for run in results.runs("size", "opened", case)], " ms", most=1000,
        )
    runs = results.runs("size", "size")
    for quantile, most in ("p50", LIST_MS), ("p99", 2 * LIST_MS):
        slowest = [max(taken[quantile] for taken in run["lists"].values()) for run in runs]
        yield from absolute(
            f"8. List of 100 of {with_settled}, the slowest kind, {quantile}", slowest, " ms", 0.001, most=most
        )
    for part, case, store in ("stores", "memory", "memory"), ("size", "pending", "SQLite"):
        yield from absolute(
            f"8. Memory for each pending request, {store}",
            [run["bytes_pending_each"] for run in results.runs(part, "kept", case)], " bytes",
        )

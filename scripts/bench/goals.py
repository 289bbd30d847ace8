"""What the figures should be, each as a ratio within one run of the benchmarks, and whether they are.

A goal is a function that yields Rows; it is listed by the decorator, and tells only of what was
measured. Ratios are taken round by round, as rounds alternate, and then the median counts.
"""

import statistics
from dataclasses import dataclass

from figures import number, spread, table

GOALS = []


@dataclass
class Row:
    goal: str
    ours: str
    against: str
    figures: list  # one of each round
    most: float | None = None
    least: float | None = None

    def cells(self):
        middle = statistics.median(self.figures)
        met = middle <= self.most if self.most is not None else middle >= self.least
        target = f"at most {number(self.most)}" if self.most is not None else f"at least {number(self.least)}"
        return [self.goal, self.ours, self.against, spread(self.figures), target, "met" if met else "**missed**"]


def goal(function):
    GOALS.append(function)
    return function


def table_of(results):
    """The lines of the table, none when nothing was measured that has a goal."""
    rows = [row.cells() for function in GOALS for row in function(results)]
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
        "6. One decision on SQLite, nothing else in flight, p50", alone, flush, " ms", "fdatasync", 0.001, most=1.3
    )


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

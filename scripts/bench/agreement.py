"""Whether two runs of the benchmarks say the same of the goals."""

import statistics

import goals
from figures import spread, table

# Medians that are closer than this part of them say the same, also of what has hardly a spread, such
# as memory.
CLOSE = 0.02


def lines(this, other):
    """A row for each goal that both have measured, and how many of them agree."""
    others = {row.goal: row for row in goals.rows_of(other)}
    pairs = [(row, others[row.goal]) for row in goals.rows_of(this) if row.goal in others]
    rows = []
    for row, before in pairs:
        words = "yes" if agree(row.figures, before.figures) else "**no**"
        verdict = row.verdict()
        if verdict != before.verdict():
            verdict += f", there {before.verdict()}"
        told = lambda figures: f"{spread(figures)}{row.unit}"
        rows.append([row.goal, told(row.figures), told(before.figures), words, verdict])
    agreed = sum(agree(row.figures, before.figures) for row, before in pairs)
    same = sum(row.verdict() == before.verdict() for row, before in pairs)
    heads = ["goal", "this run", "the other", "agree", "met or missed"]
    summary = f"Of {len(pairs)} figures {agreed} agree: their spreads overlap, or their medians are close. {same} are met or missed in both runs."
    return table(heads, rows) + [summary, ""]


def agree(figures, others):
    """Whether the spreads overlap, or the medians are close.

    >>> agree([1, 3], [2, 4]), agree([2, 4], [1, 3]), agree([1, 1.1], [2, 2.2])
    (True, True, False)
    >>> agree([100], [101]), agree([100], [110])
    (True, False)
    """
    overlap = max(min(figures), min(others)) <= min(max(figures), max(others))
    middle, other = statistics.median(figures), statistics.median(others)
    return overlap or abs(middle - other) <= CLOSE * max(abs(middle), abs(other))

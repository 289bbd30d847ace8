"""Plots of the figures, as SVG, by gnuplot where it is installed."""

import math
import shutil
import statistics
import subprocess

from figures import NAMES

COLOURS = {"pushd": "#0b6e4f", "pushd-log": "#7fb9a5", "hub-1": "#888888", "hub-2": "#bbbbbb", "nchan": "#c8553d", "pushpin": "#5a7bd8"}
STYLE = """
set terminal svg size 760,440 font "sans-serif,13" background "white"
set border 3
set tics nomirror
set grid ytics lc "#e0e0e0"
set key outside right top Left reverse
"""


def draw(results, directory):
    """Draws what there are figures for; answers the files."""
    if not shutil.which("gnuplot"):
        print("no plots: gnuplot is not installed (gnuplot-nox)")
        return []
    drawn = []
    for name, settings, lines in (
        ("latency", LATENCY, latency(results)),
        ("memory-poll", memory_settings("polls"), memory(results, "poll")),
        ("memory-stream", memory_settings("streams"), memory(results, "stream")),
        ("flows", FLOWS, flows(results)),
    ):
        if lines:
            drawn.append(plot(directory / f"{name}.svg", settings, lines))
    return drawn


def plot(path, settings, lines):
    """One picture of lines, each a case and its points."""
    parts = [
        f"'-' using 1:2 with linespoints lw 2 pt 7 ps 0.5 lc '{COLOURS[case]}' title '{NAMES[case]}'"
        for case, _ in lines
    ]
    data = ["\n".join(f"{x} {y}" for x, y in points) + "\ne" for _, points in lines]
    script = STYLE + settings + f"set output '{path}'\nplot " + ", ".join(parts) + "\n" + "\n".join(data) + "\n"
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return path


# A distribution is read best where its end has room: each nine is as wide as the one before.
LATENCY = """
set title "Decision to answer, one flow at a time"
set logscale y
set xlabel "per cent of answers that are not later"
set ylabel "microseconds"
set xrange [0:4]
set xtics ("0" 0, "50" 0.301, "90" 1, "99" 2, "99.9" 3, "99.99" 4)
"""


def latency(results):
    lines = []
    for (case, _), runs in results.groups("flows", "flows", "in_flight"):
        curves = [dict(map(tuple, run["decision_to_answer_curve"])) for run in runs if run["in_flight"] == 1]
        if not curves:
            continue
        # Above this a part is fewer than ten answers.
        most = 100 * (1 - 10 / min(run["flows"] for run in runs))
        points = [
            (-math.log10(1 - percent / 100), statistics.median(curve[percent] for curve in curves))
            for percent in curves[0]
            if percent <= most
        ]
        # Short runs have too little for a line.
        if len(points) > 1:
            lines.append((case, points))
    return lines


def memory_settings(what):
    return f"""
set title "Memory of the server (PSS) and held {what}"
set xlabel "held {what}"
set ylabel "MB"
set xrange [0:*]
set yrange [0:*]
"""


def memory(results, kind):
    lines = []
    for (case, _), runs in results.groups("held", "held", "kind"):
        runs = [run for run in runs if run["kind"] == kind]
        if not runs:
            continue
        points = [(0, statistics.median(run["bytes_before"] for run in runs) / 1e6)]
        for place, step in enumerate(runs[0]["steps"]):
            held = statistics.median(run["steps"][place]["bytes_held"] for run in runs)
            points.append((step["count"], held / 1e6))
        lines.append((case, points))
    return lines


FLOWS = """
set title "Flows per second: ask, event, decision, answer"
set logscale x 2
set xlabel "flows in flight"
set ylabel "flows per second"
set yrange [0:*]
"""


def flows(results):
    lines = {}
    for (case, in_flight), runs in results.groups("flows", "flows", "in_flight"):
        rate = statistics.median(run["flows_per_second"] for run in runs)
        lines.setdefault(case, []).append((in_flight, rate))
    return [(case, sorted(points)) for case, points in lines.items() if len(points) > 1]

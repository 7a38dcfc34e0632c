#!/usr/bin/env python3
"""Measures how a training step's cost grows: with the batch, the picture's area and the depth of a family of networks; and what threads
and the instruction set give to the networks of examples/.

    bench/scaling.py [batch|area|depth|threads|march ...] [--points N,N,...] [--family FILE.net] [--network NAME,...] [--rounds N] [--steps N]
                     [--seconds S] [--threads N] [--batch N] [--netc FILE] [--march=CPU] [--option=-fno-... ...] [--out FILE]

Without a name, all five, one table each. --points replaces the values of one: of train.batch, of the constant `size` (height and width), of the
constant `depth`, or of the number of threads. The family is bench/family.net; another file needs the constants that are varied.

"of linear" is the cost of a step over what it would be if it grew from the first row's in proportion: to the images, to the pixels, or, for the
depth, to the work, which leaves out what all depths share. Below 1 it grows more slowly. For threads and march, each network's
share is of the peak that was measured on those threads with that instruction set. All points are measured in turn, round by round.
"""
import copy
import pathlib
import platform
import statistics
import tempfile

from common import (FOUR, NETWORKS, ROOT, compile_example, conditions, count, defines, figure, find_netc, median, megabytes, netc, parser, positive,
                    publish, say, share, table, three_digits, time_trainer)

AXES = {"batch": [16, 32, 64, 128, 256], "area": [12, 18, 24, 36, 48], "depth": [1, 2, 4, 8, 16], "threads": [1, 2], "march": ["native", "x86-64-v3"]}
FIGURES = ["images/s", "ms", "GFLOP/s", "share of peak"]


def cells(runs):
    return [figure([run["images_per_s"] for run in runs], 0), three_digits([run["step_ms"] for run in runs]),
            three_digits([run["gflops"] for run in runs]), figure([share(run) for run in runs], 0, "%")]


def in_turn(points, o, run):
    """run(point) for each point in each round: lists of runs, by point."""
    runs = {point: [] for point in points}
    for _ in range(o.rounds):
        for point in points:
            runs[point].append(run(point))
    return runs


# ---- the family ----

CONSTANTS = {"batch": "train.batch", "area": "size", "depth": "depth"}


def work(axis, point, runs):
    """What linear means: the cost should be in proportion to it."""
    if axis == "depth":
        return statistics.median(run["gflops"] * run["step_ms"] for run in runs)
    return point if axis == "batch" else point * point


def family_table(axis, points, folder, o):
    trainers, seconds = {}, {}
    for point in points:
        say(f"{axis} {point} ...")
        trainers[point] = pathlib.Path(folder) / f"{axis}{point}"
        seconds[point] = netc(o, o.family, *defines({"train.batch": o.batch} | {CONSTANTS[axis]: point}), "-o", trainers[point])[1]
    runs = in_turn(points, o, lambda point: time_trainer(trainers[point], o))
    cost = {point: median(runs[point], "step_ms") / work(axis, point, runs[point]) for point in points}
    rows = [[str(point), *cells(runs[point]), f"{cost[point] / cost[points[0]]:.2f}", megabytes(runs[point]), f"{seconds[point]:.1f} s"] for point in points]
    return f"Cost against {axis}, {o.family.name}:\n\n" + table([CONSTANTS[axis], *FIGURES, "of linear", "memory", "compiled in"], rows)


# ---- networks of examples/ ----

def measurer(axis, name, points, folder, o):
    """A function that measures the network at a point."""
    say(f"{axis}: {name} ...")
    if axis == "threads":
        trainer, _ = compile_example(name, folder, o)
        return lambda point: time_trainer(trainer, o, threads=point)
    trainers = {}
    for point in points:
        there, options = pathlib.Path(folder) / point, copy.copy(o)
        there.mkdir(exist_ok=True)
        options.march = point
        trainers[point], _ = compile_example(name, there, options)
    return lambda point: time_trainer(trainers[point], o)


def network_table(axis, points, folder, o):
    """A row for each network and point, with the ratio to the network's first point."""
    rows = []
    for name in o.network:
        runs = in_turn(points, o, measurer(axis, name, points, folder, o))
        first = [run["step_ms"] for run in runs[points[0]]]
        for point in points:
            ratios = [before / run["step_ms"] for before, run in zip(first, runs[point])]
            peak = f"{median(runs[point], 'peak_gflops'):.0f}"
            rows.append([name, str(point), *cells(runs[point]), peak, figure(ratios, 2, "x")])
    on = f" on {count(o.threads, 'thread')}" if axis == "march" else ""
    return f"{axis}{on}:\n\n" + table(["network", axis, *FIGURES, "peak GFLOP/s", f"to {points[0]}"], rows)


def read_options():
    p = parser(__doc__)
    p.add_argument("axis", nargs="*", help=f"{', '.join(AXES)} (all)")
    p.add_argument("--points", help="values for the one axis that is named: 16,32")
    p.add_argument("--family", type=pathlib.Path, default=ROOT / "bench/family.net")
    p.add_argument("--network", default=",".join(FOUR), help="for threads and march")
    o = p.parse_args()
    o.network, o.axis = o.network.split(","), o.axis or list(AXES)
    for what, given, known in (("axis", o.axis, AXES), ("network", o.network, NETWORKS)):
        unknown = [name for name in given if name not in known]
        if unknown:
            p.error(f"no {what} {unknown[0]}: there are {', '.join(known)}")
    if o.points and len(o.axis) != 1:
        p.error("--points wants one axis beside it")
    return o


def points_of(axis, o):
    if not o.points:
        return AXES[axis]
    return [text if axis == "march" else positive(text) for text in o.points.split(",")]


def main():
    o = read_options()
    parts = [f"{conditions(o)}; batch {o.batch}\n"]
    o.netc = find_netc(o)
    with tempfile.TemporaryDirectory() as folder:
        for axis in o.axis:
            if axis == "march" and platform.machine() != "x86_64" and not o.points:
                say(f"march: left out, this is {platform.machine()}")
                continue
            parts.append((network_table if axis in ("threads", "march") else family_table)(axis, points_of(axis, o), folder, o))
    publish("\n".join(parts), o)


if __name__ == "__main__":
    main()

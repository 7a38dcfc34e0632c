#!/usr/bin/env python3
"""Measures networks of examples/ in the trainers that netc makes of them and, where PyTorch is installed, there, in turn, and prints tables.

    bench/bench.py [NETWORK...|all] [--only train|forward] [--rounds N] [--steps N] [--seconds S] [--threads N] [--batch N] [--netc FILE]
                   [--march=CPU] [--option=-fno-... ...] [--no-torch] [--out FILE] [--readme | --into FILE]

Builds netc (the release preset), or takes --netc. Networks: lenet, vgg11, resnet18 and resnext18, or those that are named. Each round
compiles each one's trainer, runs `trainer time`, and PyTorch in the variants eager, channels_last and torch.compile, one after
the other, so that whatever else the machine does meets all of them. First whole training steps; then inference: `time --forward` against
PyTorch's forward pass in evaluation mode, without gradients.

A figure is the median over the rounds of the rounds' median steps; behind ± stands half the way from the least to the most. Work is counted
as direct multiply-adds, so Winograd's kernels may pass the peak, which `time` measures. The ratio is to the fastest of PyTorch's
variants, round by round. Memory is the peak of the whole process. Pictures are random and in memory on both sides.

--readme writes the tables into README.md, between the two comments that mark their place, and nowhere else; --into does it to another file.
"""
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from common import (FOUR, NETWORKS, ROOT, compile_example, conditions, die, figure, find_netc, median, megabytes, parser, publish, say, share, table,
                    three_digits, time_trainer)

VARIANTS = ("eager", "channels_last", "compile")
PASSES = {"train": ("Training steps", ()), "forward": ("Inference", ("--forward",))}
BEGIN, END = "<!-- bench.py: begin -->\n", "<!-- bench.py: end -->\n"
HEAD = ["network", "images/s", "ms", "GFLOP/s", "share of peak", "memory", "compiled in", "PyTorch images/s", "its ms", "its memory", "ratio"]


def run_peer(name, variant, what, o):
    """What torch_peer.py measures, or None where PyTorch cannot do it."""
    words = [name, variant, what, o.batch, o.steps, o.seconds, o.threads]
    result = subprocess.run([sys.executable, str(ROOT / "bench/torch_peer.py"), *map(str, words)], capture_output=True, text=True)
    if result.returncode:
        say(f"{name}: PyTorch, {variant}: {(result.stderr.strip().splitlines() or ['failed'])[-1]}")
        return None
    return json.loads(result.stdout.splitlines()[-1])


def measure(name, folder, o, passes, variants):
    """All rounds: the seconds of compiling; by pass our runs; by pass and variant PyTorch's, None where it failed."""
    seconds, ours, theirs = [], {what: [] for what in passes}, {what: {variant: [] for variant in variants} for what in passes}
    for i in range(o.rounds):
        say(f"{name}: round {i + 1} of {o.rounds} ...")
        trainer, took = compile_example(name, folder, o)
        seconds.append(took)
        for what in passes:
            ours[what].append(time_trainer(trainer, o, *PASSES[what][1]))
            for variant in variants:
                theirs[what][variant].append(run_peer(name, variant, what, o))
    return seconds, ours, theirs


def best_of(theirs):
    """The variant with the least median step, of those that never failed; or None."""
    whole = [variant for variant, runs in theirs.items() if all(runs)]
    return min(whole, key=lambda variant: median(theirs[variant], "step_ms"), default=None)


def row(name, batch, seconds, ours, theirs):
    steps = [run["step_ms"] for run in ours]
    cells = [name, figure([1e3 * batch / ms for ms in steps], 0), three_digits(steps), three_digits([run["gflops"] for run in ours]),
             figure([share(run) for run in ours], 0, "%"), megabytes(ours), figure(seconds, 1, " s")]
    variant = best_of(theirs)
    if not variant:
        return cells + ["-"] * 4
    their_steps = [run["step_ms"] for run in theirs[variant]]
    ratios = [theirs_ms / ours_ms for theirs_ms, ours_ms in zip(their_steps, steps)]
    return cells + [f"{figure([1e3 * batch / ms for ms in their_steps], 0)} ({variant})", three_digits(their_steps), megabytes(theirs[variant]),
                    f"**{figure(ratios, 1, 'x')}**"]


def report(results, o, passes, heading):
    """heading, then a table for each pass."""
    parts = [heading + "\n"]
    for what in passes:
        peak = statistics.median(run["peak_gflops"] for _, ours, _ in results.values() for run in ours[what])
        rows = [row(name, o.batch, seconds, ours[what], theirs[what]) for name, (seconds, ours, theirs) in results.items()]
        parts.append(f"{PASSES[what][0]}, batch {o.batch}; the measured peak is {peak:.0f} GFLOP/s:\n\n{table(HEAD, rows)}")
    return "\n".join(parts)


# ---- a table in another file ----

def around_marks(path):
    """What stands before the tables' place in the file, and what behind it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        die(f"{path}: {error.strerror}")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or text.count(END) != 1:
        die(f"{path}: wanted one line '{BEGIN.strip()}' and below it one line '{END.strip()}'")
    return before + BEGIN, END + after


def write_between(path, tables):
    before, after = around_marks(path)
    new = path.with_name(path.name + ".new")
    new.write_text(before + tables + after, encoding="utf-8")
    os.replace(new, path)


def read_options():
    p = parser(__doc__)
    p.add_argument("network", nargs="*", help="lenet, vgg11, resnet18, resnext18; or others of examples/; or all")
    p.add_argument("--only", choices=PASSES, help="training steps, or inference, alone")
    p.add_argument("--no-torch", action="store_true", help="without PyTorch")
    p.add_argument("--into", type=pathlib.Path, metavar="FILE", help="writes the tables between the marks in FILE")
    p.add_argument("--readme", action="store_const", dest="into", const=ROOT / "README.md", help="... in README.md")
    o = p.parse_args()
    o.network = list(NETWORKS) if o.network == ["all"] else o.network or list(FOUR)
    unknown = [name for name in o.network if name not in NETWORKS]
    if unknown:
        p.error(f"no network {unknown[0]}: there are {', '.join(NETWORKS)}, and all")
    return o


def torch_version(o):
    """None where it is not to be measured. A missing PyTorch is told: its columns stay empty."""
    if o.no_torch:
        return None
    if importlib.util.find_spec("torch") is None:
        say(f"no PyTorch beside {sys.executable}: its columns stay empty")
        return None
    return importlib.metadata.version("torch")


def main():
    o = read_options()
    version = torch_version(o)
    passes = [o.only] if o.only else list(PASSES)
    heading = conditions(o) + (f"; PyTorch {version}" if version else "")
    if o.into:
        around_marks(o.into)  # a fault there is told before an hour's measuring
    o.netc = find_netc(o)
    with tempfile.TemporaryDirectory() as folder:
        results = {name: measure(name, folder, o, passes, VARIANTS if version else ()) for name in o.network}
    tables = report(results, o, passes, heading)
    publish(tables, o)
    if o.into:
        write_between(o.into, tables)


if __name__ == "__main__":
    main()

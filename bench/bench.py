#!/usr/bin/env python3
"""Measures training steps: every network's trainer and, where PyTorch is installed, the same network there, in turn.

    bench/bench.py [NETWORK...] [--rounds N] [--steps N] [--threads N] [--netc FILE] [--option=-fno-... ...] [--no-torch] [--out FILE]

For each network (lenet, vgg11, resnet18, resnext18) netc compiles a trainer; then each round runs `trainer time` and PyTorch, in the
variants eager, channels_last and torch.compile, one after the other, so that whatever else the machine does meets all of them. A
figure is the median over the rounds of the rounds' median steps; behind +- stands half the way from the least to the most. The
ratio is to the fastest of PyTorch's variants. Prints a table in Markdown, with machine and date, and writes it to --out, too.

Synthetic pictures in memory on both sides: nothing here waits for data.
"""
import argparse
import datetime
import importlib.util
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = {"lenet": 28, "vgg11": 224, "resnet18": 96, "resnext18": 96}  # height and width of the input
VARIANTS = ("eager", "channels_last", "compile")
BATCH = 128


# ---- PyTorch, in a process of its own: memory and threads start afresh ----

def peer(name, variant, steps, threads):
    """One line of JSON: the median step, the pictures in a second, the peak of memory."""
    sys.path.insert(0, str(ROOT / "tests"))
    import numpy as np
    import torch
    import torch.nn.functional as F
    import torch_nets

    torch.set_num_threads(threads)
    rng, network, size = np.random.default_rng(0), getattr(torch_nets, name), SIZES[name]
    tape = torch_nets.Tape(lambda _, shape: (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32), torch.float32)
    x, y = torch.randn(BATCH, 1, size, size), torch.randint(0, 10, (BATCH,))
    with torch.no_grad():  # the tape makes its tensors
        tape.call(network, x[:2])
    if variant == "channels_last":
        x = x.to(memory_format=torch.channels_last)
        for key, tensor in tape.tensors.items():
            if tensor.dim() == 4:
                tape.tensors[key] = tensor.detach().to(memory_format=torch.channels_last).requires_grad_()
    forward = torch.compile(lambda batch: tape.call(network, batch)) if variant == "compile" else lambda batch: tape.call(network, batch)
    optimizer = torch.optim.SGD(tape.trained(), lr=0.01)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(forward(x), y).backward()
        optimizer.step()

    for _ in range(2):
        step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(json.dumps({"step_ms": 1e3 * statistics.median(times), "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def run_peer(name, variant, o):
    command = [sys.executable, __file__, "--peer", name, variant, str(o.steps), str(o.threads)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        print(f"{name}: PyTorch, {variant}: {result.stderr.strip().splitlines()[-1] if result.stderr.strip() else 'failed'}", file=sys.stderr)
        return None
    return json.loads(result.stdout.splitlines()[-1])


# ---- netc ----

def compile_trainer(name, folder, o):
    start = time.perf_counter()
    subprocess.run([o.netc, *o.option, str(ROOT / "examples" / f"{name}.net"), "-o", str(folder / name)], check=True)
    return time.perf_counter() - start


def run_trainer(name, folder, o):
    steps = o.steps * (20 if name == "lenet" else 1)  # a step of a millisecond needs more of them
    command = [str(folder / name), "time", "--steps", str(steps), "--threads", str(o.threads), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# ---- the table ----

def spread(values):
    return (max(values) - min(values)) / 2


def figure(values, digits=1):
    return f"{statistics.median(values):.{digits}f} +- {spread(values):.{digits}f}" if len(values) > 1 else f"{values[0]:.{digits}f}"


def row(name, seconds, ours, theirs):
    """theirs: by variant, a list of runs."""
    step, peak = [run["step_ms"] for run in ours], [100 * run["gflops"] / run["peak_gflops"] for run in ours]
    cells = [name, figure([1e3 * BATCH / ms for ms in step], 0), figure(step), f"{statistics.median(run['gflops'] for run in ours):.0f}",
             figure(peak, 0) + "%", f"{max(run['peak_rss_bytes'] for run in ours) / 1e6:.0f} MB", f"{seconds:.1f} s"]
    best = {variant: statistics.median(run["step_ms"] for run in runs) for variant, runs in theirs.items() if runs}
    if best:
        variant = min(best, key=best.get)
        cells += [f"{1e3 * BATCH / best[variant]:.0f} ({variant})", f"{max(run['peak_rss_bytes'] for run in theirs[variant]) / 1e6:.0f} MB",
                  f"**{best[variant] / statistics.median(step):.1f}x**"]
    else:
        cells += ["", "", ""]
    return "| " + " | ".join(cells) + " |"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def heading(o, torch_version):
    return "\n".join([
        f"{processor()}, {os.cpu_count()} cores, {o.threads} threads; {datetime.date.today()}; {o.rounds} rounds of {o.steps} steps of {BATCH} pictures"
        + (f"; PyTorch {torch_version}" if torch_version else ""), "",
        "| network | images/s | ms a step | GFLOP/s | share of peak | memory | compiled in | PyTorch images/s | its memory | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|"])


def measure(name, folder, o, variants):
    seconds, ours, theirs = compile_trainer(name, folder, o), [], {variant: [] for variant in variants}
    for _ in range(o.rounds):
        ours.append(run_trainer(name, folder, o))
        for variant in variants:
            run = run_peer(name, variant, o)
            if run:
                theirs[variant].append(run)
    return row(name, seconds, ours, theirs)


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("network", nargs="*", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--netc", default=str(ROOT / "build/release/netc"))
    parser.add_argument("--option", action="append", default=[], help="a further option of netc")
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--out", type=pathlib.Path)
    o = parser.parse_args()
    unknown = [name for name in o.network if name not in SIZES]
    if unknown:
        parser.error(f"no network {unknown[0]}: there are {', '.join(SIZES)}")
    has_torch = not o.no_torch and importlib.util.find_spec("torch") is not None
    version = importlib.import_module("torch").__version__ if has_torch else None
    lines = [heading(o, version)]
    with tempfile.TemporaryDirectory() as folder:
        for name in o.network:
            print(f"{name} ...", file=sys.stderr, flush=True)
            lines.append(measure(name, pathlib.Path(folder), o, VARIANTS if has_torch else ()))
    table = "\n".join(lines) + "\n"
    print(table)
    if o.out:
        o.out.write_text(table)


if __name__ == "__main__":
    main()

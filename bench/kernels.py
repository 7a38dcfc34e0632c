#!/usr/bin/env python3
"""Measures single convolutions and linear layers, in the three passes of training: milliseconds, GFLOP/s and share of the measured peak.

    bench/kernels.py [SHAPE...] [--list] [--rounds N] [--steps N] [--seconds S] [--threads N] [--batch N] [--netc FILE] [--march=CPU]
                     [--option=-fno-... ...] [--out FILE]

A SHAPE is conv:IN:OUT:SIZE:KERNEL[:STRIDE[:GROUPS]], whose padding keeps the picture's size at stride 1, or linear:IN:OUT, or the first
part of names of --list, as in `resnet18` or `vgg11.block3`. Without any, all of --list.

Each shape becomes a network of its own: batch_norm, the layer without bias, batch_norm, and a small end. So the layer has all three passes, its
input and its gradient lie in memory as in ResNet, and nothing is fused with it but the statistics of the second batch_norm, in a convolution's
forward pass. `time --json` tells what its kernels take, transforms and sums over the batch included; `--emit=plan` tells the algorithm and the
register tile of the one that multiplies. What Winograd's way is taken for is measured without it, too, in turn. Work is counted as direct
multiply-adds, so Winograd's kernels may pass the peak.

"At least" is the least of the rounds, in each of which every task of a kernel counts with its fastest step: what others on the machine have slowed down
is left out. Its share is of the highest peak that was measured.
"""
import dataclasses
import pathlib
import re
import tempfile

from common import conditions, defines, die, figure, find_netc, netc, parser, publish, say, table, three_digits, time_trainer

SHAPES = {
    "lenet.conv2": "conv:6:16:14:5",
    "lenet.linear1": "linear:400:120",
    "vgg11.block1": "conv:1:16:224:3",
    "vgg11.block2": "conv:16:32:112:3",
    "vgg11.block3": "conv:64:64:56:3",
    "vgg11.block4": "conv:128:128:28:3",
    "vgg11.block5": "conv:128:128:14:3",
    "vgg11.linear1": "linear:6272:4096",
    "vgg11.linear2": "linear:4096:4096",
    "resnet18.stem": "conv:1:64:96:7:2",
    "resnet18.stage1": "conv:64:64:24:3",
    "resnet18.stage2.first": "conv:64:128:24:3:2",
    "resnet18.stage2.skip": "conv:64:128:24:1:2",
    "resnet18.stage2": "conv:128:128:12:3",
    "resnet18.stage3": "conv:256:256:6:3",
    "resnet18.stage4": "conv:512:512:3:3",
    "resnext18.stage1.grouped": "conv:64:64:24:3:1:4",
    "resnext18.stage1.1x1": "conv:64:64:24:1",
    "resnext18.stage2.first": "conv:128:128:24:3:2:8",
    "resnext18.stage4.grouped": "conv:512:512:3:3:1:32",
    "mobilenet_v1.depthwise1": "conv:32:32:48:3:1:32",
    "mobilenet_v1.depthwise2": "conv:64:64:48:3:2:64",
    "mobilenet_v1.depthwise7": "conv:512:512:6:3:1:512",
    "mobilenet_v1.1x1.first": "conv:32:64:48:1",
    "mobilenet_v1.1x1.middle": "conv:512:512:6:1",
}
# The update holds the last sums of a weight gradient, where they are kernels of their own; without a bias it holds nothing else.
PASSES = {"forward": ("forward",), "backward data": ("backward_data",), "backward weights": ("backward_weights", "update")}
PLAN_LINE = re.compile(r"^ +(\S+) +(\d+) flop +\d+ B +\d+ slots +(.*)$", re.MULTILINE)
HEAD = ["shape", "pass", "ms", "GFLOP/s", "share", "at least", "its share", "kernel and tile",
        "-fno-winograd: ms", "GFLOP/s", "share", "at least", "its share", "kernel and tile"]


@dataclasses.dataclass(frozen=True)
class Shape:
    name: str
    layer: str   # what netc calls the layer
    source: str  # the network around it


def conv_source(channels, out, size, kernel, stride, groups):
    return (f"network kernel({channels}, {size}, {size}) -> 10 {{\n    batch_norm\n"
            f"    conv({out}, {kernel}, stride={stride}, pad={kernel // 2}, groups={groups}, bias=false)\n"
            "    batch_norm\n    global_avg_pool -> linear(10)\n}\n")


def linear_source(features, out):
    return (f"network kernel({features}, 1, 1) -> 10 {{\n    flatten -> batch_norm\n    linear({out}, bias=false)\n"
            "    batch_norm\n    linear(10)\n}\n")


def read_shape(name, text):
    kind, *numbers = text.split(":")
    if not all(re.fullmatch("[1-9][0-9]*", number) for number in numbers):
        die(f"{text}: wanted whole numbers from 1 up")
    n = [int(number) for number in numbers]
    if kind == "conv" and 4 <= len(n) <= 6:
        return Shape(name, "conv1", conv_source(*n, *(1, 1)[len(n) - 4:]))
    if kind == "linear" and len(n) == 2:
        return Shape(name, "linear1", linear_source(*n))
    die(f"{text}: wanted conv:IN:OUT:SIZE:KERNEL[:STRIDE[:GROUPS]] or linear:IN:OUT")


def read_shapes(words):
    """Those that the words name, each once, in their order."""
    shapes = {}
    for word in words:
        named = {word: word} if ":" in word else {f"{name} {text}": text for name, text in SHAPES.items() if name.startswith(word)}
        if not named:
            die(f"no shape {word}; --list tells the names")
        shapes |= {name: read_shape(name, text) for name, text in named.items()}
    return list(shapes.values())


# ---- one shape, one way ----

class Way:
    """The trainer of a shape, compiled with an option more or none, and its runs."""

    def __init__(self, shape, folder, o, *option):
        self.shape, self.trainer, self.runs = shape, pathlib.Path(folder) / f"kernel{len(option)}", []
        source = pathlib.Path(folder) / "kernel.net"
        source.write_text(shape.source + "train { data = synthetic() }\n")
        words = [*option, *defines({"train.batch": o.batch})]
        self.plan = {name: (int(flop), line) for name, flop, line in PLAN_LINE.findall(netc(o, source, *words, "--emit=plan")[0])}
        netc(o, source, *words, "-o", self.trainer)

    def has_winograd(self):
        return any(name.startswith(self.shape.layer + ".") and "winograd" in line for name, (_, line) in self.plan.items())

    def kernels(self, run, what):
        return [kernel for kernel in run["kernels"] if kernel["layer"] == self.shape.layer and kernel["pass"] in PASSES[what]]

    def algorithm(self, what):
        """Of the kernel that multiplies: `conv; h:2 o:13 w:1 c+= r+ s+`."""
        flop, line = max(self.plan[kernel["name"]] for kernel in self.kernels(self.runs[0], what))
        if not flop:
            die(f"{self.shape.name}: no kernel of {what} multiplies: {line}")
        return re.sub(r"^\d+ items by \d+; |; fused nothing|tile (?=\S+:)", "", line)

    def cells(self, what):
        kernels = [self.kernels(run, what) for run in self.runs]
        ms = [sum(kernel["ms"] for kernel in one) for one in kernels]
        rates = [sum(kernel["ms"] * kernel["gflops"] for kernel in one) / total for one, total in zip(kernels, ms)]
        shares = [100 * rate / run["peak_gflops"] for rate, run in zip(rates, self.runs)]
        least = min(sum(kernel["least_ms"] for kernel in one) for one in kernels)
        share = 100 * rates[0] * ms[0] / least / max(run["peak_gflops"] for run in self.runs)
        return [three_digits(ms), three_digits(rates), figure(shares, 0, "%"), three_digits([least]), f"{share:.0f}%", self.algorithm(what)]


def measure(shape, folder, o):
    """Rows of the table, one for each pass."""
    say(f"{shape.name} ...")
    ways = [Way(shape, folder, o)]
    if ways[0].has_winograd():
        ways.append(Way(shape, folder, o, "-fno-winograd"))
    for _ in range(o.rounds):
        for way in ways:
            way.runs.append(time_trainer(way.trainer, o))
    rows = []
    for what in PASSES:
        cells = [cell for way in ways for cell in way.cells(what)]
        rows.append([shape.name, what, *cells] + ["-"] * (len(HEAD) - 2 - len(cells)))
    return rows


def main():
    p = parser(__doc__)
    p.add_argument("shape", nargs="*", help="what to measure (all of --list)")
    p.add_argument("--list", action="store_true", help="tells the shapes that have names")
    o = p.parse_args()
    if o.list:
        print("\n".join(f"{name:26} {shape}" for name, shape in SHAPES.items()))
        return
    shapes, heading = read_shapes(o.shape or SHAPES), conditions(o)
    o.netc = find_netc(o)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for shape in shapes for row in measure(shape, folder, o)]
    publish(f"{heading}; batch {o.batch}\n\n{table(HEAD, rows)}", o)


if __name__ == "__main__":
    main()

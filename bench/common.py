"""What the programs of bench/ share: building netc, compiling and timing networks, medians and their spread, tables."""
import argparse
import dataclasses
import datetime
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of examples/: what its peer in tests/torch_nets.py must be told to be the same."""
    shape: tuple
    lr: float = 0.01
    optim: dict = dataclasses.field(default_factory=dict)
    constants: dict = dataclasses.field(default_factory=dict)
    classes: bool = True  # ends in scores of ten classes; else a picture, judged by its squared error


FASHION, LARGE, MIDDLE = (1, 28, 28), (1, 224, 224), (1, 96, 96)
NETWORKS = {
    "lenet": Network(FASHION, 0.1),
    "vgg11": Network(LARGE, constants={"drop": 0.5}),
    "resnet18": Network(MIDDLE),
    "resnext18": Network(MIDDLE, 0.05),
    "linear": Network(FASHION, 0.1),
    "mlp": Network(FASHION, 0.1),
    "edge": Network((1, 6, 8), 1e-6, classes=False),  # the sum of squares over a large batch wants a small one
    "cifar10": Network((3, 32, 32), 0.05, {"momentum": 0.9, "weight_decay": 5e-4}),
    "alexnet": Network(LARGE, constants={"drop": 0.5}),
    "nin": Network(LARGE, 0.05, constants={"drop": 0.5}),
    "googlenet": Network(MIDDLE),
    "densenet": Network(MIDDLE, 0.1),
    "mobilenet_v1": Network(MIDDLE, 0.05, {"momentum": 0.9, "nesterov": True, "weight_decay": 4e-5}),
    "regnetx32": Network(MIDDLE, 0.05),
}
FOUR = ("lenet", "vgg11", "resnet18", "resnext18")


# ---- the command line ----

def parser(doc, rounds=3, steps=5, seconds=1.0):
    """The options that all have. `doc` is the program's own text."""
    p = argparse.ArgumentParser(description=doc.split("\n\n")[0])
    p.add_argument("--rounds", type=positive, default=rounds, help=f"times that everything is measured in turn ({rounds})")
    p.add_argument("--steps", type=positive, default=steps, help=f"steps of a measurement, at least ({steps})")
    p.add_argument("--seconds", type=seconds_of, default=seconds, help=f"... and as many as take this long ({seconds})")
    p.add_argument("--threads", type=positive, default=os.cpu_count())
    p.add_argument("--batch", type=positive, default=128)
    p.add_argument("--netc", help="the compiler (else the release preset is built)")
    p.add_argument("--march", help="what netc compiles for (native)")
    p.add_argument("--option", action="append", default=[], help="a further option of netc, as in --option=-fno-winograd")
    p.add_argument("--out", type=pathlib.Path, help="a file that gets the tables, too")
    return p


def positive(text):
    n = int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"{text} is not allowed; a whole number from 1 up is")
    return n


def seconds_of(text):
    s = float(text)
    if not 0 <= s <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not allowed; a number from 0 to 3600 is")
    return s


def die(text):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: error: {text}")


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- netc and its trainers ----

def run(*command, folder=None):
    """What the command prints. Where it fails, that is the end, with its own message."""
    words = [str(word) for word in command]
    try:
        result = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    except OSError as error:
        die(f"{words[0]}: {error.strerror}")
    if result.returncode:
        sys.stderr.write(result.stdout[-4000:] + result.stderr[-4000:])
        die(f"exit code {result.returncode}: {' '.join(words)}")
    return result.stdout


def find_netc(o):
    """--netc, or the release preset's, built where it is out of date."""
    if o.netc:
        return o.netc
    say("building build/release ...")
    run("cmake", "--preset", "release", folder=ROOT)
    run("cmake", "--build", "--preset", "release", folder=ROOT)
    return ROOT / "build/release/netc"


def netc(o, source, *options):
    """Runs netc on the source; returns what it printed, and the seconds it took."""
    march, start = [f"-march={o.march}"] if o.march else [], time.perf_counter()
    printed = run(o.netc, *march, *o.option, *options, source)
    return printed, time.perf_counter() - start


def defines(values):
    return [word for name, value in values.items() for word in ("-D", f"{name}={value}")]


def compile_example(name, folder, o):
    """The trainer, and the seconds it took. Its pictures are generated: nothing waits for data, and no data counts as memory."""
    values = {"train.batch": o.batch, "train.lr": NETWORKS[name].lr} | ({"train.data": "synthetic()"} if NETWORKS[name].classes else {})
    trainer = pathlib.Path(folder) / name
    return trainer, netc(o, ROOT / "examples" / f"{name}.net", *defines(values), "-o", trainer)[1]


def time_trainer(trainer, o, *words, threads=None):
    """The object that `time --json` prints, of as many steps as --steps and --seconds ask for."""
    def once(steps):
        return json.loads(run(trainer, "time", "--json", "--steps", steps, "--threads", threads or o.threads, *words))

    result = once(o.steps)
    enough = math.ceil(1e3 * o.seconds / result["step_ms"])
    return result if enough <= o.steps else once(min(enough, 1000000))


# ---- figures and tables ----

def median(runs, key):
    return statistics.median(run[key] for run in runs)


def share(run):
    """In per cent of the peak that was measured beside it."""
    return 100 * run["gflops"] / run["peak_gflops"]


def figure(values, digits=1, unit=""):
    """The median, and half the way from the least to the most."""
    text = f"{statistics.median(values):.{digits}f}"
    return text + (f" ± {(max(values) - min(values)) / 2:.{digits}f}" if len(values) > 1 else "") + unit


def three_digits(values):
    """As figure(), with three digits, or all of those before the point: for times from microseconds to seconds."""
    middle = statistics.median(values)
    return figure(values, max(0, 2 - math.floor(math.log10(middle))) if middle > 0 else 0)


def megabytes(runs):
    return f"{max(run['peak_rss_bytes'] for run in runs) / 1e6:.0f} MB"


def table(head, rows):
    """In Markdown, its columns aligned."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in [head, *rows]]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def count(n, what):
    return f"{n} {what}{'' if n == 1 else 's'}"


def conditions(o):
    """The machine, the day, and how it was measured. Call it before the machine is busy with the measuring."""
    march = f"; -march={o.march}" if o.march else ""
    options = f"; netc {' '.join(o.option)}" if o.option else ""
    steps = f"{count(o.rounds, 'round')} of at least {count(o.steps, 'step')} and {o.seconds:g} s"
    return (f"{processor()}, {count(os.cpu_count(), 'core')}, load {os.getloadavg()[0]:.1f} before; {datetime.date.today()}; "
            f"{count(o.threads, 'thread')}{march}{options}; {steps}")


def publish(text, o):
    if o.out:
        o.out.write_text(text, encoding="utf-8")
    print(text)

#!/usr/bin/env python3
"""Trains a network of examples/ on Fashion-MNIST twice, in PyTorch and in the trainer that netc makes of it, both in float32, from the
same weights and over the same pictures in the same order, and puts the losses side by side.

    bench/curves.py resnet18|vgg11 --steps N [--data DIR] [--netc FILE] [--batch N] [--lr X] [--seed N] [--threads N] [--out DIR]

Writes into --out (bench/curves): NETWORK.txt, a line a step with both losses and how far they are apart, and NETWORK.svg, the curves.
Dropout's masks are each side's own, so vgg11 trains without. Rounding alone makes two runs drift apart, the sooner the larger the
learning rate; what must agree is the curves' course.
"""
import argparse
import gzip
import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import torch_nets
from record_files import write_safetensors

NETWORKS = {"resnet18": (96, {}), "vgg11": (224, {"drop": 0})}  # height and width; netc's constants
SMOOTH = 25  # steps that the thick lines average over


# ---- pictures ----

def find(folder, name):
    for place in (folder, folder / "fashion-mnist", folder / "FashionMNIST" / "raw"):
        for path, opener in ((place / name, open), (place / (name + ".gz"), gzip.open)):
            if path.exists():
                return opener(path, "rb")
    sys.exit(f"{folder}: no {name}[.gz] in it, in fashion-mnist/ or in FashionMNIST/raw/")


def read_part(folder):
    with find(folder, "train-images-idx3-ubyte") as images, find(folder, "train-labels-idx1-ubyte") as labels:
        pictures = np.frombuffer(images.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        return pictures, np.frombuffer(labels.read(), np.uint8, offset=8).astype(np.int64)


def resized(picture, size):
    """Along the rows, then along the columns, as the trainer does it, rounding to bytes in between."""
    rows = Image.fromarray(picture).resize((size, 28), Image.Resampling.BILINEAR)
    return np.asarray(rows.resize((size, size), Image.Resampling.BILINEAR))


# ---- both sides ----

def initial_values(seed):
    """A function of name and shape, for a Tape: Xavier-uniform kernels, biases U(+-1/sqrt(fan_in)), batch norm as it begins."""
    rng, fan_in = np.random.default_rng(seed), {}

    def make(name, shape):
        layer, part = name.rsplit(".", 1)
        if len(shape) > 1:
            area = int(np.prod(shape[2:]))
            fan_in[layer] = shape[1] * area
            bound = np.sqrt(6 / (fan_in[layer] + shape[0] * area))
        elif part == "bias" and layer in fan_in:
            bound = 1 / np.sqrt(fan_in[layer])
        else:
            return np.full(shape, part in ("weight", "running_var"), np.float32)
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    return make


def batches(count, batch, steps):
    """The rows of each step: in their order, the last batch of an epoch smaller."""
    at = 0
    for _ in range(steps):
        rows = slice(at, min(at + batch, count))
        at = rows.stop % count
        yield rows


def train_torch(tape, network, size, pictures, labels, o):
    optimizer, losses = torch.optim.SGD(tape.trained(), lr=o.lr), []
    for rows in batches(len(pictures), o.batch, o.steps):
        x = np.stack([resized(picture, size) for picture in pictures[rows]])[:, None].astype(np.float32) / np.float32(255)
        loss = F.cross_entropy(tape.call(network, torch.from_numpy(x)), torch.from_numpy(labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def train_netc(name, size, constants, o):
    trainer = o.out / name
    defines = {"size": size, "train.batch": o.batch, "train.lr": o.lr} | constants
    options = [word for key, value in defines.items() for word in ("-D", f"{key}={value}")]
    subprocess.run([o.netc, *options, str(ROOT / "examples" / f"{name}.net"), "-o", str(trainer)], check=True)
    log = o.out / f"{name}.jsonl"
    command = [str(trainer), "train", "--quiet", "--no-shuffle", "--no-test", "--data", str(o.data), "--max-steps", str(o.steps), "--epochs", "1000000",
               "--init-weights", str(o.out / f"{name}.safetensors"), "--log", str(log), "--out", str(o.out / f"{name}.run")]
    subprocess.run(command + (["--threads", str(o.threads)] if o.threads else []), check=True)
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return [line["loss"] for line in lines if line["event"] == "step"]


# ---- what comes out ----

def smooth(losses):
    return [float(np.mean(losses[max(0, i + 1 - SMOOTH):i + 1])) for i in range(len(losses))]


def write_table(path, losses):
    ours, theirs = losses["netc"], losses["PyTorch"]
    rows = zip(theirs, ours, smooth(theirs), smooth(ours))
    with open(path, "w") as out:
        out.write(f"{'step':>6} {'PyTorch':>11} {'netc':>11} {'difference':>11}   mean of {SMOOTH}: {'PyTorch':>8} {'netc':>8}\n")
        for step, (a, b, mean_a, mean_b) in enumerate(rows, 1):
            out.write(f"{step:6} {a:11.7f} {b:11.7f} {abs(a - b) / abs(a):11.1e}   {'':11} {mean_a:8.4f} {mean_b:8.4f}\n")


def polyline(losses, place, colour, width, opacity):
    points = " ".join("%.1f,%.1f" % place(step, loss) for step, loss in enumerate(losses))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}"/>'


def write_plot(path, title, losses):
    width, height, left, top, bottom = 900, 420, 60, 40, 40
    most, steps = max(max(line) for line in losses.values()), len(losses["netc"])

    def place(step, loss):
        return left + (width - left - 20) * step / max(steps - 1, 1), height - bottom - (height - top - bottom) * loss / most

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/><text x="{left}" y="20" font-size="15">{title}</text>']
    for i in range(6):
        x, y = place((steps - 1) * i / 5, most * i / 5)
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{most * i / 5:.2f}</text>')
        parts.append(f'<text x="{x:.1f}" y="{height - 20}" text-anchor="middle">{1 + round((steps - 1) * i / 5)}</text>')
    for i, ((side, line), colour) in enumerate(zip(losses.items(), ("#d95f02", "#1b6ca8"))):
        parts += [polyline(line, place, colour, 1, 0.35), polyline(smooth(line), place, colour, 2, 0.9)]
        parts.append(f'<text x="{width - 120}" y="{top + 16 * i}" fill="{colour}">{side}</text>')
    path.write_text("\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path.home() / ".cache/netc")
    parser.add_argument("--netc", default=str(ROOT / "build/release/netc"))
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/curves")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    o = parser.parse_args()
    (size, constants), network = NETWORKS[o.network], getattr(torch_nets, o.network)
    o.out.mkdir(parents=True, exist_ok=True)
    if o.threads:
        torch.set_num_threads(o.threads)
    pictures, labels = read_part(o.data)

    tape = torch_nets.Tape(initial_values(o.seed), torch.float32)
    with torch.no_grad():  # draws the weights; the running statistics stay
        tape.training = False
        tape.call(network, torch.zeros(1, 1, size, size))
    write_safetensors(o.out / f"{o.network}.safetensors", {name: tensor.detach().numpy() for name, tensor in tape.tensors.items()})
    tape.training, start = True, time.perf_counter()
    losses = {"PyTorch": train_torch(tape, network, size, pictures, labels, o)}
    middle = time.perf_counter()
    losses["netc"] = train_netc(o.network, size, constants, o)
    print(f"{o.network}: PyTorch {middle - start:.1f} s, netc {time.perf_counter() - middle:.1f} s with compiling")
    write_table(o.out / f"{o.network}.txt", losses)
    write_plot(o.out / f"{o.network}.svg", f"{o.network}, batch {o.batch}, lr {o.lr}: loss of each step, and its mean over {SMOOTH}", losses)
    print(f"{o.out}/{o.network}.txt and .svg; last step: PyTorch {losses['PyTorch'][-1]:.5f}, netc {losses['netc'][-1]:.5f}")


if __name__ == "__main__":
    main()

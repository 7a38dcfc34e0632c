#!/usr/bin/env python3
"""Records what PyTorch, in float64, makes of the first eight steps of every network of examples/, at sizes that run in seconds.

    tests/record_examples.py [NAME...]

Writes tests/data/examples/NAME/: options.txt (netc's options for this size), data.txt (number and shape of the pictures),
losses.txt, updates.txt (a line a tensor: name, shape, the norm of its update and the projections of hashed.sketch) and output.npy
(the trained network's output for all pictures, in inference). Weights and pictures are hashed.py's and stored nowhere. Thirty-three
pictures in batches of thirteen: the lane blocks are partly empty, the last batch of an epoch is smaller, and the steps go into a
third epoch.

A ReLU or a maximum has a kink, and a number that lies on the wrong side of it by rounding alone changes a gradient for good. PyTorch
in float32, and in float64 from weights moved by a few of float32's last bits, run beside the record; where they do not leave room
below the test's bounds, the next draw (which of the hashed networks) is tried.
"""
import functools
import pathlib
import shlex
import sys

import numpy as np
import torch
import torch.nn.functional as F

import hashed
import torch_nets
from record_files import write_losses, write_npy

IMAGES, BATCH, STEPS = 33, 13, 8
LOSS_BOUND, UPDATE_BOUND, OUTPUT_BOUND = 2e-5, 1e-3, 1e-4  # of tests/e2e/examples.sh
NOTHING = 1e-12  # an update below this is zero but for rounding: biases ahead of a batch norm
NOISE, NOISES = 1e-6, 12  # relative: some last bits of a float32, as Winograd's way with convolutions may lose them; how often
DRAWS = 60
FOLDER = pathlib.Path(__file__).parent / "data" / "examples"


class Example:
    """size: -D size, or the fixed shape; constants: further -D's, which the PyTorch network takes too; optim: of torch.optim.SGD."""

    def __init__(self, size, lr, loss="cross_entropy", drop=False, optim=None, **constants):
        self.shape = size if isinstance(size, tuple) else (1, size, size)
        self.resized, self.lr, self.loss, self.drop, self.constants = not isinstance(size, tuple), lr, loss, drop, constants
        self.optim = optim or {}

    def options(self):
        defines = {"size": self.shape[1]} if self.resized else {}
        defines |= self.constants | ({"drop": 0} if self.drop else {})
        defines |= {"train.batch": BATCH, "train.lr": self.lr, "train.schedule": "constant", "train.data": 'arrays(inputs="x.npy", targets="y.npy")'}
        return [word for name, value in defines.items() for word in ("-D", f"{name}={value}")]


EXAMPLES = {
    "linear": Example((1, 28, 28), 0.05),
    "mlp": Example((1, 28, 28), 0.05),
    "lenet": Example((1, 28, 28), 0.1),
    "edge": Example((1, 6, 8), 1e-3, loss="squared_error"),
    "vgg11": Example(64, 0.002, drop=True, ratio=8, hidden=96),
    "alexnet": Example(99, 0.01, drop=True, ratio=8, hidden=96),
    "nin": Example(67, 0.01, drop=True, ratio=8),
    "googlenet": Example(48, 0.003, ratio=4),
    "resnet18": Example(48, 0.03, ratio=8),
    "resnext18": Example(48, 0.03, ratio=4),
    "densenet": Example(48, 0.03, growth=4),
    "mobilenet_v1": Example(48, 0.003, optim={"momentum": 0.9, "nesterov": True, "weight_decay": 4e-5}, divide=8),
    "regnetx32": Example(24, 0.01),
    "cifar10": Example((3, 32, 32), 0.003, optim={"momentum": 0.9, "weight_decay": 5e-4}, ratio=8),
}


def loss_of(example, output, targets):
    return F.cross_entropy(output, targets) if example.loss == "cross_entropy" else F.mse_loss(output, targets, reduction="sum")


def make_weights(draw, noise, name, shape):
    """hashed.weights, of which a seed `noise` other than 0 moves every number by up to NOISE of itself."""
    values = hashed.weights(draw, name, shape).astype(np.float64)
    return values * (1 + NOISE * np.random.default_rng(noise).uniform(-1, 1, shape)) if noise else values


def train(name, example, draw, dtype=torch.float64, noise=0):
    """The losses, every tensor's update, and the trained network's output."""
    network, tape = getattr(torch_nets, name), torch_nets.Tape(functools.partial(make_weights, draw, noise), dtype)
    x = torch.from_numpy(hashed.pictures(IMAGES, example.shape)).to(dtype)
    with torch.no_grad():  # names the tensors
        tape.training = False
        like = tape.call(network, x[:1], **example.constants)
    entropy = example.loss == "cross_entropy"
    y = hashed.classes(IMAGES) if entropy else hashed.targets(IMAGES, like.shape[1:])
    y = torch.from_numpy(y) if entropy else torch.from_numpy(y).to(dtype)
    initial = {key: value.detach().double().numpy().copy() for key, value in tape.tensors.items()}
    optimizer = torch.optim.SGD(tape.trained(), lr=example.lr, **example.optim)
    losses, at, tape.training = [], 0, True
    for _ in range(STEPS):
        rows = slice(at, min(at + BATCH, IMAGES))
        at = rows.stop % IMAGES
        loss = loss_of(example, tape.call(network, x[rows], **example.constants), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    tape.training = False
    with torch.no_grad():
        output = tape.call(network, x, **example.constants).double().numpy()
    return losses, {key: value.detach().double().numpy() - initial[key] for key, value in tape.tensors.items()}, output


def distance(got, wanted):
    """How far two runs are apart: in a loss, in a tensor's update (and which), in the output, and where nothing should move."""
    (losses, updates, output), (wanted_losses, wanted_updates, wanted_output) = got, wanted
    errors, still = {}, 0
    for key, value in wanted_updates.items():
        norm = np.linalg.norm(value)
        if norm > NOTHING:
            errors[key] = np.linalg.norm(updates[key] - value) / norm
        else:
            still = max(still, np.abs(updates[key]).max())
    worst = max(errors, key=errors.get)
    loss = max(abs(a - b) / abs(b) for a, b in zip(losses, wanted_losses))
    return loss, errors[worst], worst, np.abs(output - wanted_output).max() / np.abs(wanted_output).max(), still


def is_well_conditioned(name, example, draw, wanted):
    """Does rounding, and the distance to the next kink, leave room below the test's bounds?"""
    runs = [("float32", torch.float32, 0), *(("noise", torch.float64, 1 + i) for i in range(NOISES))]
    for kind, dtype, noise in runs:
        loss, update, worst, output, still = distance(train(name, example, draw, dtype, noise), wanted)
        good = loss < LOSS_BOUND / 4 and update < UPDATE_BOUND / 2 and output < OUTPUT_BOUND / 2
        if kind == "float32" or not good:
            print(f"{name} {draw}: {kind} moves a loss by {loss:.1e}, {worst} by {update:.1e}, the output by {output:.1e}, "
                  f"what should not move by {still:.1e}", flush=True)
        if not good:
            return False
    return True


def choose(name, example):
    """The first draw that is well-conditioned, and what training makes of it."""
    for draw in range(DRAWS):
        wanted = train(name, example, draw)
        if is_well_conditioned(name, example, draw, wanted):
            return draw, *wanted
    sys.exit(f"{name} is ill-conditioned: try another size or learning rate")


def record(name, example):
    draw, losses, updates, output = choose(name, example)
    print(f"{name} {draw}: losses {losses[0]:.3f} to {losses[-1]:.3f}, {sum(np.linalg.norm(u) <= NOTHING for u in updates.values())} tensors do not move")
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.txt").write_text(shlex.join(example.options()) + "\n")
    kind = "classes" if example.loss == "cross_entropy" else "x".join(map(str, output.shape[1:]))
    (folder / "data.txt").write_text(f"{IMAGES} {'x'.join(map(str, example.shape))} {kind} {draw}\n")
    write_losses(folder / "losses.txt", losses)
    write_npy(folder / "output.npy", output.astype(np.float32))
    with open(folder / "updates.txt", "w") as out:
        for key, value in updates.items():
            norm, sums = hashed.sketch(key, value)
            numbers = [norm, *sums] if norm > NOTHING else [0.0] * (1 + hashed.SKETCHES)
            out.write(f"{key} {'x'.join(map(str, value.shape))} {' '.join(f'{number:.7g}' for number in numbers)}\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or EXAMPLES:
        record(name, EXAMPLES[name])

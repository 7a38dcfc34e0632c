#!/usr/bin/env python3
"""Records what PyTorch says of learning rates and of initial weights: tests/data/schedules.txt and tests/data/initial.txt.

schedules.txt: a line a schedule, "KIND EVERY GAMMA WARMUP LR : rates", one rate for each epoch of torch.optim.lr_scheduler.
initial.txt: a line for each way to initialise and tensor of initial.net, "INIT NAME SHAPE DISTRIBUTION SIZE": uniform up to +-SIZE, normal
with that deviation, or constant. SIZE is PyTorch's own: read off torch.nn.init at work, with chance replaced by its bound.
"""
import pathlib
import unittest.mock
import warnings

import torch
from torch.optim import lr_scheduler

FOLDER = pathlib.Path(__file__).parent / "data"
EPOCHS = 12

# ---- schedules ----


def cosine(optimizer, warmup):
    fall = lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS - warmup)
    if not warmup:
        return fall
    optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"]
    rise = lr_scheduler.LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
    return lr_scheduler.SequentialLR(optimizer, [rise, fall], [warmup])


SCHEDULES = [("constant", 1, 1.0, 0, 0.1), ("step", 3, 0.5, 0, 0.1), ("step", 1, 0.9, 0, 0.025), ("step", 5, 0.1, 0, 3.0),
             ("cosine", 1, 1.0, 0, 0.1), ("cosine", 1, 1.0, 1, 0.1), ("cosine", 1, 1.0, 4, 0.05), ("cosine", 1, 1.0, 11, 0.2)]


def rates(kind, every, gamma, warmup, lr):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule = {"constant": lambda: lr_scheduler.ConstantLR(optimizer, 1.0), "step": lambda: lr_scheduler.StepLR(optimizer, every, gamma),
                "cosine": lambda: cosine(optimizer, warmup)}[kind]()
    for _ in range(EPOCHS):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()


# ---- initial weights ----

LAYERS = {"conv1": torch.nn.Conv2d(12, 48, 5), "conv2": torch.nn.Conv2d(48, 96, (3, 2), groups=4), "conv3": torch.nn.Conv2d(96, 96, 3, groups=96),
          "linear1": torch.nn.Linear(96, 200), "linear2": torch.nn.Linear(200, 10)}
INITS = {"xavier_uniform": torch.nn.init.xavier_uniform_, "xavier_normal": torch.nn.init.xavier_normal_,
         "kaiming_uniform": lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu"),
         "kaiming_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu")}


class Drawn(Exception):
    """What a draw was asked for."""


def drawn(kind):
    def draw(tensor, low, high, *rest, **names):
        raise Drawn(kind, float(high))
    return draw


def distribution(fill):
    """(kind, size) of the numbers with which `fill` would fill a tensor."""
    with unittest.mock.patch.object(torch.Tensor, "uniform_", drawn("uniform")), unittest.mock.patch.object(torch.Tensor, "normal_", drawn("normal")):
        try:
            fill()
        except Drawn as what:
            return what.args
    raise AssertionError("nothing is drawn")


def bias_distribution(layer):
    """PyTorch's own for biases: reset_parameters with the weight's draw left out."""
    with unittest.mock.patch.object(torch.nn.init, "kaiming_uniform_", lambda *rest, **names: None):
        return distribution(layer.reset_parameters)


def initial_lines():
    for init in (*INITS, "torch_default"):
        for name, layer in LAYERS.items():
            weight = distribution(layer.reset_parameters) if init == "torch_default" else distribution(lambda: INITS[init](layer.weight))
            for part, (kind, size) in (("weight", weight), ("bias", bias_distribution(layer))):
                shape = "x".join(map(str, getattr(layer, part).shape))
                yield f"{init} {name}.{part} {shape} {kind} {size:.17g}"


def main():
    warnings.simplefilter("ignore")
    with open(FOLDER / "schedules.txt", "w") as out:
        for row in SCHEDULES:
            out.write(" ".join(map(str, row)) + " : " + " ".join(f"{rate:.17g}" for rate in rates(*row)) + "\n")
    (FOLDER / "initial.txt").write_text("\n".join(initial_lines()) + "\n")


if __name__ == "__main__":
    main()

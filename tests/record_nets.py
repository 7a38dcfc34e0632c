#!/usr/bin/env python3
"""Records what PyTorch, in float64, makes of small networks that between them use every operator, on small random arrays.

    tests/record_nets.py [NAME...]

For each network below, tests/data/nets/NAME/ holds net.net (written by hand: the same network in netc's language) and gets
x.npy and y.npy (the data), initial.safetensors, output.npy (the untrained network's output for x), losses.txt and
update.safetensors (the change of every tensor after STEPS steps). Thirteen images in batches of six: the lane blocks are
partly empty, the last batch of an epoch holds one image, and the steps go into a second epoch.
"""
import pathlib
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F

from record_files import write_losses, write_npy, write_safetensors

IMAGES, BATCH, STEPS = 13, 6, 5
FOLDER = pathlib.Path(__file__).parent / "data" / "nets"


class Net:
    """One recorded network: the shapes of its input and weights, what it computes, and its loss."""

    def __init__(self, input_shape, shapes, forward, lr=0.1, loss="cross_entropy"):
        self.input_shape, self.shapes, self.forward, self.lr, self.loss = input_shape, shapes, forward, lr, loss


def conv(name, x, w, **options):
    return F.conv2d(x, w[name + ".weight"], w.get(name + ".bias"), **options)


def linear(name, x, w):
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def linear_classifier(x, w):
    return linear("linear1", x.flatten(1), w)


def mlp(x, w):
    x = torch.relu(linear("linear1", x, w))
    x = torch.tanh(linear("linear2", x, w))
    return linear("linear3", x, w)


def strided(x, w):
    x = torch.tanh(conv("conv1", x, w, stride=(2, 1), padding=(1, 0)))
    x = torch.relu(conv("conv2", x, w, stride=2, padding=1))
    x = conv("conv3", x, w, stride=(3, 2), padding=(2, 0))
    return linear("linear1", x.flatten(1), w)


def dilated(x, w):
    x = torch.relu(conv("conv1", x, w, dilation=2, padding=2))
    x = torch.sigmoid(conv("conv2", x, w, dilation=(3, 1), stride=(1, 2)))
    return linear("linear1", x.flatten(1), w)


def grouped(x, w):
    x = torch.tanh(conv("conv1", x, w, groups=3))
    x = torch.relu(conv("conv2", x, w, groups=9, padding=1))
    x = conv("conv3", x, w)
    return linear("linear1", x.flatten(1), w)


def max_pooled(x, w):
    x = F.max_pool2d(torch.relu(conv("conv1", x, w)), 3, 2, 1)
    x = F.max_pool2d(torch.tanh(conv("conv2", x, w, padding=1)), (2, 3), (2, 1))
    return linear("linear1", x.flatten(1), w)


def avg_pooled(x, w):
    x = F.avg_pool2d(torch.sigmoid(conv("conv1", x, w)), (2, 3), 2, 1)
    x = F.avg_pool2d(conv("conv2", x, w), (3, 2), 1)
    return linear("linear1", x.flatten(1), w)


def residual(x, w):
    skip = x
    x = torch.relu(conv("conv1", x, w, padding=1))
    x = x + skip
    gate = torch.sigmoid(conv("conv2", x, w))
    x = x * gate - skip
    x = torch.relu(F.avg_pool2d(x, 2))
    x = x * x + x
    return linear("linear1", x.flatten(1), w)


def image(x, w):
    x = torch.tanh(conv("conv1", x, w, padding=(1, 2)))
    return conv("conv2", x, w, padding=(0, 1))


def wide(x, w):
    x = F.max_pool2d(torch.relu(conv("conv1", x, w, padding=2)), 2)
    x = torch.relu(conv("conv2", x, w))
    x = torch.relu(linear("linear1", x.flatten(1), w))
    return linear("linear2", x, w)


IMAGE_SHAPES = {"conv1.weight": (3, 2, 3, 4), "conv1.bias": (3,), "conv2.weight": (2, 3, 1, 3)}
NETS = {
    "linear": Net((1, 4, 5), {"linear1.weight": (3, 20), "linear1.bias": (3,)}, linear_classifier),
    "mlp": Net((12,), {"linear1.weight": (17, 12), "linear1.bias": (17,), "linear2.weight": (9, 17),
                       "linear3.weight": (4, 9), "linear3.bias": (4,)}, mlp),
    "strided": Net((3, 11, 9), {"conv1.weight": (5, 3, 3, 2), "conv1.bias": (5,), "conv2.weight": (4, 5, 3, 3), "conv2.bias": (4,),
                                "conv3.weight": (3, 4, 4, 2), "conv3.bias": (3,), "linear1.weight": (3, 12), "linear1.bias": (3,)}, strided),
    "dilated": Net((2, 12, 10), {"conv1.weight": (4, 2, 3, 3), "conv1.bias": (4,), "conv2.weight": (3, 4, 2, 3), "conv2.bias": (3,),
                                 "linear1.weight": (5, 108), "linear1.bias": (5,)}, dilated),
    "grouped": Net((6, 7, 8), {"conv1.weight": (9, 2, 3, 3), "conv1.bias": (9,), "conv2.weight": (9, 1, 3, 3), "conv2.bias": (9,),
                               "conv3.weight": (4, 9, 1, 1), "conv3.bias": (4,), "linear1.weight": (3, 120), "linear1.bias": (3,)}, grouped),
    "max_pooled": Net((2, 13, 13), {"conv1.weight": (4, 2, 3, 3), "conv1.bias": (4,), "conv2.weight": (3, 4, 3, 3), "conv2.bias": (3,),
                                    "linear1.weight": (4, 36), "linear1.bias": (4,)}, max_pooled),
    "avg_pooled": Net((2, 10, 11), {"conv1.weight": (5, 2, 3, 3), "conv1.bias": (5,), "conv2.weight": (3, 5, 2, 2), "conv2.bias": (3,),
                                    "linear1.weight": (4, 18), "linear1.bias": (4,)}, avg_pooled),
    "residual": Net((4, 6, 6), {"conv1.weight": (4, 4, 3, 3), "conv1.bias": (4,), "conv2.weight": (4, 4, 1, 1), "conv2.bias": (4,),
                                "linear1.weight": (3, 36), "linear1.bias": (3,)}, residual),
    "image_mean": Net((2, 6, 7), IMAGE_SHAPES, image, lr=0.3, loss="mean"),
    "image_sum": Net((2, 6, 7), IMAGE_SHAPES, image, lr=1e-3, loss="sum"),
    "wide": Net((1, 12, 12), {"conv1.weight": (13, 1, 5, 5), "conv1.bias": (13,), "conv2.weight": (7, 13, 3, 3), "conv2.bias": (7,),
                              "linear1.weight": (37, 112), "linear1.bias": (37,), "linear2.weight": (11, 37), "linear2.bias": (11,)}, wide),
}


def loss_of(net, output, target):
    if net.loss == "cross_entropy":
        return F.cross_entropy(output, target)
    return F.mse_loss(output, target, reduction=net.loss)


def record(name, net):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    x = rng.standard_normal((IMAGES, *net.input_shape)).astype(np.float32)
    initial = {}
    for tensor, shape in net.shapes.items():
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 4
        initial[tensor] = (rng.uniform(-1.5, 1.5, shape) / np.sqrt(fan_in)).astype(np.float32)
    w = {key: torch.from_numpy(value).double().requires_grad_() for key, value in initial.items()}
    inputs = torch.from_numpy(x).double()
    output = net.forward(inputs, w).detach().numpy()
    if net.loss == "cross_entropy":
        y = rng.integers(0, output.shape[1], IMAGES)
    else:
        y = rng.standard_normal(output.shape).astype(np.float32)
    targets = torch.from_numpy(y) if net.loss == "cross_entropy" else torch.from_numpy(y).double()

    losses, at = [], 0
    for _ in range(STEPS):
        rows = slice(at, min(at + BATCH, IMAGES))
        at = rows.stop % IMAGES
        loss = loss_of(net, net.forward(inputs[rows], w), targets[rows])
        gradients = torch.autograd.grad(loss, list(w.values()))
        with torch.no_grad():
            for tensor, gradient in zip(w.values(), gradients):
                tensor -= net.lr * gradient
        losses.append(loss.item())

    update = {key: w[key].detach().numpy() - initial[key].astype(np.float64) for key in w}
    for key, value in update.items():
        assert np.linalg.norm(value) > 1e-2 * net.lr, f"{name}: {key} hardly moves, which tests nothing"
    folder = FOLDER / name
    assert (folder / "net.net").exists(), f"write {folder}/net.net first"
    write_npy(folder / "x.npy", x)
    write_npy(folder / "y.npy", y)
    write_npy(folder / "output.npy", output.astype(np.float32))
    write_safetensors(folder / "initial.safetensors", initial)
    write_losses(folder / "losses.txt", losses)
    write_safetensors(folder / "update.safetensors", update)
    print(f"{name}: losses {' '.join(f'{loss:.4f}' for loss in losses)}")


if __name__ == "__main__":
    for name in sys.argv[1:] or NETS:
        record(name, NETS[name])

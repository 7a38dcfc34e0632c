#!/usr/bin/env python3
"""Records what PyTorch, in float64, makes of the first eight steps of LeNet on Fashion-MNIST.

    tests/record_lenet.py FOLDER-WITH-THE-FOUR-FILES

Writes tests/data/lenet/: initial.safetensors, and for each batch size B losses_B.txt and update_B.safetensors, the change
of every tensor after eight steps of plain SGD (lr 0.1) over the training pictures in their order in the file. The change is
recorded, not the weights, so that rounding the record to float32 costs nothing.
"""
import gzip
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

from record_files import write_losses, write_safetensors

BATCHES, STEPS, LR, SEED = (128, 50, 37), 8, 0.1, 0
SHAPES = {
    "conv1.weight": (6, 1, 5, 5), "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5), "conv2.bias": (16,),
    "linear1.weight": (120, 400), "linear1.bias": (120,),
    "linear2.weight": (84, 120), "linear2.bias": (84,),
    "linear3.weight": (10, 84), "linear3.bias": (10,),
}


def read_idx(path, offset, shape):
    with gzip.open(path) as data:
        count = int(np.prod(shape))
        return np.frombuffer(data.read(offset + count), np.uint8, count, offset).reshape(shape)


def initial_weights():
    """Xavier-uniform weights, biases as torch's own, rounded to float32 so that both sides start from the same numbers."""
    torch.manual_seed(SEED)
    weights = {}
    for name, shape in SHAPES.items():
        tensor = torch.empty(shape, dtype=torch.float32)
        if name.endswith("weight"):
            torch.nn.init.xavier_uniform_(tensor)
            bound = 1 / np.sqrt(np.prod(shape[1:]))
        else:
            torch.nn.init.uniform_(tensor, -bound, bound)
        weights[name] = tensor
    return weights


def forward(w, x):
    x = F.avg_pool2d(torch.sigmoid(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=2)), 2)
    x = F.avg_pool2d(torch.sigmoid(F.conv2d(x, w["conv2.weight"], w["conv2.bias"])), 2)
    x = x.flatten(1)
    for layer in ("linear1", "linear2"):
        x = torch.sigmoid(F.linear(x, w[layer + ".weight"], w[layer + ".bias"]))
    return F.linear(x, w["linear3.weight"], w["linear3.bias"])


def train(initial, images, labels, batch, dtype):
    w = {name: tensor.to(dtype).clone().requires_grad_() for name, tensor in initial.items()}
    losses = []
    for step in range(STEPS):
        rows = slice(step * batch, (step + 1) * batch)
        x = torch.from_numpy(images[rows].astype(np.float64)).to(dtype)[:, None] / 255
        loss = F.cross_entropy(forward(w, x), torch.from_numpy(labels[rows].astype(np.int64)))
        gradients = torch.autograd.grad(loss, list(w.values()))
        with torch.no_grad():
            for tensor, gradient in zip(w.values(), gradients):
                tensor -= LR * gradient
        losses.append(loss.item())
    update = {name: (w[name].detach().double() - initial[name].double()).numpy() for name in w}
    return losses, update


def main():
    data = pathlib.Path(sys.argv[1])
    out = pathlib.Path(__file__).parent / "data" / "lenet"
    out.mkdir(parents=True, exist_ok=True)
    rows = max(BATCHES) * STEPS
    images = read_idx(data / "train-images-idx3-ubyte.gz", 16, (rows, 28, 28))
    labels = read_idx(data / "train-labels-idx1-ubyte.gz", 8, (rows,))
    initial = initial_weights()
    write_safetensors(out / "initial.safetensors", {name: tensor.numpy() for name, tensor in initial.items()})
    for batch in BATCHES:
        losses, update = train(initial, images, labels, batch, torch.float64)
        write_losses(out / f"losses_{batch}.txt", losses)
        write_safetensors(out / f"update_{batch}.safetensors", update)
        # How far float32 is from it, as a measure of what the test's bounds leave.
        losses32, update32 = train(initial, images, labels, batch, torch.float32)
        worst_loss = max(abs(a - b) / b for a, b in zip(losses32, losses))
        worst = max(update, key=lambda name: relative(update32[name], update[name]))
        print(f"batch {batch}: PyTorch in float32 differs by {worst_loss:.1e} in a loss, {relative(update32[worst], update[worst]):.1e} in {worst}")


def relative(got, wanted):
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


if __name__ == "__main__":
    main()

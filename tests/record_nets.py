#!/usr/bin/env python3
"""Records what PyTorch, in float64, makes of small networks that between them use every operator, on small random arrays.

    tests/record_nets.py [NAME...]

For each network below, tests/data/nets/NAME/ holds net.net (written by hand: the same network in netc's language) and gets
x.npy and y.npy (the data), initial.safetensors, output.npy (the untrained network's output for x), losses.txt and
update.safetensors (the change of every tensor after STEPS steps; the output is that of inference, with the running statistics
that are among the initial tensors). Thirteen images in batches of six: the lane blocks are
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

    def __init__(self, input_shape, shapes, forward, lr=0.1, loss="cross_entropy", images=IMAGES, schedule=None, **optim):
        self.input_shape, self.shapes, self.forward, self.lr, self.loss, self.images = input_shape, shapes, forward, lr, loss, images
        self.schedule = schedule  # of an optimizer, its torch.optim.lr_scheduler, which steps once an epoch
        self.optim = optim  # further arguments of torch.optim.SGD


class Weights(dict):
    """Tensors by name, and whether they are being trained."""

    training = False


def conv(name, x, w, **options):
    return F.conv2d(x, w[name + ".weight"], w.get(name + ".bias"), **options)


def linear(name, x, w):
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def batch_norm(name, x, w, eps=1e-5, momentum=0.1):
    """In training by the batch's statistics, which move the running ones; else by those."""
    mean, var = w[name + ".running_mean"], w[name + ".running_var"]
    return F.batch_norm(x, mean, var, w.get(name + ".weight"), w.get(name + ".bias"), w.training, momentum, eps)


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


def activations(x, w):
    x = F.leaky_relu(conv("conv1", x, w, padding=1), 0.2)
    x = F.gelu(conv("conv2", x, w))
    x = F.silu(conv("conv3", x, w, padding=1))
    x = F.hardswish(conv("conv4", x, w))
    x = linear("linear1", x.flatten(1), w)
    x = x * F.softmax(x, 1) + x
    return F.leaky_relu(linear("linear2", x, w))


def inception(x, w):
    x = torch.relu(conv("conv1", x, w, padding=1))
    one = torch.relu(conv("conv2", x, w))
    three = F.silu(conv("conv4", torch.relu(conv("conv3", x, w)), w, padding=1))
    pooled = torch.tanh(conv("conv5", F.max_pool2d(x, 3, 1, 1), w))
    x = torch.cat([one, three, pooled], 1)
    x = torch.cat([x, torch.relu(conv("conv6", x, w, padding=1))], 1)
    x = torch.cat([F.adaptive_avg_pool2d(x, 1).flatten(1), F.adaptive_max_pool2d(x, 1).flatten(1)], 1)
    return linear("linear1", x, w)


def adaptive(x, w):
    x = F.adaptive_avg_pool2d(torch.tanh(conv("conv1", x, w, padding=1)), (6, 4))
    x = conv("conv2", x, w)
    x = F.adaptive_avg_pool2d(x * F.softmax(x, 1) + x, (9, 3))
    x = F.adaptive_avg_pool2d(F.gelu(conv("conv3", x, w)), 1)
    return linear("linear1", x.flatten(1), w)


def batch_normed(x, w):
    x = torch.tanh(batch_norm("batch_norm1", x, w))
    x = torch.relu(batch_norm("batch_norm2", conv("conv1", x, w, padding=1), w, eps=0.01, momentum=0.3))
    x = torch.relu(batch_norm("batch_norm3", conv("conv2", x, w, stride=2), w))
    x = torch.tanh(batch_norm("batch_norm4", linear("linear1", x.flatten(1), w), w, eps=0.1))
    return linear("linear2", x, w)


def residual_block(name, x, w, stride=1):
    skip = conv(f"{name}.conv1", x, w, stride=stride) if stride != 1 else x
    first = 2 if stride != 1 else 1
    x = torch.relu(batch_norm(f"{name}.batch_norm1", conv(f"{name}.conv{first}", x, w, stride=stride, padding=1), w))
    x = batch_norm(f"{name}.batch_norm2", conv(f"{name}.conv{first + 1}", x, w, padding=1), w)
    return torch.relu(x + skip)


def resnet(x, w):
    x = torch.relu(batch_norm("batch_norm1", conv("conv1", x, w, stride=2, padding=3), w))
    x = F.max_pool2d(x, 3, 2, 1)
    x = residual_block("residual1", x, w)
    x = residual_block("residual2", x, w, stride=2)
    return linear("linear1", x.mean((2, 3)), w)


def normed(name, channels, affine=True):
    """The tensors of a batch norm."""
    tensors = ["weight", "bias"] if affine else []
    return {f"{name}.{tensor}": (channels,) for tensor in tensors + ["running_mean", "running_var"]}


def cosine_after_warmup(optimizer, warmup=1, epochs=4):
    """The `schedule = cosine(warmup=1); epochs = 4` of the language."""
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs - warmup)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], [warmup])


IMAGE_SHAPES = {"conv1.weight": (3, 2, 3, 4), "conv1.bias": (3,), "conv2.weight": (2, 3, 1, 3)}
MLP_SHAPES = {"linear1.weight": (17, 12), "linear1.bias": (17,), "linear2.weight": (9, 17), "linear3.weight": (4, 9), "linear3.bias": (4,)}
NETS = {
    "linear": Net((1, 4, 5), {"linear1.weight": (3, 20), "linear1.bias": (3,)}, linear_classifier),
    "mlp": Net((12,), MLP_SHAPES, mlp),
    "momentum": Net((12,), MLP_SHAPES, mlp, momentum=0.9),
    "nesterov": Net((12,), MLP_SHAPES, mlp, momentum=0.7, nesterov=True, weight_decay=0.05),
    "scheduled": Net((12,), MLP_SHAPES, mlp, images=7, schedule=cosine_after_warmup, momentum=0.9),
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
    "activations": Net((3, 8, 7), {"conv1.weight": (5, 3, 3, 3), "conv1.bias": (5,), "conv2.weight": (6, 5, 3, 3), "conv2.bias": (6,),
                                   "conv3.weight": (5, 6, 3, 3), "conv3.bias": (5,), "conv4.weight": (4, 5, 1, 3), "conv4.bias": (4,),
                                   "linear1.weight": (9, 72), "linear1.bias": (9,), "linear2.weight": (4, 9), "linear2.bias": (4,)}, activations),
    "inception": Net((3, 9, 10), {"conv1.weight": (6, 3, 3, 3), "conv1.bias": (6,), "conv2.weight": (3, 6, 1, 1), "conv2.bias": (3,),
                                  "conv3.weight": (2, 6, 1, 1), "conv3.bias": (2,), "conv4.weight": (4, 2, 3, 3), "conv4.bias": (4,),
                                  "conv5.weight": (2, 6, 1, 1), "conv5.bias": (2,), "conv6.weight": (5, 9, 3, 3), "conv6.bias": (5,),
                                  "linear1.weight": (4, 28), "linear1.bias": (4,)}, inception),
    "adaptive": Net((2, 14, 11), {"conv1.weight": (4, 2, 3, 3), "conv1.bias": (4,), "conv2.weight": (4, 4, 1, 1), "conv2.bias": (4,),
                                  "conv3.weight": (3, 4, 3, 1), "conv3.bias": (3,), "linear1.weight": (5, 3), "linear1.bias": (5,)}, adaptive),
    "batch_norm": Net((2, 7, 8), {**normed("batch_norm1", 2), "conv1.weight": (5, 2, 3, 3), **normed("batch_norm2", 5), "conv2.weight": (3, 5, 2, 2),
                                  **normed("batch_norm3", 3, affine=False), "linear1.weight": (6, 36), **normed("batch_norm4", 6),
                                  "linear2.weight": (4, 6), "linear2.bias": (4,)}, batch_normed, images=14),
    "resnet": Net((1, 17, 16), {"conv1.weight": (4, 1, 7, 7), **normed("batch_norm1", 4),
                                "residual1.conv1.weight": (4, 4, 3, 3), **normed("residual1.batch_norm1", 4),
                                "residual1.conv2.weight": (4, 4, 3, 3), **normed("residual1.batch_norm2", 4),
                                "residual2.conv1.weight": (6, 4, 1, 1), "residual2.conv1.bias": (6,),
                                "residual2.conv2.weight": (6, 4, 3, 3), **normed("residual2.batch_norm1", 6),
                                "residual2.conv3.weight": (6, 6, 3, 3), **normed("residual2.batch_norm2", 6),
                                "linear1.weight": (5, 6), "linear1.bias": (5,)}, resnet, lr=0.05),
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
    x = rng.standard_normal((net.images, *net.input_shape)).astype(np.float32)
    initial = {}
    for tensor, shape in net.shapes.items():
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 4
        initial[tensor] = (rng.uniform(-1.5, 1.5, shape) / np.sqrt(fan_in)).astype(np.float32)
        if tensor.endswith("running_var"):
            initial[tensor] = np.abs(initial[tensor]) + np.float32(0.5)
    w = Weights((key, torch.from_numpy(value).double()) for key, value in initial.items())
    trained = [value.requires_grad_() for key, value in w.items() if "running" not in key]
    inputs = torch.from_numpy(x).double()
    output = net.forward(inputs, w).detach().numpy()
    if net.loss == "cross_entropy":
        y = rng.integers(0, output.shape[1], net.images)
    else:
        y = rng.standard_normal(output.shape).astype(np.float32)
    targets = torch.from_numpy(y) if net.loss == "cross_entropy" else torch.from_numpy(y).double()

    losses, at, w.training = [], 0, True
    optimizer = torch.optim.SGD(trained, lr=net.lr, **net.optim)
    schedule = net.schedule(optimizer) if net.schedule else None
    for _ in range(STEPS):
        rows = slice(at, min(at + BATCH, net.images))
        at = rows.stop % net.images
        loss = loss_of(net, net.forward(inputs[rows], w), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if schedule and at == 0:
            schedule.step()

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

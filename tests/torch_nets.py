"""The networks of examples/ in PyTorch, with the names that netc gives their tensors.

A network is a function of a Tape and a batch. The tape hands out the tensors: it names a layer by its kind and its number of that
kind within its scope, as netc does, and asks `make(name, shape)` for the value when it meets the name for the first time.
"""
import contextlib

import numpy as np
import torch
import torch.nn.functional as F


class Tape:
    def __init__(self, make, dtype=torch.float64):
        self.make, self.dtype = make, dtype
        self.tensors, self.training = {}, True
        self.begin()

    def begin(self):
        self.path, self.counts = "", {}

    def call(self, network, x, **constants):
        self.begin()
        return network(self, x, **constants)

    def trained(self):
        return [tensor for name, tensor in self.tensors.items() if "running" not in name]

    def numbered(self, kind):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{self.path}{kind}{self.counts[kind]}"

    @contextlib.contextmanager
    def block(self, kind):
        outer = self.path, self.counts
        self.path, self.counts = self.numbered(kind) + ".", {}
        yield
        self.path, self.counts = outer

    def tensor(self, name, *shape):
        if name not in self.tensors:
            self.tensors[name] = torch.from_numpy(self.make(name, shape)).to(self.dtype)
            self.tensors[name].requires_grad_("running" not in name)
        return self.tensors[name]

    def conv(self, x, channels, kernel, stride=1, pad=0, groups=1, bias=True):
        name = self.numbered("conv")
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        weight = self.tensor(name + ".weight", channels, x.shape[1] // groups, height, width)
        return F.conv2d(x, weight, self.tensor(name + ".bias", channels) if bias else None, stride, pad, groups=groups)

    def linear(self, x, features):
        name = self.numbered("linear")
        return F.linear(x, self.tensor(name + ".weight", features, x.shape[1]), self.tensor(name + ".bias", features))

    def batch_norm(self, x):
        name = self.numbered("batch_norm")
        scale, shift, mean, var = (self.tensor(f"{name}.{part}", x.shape[1]) for part in ("weight", "bias", "running_mean", "running_var"))
        return F.batch_norm(x, mean, var, scale, shift, self.training)


def linear(t, x):
    return t.linear(x.flatten(1), 10)


def mlp(t, x, hidden=256):
    return t.linear(F.relu(t.linear(x.flatten(1), hidden)), 10)


def lenet(t, x):
    x = F.avg_pool2d(torch.sigmoid(t.conv(x, 6, 5, pad=2)), 2)
    x = F.avg_pool2d(torch.sigmoid(t.conv(x, 16, 5)), 2).flatten(1)
    x = torch.sigmoid(t.linear(x, 120))
    x = torch.sigmoid(t.linear(x, 84))
    return t.linear(x, 10)


def edge(t, x):
    return t.conv(x, 1, (1, 2), bias=False)


def dense_head(t, x, hidden, drop):
    with t.block("dense_head"):
        x = x.flatten(1)
        for _ in range(2):
            x = F.dropout(F.relu(t.linear(x, hidden)), drop, t.training)
        return t.linear(x, 10)


def vgg11(t, x, ratio=4, hidden=4096, drop=0):
    for convs, channels in ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)):
        with t.block("vgg_block"):
            for _ in range(convs):
                x = F.relu(t.conv(x, channels // ratio, 3, pad=1))
            x = F.max_pool2d(x, 2)
    return dense_head(t, x, hidden, drop)


def alexnet(t, x, ratio=1, hidden=4096, drop=0):
    x = F.max_pool2d(F.relu(t.conv(x, 96 // ratio, 11, stride=4, pad=1)), 3, 2)
    x = F.max_pool2d(F.relu(t.conv(x, 256 // ratio, 5, pad=2)), 3, 2)
    for channels in (384, 384, 256):
        x = F.relu(t.conv(x, channels // ratio, 3, pad=1))
    return dense_head(t, F.max_pool2d(x, 3, 2), hidden, drop)


def nin_block(t, x, channels, kernel, stride=1, pad=0):
    with t.block("nin_block"):
        x = F.relu(t.conv(x, channels, kernel, stride, pad))
        for _ in range(2):
            x = F.relu(t.conv(x, channels, 1))
        return x


def nin(t, x, ratio=1, drop=0):
    x = F.max_pool2d(nin_block(t, x, 96 // ratio, 11, stride=4), 3, 2)
    x = F.max_pool2d(nin_block(t, x, 256 // ratio, 5, pad=2), 3, 2)
    x = F.max_pool2d(nin_block(t, x, 384 // ratio, 3, pad=1), 3, 2)
    return nin_block(t, F.dropout(x, drop, t.training), 10, 3, pad=1).mean((2, 3))


def inception(t, x, one, three, five, pooled):
    with t.block("inception"):
        a = F.relu(t.conv(x, one, 1))
        b = F.relu(t.conv(F.relu(t.conv(x, three[0], 1)), three[1], 3, pad=1))
        c = F.relu(t.conv(F.relu(t.conv(x, five[0], 1)), five[1], 5, pad=2))
        d = F.relu(t.conv(F.max_pool2d(x, 3, 1, 1), pooled, 1))
        return torch.cat([a, b, c, d], 1)


INCEPTIONS = (((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
              ((192, (96, 208), (16, 48), 64), (160, (112, 224), (24, 64), 64), (128, (128, 256), (24, 64), 64),
               (112, (144, 288), (32, 64), 64), (256, (160, 320), (32, 128), 128)),
              ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)))


def googlenet(t, x, ratio=1):
    x = F.max_pool2d(F.relu(t.conv(x, 64 // ratio, 7, stride=2, pad=3)), 3, 2, 1)
    x = F.relu(t.conv(x, 64 // ratio, 1))
    x = F.relu(t.conv(x, 192 // ratio, 3, pad=1))
    for stage in INCEPTIONS:
        x = F.max_pool2d(x, 3, 2, 1)
        for one, three, five, pooled in stage:
            x = inception(t, x, one // ratio, [c // ratio for c in three], [c // ratio for c in five], pooled // ratio)
    return t.linear(x.mean((2, 3)), 10)


def residual(t, x, channels, stride):
    with t.block("residual"):
        skip = t.conv(x, channels, 1, stride) if stride != 1 else x
        x = F.relu(t.batch_norm(t.conv(x, channels, 3, stride, 1)))
        return F.relu(t.batch_norm(t.conv(x, channels, 3, pad=1)) + skip)


def stem(t, x, channels):
    return F.max_pool2d(F.relu(t.batch_norm(t.conv(x, channels, 7, 2, 3))), 3, 2, 1)


def resnet18(t, x, ratio=1):
    x = stem(t, x, 64 // ratio)
    for channels in (64, 128, 256, 512):
        with t.block("stage"):
            x = residual(t, x, channels // ratio, 1 if channels == 64 else 2)
            x = residual(t, x, channels // ratio, 1)
    return t.linear(x.mean((2, 3)), 10)


def resnext_block(t, x, channels, stride, width):
    with t.block("resnext_block"):
        skip = t.batch_norm(t.conv(x, channels, 1, stride)) if stride != 1 else x
        x = F.relu(t.batch_norm(t.conv(x, channels, 1)))
        x = F.relu(t.batch_norm(t.conv(x, channels, 3, stride, 1, groups=channels // width)))
        return F.relu(t.batch_norm(t.conv(x, channels, 1)) + skip)


def resnext_stage(t, x, count, channels, stride=2, width=16):
    with t.block("resnext_stage"):
        for i in range(count):
            x = resnext_block(t, x, channels, 1 if i else stride, width)
        return x


def resnext18(t, x, ratio=1, width=16):
    with t.block("stem"):
        x = stem(t, x, 64 // ratio)
    for channels in (64, 128, 256, 512):
        x = resnext_stage(t, x, 2, channels // ratio, 1 if channels == 64 else 2, width)
    return t.linear(x.mean((2, 3)), 10)


def regnetx32(t, x):
    x = F.relu(t.batch_norm(t.conv(x, 32, 3, 2, 1)))
    x = resnext_stage(t, x, 4, 32)
    x = resnext_stage(t, x, 6, 80)
    return t.linear(x.mean((2, 3)), 10)


def dense_block(t, x, convs, growth):
    with t.block("dense_block"):
        for _ in range(convs):
            x = torch.cat([x, t.conv(F.relu(t.batch_norm(x)), growth, 3, pad=1)], 1)
        return x


def densenet(t, x, growth=32):
    with t.block("stem"):
        x = stem(t, x, 64)
    for _ in range(3):
        x = dense_block(t, x, 4, growth)
        with t.block("transition"):
            x = F.avg_pool2d(t.conv(F.relu(t.batch_norm(x)), x.shape[1] // 2, 1), 2)
    x = F.relu(t.batch_norm(dense_block(t, x, 4, growth)))
    return t.linear(x.mean((2, 3)), 10)


def separable(t, x, channels, stride=1):
    with t.block("separable"):
        x = F.relu(t.batch_norm(t.conv(x, x.shape[1], 3, stride, 1, groups=x.shape[1], bias=False)))
        return F.relu(t.batch_norm(t.conv(x, channels, 1, bias=False)))


def mobilenet_v1(t, x, divide=1):
    x = F.relu(t.batch_norm(t.conv(x, 32 // divide, 3, 2, 1, bias=False)))
    x = separable(t, x, 64 // divide)
    for count, channels in ((2, 128), (2, 256), (6, 512), (2, 1024)):
        for i in range(count):
            x = separable(t, x, channels // divide, 1 if i else 2)
    return t.linear(x.mean((2, 3)), 10)


def cifar10(t, x, ratio=1):
    def stage(t, x, channels):
        for _ in range(2):
            x = torch.relu(t.batch_norm(t.conv(x, channels, 3, pad=1, bias=False)))
        return F.max_pool2d(x, 2)

    for channels in (32, 64, 128):
        with t.block("stage"):
            x = stage(t, x, channels // ratio)
    return t.linear(x.mean((2, 3)), 10)


def parameters(network, shape, **constants):
    """How many numbers are trained."""
    tape = Tape(lambda name, shape: np.zeros(shape, np.float32), torch.float32)
    with torch.no_grad():
        tape.call(network, torch.zeros(2, *shape), **constants)
    return sum(tensor.numel() for tensor in tape.trained())

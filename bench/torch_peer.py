#!/usr/bin/env python3
"""Measures a network of examples/ in PyTorch: training steps, or the forward pass alone, in evaluation mode. One process, one
measurement: memory and threads start afresh.

    bench/torch_peer.py NETWORK eager|channels_last|compile train|forward BATCH STEPS SECONDS THREADS

Prints a line of JSON: the median of at least STEPS steps and SECONDS seconds, and the peak of memory.
"""
import json
import resource
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

from common import NETWORKS, ROOT

sys.path.insert(0, str(ROOT / "tests"))
import torch_nets

WARM_UP = 3


def initial_values():
    """A function of name and shape: normal weights of a fitting size, and statistics that keep numbers in their range."""
    rng = np.random.default_rng(0)

    def make(name, shape):
        if len(shape) > 1:
            return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        return np.full(shape, name.endswith((".weight", ".running_var")), np.float32)

    return make


def tape_of(name, x):
    """With all of its tensors made."""
    tape = torch_nets.Tape(initial_values(), torch.float32)
    with torch.no_grad():
        tape.training = False
        y = tape.call(getattr(torch_nets, name), x[:2])
    return tape, y.shape[1:]


def to_channels_last(tape):
    for name, tensor in tape.tensors.items():
        if tensor.dim() == 4:
            tape.tensors[name] = tensor.detach().to(memory_format=torch.channels_last).requires_grad_()


def training_step(name, tape, forward, x, output):
    network = NETWORKS[name]
    optimizer = torch.optim.SGD(tape.trained(), lr=network.lr, **network.optim)
    y = torch.randint(0, 10, (len(x),)) if network.classes else torch.rand(len(x), *output)

    def step():
        optimizer.zero_grad(set_to_none=True)
        out = forward(x)
        loss = F.cross_entropy(out, y) if network.classes else F.mse_loss(out, y, reduction="sum")
        loss.backward()
        optimizer.step()

    return step


def inference_step(forward, x):
    @torch.inference_mode()
    def step():
        forward(x)

    return step


def measure(step, steps, seconds):
    for _ in range(WARM_UP):
        step()
    times, begin = [], time.perf_counter()
    while len(times) < steps or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main():
    name, variant, what = sys.argv[1:4]
    batch, steps, seconds, threads = int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]), int(sys.argv[7])
    torch.set_num_threads(threads)
    x = torch.rand(batch, *NETWORKS[name].shape)
    tape, output = tape_of(name, x)
    tape.training = what == "train"
    if variant == "channels_last":
        x = x.to(memory_format=torch.channels_last)
        to_channels_last(tape)

    def forward(pictures):
        return tape.call(getattr(torch_nets, name), pictures, **NETWORKS[name].constants)

    if variant == "compile":
        forward = torch.compile(forward)
    step = training_step(name, tape, forward, x, output) if what == "train" else inference_step(forward, x)
    ms = measure(step, steps, seconds)
    print(json.dumps({"step_ms": ms, "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


if __name__ == "__main__":
    main()

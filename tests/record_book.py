#!/usr/bin/env python3
"""Writes the small worked cases of convolution and pooling that a textbook does by hand: tests/data/book/NAME.net, the input
NAME.x.npy, the weights NAME.safetensors and the wanted output NAME.y.npy. All numbers are small integers (or halves), so a
trainer must give the wanted output exactly. Where the book gives no numbers, `correlate` below does the sum naively.
"""
import pathlib

import numpy as np

from record_files import write_npy, write_safetensors

FOLDER = pathlib.Path(__file__).parent / "data" / "book"


def grid(*shape, start=0):
    return np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)


def correlate(x, w, stride=(1, 1), pad=(0, 0)):
    """Cross-correlation of x [c][h][w] with w [o][c][r][s], a sum at a time."""
    x = np.pad(x, ((0, 0), (pad[0], pad[0]), (pad[1], pad[1])))
    height = (x.shape[1] - w.shape[2]) // stride[0] + 1
    width = (x.shape[2] - w.shape[3]) // stride[1] + 1
    y = np.zeros((w.shape[0], height, width), np.float32)
    for o, i, j in np.ndindex(y.shape):
        window = x[:, i * stride[0]:i * stride[0] + w.shape[2], j * stride[1]:j * stride[1] + w.shape[3]]
        y[o, i, j] = (window * w[o]).sum()
    return y


KERNEL = grid(2, 2)                                                  # [[0, 1], [2, 3]]
TWO_CHANNELS = np.stack([grid(3, 3), grid(3, 3, start=1)])           # 0..8 and 1..9
TWO_KERNELS = np.stack([KERNEL, KERNEL + 1])
PICTURE = np.ones((1, 6, 8), np.float32)                             # a dark band between two bright ones
PICTURE[:, :, 2:6] = 0
EDGES = np.tile(np.float32([0, 1, 0, 0, 0, -1, 0]), (6, 1))
DIGITS = np.random.default_rng(1).integers(-4, 5, (1, 8, 8)).astype(np.float32)
COLOURS = np.random.default_rng(2).integers(-4, 5, (3, 3, 3)).astype(np.float32)
MIX = np.random.default_rng(3).integers(-4, 5, (2, 3, 1, 1)).astype(np.float32)
K33 = np.random.default_rng(4).integers(-4, 5, (1, 1, 3, 3)).astype(np.float32)
K35 = np.random.default_rng(5).integers(-4, 5, (1, 1, 3, 5)).astype(np.float32)

# name: (layer, input [c][h][w], weight or None, wanted output [c][h][w])
CASES = {
    "one_channel": ("conv(1, 2, bias=false)", grid(1, 3, 3), KERNEL[None, None], [[[19, 25], [37, 43]]]),
    "two_channels": ("conv(1, 2, bias=false)", TWO_CHANNELS, TWO_KERNELS[None], [[[56, 72], [104, 120]]]),
    "three_outputs": ("conv(3, 2, bias=false)", TWO_CHANNELS, np.stack([TWO_KERNELS, TWO_KERNELS + 1, TWO_KERNELS + 2]),
                      [[[56, 72], [104, 120]], [[76, 100], [148, 172]], [[96, 128], [192, 224]]]),
    "edge_detector": ("conv(1, (1, 2), bias=false)", PICTURE, np.float32([[[[1, -1]]]]), EDGES[None]),
    "one_by_one": ("conv(2, 1, bias=false)", COLOURS, MIX, (MIX[:, :, 0, 0] @ COLOURS.reshape(3, 9)).reshape(2, 3, 3)),
    "same_size": ("conv(1, 3, pad=1, bias=false)", DIGITS, K33, correlate(DIGITS, K33, pad=(1, 1))),
    "half_size": ("conv(1, 3, pad=1, stride=2, bias=false)", DIGITS, K33, correlate(DIGITS, K33, (2, 2), (1, 1))),
    "uneven": ("conv(1, (3, 5), pad=(0, 1), stride=(3, 4), bias=false)", DIGITS, K35, correlate(DIGITS, K35, (3, 4), (0, 1))),
    "max_pool": ("max_pool(2, stride=1)", grid(1, 3, 3), None, [[[4, 5], [7, 8]]]),
    "avg_pool": ("avg_pool(2, stride=1)", grid(1, 3, 3), None, [[[2, 3], [5, 6]]]),
    "max_pool_3": ("max_pool(3)", grid(1, 4, 4), None, [[[10]]]),
    "max_pool_padded": ("max_pool(3, stride=2, pad=1)", grid(1, 4, 4), None, [[[5, 7], [13, 15]]]),
    "max_pool_uneven": ("max_pool((2, 3), stride=(2, 3), pad=(0, 1))", grid(1, 4, 4), None, [[[5, 7], [13, 15]]]),
}


def text(shape):
    return ", ".join(map(str, shape))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (layer, x, weight, wanted) in CASES.items():
        y = np.float32(wanted)
        (FOLDER / f"{name}.net").write_text(
            f"network {name}({text(x.shape)}) -> ({text(y.shape)}) {{ {layer} }}\n"
            f'train {{ data = arrays(inputs="{name}.x.npy", targets="{name}.y.npy"); batch = 1; loss = squared_error() }}\n')
        write_npy(FOLDER / f"{name}.x.npy", x[None])
        write_npy(FOLDER / f"{name}.y.npy", y[None])
        write_safetensors(FOLDER / f"{name}.safetensors", {} if weight is None else {"conv1.weight": weight})
    sizes = [CASES[name][3].shape[1:] for name in ("same_size", "half_size", "uneven")]
    assert sizes == [(8, 8), (4, 4), (2, 2)], sizes


if __name__ == "__main__":
    main()

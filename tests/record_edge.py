#!/usr/bin/env python3
"""Writes the arrays of examples/edge.net: the 6 x 8 picture with a dark band (edge_x.npy) and the response of the vertical
edge detector [1, -1] to it (edge_y.npy), which the network learns to give.
"""
import pathlib

import numpy as np

from record_files import write_npy

FOLDER = pathlib.Path(__file__).parent.parent / "examples"


def main():
    x = np.ones((1, 1, 6, 8), np.float32)
    x[..., 2:6] = 0
    write_npy(FOLDER / "edge_x.npy", x)
    write_npy(FOLDER / "edge_y.npy", x[..., :-1] - x[..., 1:])


if __name__ == "__main__":
    main()

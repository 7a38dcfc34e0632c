#!/usr/bin/env python3
"""Records what Pillow's Image.resize(BILINEAR) makes of generated pictures: tests/data/resize.txt, a line for each case:

    channels in_height in_width out_height out_width crc32

The picture's bytes, [height][width][channels], are the upper bytes of x = x * 1664525 + 1013904223 (mod 2^32), x = 1 before the first.
The check sum is zlib's crc32 of the planes of the result, [channels][height][width]. Needs Pillow 13 and numpy; tests do not.
"""
import os
import zlib

import numpy as np
import PIL
from PIL import Image

CASES = [  # in_height, in_width, out_height, out_width
    (28, 28, 96, 96), (28, 28, 224, 224), (28, 28, 32, 32), (28, 28, 14, 14), (28, 28, 28, 28), (28, 28, 27, 29),
    (32, 32, 96, 96), (32, 32, 28, 28), (32, 32, 224, 224), (1, 1, 5, 7), (5, 7, 1, 1), (1, 40, 9, 3), (40, 1, 3, 9),
    (33, 57, 96, 96), (57, 33, 96, 96), (97, 89, 31, 61), (89, 97, 61, 31), (100, 10, 20, 40), (10, 100, 40, 20),
    (5, 50, 50, 5), (50, 5, 5, 50), (64, 64, 32, 64), (64, 64, 64, 32), (100, 100, 50, 200), (100, 100, 200, 50),
    (375, 500, 224, 224), (500, 375, 224, 224), (400, 300, 224, 224), (300, 400, 224, 224), (480, 640, 64, 64), (224, 224, 223, 225),
    (1000, 3, 10, 3), (3, 1000, 3, 10), (256, 256, 1, 256), (17, 19, 23, 29),
]


def picture(height, width, channels):
    x, out = 1, bytearray()
    for _ in range(height * width * channels):
        x = (x * 1664525 + 1013904223) % 2**32
        out.append(x >> 24)
    return np.frombuffer(bytes(out), np.uint8).reshape(height, width, channels)


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "resize.txt")
    with open(path, "w") as out:
        print(f"# made by tests/record_resize.py with Pillow {PIL.__version__}", file=out)
        for in_h, in_w, out_h, out_w in CASES:
            for channels in (1, 3):
                pixels = picture(in_h, in_w, channels)
                image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
                result = np.asarray(image.resize((out_w, out_h), Image.BILINEAR)).reshape(out_h, out_w, channels)
                crc = zlib.crc32(np.ascontiguousarray(result.transpose(2, 0, 1)).tobytes())
                print(channels, in_h, in_w, out_h, out_w, crc, file=out)


main()

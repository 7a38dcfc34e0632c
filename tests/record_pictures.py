#!/usr/bin/env python3
"""Makes tests/data/pictures: small PNG and JPEG files of every kind, and for each one NAME.planes, what Pillow makes of it.

NAME.planes is four planes [height][width]: red, green and blue of convert("RGB"), then convert("L"). sizes.txt has a line
"NAME height width" for each file. The PNG files are written here by hand, for Pillow writes neither interlaced ones nor 16 bits of
colour. Where Pillow and netc differ on purpose (16 bits of grey, of which netc keeps the high byte and Pillow cuts off what is
above 255) the planes are computed here. Needs Pillow and numpy; the tests do not.
"""
import os
import struct
import zlib

import numpy as np
from PIL import Image

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "pictures")
HEIGHT, WIDTH = 11, 17
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # x, y, step x, step y


def samples(channels, depth, seed):
    """[height][width][channels], a smooth picture with some noise, over the whole range of the depth."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(seed).random((HEIGHT, WIDTH, channels))
    waves = [0.5 + 0.4 * np.sin(x * (0.3 + 0.2 * c) + y * (0.5 - 0.1 * c) + c) for c in range(channels)]
    picture = np.clip(np.stack(waves, -1) + 0.2 * (noise - 0.5), 0, 1)
    return np.round(picture * (2**depth - 1)).astype(np.uint32)


def packed_row(row, depth):
    flat = row.reshape(-1)
    if depth == 16:
        return flat.astype(">u2").tobytes()
    if depth == 8:
        return flat.astype(np.uint8).tobytes()
    bits = "".join(format(v, f"0{depth}b") for v in flat)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def scanlines(pixels, depth, bytes_each):
    """The rows with their filters: none, sub and up in turn."""
    out, before = b"", None
    for i in range(pixels.shape[0]):
        row = packed_row(pixels[i], depth)
        kind = i % 3
        if kind == 1:
            coded = bytes((row[k] - (row[k - bytes_each] if k >= bytes_each else 0)) & 255 for k in range(len(row)))
        elif kind == 2:
            coded = bytes((row[k] - before[k]) & 255 for k in range(len(row)))
        else:
            coded = row
        out += bytes([kind]) + coded
        before = row
    return out


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(name, pixels, kind, depth, interlaced=False, extra=b""):
    each = max(1, CHANNELS[kind] * depth // 8)
    parts = [pixels[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [pixels]
    raw = b"".join(scanlines(p, depth, each) for p in parts if p.size)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, kind, 0, 0, interlaced)
    data = zlib.compress(raw, 9)
    half = len(data) // 2  # two IDAT chunks
    with open(os.path.join(HERE, name), "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra)
        out.write(chunk(b"IDAT", data[:half]) + chunk(b"IDAT", data[half:]) + chunk(b"IEND", b""))


def record(name, sizes, grey=None):
    with Image.open(os.path.join(HERE, name)) as image:
        image.load()
        colour = np.asarray(image.convert("RGB"))
        light = np.asarray(image.convert("L"))
    if grey is not None:
        colour, light = np.stack([grey] * 3, -1), grey
    assert colour.shape == (HEIGHT, WIDTH, 3)
    planes = np.concatenate([colour.transpose(2, 0, 1), light[None]]).astype(np.uint8)
    with open(os.path.join(HERE, name + ".planes"), "wb") as out:
        out.write(planes.tobytes())
    print(name, HEIGHT, WIDTH, file=sizes)


def make_png(sizes):
    for depth in (1, 2, 4, 8, 16):
        for interlaced in (False, True):
            if interlaced and depth not in (1, 8, 16):
                continue
            name = f"grey{depth}{'_interlaced' if interlaced else ''}.png"
            pixels = samples(1, depth, depth)
            png(name, pixels, GREY, depth, interlaced)
            record(name, sizes, (pixels[:, :, 0] >> 8).astype(np.uint8) if depth == 16 else None)
    for kind, text in ((RGB, "rgb"), (GREY_ALPHA, "grey_alpha"), (RGBA, "rgba")):
        for depth in (8, 16):
            for interlaced in (False, True):
                name = f"{text}{depth}{'_interlaced' if interlaced else ''}.png"
                pixels = samples(CHANNELS[kind], depth, 40 + depth)
                png(name, pixels, kind, depth, interlaced)
                grey16 = kind == GREY_ALPHA and depth == 16
                record(name, sizes, (pixels[:, :, 0] >> 8).astype(np.uint8) if grey16 else None)
    rng = np.random.default_rng(7)
    for depth in (1, 2, 4, 8):
        colours = chunk(b"PLTE", rng.integers(0, 256, 3 * 2**depth, dtype=np.uint8).tobytes())
        png(f"palette{depth}.png", samples(1, depth, 60 + depth), PALETTE, depth, extra=colours)
        record(f"palette{depth}.png", sizes)
    clear = chunk(b"tRNS", bytes([0, 128, 255]))
    png("palette_clear.png", samples(1, 4, 70), PALETTE, 4, True, colours_of(rng) + clear)
    record("palette_clear.png", sizes)
    png("rgb_clear.png", samples(3, 8, 71), RGB, 8, False, chunk(b"tRNS", struct.pack(">HHH", 10, 20, 30)))
    record("rgb_clear.png", sizes)


def colours_of(rng):
    return chunk(b"PLTE", rng.integers(0, 256, 48, dtype=np.uint8).tobytes())


def make_jpeg(sizes):
    colour = Image.fromarray(samples(3, 8, 80).astype(np.uint8))
    kinds = {
        "rgb444.jpg": (colour, {"subsampling": 0}), "rgb420.jpg": (colour, {"subsampling": 2}),
        "progressive.jpg": (colour, {"progressive": True}), "restarts.jpg": (colour, {"restart_marker_blocks": 1}),
        "grey.jpg": (colour.convert("L"), {}), "cmyk.jpg": (Image.fromarray(samples(4, 8, 81).astype(np.uint8), "CMYK"), {}), "rgb.jpeg": (colour, {"keep_rgb": True}),
    }
    for name, (image, options) in kinds.items():
        image.save(os.path.join(HERE, name), "JPEG", quality=90, **options)
        record(name, sizes)


def main():
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, "sizes.txt"), "w") as sizes:
        make_png(sizes)
        make_jpeg(sizes)


main()

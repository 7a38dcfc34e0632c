"""Numbers that follow from a name and a place: initial weights, pictures, and the signs of sketches, for tests that shall not store
them. tests/e2e/hashed.c computes the same ones, bit for bit.

The 64 bits of place i of stream NAME are splitmix64's output on fnv1a(NAME) + i * GOLDEN. Its upper 24 bits, as a fraction, are
exact in float32.
"""
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
SKETCHES = 16  # projections kept of a tensor
CELL = 8       # pixels: height and width of a picture's coarse cells
CHUNK = 1 << 20


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return np.uint64(h)


def bits_at(name, places):
    """64 bits for each of the places, an array of unsigned integers."""
    with np.errstate(over="ignore"):
        z = fnv1a(name) + (places.astype(np.uint64) + np.uint64(1)) * GOLDEN
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return z ^ z >> np.uint64(31)


def fractions(name, count):
    """float64 in [0, 1), multiples of 2^-24."""
    return (bits_at(name, np.arange(count)) >> np.uint64(40)) * 2.0**-24


def bounds(name, shape):
    """Between which numbers a tensor's initial values lie: kernels +-sqrt(6 / fan_in), biases and running means +-0.1, running
    variances 0.5 and 1.5. Batch norm scales by 0.1 to 0.3 and shifts by 0 to 0.4: most of its numbers pass the ReLU behind it, so that
    a deep network is no chaos in which rounding grows from layer to layer."""
    if len(shape) > 1:
        bound = np.sqrt(6 / (np.prod(shape) / shape[0]))
        return -bound, bound
    if name.endswith(".weight"):
        return 0.1, 0.3
    if name.endswith("running_var"):
        return 0.5, 1.5
    return (0, 0.4) if "batch_norm" in name and name.endswith(".bias") else (-0.1, 0.1)


def weights(draw, name, shape):
    """The initial value of a tensor, float32, in the network of this number."""
    low, high = bounds(name, shape)
    values = low + (high - low) * fractions(f"{draw}:{name}", int(np.prod(shape)))
    return values.astype(np.float32).reshape(shape)


def pictures(count, shape):
    """float32 [count][c][h][w]: half of it coarse cells, which differ much from picture to picture, half of it single pixels."""
    n, c, h, w = np.indices((count, *shape))
    down, across = -(-shape[1] // CELL), -(-shape[2] // CELL)
    coarse = bits_at("data:coarse", ((n * shape[0] + c) * down + h // CELL) * across + w // CELL) >> np.uint64(56)
    fine = bits_at("data:fine", np.arange(n.size)).reshape(n.shape) >> np.uint64(56)
    return ((coarse + fine) / 512).astype(np.float32)


def classes(count, kinds=10):
    return (bits_at("data:classes", np.arange(count)) >> np.uint64(33)).astype(np.int64) % kinds


def targets(count, shape):
    """float32 [count] + shape, in [-1, 1)."""
    return (2 * fractions("data:targets", count * int(np.prod(shape))) - 1).astype(np.float32).reshape(count, *shape)


def sketch(name, update):
    """The norm of a tensor's update, and its projections on SKETCHES vectors of signs. For any error e, the mean square of e's
    projections is |e|^2 on average over signs: whoever compares sketches compares every element."""
    flat = np.ascontiguousarray(update, dtype=np.float64).reshape(-1)
    sums = np.zeros(SKETCHES)
    for start in range(0, flat.size, CHUNK):
        part = flat[start:start + CHUNK]
        bits = bits_at("sketch:" + name, np.arange(start, start + part.size))
        for k in range(SKETCHES):
            sums[k] += np.where(bits >> np.uint64(k) & np.uint64(1), part, -part).sum()
    return float(np.linalg.norm(flat)), sums

"""Writes the file formats of the recorded data by hand, so that what the tests compare against owes nothing to netc.

safetensors: 8 bytes little-endian length of the header, the header in JSON, the tensors one behind the other.
"""
import json
import struct

import numpy as np


def write_safetensors(path, tensors):
    """tensors: {name: array}; written as F32, in the order given."""
    header, at, blobs = {}, 0, []
    for name, value in tensors.items():
        blob = np.ascontiguousarray(value, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def write_losses(path, losses):
    """One loss a line, with all the digits of a double."""
    with open(path, "w") as out:
        out.writelines(f"{loss:.17g}\n" for loss in losses)


def write_npy(path, array):
    np.save(path, np.ascontiguousarray(array), allow_pickle=False)

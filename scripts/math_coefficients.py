#!/usr/bin/env python3
"""Derives the polynomial coefficients of compiler/emit_math.c and prints them as C.

Each is the minimax fit of a smooth quotient, weighted so that the error of the function itself is relative: Lawson's
iteratively reweighted least squares on a dense Chebyshev grid, then rounding to float32. Needs numpy only.
"""
import math

import numpy as np


def series(terms, x):
    """sum terms[k] x^k, highest first, in long double."""
    total = np.zeros_like(x)
    for t in reversed(terms):
        total = total * x + t
    return total


def lawson(target, weight, x, degree, rounds=400):
    """Coefficients, constant first, that minimise max |weight * (poly - target)| over the grid x."""
    basis = np.vander(x.astype(float), degree + 1, increasing=True)
    lam = np.ones_like(x, dtype=float)
    best, best_error = None, np.inf
    for _ in range(rounds):
        w = np.sqrt(lam) * weight
        c = np.linalg.lstsq(basis * w[:, None], target * w, rcond=None)[0]
        error = np.abs(weight * (basis @ c - target))
        if error.max() < best_error:
            best, best_error = c, error.max()
        lam = lam * error
        lam /= lam.sum()
    return best, best_error


def grid(lo, hi, n=4001):
    t = np.cos(np.pi * (np.arange(n) + 0.5) / n).astype(np.longdouble)
    return (lo + hi) / 2 + (hi - lo) / 2 * t


def show(name, c, error):
    print(f"/* {name}: largest relative error before rounding {float(error):.2g} */")
    print("    " + ", ".join(repr(np.float32(v).item()) for v in c))


def factorials(start, count):
    out, f = [], np.longdouble(1)
    for k in range(1, start + count):
        f *= k
        if k >= start:
            out.append(1 / f)
    return out


def main():
    half = float(np.log(2.0))
    x = grid(-half * 1.001, half * 1.001)
    q = series(factorials(2, 24), x).astype(float)  # (e^x - 1 - x) / x^2
    xf = x.astype(float)
    show("e^r = 1 + r + r^2 q(r), |r| <= ln 2", *lawson(q, xf**2 / np.exp(xf), xf, 5))
    x = grid(-half * 0.501, half * 0.501)
    q = series(factorials(2, 24), x).astype(float)
    xf = x.astype(float)
    show("e^r - 1 = r + r^2 q(r), |r| <= ln 2 / 2", *lawson(q, xf**2 / np.abs(np.expm1(xf)), xf, 4))
    x = grid(np.sqrt(0.5) - 1, np.sqrt(2.0) - 1)
    f = x.astype(float)
    terms = [np.longdouble((-1) ** k) / (k + 3) for k in range(120)]  # (log(1+f) - f + f^2/2) / f^3
    p = series(terms, x).astype(float)
    show("log(1 + f) = f - f^2/2 + f^3 p(f)", *lawson(p, np.abs(f**3 / np.log1p(f)), f, 7))
    show("log(1 + f) = f - f^2/2 + f^3 p(f)", *lawson(p, np.abs(f**3 / np.log1p(f)), f, 8))
    x = grid(0, 1).astype(float)
    p = np.array([math.erf(v) / v - 1 for v in x])
    show("erf x = x + x p(x^2), |x| <= 1", *lawson(p, 1 / (1 + p), x**2, 6))
    x = grid(1, 4).astype(float)
    rest = np.array([math.erfc(v) for v in x])
    show("erf x = 1 - e^-g(x), 1 <= x <= 4", *lawson(-np.log(rest), rest / (1 - rest), x, 6))


if __name__ == "__main__":
    main()

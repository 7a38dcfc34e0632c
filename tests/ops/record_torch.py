#!/usr/bin/env python3
"""Records what PyTorch computes, in float64, for cases of the operators: tests/data/ops_torch.txt, which test_book reads.

Run it again after adding a case:  python3 tests/ops/record_torch.py > tests/data/ops_torch.txt

Argument k of every case, and dy (k = 2), hold sin(1.3 i + 0.7 k + 0.2) in element i; labels are (7 i + 1) mod classes. A case is
    case OP ATTRIBUTES : BATCH | dims of argument 0 | dims of argument 1      (batched ones without the batch)
and one line of values each for y and for the gradients of <y, dy> in the arguments.
"""
import torch
import torch.nn.functional as F

BATCH = 2


def value(shape, k):
    n = 1
    for d in shape:
        n *= d
    return torch.sin(1.3 * torch.arange(n, dtype=torch.float64) + 0.7 * k + 0.2).reshape(shape)


def record(op, attrs, x, w, f):
    args = [value([BATCH] + x, 0)]
    if w:
        args.append(value(w if op in ("conv", "linear") else [BATCH] + w, 1))
    args = [a.requires_grad_() for a in args]
    y = f(*args)
    (y * value(list(y.shape), 2)).sum().backward()
    print("case", op, *attrs, ":", BATCH, "|", *x, "|", *(w or []))
    for t in [y.detach()] + [a.grad for a in args]:
        print(*("%.17g" % v for v in t.flatten().tolist()))


def conv(x, w, stride=(1, 1), pad=(0, 0), dilation=(1, 1), groups=1):
    record("conv", [*stride, *pad, *dilation, groups], x, w,
           lambda a, b: F.conv2d(a, b, stride=stride, padding=pad, dilation=dilation, groups=groups))


def pool(op, x, window, stride, pad=(0, 0)):
    f = F.max_pool2d if op == "max_pool" else F.avg_pool2d
    record(op, [*window, *stride, *pad], x, None, lambda a: f(a, window, stride=stride, padding=pad))


def cross_entropy(z):
    labels = torch.tensor([(7 * i + 1) % z.shape[1] for i in range(z.shape[0])])
    return F.cross_entropy(z, labels, reduction="none")


conv([2, 6, 5], [3, 2, 3, 3])
conv([2, 7, 6], [4, 2, 3, 2], stride=(2, 3), pad=(1, 2))
conv([4, 6, 7], [6, 2, 2, 3], stride=(1, 2), pad=(2, 1), dilation=(2, 2), groups=2)
conv([2, 5, 8], [2, 2, 3, 2], stride=(2, 1), pad=(0, 1), dilation=(1, 3))
conv([3, 5, 5], [3, 1, 3, 3], pad=(1, 1), groups=3)
record("linear", [], [7], [5, 7], F.linear)
for act in ("relu", "sigmoid", "tanh"):
    record(act, [], [2, 3, 4], None, getattr(torch, act))
record("gelu", [], [2, 3, 4], None, F.gelu)
record("silu", [], [2, 3, 4], None, F.silu)
record("hard_swish", [], [2, 3, 4], None, F.hardswish)
record("softmax", [], [7], None, lambda x: F.softmax(x, 1))
record("softmax", [], [4, 2, 3], None, lambda x: F.softmax(x, 1))
record("concat", [], [2, 3, 2], [4, 3, 2], lambda a, b: torch.cat([a, b], 1))
record("adaptive_avg_pool", [1, 3], [2, 7, 4], None, lambda x: F.adaptive_avg_pool2d(x, (3, None)))
record("adaptive_avg_pool", [2, 4], [2, 3, 10], None, lambda x: F.adaptive_avg_pool2d(x, (None, 4)))
record("adaptive_avg_pool", [2, 5], [2, 3, 2], None, lambda x: F.adaptive_avg_pool2d(x, (None, 5)))
pool("max_pool", [2, 5, 6], (2, 2), (2, 2))
pool("max_pool", [2, 6, 7], (3, 2), (1, 2), (1, 1))
pool("avg_pool", [2, 5, 6], (2, 2), (2, 2))
pool("avg_pool", [2, 6, 7], (3, 2), (1, 2), (1, 1))
record("nll", [], [10], None, cross_entropy)
record("sq_err", [], [2, 3, 2], [2, 3, 2], lambda a, b: ((a - b) ** 2).sum(dim=(1, 2, 3)))

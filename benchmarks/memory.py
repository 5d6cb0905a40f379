"""Peak memory of one `predict` of 10^7 points through a 3 x 256 network, forward and backward.

    python benchmarks/memory.py [--points 10000000]

The peaks are those of the whole process, so each one includes those before it.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from torch import Tensor, nn

import inverse_inr as ii


class Points:
    """An operator whose rows are the field's values at one point each.

    A point is a function of its row's index, so that no points are stored.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __call__(self, rows: Tensor) -> ii.Query:
        where = torch.stack([rows % 3163, rows // 3163], -1).float() / 3163
        return ii.Query(where, lambda values: values[..., 0])


def peak() -> float:
    """Peak resident memory of this process so far, in GB (Linux counts it in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=10**7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    layers = [
        nn.Linear(2, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
    ]
    network = nn.Sequential(*layers, nn.Linear(256, 1))
    before = peak()
    began = time.perf_counter()
    loss = ii.predict(Points(arguments.points), network).square().mean()
    forward = peak()
    loss.backward()
    assert all(p.grad is not None for p in network.parameters())
    print(
        f"{arguments.points} points: peak {before:.2f} GB after imports, "
        f"{forward:.2f} GB after forward, "
        f"{peak():.2f} GB after backward, {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    main()

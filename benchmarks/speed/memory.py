"""Memory now and before: the most that is held while something is made."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import torch

import inverse_inr as ii
from inverse_inr import priors
from inverse_inr.operators.ct.joseph import joseph_matrix

sys.path.insert(0, str(Path(__file__).parent))
from changes import all_at_once, fan_call

SIDE = 192
"""Voxels along each axis of the volume that is sampled."""


def fan_matrix() -> tuple[float, float]:
    """What numpy holds while the matrix of a fan is made."""
    found = []
    for build in (joseph_matrix, all_at_once):
        tracemalloc.start()
        fan_call(build)()
        found.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    return found[0], found[1]


def sampled_volume() -> tuple[float, float]:
    """What a process grows by while it samples `hash` on a volume: a child for each way."""
    found = []
    for way in ("now", "before"):
        words = [sys.executable, __file__, way]
        run = subprocess.run(words, text=True, capture_output=True, check=True)
        found.append(float(run.stdout))
    return found[0], found[1]


def grown(way: str) -> float:
    """Sample in this process, in MB: into one output, or slabs that are joined."""
    torch.set_num_threads(1)
    box = ii.Box((-1.0,) * 3, (1.0,) * 3)
    prior = priors.create("hash", box)
    grid = ii.Grid(box, (SIDE,) * 3)
    before = peak()
    with torch.no_grad():
        if way == "now":
            ii.sample(prior, grid)
        else:
            # a prior's `sample` is its own lattice path, which slabs share
            torch.cat([prior.sample(slab) for slab in grid.slabs(2**16, 0)])
    return peak() - before


def peak() -> float:
    """The most memory that this process has held so far, in MB.

    `getrusage` would begin with that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text().split()
    return float(status[status.index("VmHWM:") + 1]) / 1e3


ROWS: dict[str, Callable[[], tuple[float, float]]] = {
    "matrix of a fan beam, 160², 160 views": fan_matrix,
    f"`hash` sampled on {SIDE}³ (28 MB of values)": sampled_volume,
}
"""What is measured, and by what."""


if __name__ == "__main__":
    print(grown(sys.argv[1]))

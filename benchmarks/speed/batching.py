"""When one batched step of many fits pays: processor's milliseconds a step, batched and one by one.

python benchmarks/speed/batching.py rays       16 hash fields, 12 views of 32 x 32 pixels
python benchmarks/speed/batching.py grids      the same, and `grid`, on whole grids
python benchmarks/speed/batching.py points     3 and 16 fits of points, by their number
python benchmarks/speed/batching.py compare    3 seeds as `compare` fits them
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch

import inverse_inr as ii
from inverse_inr import fidelity
from inverse_inr.problems.ct import ct
from inverse_inr.solver.many.batch import Batch
from inverse_inr.stopping import Never

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0))
LONG: dict[str, Any] = {"regularizers": [], "steps": 1000, "stopping": Never(every=500)}


class Samples:
    """Values of the field at random places, one a row."""

    def __init__(self, count: int) -> None:
        self.places = BOX.random_points(count, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.places)

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, Callable]:
        return self.places[rows], lambda values: values[:, 0]


def least(step: Callable[[], object], steps: int) -> float:
    """Processor's milliseconds of a step, the least mean of three times so many."""
    step()
    found = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(steps):
            step()
        found.append((time.process_time() - began) / steps * 1e3)
    return min(found)


def report(what: str, made: Callable[[], list[ii.Solver]], steps: int = 20) -> None:
    """Print one line: the same fits batched and one by one."""
    batch = least(Batch(made()).step, steps)
    fits = made()
    alone = least(lambda: [fit.step() for fit in fits], steps)
    print(f"{what}: batched {batch:.1f}, one by one {alone:.1f}, {alone / batch:.2f}", flush=True)


def slices(prior: str, *, shared: bool, on_grid: bool, batch: int | None) -> list[ii.Solver]:
    """Sixteen problems that differ in their noise; shared: one operator object and one seed."""
    first = ct("shepp_logan", size=32, views=12)
    operator = first.terms[0].operator
    made = []
    for seed in range(16):
        problem = ct("shepp_logan", size=32, views=12, seed=seed)
        term = problem.terms[0]
        own: Any = operator if shared else term.operator
        if on_grid:
            own = own.on(problem.grid)
            operator = own
        problem = ii.Problem([ii.Term(own, term.y, term.fidelity)], problem.box, problem.grid)
        start = 0 if shared else seed
        made.append(ii.Solver(problem, prior, seed=start, batch=batch, **LONG))
    return made


def samples(prior: str, count: int, points: int) -> list[ii.Solver]:
    """Fits of `points` values a step."""
    seen = Samples(40000)
    grid = ii.Grid(BOX, (64, 64))
    made = []
    for seed in range(count):
        term = ii.Term(seen, seen.places[:, 0] * seed, fidelity.L2())
        problem = ii.Problem([term], BOX, grid)
        made.append(ii.Solver(problem, prior, seed=seed, batch=points, **LONG))
    return made


def seeds(prior: str, size: int, views: int) -> list[ii.Solver]:
    """Three seeds of a preset, with its own batch."""
    return [
        ii.Solver(ct("shepp_logan", size=size, views=views, seed=s), prior, seed=s)
        for s in range(3)
    ]


def main() -> None:
    """Print the lines of the part that is named."""
    part = sys.argv[1]
    if part == "rays":
        for shared in (False, True):
            for batch in (16, 4, 1):
                what = f"hash, {batch} rays" + ", one operator and seed" * shared
                report(
                    what, lambda s=shared, b=batch: slices("hash", shared=s, on_grid=False, batch=b)
                )
    elif part == "grids":
        for prior in ("grid", "hash"):
            what = f"{prior} on a whole grid"
            report(what, lambda p=prior: slices(p, shared=False, on_grid=True, batch=None))
    elif part == "points":
        for count in (3, 16):
            for prior in ("hash", "siren", "grid"):
                for points in (256, 1024, 4096):
                    steps = max(2, 20000 // points // count)
                    what = f"{count} x {prior}, {points} points"
                    report(what, lambda p=prior, c=count, n=points: samples(p, c, n), steps)
    else:
        for size, views in ((32, 12), (64, 30)):
            for prior in ("hash", "siren", "grid"):
                what = f"3 seeds of {prior}, {size} x {size} pixels"
                report(what, lambda p=prior, s=size, v=views: seeds(p, s, v), 4)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

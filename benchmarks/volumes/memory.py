"""Peak memory of classical methods on a large cone-beam scan, one iteration of each.

    python benchmarks/volumes/memory.py [--size 256 --views 180 --methods FDK CGLS TV]

Memory does not depend on the number of iterations or on the values, so the measurements and the
norm of the operator, which a power iteration would find in the same memory, are made up. A process
remembers its peak, so the methods follow each other from the least to the most; ask for one alone
where a process may not take long.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable

import torch

import inverse_inr as ii
from inverse_inr import baselines, noise, operators
from inverse_inr.baselines import cgls_iterates, primal_dual_tv
from inverse_inr.least_squares import LeastSquares

METHODS = ["FDK", "CGLS", "TV", "baselines.cgls"]
"""What may be asked for, from the least memory to the most."""


def peak() -> float:
    """The largest resident memory of the process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def report(name: str, work: Callable[[], object]) -> None:
    """Run and print time and the peak so far."""
    began = time.process_time()
    work()
    print(f"{name}: {time.process_time() - began:.0f} CPU s, peak {peak():.2f} GB", flush=True)


class OneIteration(LeastSquares):
    """The least squares of a problem, whose norm is made up."""

    def norm(self, iterations: int = 1) -> float:
        return 1e3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--views", type=int, default=180)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    size = arguments.size
    box = ii.Box((-1.0,) * 3, (1.0,) * 3)
    grid = ii.Grid(box, (size,) * 3)
    angles = torch.arange(arguments.views) * 2 * math.pi / arguments.views
    beam = operators.ConeBeam(box, angles, (size, size), 5.0, 2.5, 3.4 / size)
    y = torch.rand(len(beam))
    problem = ii.Problem([ii.Term(beam, y, noise.Gaussian(0.01))], box=box, grid=grid)
    print(f"{size}^3 voxels, {len(y)} rays; imports and measurements: {peak():.2f} GB")
    if "FDK" in arguments.methods:
        report("FDK", lambda: operators.fdk(beam, y, grid))
    system = OneIteration.of(problem, [torch.arange(len(y))])
    if "CGLS" in arguments.methods:
        report("CGLS, one iteration", lambda: list(cgls_iterates(system, 1)))
    if "TV" in arguments.methods:
        start = torch.rand(*grid.shape, 1)
        report("TV, one iteration", lambda: primal_dual_tv(system, grid.spacing, 1.0, start, 1))
    if "baselines.cgls" in arguments.methods:
        report("baselines.cgls, one iteration", lambda: baselines.cgls(problem, 1))


if __name__ == "__main__":
    main()

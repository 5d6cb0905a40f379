"""Time and peak memory of one step of a volume against its size, measured and drawn.

    python benchmarks/volumes/sizes.py --out docs/scale.png [--sizes 32 64 96 128 --views 60]

A step is that of `solve(cone(...))`: a tenth of the rays of so many views of n x n pixels, n^3
voxels, total variation, Adam. Each size has a process of its own; the measurements are made up.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

import inverse_inr as ii
from inverse_inr import noise, operators, regularizers

STEPS = 4
"""Steps that are timed, after one that is not."""


def measure(size: int, views: int) -> dict[str, float]:
    """CPU seconds of a step, and the peak resident memory of the process in GB."""
    torch.set_num_threads(1)
    box = ii.Box((-1.0,) * 3, (1.0,) * 3)
    grid = ii.Grid(box, (size,) * 3)
    angles = torch.arange(views) * 2 * math.pi / views
    beam = operators.ConeBeam(box, angles, (size, size), 5.0, 2.5, 3.4 / size)
    y = torch.rand(len(beam), generator=torch.Generator().manual_seed(0))
    problem = ii.Problem([ii.Term(beam, y, noise.Gaussian(0.01))], box, grid)
    penalty = regularizers.TotalVariation(grid=grid)
    solver = ii.Solver(problem.on_lattice(1), "grid", regularizers=[penalty], steps=STEPS + 1)
    solver.step()
    began = time.process_time()
    for _ in range(STEPS):
        solver.step()
    seconds = (time.process_time() - began) / STEPS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"size": size, "seconds": seconds, "GB": peak}


def draw(found: list[dict[str, float]], views: int, path: Path) -> None:
    """Draw both against the side of the volume."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.8), layout="constrained")
    sides = [each["size"] for each in found]
    for panel, key, label in zip(
        axes,
        ("seconds", "GB"),
        ("CPU s a step, one thread", "peak resident memory, GB"),
        strict=True,
    ):
        panel.plot(sides, [each[key] for each in found], "o-", color="black")
        panel.set(xscale="log", yscale="log", xlabel="voxels along a side", ylabel=label)
        panel.set_xticks(sides, [str(side) for side in sides], minor=False)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    figure.suptitle(f"A step of voxels with total variation, {views} cone-beam views", fontsize=10)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("scale.png"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 96, 128])
    parser.add_argument("--views", type=int, default=60)
    parser.add_argument("--one", type=int, help="measure this size, in this process")
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(measure(arguments.one, arguments.views)))
        return
    found = []
    for size in arguments.sizes:
        command = [sys.executable, __file__, "--one", str(size), "--views", str(arguments.views)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(answer.stdout))
        print(f"| {size}³ | {found[-1]['seconds']:.2f} | {found[-1]['GB']:.2f} |", flush=True)
    draw(found, arguments.views, arguments.out)


if __name__ == "__main__":
    main()

"""Peak memory and time of `Solution.write` by format and size, and of `sample` into one array.

    python benchmarks/volumes/writing.py [--size 512 --prior grid --suffixes .npy .h5 .zarr .nii]
    python benchmarks/volumes/writing.py --size 256 --prior hash --suffixes sample

Each format has a process of its own, since a process remembers its peak. Files are deleted.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import fidelity, priors, problem, solver


def peak() -> float:
    """The largest resident memory of the process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


class Origin:
    """One measurement: the value in the middle of the box."""

    def __len__(self) -> int:
        return 1

    def __call__(self, rows: Tensor) -> ii.Query:
        return ii.Query(torch.zeros(len(rows), 3), lambda values: values[:, 0])


def made(prior: str) -> solver.Solution:
    """A solution whose field is a prior that is not zero, of the size that suits 128^3 voxels."""
    box = ii.Box((-1.0,) * 3, (1.0,) * 3, ("mm",) * 3)
    field = priors.create(prior, box)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(0))
    term = ii.Term(Origin(), torch.zeros(1), fidelity.L2())
    asked = problem.Problem([term], box, ii.Grid(box, (8,) * 3), average=1)
    return solver.Solution(field.eval(), asked, prior)


def measure(prior: str, size: int, suffix: str, folder: Path) -> None:
    """Write or sample once, and print what it took."""
    torch.set_num_threads(1)
    solution = made(prior)
    grid = ii.Grid(solution.problem.box, (size,) * 3)
    before, began = peak(), time.process_time()
    if suffix == "sample":
        values = solution.sample(grid)
        disk = values.numel() * values.element_size()
    else:
        path = solution.write(folder / f"volume{suffix}", grid, average=1)
        files = path.rglob("*") if path.is_dir() else [path]
        disk = sum(file.stat().st_size for file in files)
    spent = time.process_time() - began
    print(
        f"| {prior} | {size}³ | {suffix} | {spent:.0f} | {before:.2f} | {peak():.2f} | "
        f"{disk / 1e9:.2f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--prior", default="grid")
    parser.add_argument("--suffixes", nargs="+", default=[".npy", ".h5", ".zarr", ".nii"])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--one", help="measure this format, in this process")
    arguments = parser.parse_args()
    if arguments.one is not None:
        measure(arguments.prior, arguments.size, arguments.one, arguments.folder)
        return
    print("| prior | voxels | to | CPU s | GB before | peak GB | GB written |")
    for suffix in arguments.suffixes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            own = ["--one", suffix, "--folder", folder, "--prior", arguments.prior]
            command = [sys.executable, __file__, *own, "--size", str(arguments.size)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

"""Peak memory of a fit to measurements that stay on disk, and the time of its steps.

    python benchmarks/volumes/on_disk.py [--rows 100000000 --steps 20 --kind packed] [--folder /tmp]

A file of made-up line integrals of a cone-beam scan is written, then a fresh process makes problem
and solver from it and takes the steps. The file is deleted at the end.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch

import inverse_inr as ii
from inverse_inr import noise, operators
from inverse_inr.io import stored_array

COLUMNS = 1000
"""Detector columns; the rows of a view are a thousand, too."""


def peak() -> float:
    """The largest resident memory of the process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def write(path: Path, rows: int, kind: str) -> None:
    """Write views of a smooth object with noise, view by view."""
    views = max(1, rows // COLUMNS**2)
    shape = (views, COLUMNS, COLUMNS)
    generator = np.random.default_rng(0)
    x = np.linspace(-1, 1, COLUMNS, dtype=np.float32)
    clean = np.sqrt(np.maximum(0, 1 - x[:, None] ** 2 - x**2))
    options = {
        "packed": {"chunks": (1, 125, COLUMNS), "compression": "gzip", "compression_opts": 1},
        "chunked": {"chunks": (1, 125, COLUMNS)},
        "plain": {},
    }[kind]
    with h5py.File(path, "w") as file:
        lines = file.create_dataset("lines", shape, np.float32, **options)
        for view in range(views):
            noisy = clean + 0.01 * generator.standard_normal(clean.shape, dtype=np.float32)
            lines[view] = np.round(1000 * noisy) / 1000


def fit(path: Path, steps: int) -> None:
    """Make problem and solver from the file, and take the steps."""
    torch.set_num_threads(1)
    print(f"imports: {peak():.2f} GB", flush=True)
    y = stored_array(path, "lines")
    views = len(y) // COLUMNS**2
    box = ii.Box((-1.0,) * 3, (1.0,) * 3)
    angles = torch.arange(views) * 2 * math.pi / views
    beam = operators.ConeBeam(box, angles, (COLUMNS, COLUMNS), 5.0, 2.5, 3.4 / COLUMNS)
    began, clock = time.process_time(), time.perf_counter()
    term = ii.Term(beam, y, noise.Gaussian(0.01))
    problem = ii.Problem([term], box=box, grid=ii.Grid(box, (256,) * 3))
    solver = ii.Solver(problem, "hash", steps=steps)
    print(
        f"{len(y):.2g} rows, {solver.schedules[0].batch} a step: problem and solver "
        f"{time.process_time() - began:.1f} CPU s, {time.perf_counter() - clock:.1f} s, "
        f"peak {peak():.2f} GB",
        flush=True,
    )
    began = time.process_time()
    for _ in range(steps):
        solver.step()
    print(f"{steps} steps {time.process_time() - began:.1f} CPU s, peak {peak():.2f} GB")
    y.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10**8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--kind", choices=["packed", "chunked", "plain"], default="packed")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--file", type=Path, help="fit this file only")
    arguments = parser.parse_args()
    if arguments.file is not None:
        fit(arguments.file, arguments.steps)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "lines.h5"
        write(path, arguments.rows, arguments.kind)
        print(f"{arguments.kind}: {path.stat().st_size / 1e9:.2f} GB on disk", flush=True)
        command = [sys.executable, __file__, "--file", str(path), "--steps", str(arguments.steps)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

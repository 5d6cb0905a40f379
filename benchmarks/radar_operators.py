"""Radar operators: CPU time per voxel and pulse, against complex exponentials written out in torch.

    python benchmarks/radar_operators.py

The grid has 8000 voxels. The measurements are 128 or 424 frequencies, or 17 DFT bins. "direct" is
the naive operator, timed on 500 voxels: it writes exp(j phase) in complex128 and multiplies. Times
are nanoseconds per voxel and pulse on one thread.

The last line compares the memory of the largest tile of the response matrix with that of the whole
matrix, for all voxels, pulses and frequencies.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from inverse_inr import Box, Grid
from inverse_inr.operators import FMCW, Chirp, PhaseHistory, RadarGeometry, backproject
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT

BOX = Box((-0.2,) * 3, (0.2,) * 3, ("m",) * 3)
PULSES = 24
GRID = Grid(BOX, (20, 20, 20))


def best_of(function: Callable[[], object], times: int = 5) -> float:
    """Shortest CPU time of several calls in seconds, after one call to warm up."""
    function()
    seconds = []
    for _ in range(times):
        began = time.process_time()
        function()
        seconds.append(time.process_time() - began)
    return min(seconds)


def direct(geometry: RadarGeometry, frequencies: torch.Tensor, voxels: int) -> float:
    """Seconds per voxel and pulse of exp(j 2π f L / c) @ x in complex128, for path lengths L."""
    points = GRID.points(torch.float64).reshape(-1, 3)[:voxels]
    x = torch.rand(voxels, dtype=torch.complex128)

    def run() -> None:
        for row in range(4):
            path = geometry.path(points, torch.tensor([row]))[0]
            torch.mv(torch.exp(2j * math.pi / SPEED_OF_LIGHT * frequencies[:, None] * path), x)

    return best_of(run) / (4 * voxels)


def main() -> None:
    torch.set_num_threads(1)
    geometry = RadarGeometry.cylinder(2.0, torch.arange(PULSES) * 0.1, torch.zeros(1))
    rows = torch.arange(PULSES)
    x = torch.rand(*GRID.shape, 1)
    many = GRID.numel * PULSES
    for count in (128, 424):
        f = torch.linspace(9e9, 9.6e9, count, dtype=torch.float64)
        operator = PhaseHistory(BOX, geometry, f, points=GRID)
        slow = direct(geometry, f, 500)
        pair = torch.func.vjp(operator(rows)[1], x)
        y = pair[0]
        forward = best_of(lambda op=operator: op(rows)[1](x)) / many
        adjoint = best_of(lambda v=pair: v[1](v[0])) / many
        print(
            f"{count} frequencies: direct {1e9 * slow:7.0f} ns   forward {1e9 * forward:5.0f} ns   "
            f"adjoint {1e9 * adjoint:5.0f} ns   "
            f"{slow / forward:.0f} and {slow / adjoint:.0f} times faster"
        )
        image = best_of(lambda op=operator, y=y: backproject(op, y), 15) / many
        print(f"   backprojection, interpolated: {1e9 * image:.0f} ns a voxel-pulse")
    chirp = Chirp(8e9, 4e9 / 64 * 5e6, 5e6, 64)
    bins = FMCW(BOX, geometry, chirp, bins=torch.arange(98, 115) % 64, points=GRID)
    pair = torch.func.vjp(bins(rows)[1], x)
    forward = best_of(lambda: bins(rows)[1](x)) / many
    adjoint = best_of(lambda: pair[1](pair[0])) / many
    print(f"17 DFT bins: forward {1e9 * forward:.0f} ns, adjoint {1e9 * adjoint:.0f} ns")
    large = PhaseHistory(
        BOX,
        geometry,
        torch.linspace(9e9, 9.6e9, 128, dtype=torch.float64),
        points=Grid(BOX, (64,) * 3),
    )
    b, n = max(((i.stop - i.start, k.stop - k.start) for i, k in large._tiles(rows)), key=math.prod)
    total = large.size * PULSES * 128 * 8
    print(
        f"tile {b} pulses x {n} points, about {b * n * 120 / 2**20:.0f} MiB; "
        f"the whole kernel {total / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    main()

"""Compare the CT operators with ASTRA's CPU projector and with rotate-and-sum, on one thread.

    python benchmarks/ct_operators.py [--size 256 --views 180]

The first lines are the relative errors of `ParallelBeam.on(grid)` against exact line integrals,
averaged over each detector bin. The others are the times of forward and adjoint, all in one run,
and how many times longer the other projectors take.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import operators, phantoms


def milliseconds(call: Callable[[], object], repeats: int = 7) -> float:
    """Shortest process time of several calls in ms, after one call to warm up."""
    call()
    best = math.inf
    for _ in range(repeats):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return 1e3 * best


def forward_and_adjoint(operator: ii.Operator, grid: ii.Grid) -> tuple[float, float]:
    """Times of A x and of its adjoint in ms."""
    linear = ii.as_linear_map(operator, grid)
    x = torch.rand(linear.zeros().shape)
    y = torch.rand(len(operator))
    return milliseconds(lambda: linear(x)), milliseconds(lambda: linear.adjoint(y))


def rotate_and_sum(image: Tensor, angles: Tensor) -> Tensor:
    """The projector of WIRE and others: rotate the image by grid_sample and sum the columns.

    Args:
        image: (n, n) pixel values.
        angles: (views,) in radians.

    Returns:
        (views, n) sums.
    """
    views = []
    for angle in angles:
        c = float(angle.cos())
        s = float(angle.sin())
        affine = torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]])
        where = torch.nn.functional.affine_grid(affine, [1, 1, *image.shape], align_corners=False)
        rotated = torch.nn.functional.grid_sample(image[None, None], where, align_corners=False)
        views.append(rotated[0, 0].sum(0))
    return torch.stack(views)


def rotation_times(grid: ii.Grid, angles: Tensor) -> tuple[float, float]:
    """Times of rotate-and-sum and of its backward pass in ms."""
    image = torch.rand(grid.shape, requires_grad=True)
    y = rotate_and_sum(image, angles)
    cotangent = torch.rand_like(y)
    forward = milliseconds(lambda: rotate_and_sum(image.detach(), angles), 3)
    return forward, milliseconds(
        lambda: torch.autograd.grad(y, image, cotangent, retain_graph=True), 3
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--views", type=int, default=180)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    box = ii.Box((-1.0, -1.0), (1.0, 1.0))
    grid = ii.Grid(box, (arguments.size, arguments.size))
    angles = torch.arange(arguments.views, dtype=torch.float64) * math.pi / arguments.views
    exact = operators.ParallelBeam(box, angles, arguments.size)
    beam = operators.ParallelBeam(box, angles.float(), arguments.size)
    mapped = beam.on(grid)
    for name, field, average in (
        ("Shepp-Logan", phantoms.shepp_logan(box), 8),
        ("blobs of 3 px", phantoms.gaussian_blobs(box, width=3 * grid.spacing[0]), 1),
    ):
        truth = field.line_integral(*exact.rays(torch.arange(len(exact)), 32)).mean(1)
        y = ii.predict(mapped, ii.SampledField(ii.sample(field, grid, average=average), grid))
        print(f"relative error, {name}: {float((y - truth).norm() / truth.norm()):.2e}")
    ours = forward_and_adjoint(mapped, grid)
    print(f"on(grid): forward {ours[0]:.2f} ms, adjoint {ours[1]:.2f} ms")
    others = {"rotate and sum": rotation_times(grid, angles.float())}
    try:
        others["ASTRA linear"] = forward_and_adjoint(operators.on_astra(beam, grid), grid)
    except ImportError as error:
        print(error)
    for name, times in others.items():
        ratios = ", ".join(f"{t / o:.1f}x" for t, o in zip(times, ours, strict=True))
        print(
            f"{name}: forward {times[0]:.1f} ms, adjoint {times[1]:.1f} ms; "
            f"forward, adjoint ratios {ratios}"
        )


if __name__ == "__main__":
    main()

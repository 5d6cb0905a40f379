"""Compare the CT operators with ASTRA's CPU projector and with rotate-and-sum, on one thread.

    python benchmarks/ct_operators.py [--size 256 --views 180]

    python benchmarks/ct_operators.py --cone [--size 128 --views 60]

The first lines are the relative errors of `ParallelBeam.on(grid)` against exact line integrals,
averaged over each detector bin. The others are the times of forward and adjoint, all in one run,
and how many times longer the other projectors take.

With `--cone` the same of `ConeBeam.on(grid)`, for rays through the middles of detector pixels; the
other projector is a loop over views that samples the volume along each ray by torch's
`grid_sample`, as many points a ray as the beam itself takes.
"""

from __future__ import annotations

import argparse
import functools
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


def grid_sample_view(volume: Tensor, beam: operators.ConeBeam, grid: ii.Grid, view: int) -> Tensor:
    """One view of a cone beam by trilinear samples at equal distances along each ray.

    Args:
        volume: (n0, n1, n2) values.
        beam: The scan.
        grid: The grid of the volume.
        view: The number of the view.

    Returns:
        (rows x columns,) integrals.
    """
    pixels = math.prod(beam.shape[1:])
    origin, direction = (v[:, 0] for v in beam.rays(torch.arange(pixels) + view * pixels))
    near, far = grid.box.chord(origin, direction)
    step = (far - near) / beam.samples
    t = near[:, None] + step[:, None] * (torch.arange(beam.samples) + 0.5)
    points = origin[:, None] + t[..., None] * direction[:, None]
    where = (points - points.new_tensor(grid.box.center)) * 2 / points.new_tensor(grid.box.lengths)
    seen = torch.nn.functional.grid_sample(
        volume[None, None], where.flip(-1)[None, None], align_corners=False
    )
    return seen[0, 0, 0].sum(-1) * step


def grid_sample_times(grid: ii.Grid, beam: operators.ConeBeam) -> tuple[float, float]:
    """Times of the loop over views and of its backward pass in ms.

    A few views are measured and counted for all. The graph of one view is kept at a time, as a loop
    that fits the memory must.
    """
    volume = torch.rand(grid.shape, requires_grad=True)
    views = range(0, beam.shape[0], math.ceil(beam.shape[0] / 4))
    forward = both = 0.0
    for view in views:
        cotangent = torch.rand(math.prod(beam.shape[1:]))

        def seen(image: Tensor, view: int = view) -> Tensor:
            return grid_sample_view(image, beam, grid, view)

        def gradient(view: int = view, cotangent: Tensor = cotangent) -> Tensor:
            y = grid_sample_view(volume, beam, grid, view)
            return torch.autograd.grad(y, volume, cotangent)[0]

        forward += milliseconds(functools.partial(seen, volume.detach()), 2)
        both += milliseconds(gradient, 2)
    scale = beam.shape[0] / len(views)
    return scale * forward, scale * (both - forward)


def cone_beams(size: int, views: int) -> None:
    """Print accuracy and times of a cone beam's map, and those of the loop beside it."""
    box = ii.Box((-1.0,) * 3, (1.0,) * 3)
    grid = ii.Grid(box, (size,) * 3)
    angles = torch.arange(views) * 2 * math.pi / views
    beam = operators.ConeBeam(box, angles, (size, size), 5.0, 2.5, 3.4 / size)
    mapped = beam.on(grid)
    for name, field, average in (
        ("3-D Shepp-Logan", phantoms.shepp_logan_3d(box), 4),
        ("blobs of 3 px", phantoms.gaussian_blobs(box, width=3 * grid.spacing[0]), 1),
    ):
        some = torch.arange(math.prod(beam.shape[1:]))  # one view
        origin, direction = (v[:, 0] for v in beam.rays(some))
        truth = field.line_integral(origin.double(), direction.double())
        image = ii.SampledField(ii.sample(field, grid, average=average), grid)
        for method, operator in (("on(grid)", mapped), ("samples along rays", beam)):
            with torch.no_grad():
                y = torch.cat([ii.predict(operator, image, rows) for rows in some.split(4096)])
            error = float((y - truth).norm() / truth.norm())
            print(f"relative error, {name}, {method}: {error:.2e}")
    ours = forward_and_adjoint(mapped, grid)
    print(f"on(grid): forward {ours[0]:.0f} ms, adjoint {ours[1]:.0f} ms")
    times = grid_sample_times(grid, beam)
    ratios = ", ".join(f"{t / o:.1f}x" for t, o in zip(times, ours, strict=True))
    print(
        f"grid_sample by views: forward {times[0]:.0f} ms, adjoint {times[1]:.0f} ms; "
        f"forward, adjoint ratios {ratios}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cone", action="store_true")
    parser.add_argument("--size", type=int, help="256, or 128 for a cone beam")
    parser.add_argument("--views", type=int, help="180, or 60 for a cone beam")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.cone:
        cone_beams(arguments.size or 128, arguments.views or 60)
    else:
        parallel_beams(arguments.size or 256, arguments.views or 180)


def parallel_beams(size: int, views: int) -> None:
    """Print accuracy and times of a parallel beam's map, and those of others beside it."""
    box = ii.Box((-1.0, -1.0), (1.0, 1.0))
    grid = ii.Grid(box, (size, size))
    angles = torch.arange(views, dtype=torch.float64) * math.pi / views
    exact = operators.ParallelBeam(box, angles, size)
    beam = operators.ParallelBeam(box, angles.float(), size)
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

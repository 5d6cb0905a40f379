"""Whether deviations can be believed: coverage, sharpness and ranking on phantoms of fresh seeds.

    python benchmarks/uncertainty.py [--size 24] [--views 16] [--calibration 10] [--fresh 20]

Each phantom is a head of random ellipses with 0.5 % noise. The factor of each method is found on
calibration phantoms (`uncertainty.conformal`); coverage of nominal 95 %, half-width and AUSE are
those of other phantoms, apart for body, edges and air. "one width" is the band that every method
must beat. A table of all that is done so far is printed after each fresh phantom.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import noise, operators, uncertainty
from inverse_inr.phantoms import Ellipsoids
from inverse_inr.uncertainty import Ensemble, Laplace

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
STEPS = 120
Method = Callable[[ii.Problem, Ensemble], Ensemble | Laplace]


def phantom(seed: int) -> Ellipsoids:
    """A skull, a brain and eight ellipses inside it, all at random."""
    generator = torch.Generator().manual_seed(seed)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)

    outer = between(0.65, 0.85, 2)
    centers = torch.cat([torch.zeros(2, 2, dtype=torch.float64), between(-0.35, 0.35, 8, 2)])
    axes = torch.cat([outer[None], outer[None] - 0.08, between(0.06, 0.25, 8, 2)])
    values = torch.cat([torch.tensor([1.0, -0.7], dtype=torch.float64), between(-0.2, 0.3, 8)])
    turn = torch.cat([torch.zeros(2, dtype=torch.float64), between(0, 3.14, 8)])
    c, s = turn.cos(), turn.sin()
    turns = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    return Ellipsoids(centers, axes, turns, values)


def problem(seed: int, size: int, views: int) -> ii.Problem:
    """A sparse-view scan of a phantom, seen on a lattice twice as fine as its pixels."""
    beam = operators.ParallelBeam(BOX, torch.arange(views) * torch.pi / views, size)
    truth = phantom(seed)
    clean = truth.line_integral(*(v[:, 0] for v in beam.rays(torch.arange(len(beam)), 1)))
    clean = clean.reshape(-1).float()
    sigma = 0.005 * float(clean.max())
    y = noise.Gaussian(sigma).sample(clean, generator=torch.Generator().manual_seed(seed))
    grid = ii.Grid(BOX, (size, size))
    term = ii.Term(beam, y, noise.Gaussian(sigma))
    return ii.Problem([term], BOX, grid, reference=truth).on_lattice(2)


def parts(truth: Tensor) -> dict[str, Tensor]:
    """Which pixels are body, edges and air."""
    steps = torch.zeros_like(truth)
    for axis in (0, 1):
        step = truth.diff(dim=axis).abs()
        n = truth.shape[axis]
        steps.narrow(axis, 0, n - 1).copy_(torch.maximum(steps.narrow(axis, 0, n - 1), step))
        steps.narrow(axis, 1, n - 1).copy_(torch.maximum(steps.narrow(axis, 1, n - 1), step))
    edges = steps > 0.1
    return {"body": ~edges & (truth > 0.02), "edges": edges, "air": ~edges & (truth <= 0.02)}


def fits(task: ii.Problem) -> Ensemble:
    """Three fits; the posteriors are those of the first."""
    return uncertainty.ensemble(task, "hash", count=3, steps=STEPS, callbacks=[])


METHODS: dict[str, Method] = {
    "ensemble of 3": lambda task, made: made,
    "mc_dropout": lambda task, made: uncertainty.mc_dropout(
        task, "hash", draws=20, steps=STEPS, callbacks=[]
    ),
    "linearised, last": lambda task, made: uncertainty.linearised(
        made.members[0], parameters="last"
    ),
    "linearised": lambda task, made: uncertainty.linearised(made.members[0]),
    "coordinate_laplace": lambda task, made: uncertainty.coordinate_laplace(made.members[0]),
}


def measured(
    task: ii.Problem, method: Method, made: Ensemble, truth: Tensor
) -> tuple[Tensor, Tensor]:
    """The error and the deviation of each pixel."""
    found = method(task, made)
    if isinstance(found, Ensemble):
        image = found.mean.sample(average=2)
    else:
        image = found.solution.sample(average=2)
    return image[..., 0] - truth, found.deviation(average=2)[..., 0]


def table(
    names: list[str], calibration: dict[str, list], fresh: dict[str, list], truths: list[Tensor]
) -> str:
    """Coverage, width and ranking of each method on the fresh phantoms, as a markdown table."""
    lines = [
        f"{len(truths)} fresh phantoms; coverage of nominal 95 % after one factor, in %",
        "| | unscaled | all | body | edges | air | half-width | one width | AUSE / random |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    places = [parts(truth) for truth in truths]
    where = {key: torch.cat([p[key].flatten() for p in places]) for key in places[0]}
    for name in names:
        errors, deviations = zip(*calibration[name], strict=True)
        factor = uncertainty.conformal(errors, deviations)
        width = uncertainty.conformal(errors)
        error = torch.cat([e.flatten() for e, _ in fresh[name]])
        deviation = torch.cat([d.flatten() for _, d in fresh[name]])
        bare = float((error.abs() <= 1.96 * deviation).double().mean())
        inside = (error.abs() <= factor * deviation).double()
        apart = " | ".join(f"{100 * float(inside[mask].mean()):.1f}" for mask in where.values())
        reports = [uncertainty.report(e, d) for e, d in fresh[name]]
        ranking = sum(r.ause / r.random_ause for r in reports) / len(reports)
        half = factor * float(deviation.mean())
        lines.append(
            f"| {name} | {100 * bare:.1f} | {100 * float(inside.mean()):.1f} | {apart} | "
            f"{half:.4f} | {width:.4f} | {ranking:.2f} |"
        )
        flat = (error.abs() <= width).double()
        apart = " | ".join(f"{100 * float(flat[mask].mean()):.1f}" for mask in where.values())
        lines.append(
            f"| {name}: one width | | {100 * float(flat.mean()):.1f} | {apart} | "
            f"{width:.4f} | {width:.4f} | 1 |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure phantom by phantom, calibration first."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--size", type=int, default=24)
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--calibration", type=int, default=10)
    parser.add_argument("--fresh", type=int, default=20)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    words = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    calibration: dict[str, list] = {name: [] for name in words.methods}
    fresh: dict[str, list] = {name: [] for name in words.methods}
    truths: list[Tensor] = []
    for k in range(words.calibration + words.fresh):
        known = k < words.calibration
        task = problem(100 + k if known else 1000 + k, words.size, words.views)
        assert task.reference is not None
        truth = ii.sample(task.reference, task.grid, average=8)[..., 0].float()
        began = time.process_time()
        made = fits(task)
        times = [f"fits {time.process_time() - began:.1f} s"]
        for name in words.methods:
            began = time.process_time()
            found = measured(task, METHODS[name], made, truth)
            times.append(f"{name} {time.process_time() - began:.1f} s")
            (calibration if known else fresh)[name].append(found)
        print(f"phantom {k + 1}: {', '.join(times)}", flush=True)
        if not known:
            truths.append(truth)
            print(table(words.methods, calibration, fresh, truths), flush=True)


if __name__ == "__main__":
    main()

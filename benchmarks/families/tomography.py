"""Families learnt from 200 generated heads, on 20 fresh ones of 20 views, beside TV and LMMSE.

    python benchmarks/families/tomography.py [--seeds 0 1 2] [--size 32] [--steps 300]

Heads are Shepp and Logan's with ellipses that move, turn, grow and change their values. All methods
see the same measurements: exact line integrals averaged over detector bins, with 0.5 % noise, and
the same map of a pixel image. PSNR is that of pixel averages, with the truth's own span.

The start and the step sizes of the family are learnt from the 200 problems: "by measurements" from
their 20 views alone, "by images" with their truths as targets, which is what LMMSE learns from too.
Then each fresh problem gets the inner steps and 50 steps of Adam, without any regularizer. The
strength of LMMSE is chosen on 40 of the 200; TV chooses its weight by held-out views.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import baselines, families, noise, operators, phantoms
from inverse_inr.fidelity import L2
from inverse_inr.stopping import Never

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
NOISE = 0.005
OPTIONS = {"width": 64, "depth": 3, "omega0": 20.0}


def head(generator: torch.Generator) -> phantoms.Ellipsoids:
    """A head of Shepp and Logan's ten ellipses, each moved, turned, stretched and changed a little.

    Args:
        generator: Source of the random numbers.
    """
    mean = phantoms.shepp_logan(BOX)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    count = len(mean.values)
    whole = 0.05 * normal(1, 2)  # the whole head moves, and its ellipses within it
    turn = 0.1 * normal(1) + 0.1 * normal(count)
    c, s = turn.cos(), turn.sin()
    rotation = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    stretch = (0.05 * normal(1, 2) + 0.1 * normal(count, 2)).exp()
    inner = torch.ones(count, 1, dtype=torch.float64)
    inner[:2] = 0.0  # skull and brain stay one in the other
    stretch[:2] = stretch[:1]
    rotation[:2] = rotation[:1]
    return phantoms.Ellipsoids(
        mean.centers + whole + 0.03 * inner * normal(count, 2),
        mean.semi_axes * stretch,
        rotation @ mean.rotations,
        mean.values * (0.2 * inner[:, 0] * normal(count)).exp(),
    )


def blobs(seed: int) -> phantoms.GaussianBlobs:
    """A phantom of another kind: twelve smooth blobs."""
    return phantoms.gaussian_blobs(BOX, count=12, width=0.08, seed=seed)


class Scanner:
    """A parallel beam on a grid, and the problems that it measures."""

    def __init__(self, size: int, views: int) -> None:
        angles = torch.arange(views, dtype=torch.float64) * math.pi / views
        self.grid = ii.Grid(BOX, (size, size))
        self.beam = operators.ParallelBeam(BOX, angles, size)
        self.on_grid = operators.ParallelBeam(BOX, angles.float(), size).on(self.grid)

    def problem(self, truth: phantoms.Ellipsoids, generator: torch.Generator) -> ii.Problem:
        """Measure a truth, with noise."""
        rows = torch.arange(len(self.beam))
        mean = truth.line_integral(*self.beam.rays(rows, 16)).mean(1).float()
        model = noise.Gaussian(NOISE * float(mean.max()))
        term = ii.Term(self.on_grid, model.sample(mean, generator), model)
        return ii.Problem([term], BOX, self.grid, reference=truth, average=1)

    def image(self, problem: ii.Problem) -> Tensor:
        """The truth's pixel averages, (pixels,)."""
        assert problem.reference is not None
        return ii.sample(problem.reference, self.grid, average=4).reshape(-1)

    def target(self, problem: ii.Problem) -> ii.Problem:
        """The same field, measured pixel by pixel without noise."""
        identity = ii.OnGrid(_same, self.grid, self.grid.shape)
        term = ii.Term(identity, self.image(problem), L2())
        return ii.Problem([term], BOX, self.grid)


def _same(image: Tensor) -> Tensor:
    return image


def psnr(image: Tensor, truth: Tensor) -> float:
    """PSNR in dB with the truth's own span."""
    span = float(truth.max() - truth.min())
    return float(20 * math.log10(span) - 10 * (image.reshape(-1) - truth).square().mean().log10())


def lmmse(
    scanner: Scanner, seen: Sequence[ii.Problem], fresh: Sequence[ii.Problem]
) -> list[Tensor]:
    """The linear estimator of least mean square error, by the training images' moments.

    The strength of a white part of the covariance and the noise are chosen on a fifth of them.
    """
    images = torch.stack([scanner.image(p) for p in seen]).double()
    y = torch.stack([p.terms[0].y for p in seen]).double()
    size = scanner.grid.numel
    matrix = ii.as_linear_map(scanner.on_grid, scanner.grid)
    A = torch.stack(
        [matrix(e.reshape(*scanner.grid.shape)).reshape(-1) for e in torch.eye(size)], 1
    )
    A = A.double()

    def estimate(x: Tensor, white: float, sigma: float, asked: Tensor) -> Tensor:
        mean = x.mean(0)
        spread = (x - mean) / math.sqrt(len(x) - 1)
        C_At = spread.T @ (spread @ A.T) + white * A.T
        S = A @ C_At + sigma**2 * torch.eye(len(A), dtype=A.dtype)
        return mean + torch.linalg.solve(S, (asked - A @ mean).T).T @ C_At.T

    kept = len(seen) // 5
    scores = {
        (white, sigma): float(
            (estimate(images[kept:], white, sigma, y[:kept]) - images[:kept]).square().mean()
        )
        for white in (1e-5, 1e-4, 1e-3, 1e-2)
        for sigma in (0.003, 0.01, 0.03)
    }
    best = min(scores, key=lambda k: scores[k])
    asked = torch.stack([p.terms[0].y for p in fresh]).double()
    return list(estimate(images, *best, asked).float())


def further(problem: ii.Problem, prior: torch.nn.Module, steps: int, lr: float | None) -> Tensor:
    """An image after steps of Adam on all measurements."""
    run = ii.Solver(problem, prior, steps=steps, lr=lr, stopping=Never(every=steps))
    return run.run().sample()


def measure(seed: int, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """PSNR of each method on each fresh problem."""
    generator = torch.Generator().manual_seed(seed)
    scanner = Scanner(arguments.size, arguments.views)
    seen = [scanner.problem(head(generator), generator) for _ in range(arguments.count)]
    fresh = [scanner.problem(head(generator), generator) for _ in range(arguments.fresh)]
    truths = [scanner.image(p) for p in fresh]
    found: dict[str, list[float]] = {}

    def note(name: str, images: Sequence[Tensor], began: float) -> None:
        found[name] = [psnr(i, t) for i, t in zip(images, truths, strict=True)]
        mean = sum(found[name]) / len(found[name])
        print(f"seed {seed}  {name:45s} {mean:6.2f} dB  {time.time() - began:6.1f} s", flush=True)

    began = time.time()
    note("LMMSE of 200 images", lmmse(scanner, seen, fresh), began)
    began = time.time()
    if arguments.tv:
        note("TV, weight by held-out views", [baselines.tv(p).sample() for p in fresh], began)
    for name in arguments.kinds:
        began = time.time()
        kind, _, by = name.partition(" by ")
        targets = [scanner.target(p) for p in seen] if by == "images" else None
        family = families.train(
            made(kind),
            seen,
            targets=targets,
            steps=arguments.steps,
            lr=arguments.lr,
            seed=seed,
            callbacks=[lambda solver, record: print(record, flush=True)]
            if arguments.verbose
            else [],
        )
        print(f"seed {seed}  {name} trained in {time.time() - began:.0f} s", flush=True)
        began = time.time()
        note(f"{name}: its own steps", [family.solve(p).sample() for p in fresh], began)
        began = time.time()
        starts = [family.start(p) for p in fresh]
        images = [further(p, s, 50, arguments.further) for p, s in zip(fresh, starts, strict=True)]
        note(f"{name}: and 50 steps", images, began)
    for steps in arguments.scratch:
        began = time.time()
        fits = families.fit_many(fresh, "siren", options=OPTIONS, steps=steps, seed=seed)
        note(f"from scratch, {steps} steps", [fit.sample() for fit in fits], began)
    return found


def made(kind: str) -> families.Family:
    """A family by name."""
    if kind == "meta-learned":
        return families.MetaLearned("siren", OPTIONS, inner_steps=3)
    if kind == "conditioned":
        return families.Conditioned(families.Convolutions(32, 4), "siren", OPTIONS)
    if kind == "generated":
        return families.Generated(families.Convolutions(32, 4), "siren", OPTIONS)
    return families.Modulated("siren", OPTIONS, code=128, by="film", inner_steps=3)


def main() -> None:
    """Print a line for each method and seed, and the means."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--views", type=int, default=20)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--fresh", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--further", type=float, default=None)
    parser.add_argument("--scratch", type=int, nargs="*", default=[50, 1000])
    parser.add_argument("--kinds", nargs="*", default=["meta-learned by images"])
    parser.add_argument("--tv", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = [measure(seed, arguments) for seed in arguments.seeds]
    for name in results[0]:
        means = torch.tensor([sum(r[name]) / len(r[name]) for r in results])
        print(f"mean of seeds  {name:45s} {float(means.mean()):6.2f} dB", flush=True)


if __name__ == "__main__":
    main()

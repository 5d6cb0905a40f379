"""Families learnt from 200 generated heads, on 20 fresh ones, beside TV and LMMSE.

    python benchmarks/families/tomography.py [--instrument kspace] [--seeds 0 1 2] [--kinds ...]

Heads are Shepp and Logan's with ellipses that move, turn, grow and change their values. All methods
see the same measurements and the same map of a pixel image of 32 x 32: line integrals of 20 views,
averaged over detector bins, or one in eight points of k-space, in closed form, with 0.5 % noise.
PSNR is that of pixel averages, with the truth's own span.

A family "by images" has the truths of the 200 as targets, which is what LMMSE learns from too; one
"by measurements" sees no truth. Each fresh problem gets the family's own steps (or one pass), and
then 50 steps of Adam, of which the best by held-out measurements is kept. The strength of LMMSE is
chosen on 40 of the 200; TV chooses its weight by held-out measurements. "from LMMSE" is a family
whose base is `LinearEstimate`, by the same 200. "blobs" are phantoms of a kind that no training
saw.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Sequence

import torch
from scanners import Beam, Lattice, Scanner, blobs, head
from torch import Tensor

import inverse_inr as ii
from inverse_inr import baselines, families, noise
from inverse_inr.regularizers import TotalVariation
from inverse_inr.stopping import HeldOut

RATES = {"meta-learned": 2e-3, "modulated": 2e-3, "generated": 2e-3, "conditioned": 3e-3}
"""Learning rates of what fields share, tried on seed 7, which is not reported."""
FROM_LINEAR = "conditioned from LMMSE"
"""The kind whose base is the linear estimate of the same images."""
FURTHER = {"conditioned": 1e-5}
"""Learning rates of the 50 steps, tried on seed 7; the prior's own for other kinds."""
WEIGHTS = (0.1, 0.3, 1.0, 3.0)
"""Weights of total variation that held-out measurements choose from."""
OPTIONS = {"width": 64, "depth": 3, "omega0": 20.0}


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
    model = seen[0].terms[0].fidelity
    assert isinstance(model, noise.Gaussian | noise.ComplexGaussian)
    sigma = float(model.sigma)
    matrix = ii.as_linear_map(scanner.operator, scanner.grid)
    pixels = torch.eye(scanner.grid.numel).reshape(-1, *scanner.grid.shape)
    A = torch.stack([_real(matrix(pixel)) for pixel in pixels], 1) / sigma
    y = torch.stack([_real(p.terms[0].y) for p in seen]) / sigma

    def estimate(x: Tensor, white: float, level: float, asked: Tensor) -> Tensor:
        mean = x.mean(0)
        spread = (x - mean) / math.sqrt(len(x) - 1)
        C_At = spread.T @ (spread @ A.T) + white * A.T
        S = A @ C_At + level**2 * torch.eye(len(A), dtype=A.dtype)
        return mean + torch.linalg.solve(S, (asked - A @ mean).T).T @ C_At.T

    kept = len(seen) // 5
    scores = {
        (white, level): float(
            (estimate(images[kept:], white, level, y[:kept]) - images[:kept]).square().mean()
        )
        for white in (1e-5, 1e-4, 1e-3, 1e-2)
        for level in (1.0, 3.0, 10.0)
    }
    best = min(scores, key=lambda k: scores[k])
    asked = torch.stack([_real(p.terms[0].y) for p in fresh]) / sigma
    return list(estimate(images, *best, asked).float())


def _real(values: Tensor) -> Tensor:
    """Measurements as one real vector, in double precision."""
    if values.is_complex():
        values = torch.view_as_real(values)
    return values.reshape(-1).double()


def further(problem: ii.Problem, prior: torch.nn.Module, lr: float | None) -> Tensor:
    """An image after 50 steps of Adam, of which the best by held-out measurements is kept."""
    run = ii.Solver(problem, prior, steps=50, lr=lr, stopping=HeldOut(every=5), regularizers=[])
    return run.run().sample()


def with_variation(problem: ii.Problem, prior: torch.nn.Module, lr: float | None) -> Tensor:
    """As `further`, with total variation besides: the weight is chosen by held-out measurements."""
    fits = [
        ii.Solver(
            problem,
            copy.deepcopy(prior),
            steps=50,
            lr=lr,
            stopping=HeldOut(every=5),
            regularizers=[weight * TotalVariation()],
        ).run()
        for weight in WEIGHTS
    ]
    return min(fits, key=lambda fit: fit.misfit(fit.watched)).sample()


class Table:
    """PSNR by method, printed as it comes.

    Args:
        scanner: The instrument.
        fresh: The problems that are solved.
        label: What stands before each line.
    """

    def __init__(self, scanner: Scanner, fresh: Sequence[ii.Problem], label: str) -> None:
        self.truths = [scanner.image(p) for p in fresh]
        self.fresh = fresh
        self.label = label
        self.found: dict[str, float] = {}
        self.began = time.time()

    def note(self, name: str, images: Sequence[Tensor]) -> None:
        """Print the mean PSNR of a method's images, and its time since the line before."""
        values = [psnr(i, t) for i, t in zip(images, self.truths, strict=True)]
        self.found[name] = sum(values) / len(values)
        seconds = time.time() - self.began
        print(f"{self.label}  {name:40s} {self.found[name]:6.2f} dB {seconds:7.1f} s", flush=True)
        self.began = time.time()


def measure(seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """PSNR of each method, mean over the fresh problems."""
    generator = torch.Generator().manual_seed(seed)
    scanner: Scanner = Beam(arguments.size)
    if arguments.instrument == "kspace":
        scanner = Lattice(arguments.size)
    seen = [scanner.problem(head(generator), generator) for _ in range(arguments.count)]
    fresh = [scanner.problem(head(generator), generator) for _ in range(arguments.fresh)]
    strange = [scanner.problem(blobs(100 * seed + k), generator) for k in range(5)]
    table = Table(scanner, fresh, f"seed {seed}")
    other = Table(scanner, strange, f"seed {seed}  blobs")
    table.note("LMMSE of the 200 images", lmmse(scanner, seen, fresh))
    other.note("LMMSE of the 200 images", lmmse(scanner, seen, strange))
    if not arguments.quick:
        table.note("TV, weight by held-out rows", [baselines.tv(p).sample() for p in fresh])
        other.note("TV, weight by held-out rows", [baselines.tv(p).sample() for p in strange])
    for name in arguments.kinds:
        family = taught(name, scanner, seen, arguments.steps, seed)
        print(f"seed {seed}  {name} trained in {time.time() - table.began:.0f} s", flush=True)
        table.began = time.time()
        table.note(f"{name}: own steps", [family.solve(p).sample() for p in fresh])
        images = [further(p, family.start(p), FURTHER.get(family.kind)) for p in fresh]
        table.note(f"{name}: and 50 steps", images)
        if arguments.variation:
            images = [with_variation(p, family.start(p), FURTHER.get(family.kind)) for p in fresh]
            table.note(f"{name}: and 50 steps with TV", images)
        other.note(f"{name}: own steps", [family.solve(p).sample() for p in strange])
        images = [further(p, family.start(p), FURTHER.get(family.kind)) for p in strange]
        other.note(f"{name}: and 50 steps", images)
    for steps in arguments.scratch:
        fits = families.fit_many(fresh, "siren", options=OPTIONS, steps=steps, seed=seed)
        table.note(f"from scratch, {steps} steps", [fit.sample() for fit in fits])
        fits = families.fit_many(strange, "siren", options=OPTIONS, steps=steps, seed=seed)
        other.note(f"from scratch, {steps} steps", [fit.sample() for fit in fits])
    return table.found | {f"blobs, {name}": value for name, value in other.found.items()}


def taught(
    name: str, scanner: Scanner, seen: Sequence[ii.Problem], steps: int, seed: int
) -> families.Family:
    """A family by name after training, e.g. "meta-learned by measurements"."""
    kind, _, by = name.partition(" by ")
    targets = None
    if by == "images":
        targets = [scanner.target(p) for p in seen]
    encoder = families.Convolutions(32, 4)
    base = None
    if kind == FROM_LINEAR:
        kind = "conditioned"
        images = torch.stack([scanner.image(p) for p in seen])
        base = families.LinearEstimate.of(seen, images.reshape(-1, *scanner.grid.shape, 1))
    made = {
        "meta-learned": families.MetaLearned("siren", OPTIONS),
        "modulated": families.Modulated("siren", OPTIONS, code=128, by="film"),
        "generated": families.Generated(encoder, "siren", OPTIONS),
        "conditioned": families.Conditioned(encoder, "siren", OPTIONS, base=base),
    }[kind]
    return families.train(
        made, seen, targets=targets, steps=steps, lr=RATES[kind], seed=seed, callbacks=[]
    )


def main() -> None:
    """Print a line for each method and seed, and the means."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instrument", choices=["beam", "kspace"], default="beam")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--fresh", type=int, default=20)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--scratch", type=int, nargs="*", default=[50, 1000])
    parser.add_argument("--kinds", nargs="*", default=[f"{FROM_LINEAR} by images"])
    parser.add_argument("--variation", action="store_true", help="50 steps with a penalty too")
    parser.add_argument("--quick", action="store_true", help="without total variation")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = [measure(seed, arguments) for seed in arguments.seeds]
    for name in results[0]:
        values = [result[name] for result in results]
        mean = sum(values) / len(values)
        print(f"mean  {name:48s} {mean:6.2f} dB  from {min(values):.2f} to {max(values):.2f}")


if __name__ == "__main__":
    main()

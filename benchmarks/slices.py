"""Slice-to-volume reconstruction of MNI152 from moving slices: an INR against classical methods.

    python benchmarks/slices.py [--seeds 5] [--case still 5 10 outliers] [--steps 850] [--only INR]
    python benchmarks/slices.py --quadrature

Three orthogonal stacks of slices of 2 x 2 x 6 mm are simulated from the 1 mm volume with 256 nodes
per pixel. Every slice has its own rigid motion, 3 % of gain and 1 % of Rician noise. Poses start
from the nominal ones. The lines marked "true motion" are given the motion that the others have to
find. The classical methods are a weighted average and super-resolution by conjugate gradients on
voxels of 1 mm, which finds the gains by alternating least squares.

Estimate and truth are compared on a 2 mm grid inside the brain, both seen through a Gaussian of
2 mm full width (images with voxels of 2 mm are taken as they are). Before that,
    - estimates are set to zero beyond 4 mm around the brain,
    - they are multiplied by one intensity factor,
    - where motion was estimated, the common rigid motion of all slices is taken off. It is computed
      from the poses, not from the images, and leaves out useless slices, whose poses nothing can
      find.

--quadrature measures the error of the profile's nodes instead.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage.metrics import structural_similarity
from torch import Tensor

import inverse_inr as ii
from inverse_inr.metrics import psnr
from inverse_inr.operators import SliceAcquisition, Slices
from inverse_inr.operators.rigid import align, apply, pose_errors, rigid
from inverse_inr.problems.slices.baselines import average, super_resolution
from inverse_inr.problems.slices.output import slice_weights
from inverse_inr.problems.slices.simulation import Artefacts, Motion, simulate_stacks
from inverse_inr.problems.slices.stacks import Stack, as_slices
from inverse_inr.problems.slices.volumes import problem_of, volume_field

WIDTH = 2.0 / (2 * np.sqrt(2 * np.log(2)))
"""Standard deviation in mm of the output's profile, whose full width at half maximum is 2 mm."""

CASES: dict[str, dict[str, Any]] = {
    "still": {"motion": Motion(degrees=0.0, distance=0.0)},
    "5": {"motion": Motion(degrees=5.0, distance=5.0)},
    "10": {"motion": Motion(degrees=10.0, distance=10.0)},
    "outliers": {
        "motion": Motion(degrees=5.0, distance=5.0),
        "artefacts": Artefacts(outliers=0.1, bias=0.1),
    },
}


Method = Callable[[list[Stack]], tuple[ii.Solution, Tensor | None]]
"""It returns the solution and the rigid motion to take off, None if the motion was known."""


class Score(NamedTuple):
    """PSNR in dB, structural similarity, and the correlation coefficient, inside the brain."""

    psnr: float
    ssim: float
    ncc: float


@lru_cache(maxsize=1)
def brain() -> tuple[ii.SampledField, ii.Box, np.ndarray, np.ndarray]:
    """The volume, its box, the truth on every second voxel, and which of these are in the brain.

    The truth is seen through the output's profile.
    """
    field, box = volume_field("mni152")
    values = field.values[..., 0].numpy()
    truth = gaussian_filter(values, WIDTH)[1::2, 1::2, 1::2]
    return field, box, truth, values[1::2, 1::2, 1::2] > 0


def estimate(solution: ii.Solution, gauge: Tensor | None) -> np.ndarray:
    """The solution on every second voxel, through the output's profile if it is finer."""
    field = brain()[0]
    voxels = (
        isinstance(solution.field, ii.SampledField) and solution.field.grid == solution.problem.grid
    )
    points = field.grid.points()
    near = binary_dilation(field.values[..., 0].numpy() > 0, iterations=4)
    needed = torch.from_numpy(near)
    if voxels:
        points = points[1::2, 1::2, 1::2]
        needed = needed[1::2, 1::2, 1::2]
    looked = points[needed]
    if gauge is not None:
        looked = apply(gauge.float(), looked)
    values = torch.zeros(needed.shape)
    values[needed] = torch.cat([solution.field(p)[:, 0] for p in looked.split(2**17)])
    if voxels:
        return values.numpy()
    return gaussian_filter(values.numpy(), WIDTH)[1::2, 1::2, 1::2]


@torch.no_grad()
def score(solution: ii.Solution, gauge: Tensor | None = None) -> Score:
    """Compare the solution with the truth, after `gauge` and one intensity factor."""
    _, _, truth, inside = brain()
    image = estimate(solution, gauge)
    image = image * float((image[inside] * truth[inside]).sum() / (image[inside] ** 2).sum())
    top = float(truth.max())
    local = structural_similarity(
        image,
        truth,
        data_range=top,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )[1]
    flat = torch.from_numpy(image[inside]), torch.from_numpy(truth[inside])
    correlation = float(np.corrcoef(image[inside], truth[inside])[0, 1])
    return Score(psnr(*flat, data_range=top), float(local[inside].mean()), correlation)


def inr(steps: int, bias: int, stacks: list[Stack]) -> tuple[ii.Solution, Tensor]:
    """The problem's own prior, which finds the motion, and the rigid motion to take off."""
    problem = problem_of(stacks, resolution=2.0, bias=bias)
    solution = ii.solve(problem, steps=steps, callbacks=[])
    found, operator = as_slices(solution.problem)
    return solution, align(operator.moved().detach(), found.true_poses(), pixels(solution))


def pixels(solution: ii.Solution) -> Tensor:
    """Number of pixels of each slice; zero for useless slices."""
    problem, operator = as_slices(solution.problem)
    return torch.bincount(operator.index) * ~problem.outliers()


def classical(
    method: Callable[[ii.Problem], ii.Solution], known: bool, stacks: list[Stack]
) -> tuple[ii.Solution, None]:
    """A classical method, told the true motion or taking the nominal poses for true."""
    return method(problem_of(stacks, resolution=2.0, known_motion=known)), None


def describe(solution: ii.Solution) -> str:
    """Pose errors of good slices after their common motion was taken off; weights of outliers."""
    problem, operator = as_slices(solution.problem)
    bad = problem.outliers()
    error = pose_errors(operator.moved(), problem.true_poses(), weights=pixels(solution))
    good = ~bad
    weights = slice_weights(solution.problem)
    text = f"pose {error.degrees[good].mean():.2f} deg {error.distance[good].mean():.2f} mm"
    text += f" (median {error.degrees[good].median():.2f}, {error.distance[good].median():.2f})"
    if bad.any():
        text += f"; weights: outliers {weights[bad].mean():.2f}, others {weights[good].mean():.2f}"
    return text


def methods_of(case: str, steps: int) -> dict[str, Method]:
    """The methods by name, for one case."""
    artefacts = CASES[case].get("artefacts", Artefacts())
    bias = 0
    if artefacts.bias:
        bias = 3
    return {
        "average, motion ignored": partial(classical, average, False),
        "average, true motion": partial(classical, average, True),
        "super-resolution CG, motion ignored": partial(classical, super_resolution, False),
        "super-resolution CG, true motion": partial(classical, super_resolution, True),
        "coarse CG, true motion, no gains": partial(
            classical, partial(super_resolution, finer=1, rounds=0), True
        ),
        "INR, motion found": partial(inr, steps, bias),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--case", nargs="+", default=["5", "10", "outliers"], choices=list(CASES))
    parser.add_argument("--steps", type=int, default=850)
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these words")
    parser.add_argument("--quadrature", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.quadrature:
        quadrature()
        return
    for case in arguments.case:
        methods = methods_of(case, arguments.steps)
        if arguments.only:
            methods = {
                k: m for k, m in methods.items() if any(word in k for word in arguments.only)
            }
        table(case, methods, arguments.seeds)


def table(case: str, methods: dict[str, Method], seeds: int) -> None:
    """Print one line per seed and method, and then the mean and the least scores per method."""
    field, box = brain()[:2]
    print(f"\ncase {case}: {CASES[case]}; seeds 0..{seeds - 1}", flush=True)
    scores: dict[str, list[Score]] = {name: [] for name in methods}
    for seed in range(seeds):
        stacks = simulate_stacks(field, box, seed=seed, **CASES[case])
        for name, method in methods.items():
            began = time.process_time()
            solution, gauge = method(stacks)
            seconds = time.process_time() - began
            s = score(solution, gauge)
            scores[name].append(s)
            more = solution.stopped
            if gauge is not None:
                more = describe(solution)
            marks = f"{s.psnr:6.2f} dB  SSIM {s.ssim:.4f}  NCC {s.ncc:.4f}"
            print(f"{seed} {name:36s} {marks}  {seconds:5.1f} CPU-s  {more}", flush=True)
    for name, values in scores.items():
        mean = np.array(values).mean(0)
        low = np.array(values).min(0)
        print(
            f"  {name:36s} mean {mean[0]:.2f} dB {mean[1]:.4f} {mean[2]:.4f}; "
            f"least {low[0]:.2f} dB {low[1]:.4f} {low[2]:.4f}",
            flush=True,
        )


@torch.no_grad()
def quadrature(count: int = 3000) -> None:
    """Print the relative error of pixels for several numbers of nodes.

    The pixels belong to slices of 1 x 1 x 3 mm anywhere in the brain. The reference is a product
    rule of 14 x 14 x 31 nodes.

    Args:
        count: Number of pixels.
    """
    field, box, _, _ = brain()
    generator = torch.Generator().manual_seed(0)
    inside = field.grid.points(torch.float64)[field.values[..., 0] > 0]
    middles = inside[torch.randint(len(inside), (count,), generator=generator)]
    poses = rigid(torch.randn(count, 3, generator=generator).double(), middles)
    where = Slices.of_stack(poses, (1, 1), (1.0, 1.0), 3.0)
    exact = ii.SampledField(field.values.double(), field.grid)

    def seen(nodes: int | tuple[int, int], draws: int | None = None) -> Tensor:
        operator = SliceAcquisition(box, where, nodes=nodes, draws=draws).train(draws is not None)
        parts = torch.arange(count).split(250)
        return torch.cat([ii.predict(operator, exact, rows) for rows in parts])

    torch.manual_seed(0)
    truth = seen((14, 31))
    for name, values in (
        *((f"{n} fixed nodes", seen(n)) for n in (8, 16, 32, 64)),
        *((f"{n} random nodes", seen(32, n)) for n in (8, 16, 32)),
        ("Gauss-Hermite 2 x 2 x 5", seen((2, 5))),
    ):
        error = float((values - truth).square().mean().sqrt() / truth.square().mean().sqrt())
        print(f"{name:24s} {100 * error:.3f} %", flush=True)


if __name__ == "__main__":
    main()

"""Fresh stacks of moving slices: generated heads, other seeds, motions and thicknesses.

No setting of the library was chosen on these inputs. Volumes are small, so that a fit takes about
half a minute of one core.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import inverse_inr as ii
from fresh_cases.case import Case
from inverse_inr.io import write_nifti
from inverse_inr.metrics import psnr
from inverse_inr.operators.rigid import align, apply
from inverse_inr.problems.slices import simulated_slices
from inverse_inr.problems.slices.baselines import average, super_resolution
from inverse_inr.problems.slices.from_stacks import problem_of
from inverse_inr.problems.slices.simulation import Artefacts, Motion, Slicing
from inverse_inr.problems.slices.stacks import as_slices

SIDE = 56
"""Voxels of 2 mm along the sides of a generated volume."""


def volume(seed: int) -> Tensor:
    """A generated head, (SIDE, SIDE, SIDE) from 0 to 1: ellipsoids with texture, no symmetry."""
    random = np.random.default_rng(seed)
    axis = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    image = np.zeros((SIDE,) * 3)
    whole = np.array([0.68, 0.82, 0.72])
    for shrink, value in ((1.0, 0.35), (0.9, 0.6)):
        image[np.square(points / (shrink * whole)).sum(-1) < 1] = value
    inner = np.square(points / (0.9 * whole)).sum(-1) < 1
    image[inner & (_texture(random, 5.0) > 0.3)] = 0.85
    for _ in range(20):
        middle = random.uniform(-0.45, 0.45, 3)
        radii = random.uniform(0.06, 0.22, 3)
        blob = np.square((points - middle) / radii).sum(-1) < 1
        image[blob & inner] = random.uniform(0.15, 1.0)
    image *= 1 + 0.08 * _texture(random, 8.0)
    return torch.from_numpy(image.clip(0, 1)).float()


def _texture(random: np.random.Generator, waves: float) -> np.ndarray:
    """Smooth noise of unit variance, with about so many waves along a side."""
    k = np.fft.fftfreq(SIDE) * SIDE
    squared = k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None] ** 2
    spectrum = np.exp(-squared / waves**2)
    noise = np.fft.ifftn(spectrum * np.fft.fftn(random.standard_normal((SIDE,) * 3))).real
    return noise / noise.std()


def moving(number: int, settings: dict[str, Any], seed: int) -> ii.Problem:
    """Three stacks of a generated head, whose poses and gains are to be found."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.nii.gz"
        half = float(SIDE)
        box = ii.Box((-half,) * 3, (half,) * 3, ("mm",) * 3)
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        affine[:3, 3] = 1 - half
        grid = ii.Grid(box, (SIDE,) * 3).with_affine(affine.tolist())
        write_nifti(path, volume(number)[..., None], grid)
        return simulated_slices(str(path), resolution=4.0, seed=seed, **settings)


def told(method: Any, problem: ii.Problem) -> ii.Solution:
    """A classical method that is given the true motion, but not the gains."""
    slices, _ = as_slices(problem)
    known = problem_of(slices.stacks, resolution=4.0, known_motion=True)
    answer = method(replace(known, reference=problem.reference))
    return replace(answer, details={**answer.details, "motion": "told"})


@torch.no_grad()
def score(answer: ii.Solution) -> float:
    """PSNR in dB inside the head, each voxel the mean of 2 x 2 x 2 points.

    The common motion of all slices is taken off, which nothing can tell, and so is one factor.
    """
    problem, operator = as_slices(answer.problem)
    assert problem.reference is not None
    fine = problem.grid.refined(2)
    points = fine.points()
    truth = problem.reference(points)[..., 0]
    where = points
    if operator.motion.requires_grad:
        counts = torch.bincount(operator.index) * ~problem.outliers()
        where = apply(align(operator.moved(), problem.true_poses(), counts).float(), points)
    image = torch.cat([answer.field(p)[..., 0] for p in where.split(4)])
    image, truth = (_mean(v) for v in (image, truth))
    inside = truth > 0.1 * truth.max()
    image, truth = image[inside], truth[inside]
    image = image * ((image * truth).sum() / image.square().sum())
    return psnr(image, truth, data_range=float(truth.max()))


def _mean(values: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool3d(values[None, None].float(), 2)[0, 0]


def cases() -> list[Case]:
    """The fresh cases of slices."""
    thick = partial(Slicing, pixel=4.0)
    some: dict[str, dict[str, Any]] = {
        "8 mm, 4 degrees and mm": {
            "slicing": thick(thickness=8.0),
            "motion": Motion(4.0, 4.0),
        },
        "12 mm, 6 degrees and mm": {
            "slicing": thick(thickness=12.0),
            "motion": Motion(6.0, 6.0),
        },
        "8 mm, 9 degrees and mm, rough": {
            "slicing": thick(thickness=8.0, interleave=3),
            "motion": Motion(9.0, 9.0, correlation=3.0),
        },
        "10 mm, still": {"slicing": thick(thickness=10.0), "motion": Motion(0.0, 0.0)},
        "10 mm, 5 degrees and mm, 3 % noise": {
            "slicing": thick(thickness=10.0),
            "motion": Motion(5.0, 5.0),
            "artefacts": Artefacts(noise_level=0.03),
        },
        "8 mm, 5 degrees and mm, 10 % useless": {
            "slicing": thick(thickness=8.0),
            "motion": Motion(5.0, 5.0),
            "artefacts": Artefacts(outliers=0.1),
        },
    }
    simple = {"super-resolution CG": super_resolution, "average": average}
    oracle = {"super-resolution CG, true motion": partial(told, super_resolution)}
    return [
        Case(f"head {201 + k}, {name}", partial(moving, 201 + k, what), simple, oracle, score=score)
        for k, (name, what) in enumerate(some.items())
    ]

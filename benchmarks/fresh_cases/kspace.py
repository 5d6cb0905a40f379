"""Fresh k-space: phantoms with texture and other slices, masks, phases and noise levels.

No setting of the library was chosen on these inputs. The truth has pixels four times finer than the
reconstruction's, and k-space is the Fourier integral of that image.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from real_data import DATA
from torch import Tensor

import inverse_inr as ii
from fresh_cases.case import Case
from inverse_inr.io import write_image
from inverse_inr.operators import CartesianKSpace, centred_box
from inverse_inr.operators.kspace.simulated_coils import birdcage_maps
from inverse_inr.problems.kspace import kspace, kspace_scan
from inverse_inr.problems.kspace.classical import tv_sense, wavelet_sense
from inverse_inr.problems.kspace.simulated import Magnitude, make_mask, measure
from inverse_inr.problems.kspace.suggestions import suggesting
from inverse_inr.problems.kspace.variation import total_variation


def tv_of_all(problem: ii.Problem) -> ii.Solution:
    """Total variation, its weight chosen by held-out samples, and made again from all of them."""
    return tv_sense(problem, tv_sense(problem).details["weight"])


def tv_of_halves(problem: ii.Problem) -> ii.Solution:
    """The same of a complex image with half pixels, which keep edges within a pixel."""
    complex_image = replace(problem, is_complex=True)
    return total_variation(complex_image, total_variation(complex_image))


SIMPLE = {"TV": tv_of_all, "TV, half pixels": tv_of_halves, "L1-wavelet": wavelet_sense}
FINER = 4
"""Pixels of the truth along each side of a pixel of the reconstruction."""


def head(seed: int, size: int) -> Tensor:
    """A generated head: nested and small ellipses of random contrast, each with its own texture.

    Args:
        seed: Seed of shapes, contrasts and textures.
        size: Pixels along a side.

    Returns:
        (size, size) from 0 to about 1.
    """
    random = np.random.default_rng(seed)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    image = np.zeros((size, size))
    outline = (0.0, 0.0, 0.86, random.uniform(0.66, 0.76), 0.0)
    for shrink, value in ((1.0, 0.9), (0.93, 0.15), (0.87, 0.55)):
        inside = _ellipse(x, y, (*outline[:2], shrink * outline[2], shrink * outline[3], 0.0))
        image[inside] = value
    brain = _ellipse(x, y, (0.0, 0.0, 0.87 * outline[2], 0.87 * outline[3], 0.0))
    folds = _texture(random, size, 9.0)
    image[brain & (folds > 0.25)] = 0.75
    for _ in range(14):
        place = random.uniform(-0.5, 0.5, 2)
        radii = random.uniform(0.03, 0.2, 2)
        inside = _ellipse(x, y, (*place, *radii, random.uniform(0, math.pi))) & brain
        image[inside] = random.uniform(0.1, 1.0)
    fine = 0.08 * _texture(random, size, 30.0) + 0.08 * _texture(random, size, 12.0)
    image[brain] *= 1 + fine[brain]
    return torch.from_numpy(image.clip(0)).float()


def _ellipse(x: np.ndarray, y: np.ndarray, shape: tuple[float, ...]) -> np.ndarray:
    """Where the ellipse (row, column, two radii, angle) is."""
    row, column, a, b, angle = shape
    u = (y - row) * math.cos(angle) + (x - column) * math.sin(angle)
    v = (x - column) * math.cos(angle) - (y - row) * math.sin(angle)
    return (u / a) ** 2 + (v / b) ** 2 < 1


def _texture(random: np.random.Generator, size: int, waves: float) -> np.ndarray:
    """Smooth noise of unit variance, with about so many waves along a side."""
    k = np.fft.fftfreq(size) * size
    spectrum = np.exp(-((np.hypot(k[:, None], k[None]) / waves) ** 2))
    noise = np.fft.ifft2(spectrum * np.fft.fft2(random.standard_normal((size, size)))).real
    return noise / noise.std()


def brain(number: int, plane: int, size: int) -> Tensor:
    """A slice of nilearn's MNI152, which has pixels of 1 mm, as `size` pixels along a side."""
    from nilearn.datasets import load_mni152_template

    volume = np.asarray(load_mni152_template(resolution=1).dataobj, dtype=np.float32)
    values = torch.from_numpy(np.take(volume / volume.max(), number, plane).copy())
    side = max(values.shape)
    square = torch.zeros(side, side)
    corner = [(side - n) // 2 for n in values.shape]
    square[corner[0] : corner[0] + values.shape[0], corner[1] : corner[1] + values.shape[1]] = (
        values
    )
    return torch.nn.functional.interpolate(square[None, None], (size, size), mode="bicubic")[
        0, 0
    ].clamp(min=0)


def phase_map(kind: str, seed: int, size: int) -> Tensor:
    """The image's own phase in radians, (size, size): "constant", "smooth" or "structured"."""
    random = np.random.default_rng(1000 + seed)
    axis = np.linspace(-1, 1, size)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    if kind == "constant":
        phase = np.full((size, size), 0.7)
    elif kind == "smooth":
        a, b, c = random.uniform(-1.5, 1.5, 3)
        phase = a * x + b * y**2 + c * x * y
    else:
        phase = 1.2 * x + 0.8 * _texture(random, size, 5.0)
    return torch.from_numpy(phase).float()


class _Scaled:
    """A field times a factor."""

    def __init__(self, field: ii.Field, factor: float) -> None:
        self.field = field
        self.factor = factor

    def __call__(self, points: Tensor) -> Tensor:
        return self.factor * self.field(points)


def scan(
    image: Callable[[int], Tensor],
    phase: str,
    sampling: str,
    acceleration: float,
    noise: float,
    size: int,
    seed: int,
) -> ii.Problem:
    """A scan from a file of undersampled k-space, with its noise-free image as the reference.

    Args:
        image: Function from pixels along a side to the magnitude.
        phase: The kind of phase, as in `phase_map`.
        sampling: As in `make_mask`.
        acceleration: As in `make_mask`.
        noise: Standard deviation of a pixel's noise, by the brightest.
        size: Pixels along a side.
        seed: Seed of noise, mask and phase.
    """
    grid = ii.Grid(centred_box((size, size), (1.0, 1.0), ("mm", "mm")), (size, size))
    fine = grid.refined(FINER)
    magnitude = image(FINER * size)
    values = magnitude * torch.polar(torch.ones(()), phase_map(phase, seed, FINER * size))
    truth = ii.SampledField(values[..., None], fine)
    maps = birdcage_maps(grid.box, 8).double()
    mask = make_mask((size, size), sampling, acceleration, 24, seed)
    operator = CartesianKSpace(grid, mask)
    real, imaginary = (
        measure(ii.SampledField(v[..., None], fine), maps, operator.frequencies, grid, FINER)
        for v in (values.real, values.imag)
    )
    draw = ii.noise.ComplexGaussian(noise)
    file_units = operator.lattice(real + 1j * imaginary).to(torch.complex64)
    noisy = draw.sample(file_units, torch.Generator().manual_seed(seed)) * mask
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.npy"
        np.save(path, noisy.numpy())
        problem = kspace_scan(str(path))
    factor = problem.notes["scale"]
    return replace(problem, reference=_Scaled(Magnitude(truth, maps), factor))


def radial(number: int, spokes: int, noise: float, size: int, seed: int) -> ii.Problem:
    """Golden-angle spokes of a generated head, with coils alone to hold a phase."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "head.npz")
        box = ii.Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
        fine = ii.Grid(box, (FINER * size,) * 2)
        write_image(path, head(number, FINER * size)[..., None], fine)
        return kspace(
            path, size=size, sampling="radial", spokes=spokes, noise_level=noise, seed=seed
        )


def measured(seed: int) -> ii.Problem:
    """The real 8-coil brain without a tenth of its samples, by which all answers are judged."""
    problem = kspace_scan(str(DATA / "brain_8ch_cartesian_ksp.npy"))
    (term,) = problem.terms
    rows = torch.ones(len(term.y), dtype=torch.bool)
    rows[_judges(len(rows), seed)] = False
    # the suggestion's own guide must not see them either
    return kspace_suggestion(replace(problem, terms=[replace(term, rows=rows.nonzero()[:, 0])]))


def kspace_suggestion(problem: ii.Problem) -> ii.Problem:
    """The same problem, whose suggestion looks at its present terms only."""
    model = problem.terms[0].fidelity
    assert isinstance(model, ii.noise.ComplexGaussian)
    return suggesting(problem, model)


def _judges(count: int, seed: int) -> Tensor:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1000 + seed))
    return order[: count // 10]


def misfit(answer: ii.Solution) -> float:
    """Minus the misfit, in dB by the noise, of the samples that no method saw."""
    term = answer.problem.terms[0]
    unseen = torch.ones(len(term.y), dtype=torch.bool)
    unseen[term.trusted] = False
    whole = replace(answer.problem, terms=[replace(term, rows=None)])
    return -10 * math.log10(replace(answer, problem=whole).misfit([unseen.nonzero()[:, 0]]))


def cases() -> list[Case]:
    """The fresh cases of k-space."""
    made = {
        "head A, lines R=4, constant phase, 2 %": (head, (101,), "constant", "lines", 4, 0.02),
        "head B, Poisson R=8, structured phase, 1 %": (
            *(head, (102,), "structured", "poisson_disc", 8, 0.01),
        ),
        "head C, density R=6, smooth phase, 0.5 %": (
            *(head, (103,), "smooth", "variable_density", 6, 0.005),
        ),
        "brain 75, lines R=4, constant phase, 1 %": (brain, (75, 2), "constant", "lines", 4, 0.01),
        "brain 120, Poisson R=8, structured phase, 2 %": (
            *(brain, (120, 2), "structured", "poisson_disc", 8, 0.02),
        ),
        "coronal 110, lines R=4, structured phase, 3 %": (
            *(brain, (110, 1), "structured", "lines", 4, 0.03),
        ),
    }
    found = [
        Case(name, partial(_scan, *what), SIMPLE, {"TV": partial(tv_sense, weight="oracle")})
        for name, what in made.items()
    ]
    for number, spokes, noise in ((104, 24, 0.02), (105, 40, 0.01)):
        name = f"head {number}, {spokes} spokes, {noise:.0%}"
        make = partial(radial, number, spokes, noise, 96)
        found.append(Case(name, make, SIMPLE, {"TV": partial(tv_sense, weight="oracle")}))
    if (DATA / "brain_8ch_cartesian_ksp.npy").exists():
        words = "measured brain, 8 coils, unseen samples (long)"
        found.append(Case(words, measured, SIMPLE, score=misfit, unit="dB of 1 / misfit"))
    return found


def _scan(
    image: Callable[..., Tensor],
    which: tuple[int, ...],
    phase: str,
    sampling: str,
    acceleration: float,
    noise: float,
    seed: int,
) -> ii.Problem:
    return scan(partial(image, *which), phase, sampling, acceleration, noise, 96, seed)

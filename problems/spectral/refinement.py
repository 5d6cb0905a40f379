"""Explain by GAP-TV what a smooth fit of a snapshot leaves unexplained, in the fit's own spectra.

    p: main spectra of the fitted cube;   v: its coefficients in them, (H, W, spectra)
    r += y - A v;   x = v + p' A'(A A' + η)⁻¹ (r - A v);   v = TV(x)         from the fit's own v

A network stops at a scene's fine detail. GAP-TV explains every pixel, but treats each band as an
image of its own. If a snapshot has hardly any noise, the fit's spectra tell GAP how the bands go
together. Noise would be explained as well.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from inverse_inr import Problem, SampledField, Solution, sample, solve
from inverse_inr.domain import Grid
from inverse_inr.evaluation import CHUNK, Field
from inverse_inr.problems.spectral.gap_tv import (
    brightness,
    gap_iterates,
    one_snapshot,
    total_variation,
)
from inverse_inr.ranges import Count, NonNegative, Positive, checked
from inverse_inr.solver import Candidate

HARDLY_ANY_NOISE = 0.002
"""Standard deviation, as a fraction of the largest measurement, up to which `refined` pays. At
0.3 % it may not."""


class Refined(nn.Module):
    """A field plus a correction of its cube, linear between pixels and bands, and not negative.

    Args:
        field: The fitted field.
        correction: (*grid.shape, 1), in the unit of the field.
        grid: (H, W, L) of the cube.
    """

    def __init__(self, field: Field, correction: Tensor, grid: Grid) -> None:
        super().__init__()
        self.field = field
        self.grid = grid
        self.correction = nn.Buffer(correction)

    def forward(self, points: Tensor) -> Tensor:
        """Return values (*s, 1) at points (*s, 3)."""
        return (self.field(points) + SampledField(self.correction, self.grid)(points)).clamp(min=0)

    def sample(self, grid: Grid) -> Tensor:
        """Return values on a lattice, by the field's own fast path.

        Args:
            grid: The lattice.

        Returns:
            (*grid.shape, 1).
        """
        correction = SampledField(self.correction, self.grid).sample(grid)
        return (sample(self.field, grid) + correction).clamp(min=0)

    @property
    def lattice_chunk(self) -> int:
        """The most points that the field wants to be asked for at once."""
        return getattr(self.field, "lattice_chunk", CHUNK)


@checked
@torch.no_grad()
def refined(
    solution: Solution,
    *,
    spectra: Count = 3,
    strength: Positive = 0.05,
    iterations: Count = 160,
    eta: NonNegative = 0.02,
) -> Solution:
    """Return a solution whose cube explains the detector pixels that its fit saw.

    Held-out pixels stay held out. If they speak against the change, the solution comes back as it
    was. The defaults were set on noise-free kodim23 and on bands 60 to 175 of Jasper Ridge.

    Args:
        solution: Of one CASSI snapshot on a cube.
        spectra: Number of main spectra, by singular values. The rest of the cube stays as it is.
        strength: Strength of total variation, for a scene of size 1.
        iterations: Iterations of GAP.
        eta: Fraction of the mean of A A', for pixels behind mask cells that let hardly any light
            through.

    Raises:
        TypeError: If the problem is not one CASSI snapshot on a cube.
    """
    began = time.perf_counter()
    camera, term = one_snapshot(solution.problem, "refined")
    seen = torch.zeros(len(camera), dtype=torch.bool)
    seen[term.trusted] = True
    for rows in solution.watched:
        seen[rows] = False
    seen = seen.reshape(camera.shape)
    cube = sample(solution.field, camera.grid)[..., 0]
    y = torch.where(seen, term.y.detach().reshape(camera.shape), 0)
    scale = brightness(camera, y)
    basis = torch.linalg.svd(cube.flatten(0, 1), full_matrices=False).Vh[:spectra].T
    start = cube @ basis / scale

    def denoise(change: Tensor) -> Tensor:
        return (total_variation(start + change @ basis, strength) - start) @ basis.T

    residual = (y - camera.snapshot(cube)) * seen / scale
    steps = gap_iterates(camera, residual, seen, denoise, eta)
    change = scale * next(itertools.islice(steps, iterations - 1, None))
    found = replace(
        solution,
        field=Refined(solution.field, change[..., None], camera.grid),
        method=f"{solution.method} + GAP",
        seconds=solution.seconds + time.perf_counter() - began,
        details=solution.details | {"spectra": spectra},
    )
    before = solution.held_out()
    after = found.held_out()
    if before is not None and after is not None and after > before:
        return solution
    return found


@checked
def fitted_and_refined(problem: Problem) -> Iterator[Candidate]:
    """Fit the problem's own prior, and refine it.

    Args:
        problem: One CASSI snapshot on a cube, with hardly any noise.

    Yields:
        The fit, and its refinement.
    """
    fit = solve(problem, steps=problem.suggested.steps, callbacks=[])
    yield Candidate(fit)
    yield Candidate(refined(fit))

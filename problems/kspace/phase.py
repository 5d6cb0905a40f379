"""Whether an image has a phase of its own, found from its k-space.

The maps take what is smooth of the phase. Is the rest real? Total variation of a real and of a
complex image are fitted through the same maps to the same samples, and others, which were held out,
decide, by the rule of one standard error: the real image is the simpler one. A wrong phase shows
where k-space is strong, so the samples that decide lie in its centre as often as elsewhere, unlike
the readouts by which images are judged. Where the image is complex, the maps also take the phase of
that fit, smoothed: what is left to the image is then nearly real, varies little, and may be real
after all.

Both images have half pixels: on whole ones a complex image takes edges within pixels for a phase.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from inverse_inr import Problem, Suggestion, Term, noise
from inverse_inr.evaluation import pool
from inverse_inr.operators import GivenCoils
from inverse_inr.operators.kspace.samples import KSpace
from inverse_inr.problems.kspace.classical import through
from inverse_inr.problems.kspace.coil_maps import MapEstimate, Phase, start_maps
from inverse_inr.problems.kspace.variation import total_variation, values_per_side
from inverse_inr.ranges import checked
from inverse_inr.sampled import SampledField
from inverse_inr.selection import choose
from inverse_inr.solver import Solution
from inverse_inr.stopping import HeldOut

WIDTH = 10.0
"""Standard deviation, in cycles per field of view, of the Gaussian that smooths a found phase."""
FRACTION = 0.1
"""Part of the samples that is held out to decide."""
GOLDEN = (5**0.5 - 1) / 2
"""Multiples of the golden section, less their whole parts, fill the unit interval evenly."""


class FoundPhase(NamedTuple):
    """The holder of an image's phase, and the maps that go with it."""

    is_complex: bool
    """Whether the image has a phase of its own."""
    maps: Tensor
    """(coils, *grid.shape), with the phase that they take from the image."""
    note: str
    """What decided."""


@checked
def maps_and_phase(
    operator: KSpace,
    y: Tensor,
    model: noise.ComplexGaussian,
    estimate: MapEstimate,
    phase: Phase | Literal["auto"],
    reference_lines: Tensor | None = None,
) -> FoundPhase:
    """Coil maps, and whether the image is complex, as told or as found.

    Args:
        operator: The k-space samples.
        y: (samples, coils), complex.
        model: Their noise.
        estimate: How maps are estimated, as in `start_maps`.
        phase: The holder of the phase, or "auto" for what `found_phase` finds.
        reference_lines: As in `start_maps`.
    """
    told: Phase = "both"
    if phase != "auto":
        told = phase
    maps = start_maps(operator, y, estimate, told, reference_lines=reference_lines)
    if phase == "auto":
        return found_phase(operator, y, model, maps)
    return FoundPhase(phase != "coils", maps, f"as told: {phase}")


@torch.no_grad()
@checked
def found_phase(
    operator: KSpace, y: Tensor, model: noise.ComplexGaussian, maps: Tensor
) -> FoundPhase:
    """Decide by held-out samples whether the image is real behind maps of the smooth phase.

    Nothing is drawn: those that are held out are spread evenly over all samples.

    Args:
        operator: The k-space samples.
        y: (samples, coils), complex.
        model: Their noise.
        maps: (coils, *grid.shape) with the smooth phase of the image, as `start_maps` gives them
            for "both".

    Returns:
        The decision, and the maps for it.
    """
    if len(y) * FRACTION < 1:
        return FoundPhase(True, maps, "too few samples to hold any out: a complex image")
    real, free = (_fitted(operator, y, model, maps, kind) for kind in (False, True))
    note = f"held-out misfit {_misfit(real)} of a real image, {_misfit(free)} of a complex one"
    if choose([real, free]) is real:
        return FoundPhase(False, maps, f"the maps hold it: {note}")
    assert isinstance(free.field, SampledField)
    image = pool(free.field.values, values_per_side(operator.grid), operator.grid.ndim)
    turn = smooth_phase(image[..., 0], WIDTH)
    turned = maps * torch.polar(torch.ones_like(turn), turn).to(maps.dtype)
    real = _fitted(operator, y, model, turned, is_complex=False)
    note = f"{note}, {_misfit(real)} of a real one whose maps take the complex one's smooth phase"
    if choose([real, free]) is real:
        return FoundPhase(False, turned, f"the maps hold it, as the image tells it: {note}")
    return FoundPhase(True, turned, f"the image has one of its own: {note}")


def _misfit(solution: Solution) -> str:
    return f"{solution.held_out():.4g}"


def _fitted(
    operator: KSpace, y: Tensor, model: noise.ComplexGaussian, maps: Tensor, is_complex: bool
) -> Solution:
    """Total variation of the image, its weight chosen by samples that are held out."""
    grid = operator.grid
    held = torch.arange(len(y), dtype=torch.float64) * GOLDEN % 1 < FRACTION
    seen = through(operator, GivenCoils(maps, grid))
    problem = Problem(
        [Term(seen, y, model)],
        grid.box,
        grid,
        is_complex=is_complex,
        suggested=Suggestion(stopping=HeldOut(rows=[held.nonzero()[:, 0]])),
    )
    return total_variation(problem, factors=(1.0,))


@checked
def smooth_phase(image: Tensor, width: float) -> Tensor:
    """The phase of an image without its fine structure.

    Args:
        image: (*shape) complex.
        width: Standard deviation of the Gaussian that the spectrum is multiplied by, in cycles per
            field of view.

    Returns:
        (*shape) radians.
    """
    spectrum = torch.fft.fftn(image)
    for axis, n in enumerate(image.shape):
        k = torch.fft.fftfreq(n, 1 / n, device=image.device, dtype=image.dtype.to_real())
        shape = [1] * image.ndim
        shape[axis] = n
        spectrum = spectrum * torch.exp(-0.5 * (k / width).square()).reshape(shape)
    return torch.fft.ifftn(spectrum).angle()

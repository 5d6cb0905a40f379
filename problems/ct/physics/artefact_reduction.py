"""Classical remedies of beam hardening and of metal: they correct the sinogram before FBP.

- Water correction: each value is replaced by the line integral at one energy of the depth of water
  that would give it.
- Bone correction: what water and bone of a first image would measure, and what one energy would,
  differ by an amount that is added to the measurements (Joseph & Spital, J. Comput. Assist. Tomogr.
  2, 1978, carried out with the true spectrum).
- LI-MAR: values behind metal are interpolated along the detector (Kalender et al., Radiology 164,
  1987).
- NMAR: the same after division by the projections of a prior image, in which soft tissue is water
  (Meyer et al., Med. Phys. 37, 2010).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, Problem, SampledField, Solution, as_linear_map, noise
from inverse_inr.operators import ParallelBeam, fbp
from inverse_inr.operators.ct.beam.detector import Afterglow, ScintillatorBlur
from inverse_inr.operators.ct.beam.polychromatic import Polychromatic, mixture
from inverse_inr.operators.ct.beam.scatter import Scatter
from inverse_inr.problems.ct.simulated import filled
from inverse_inr.ranges import Positive, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import hold_out

DEEPEST = 100.0
"""Depth of water in cm up to which the correction is tabulated."""
TRACE = 0.02
"""Length of metal in cm that makes a value one behind metal."""
METAL = 1.0
"""Attenuation in 1/cm above which a pixel is metal."""
BONE = 0.32
"""Attenuation in 1/cm above which a pixel is bone and kept in the prior image of NMAR."""
AIR = 0.1
"""Attenuation in 1/cm below which a pixel is air."""


class Sinogram:
    """The measurements of a problem as views of one beam, and what the model knows.

    Args:
        problem: Its first operator is a `Polychromatic` of a parallel beam, or scatter, blur or
            afterglow around it, of which remedies know nothing.

    Raises:
        TypeError: The operator is another.
    """

    def __init__(self, problem: Problem) -> None:
        term = problem.terms[0]
        operator: Any = term.operator
        while isinstance(operator, Scatter | ScintillatorBlur | Afterglow):
            operator = operator.operator
        if not isinstance(operator, Polychromatic) or operator.knots is None:
            raise TypeError(
                f"{type(term.operator).__name__} is no Polychromatic with a reference energy."
            )
        fine = operator.operator
        assert isinstance(fine, ParallelBeam)
        assert isinstance(term.fidelity, noise.Noise)
        self.model = operator
        self.knots = operator.knots.double()
        self.beam = ParallelBeam(
            fine.box,
            fine.angles.detach(),
            operator.shape[1],
            fine.pitch * operator.gather,
            fine.center.detach(),
        )
        split, self.watched, self.note = hold_out(problem.suggested.stopping, problem.terms)
        y, _ = term.fidelity.least_squares(term.y)
        known = torch.zeros(len(y), dtype=torch.bool)
        known[split[0]] = True
        self.views = filled(self.beam.unflatten(y), self.beam.unflatten(known))
        self.grid: Grid = problem.grid
        self._project = as_linear_map(self.beam, problem.grid)

    def project(self, image: Tensor) -> Tensor:
        """Line integrals (views, bins) of an image (*grid.shape)."""
        return self.beam.unflatten(self._project(image[..., None].float()))

    def image(self, views: Tensor, window: str) -> Tensor:
        """The image (*grid.shape) of a sinogram by FBP."""
        return fbp(self.beam, views, self.grid, window)[..., 0]

    def water_corrected(self) -> Tensor:
        """The sinogram (views, bins) as if all were water and the beam had one energy."""
        depth = torch.linspace(0, DEEPEST, 4096, dtype=torch.float64)
        lines = depth.new_zeros(len(depth), 1, len(self.knots))
        lines[:, 0, 0] = depth
        seen = self.model.logged(lines).squeeze(-1).detach()
        value = np.interp(
            self.views.double().numpy(), seen.numpy(), (self.knots[0] * depth).numpy()
        )
        return torch.from_numpy(value).to(self.views)


@checked
def uncorrected(problem: Problem, window: str = "hann") -> Solution:
    """Solve by FBP of the logged intensities.

    Args:
        problem: A problem of `ct_hardening`.
        window: The filter's window.
    """
    began = time.perf_counter()
    sinogram = Sinogram(problem)
    return _solution(problem, sinogram, sinogram.image(sinogram.views, window), "FBP", began)


@checked
def water_correction(problem: Problem, window: str = "hann") -> Solution:
    """Solve by FBP after water correction.

    Args:
        problem: A problem of `ct_hardening`.
        window: The filter's window.
    """
    began = time.perf_counter()
    sinogram = Sinogram(problem)
    image = sinogram.image(sinogram.water_corrected(), window)
    return _solution(problem, sinogram, image, "water correction", began)


@checked
def bone_correction(problem: Problem, window: str = "hann", rounds: int = 2) -> Solution:
    """Solve by FBP after a correction for all materials of a first image.

    Args:
        problem: A problem of `ct_hardening`.
        window: The filter's window.
        rounds: How often image and correction are made.
    """
    began = time.perf_counter()
    sinogram = Sinogram(problem)
    image = sinogram.image(sinogram.water_corrected(), window)
    for _ in range(rounds):
        amounts = mixture(image.clamp(min=0), sinogram.knots)
        lines = torch.stack([sinogram.project(a) for a in amounts.unbind(-1)], -1).double()
        poly = sinogram.model.logged(lines[..., None, :]).squeeze(-1).detach()
        one = lines @ sinogram.knots
        image = sinogram.image(sinogram.views + (one - poly).to(sinogram.views), window)
    return _solution(problem, sinogram, image, "bone correction", began)


@checked
def linear_interpolation(
    problem: Problem,
    window: str = "ram-lak",
    metal: Positive = METAL,
    trace: Tensor | None = None,
) -> Solution:
    """Solve by FBP after water correction and linear interpolation behind metal (LI-MAR).

    Args:
        problem: A problem of `ct_hardening`.
        window: The filter's window.
        metal: Attenuation in 1/cm above which a pixel is metal.
        trace: (views, bins) of bool, the values behind metal, where they are known.
    """
    began = time.perf_counter()
    sinogram = Sinogram(problem)
    views = sinogram.water_corrected()
    inside, behind = _metal(sinogram, views, metal, trace)
    image = sinogram.image(filled(views, ~behind), window)
    return _solution(problem, sinogram, _with_metal(image, inside), "LI-MAR", began)


@checked
def normalised_interpolation(
    problem: Problem,
    window: str = "ram-lak",
    metal: Positive = METAL,
    bone: Positive = BONE,
    trace: Tensor | None = None,
) -> Solution:
    """Solve by FBP after water correction and normalised interpolation behind metal (NMAR).

    Args:
        problem: A problem of `ct_hardening`.
        window: The filter's window.
        metal: Attenuation in 1/cm above which a pixel is metal.
        bone: Attenuation in 1/cm above which a pixel keeps its value in the prior image.
        trace: (views, bins) of bool, the values behind metal, where they are known.
    """
    began = time.perf_counter()
    sinogram = Sinogram(problem)
    views = sinogram.water_corrected()
    inside, behind = _metal(sinogram, views, metal, trace)
    first = sinogram.image(filled(views, ~behind), window)
    flat = torch.where(first < bone, sinogram.knots[0].to(first), first)
    prior = sinogram.project(torch.where(first < AIR, 0, flat)).clamp(min=AIR * sinogram.beam.pitch)
    mended = torch.where(behind, filled(views / prior, ~behind) * prior, views)
    image = sinogram.image(mended, window)
    solution = _solution(problem, sinogram, _with_metal(image, inside), "NMAR", began)
    solution.details["sinogram"] = mended
    return solution


def _metal(
    sinogram: Sinogram, views: Tensor, metal: float, trace: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The image of metal alone, and which values lie behind it."""
    image = sinogram.image(views, "hann")
    inside = torch.where(image > metal, image, 0)
    if trace is None:
        trace = sinogram.project((image > metal).to(image)) > TRACE
    return inside, trace


def _with_metal(image: Tensor, inside: Tensor) -> Tensor:
    """Metal is put back into an image that was made without it."""
    return torch.where(inside > 0, inside, image)


def _solution(
    problem: Problem, sinogram: Sinogram, image: Tensor, method: str, began: float
) -> Solution:
    return Solution(
        SampledField(image[..., None].float(), problem.grid),
        problem,
        method,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", method),
        watched=sinogram.watched,
        details=dict(sinogram.note),
    )


def cupping(image: Tensor, grid: Grid, water: Tensor, radius: float) -> float:
    """How much darker the middle of a water cylinder is than its rim, as a part of the rim.

    Args:
        image: (H, W) attenuation.
        grid: The grid of the image.
        water: (H, W) of bool, the pixels that hold nothing but water.
        radius: Of the cylinder, about the box's centre.

    Returns:
        (rim - middle) / rim, where the middle ends at 0.3 and the rim goes from 0.75 to 0.9 of the
        radius.
    """
    center = torch.tensor(grid.box.center)
    far = (grid.points() - center).norm(dim=-1) / radius
    middle = image[water & (far < 0.3)].double().mean()
    rim = image[water & (far > 0.75) & (far < 0.9)].double().mean()
    return float((rim - middle) / rim)

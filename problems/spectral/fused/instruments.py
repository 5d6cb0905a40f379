"""The two instruments of a fusion, as classical methods see them: images with holes, and maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from inverse_inr import OnGrid, Problem, Term
from inverse_inr.noise import Gaussian
from inverse_inr.ranges import checked
from inverse_inr.term import describe


@dataclass
class FineImage:
    """The image of fine pixels and few channels.

    Attributes:
        values: (H, W, n), in the unit of the measurements; 0 where not known.
        known: (H, W) boolean.
        response: (n, L), what each band adds to each channel.
        term: The term that it comes from.
    """

    values: Tensor
    known: Tensor
    response: Tensor
    term: Term

    def filled(self) -> Tensor:
        """The values, with unknown pixels set to means of their known neighbours: (H, W, n)."""
        return filled(self.values, self.known[..., None].expand_as(self.values))


@dataclass
class CoarseCube:
    """The cube of coarse pixels and many bands.

    Attributes:
        values: (h, w, L); 0 where not known.
        known: (h, w, L) boolean.
        operator: Its map takes a cube (H, W, L) to (h, w, L).
        term: The term that it comes from.
    """

    values: Tensor
    known: Tensor
    operator: OnGrid
    term: Term

    def enlarged(self, values: Tensor, size: tuple[int, int]) -> Tensor:
        """Coarse values on fine pixels, cubic between the centres: (h, w, L) -> (H, W, L).

        Args:
            values: (h, w, L).
            size: (H, W).
        """
        coarse = values.movedim(-1, 0)[None]
        fine = functional.interpolate(coarse, size=size, mode="bicubic", align_corners=False)
        return fine[0].movedim(0, -1).contiguous()


@checked
def fine_image(problem: Problem) -> FineImage:
    """Find the image of fine pixels: the problem's first term.

    Args:
        problem: Its grid is (H, W, L), and a row of its first term a pixel of (H, W).

    Raises:
        TypeError: If the first term is none, or not on the grid.
    """
    term = problem.terms[0]
    operator = term.operator
    shape = problem.grid.shape
    fits = isinstance(operator, OnGrid) and tuple(operator.shape) == shape[:-1]
    if not fits or problem.grid.ndim != 3 or term.y.ndim != 2:
        raise TypeError(
            f"fusion and spectra from colours: the first term, {describe(operator)}, must see "
            f"some channels of every pixel of the grid {shape}: `SpectralResponse(...).on(grid)`."
        )
    assert isinstance(operator, OnGrid)
    known = torch.zeros(len(term.y), dtype=torch.bool)
    known[term.trusted] = True
    values = torch.where(known[:, None], term.y, 0)
    bands = []
    with torch.no_grad():
        for k in range(shape[-1]):
            cube = term.y.new_zeros(shape)
            cube[..., k] = 1
            bands.append(operator.map(cube).flatten(0, 1)[0])
    return FineImage(
        operator.unflatten(values), operator.unflatten(known), torch.stack(bands, -1), term
    )


@checked
def coarse_cube(problem: Problem) -> CoarseCube:
    """Find the cube of coarse pixels: the problem's second term.

    Args:
        problem: Its grid is (H, W, L), and a row of its second term a band of a coarse pixel.

    Raises:
        TypeError: If there is no second term, or it is none on the grid.
    """
    term = problem.terms[-1]
    operator = term.operator
    shape: tuple[int, ...] = ()
    if isinstance(operator, OnGrid) and len(problem.terms) == 2 and term.y.ndim == 1:
        shape = operator.shape
    if len(shape) != 3 or shape[-1] != problem.grid.shape[-1]:
        raise TypeError(
            f"fusion: the last of {len(problem.terms)} terms, {describe(operator)}, must be the "
            f"second and see (h, w, {problem.grid.shape[-1]}): `coarse_pixels(grid, factor)`."
        )
    assert isinstance(operator, OnGrid)
    known = torch.zeros(len(term.y), dtype=torch.bool)
    known[term.trusted] = True
    values = operator.unflatten(torch.where(known, term.y, 0))
    return CoarseCube(values, operator.unflatten(known), operator, term)


def noise_level(term: Term) -> float:
    """The standard deviation of a term's noise, of its median measurement.

    Args:
        term: A term with Gaussian noise.

    Raises:
        TypeError: If the noise is another.
    """
    if not isinstance(term.fidelity, Gaussian):
        raise TypeError(
            f"Fusion and spectra from colours need noise.Gaussian, not "
            f"{type(term.fidelity).__name__}."
        )
    return float(torch.as_tensor(term.fidelity.sigma).double().median())


def filled(values: Tensor, known: Tensor) -> Tensor:
    """Set unknown values to means of their known neighbours in space, the nearest first.

    Args:
        values: (H, W, c).
        known: (H, W, c) boolean.

    Returns:
        (H, W, c); zero where nothing is known of a channel.
    """
    known = known.to(values)
    values = values * known
    kernel = values.new_ones(1, 1, 3, 3)

    def around(image: Tensor) -> Tensor:
        planes = functional.pad(image.movedim(-1, 0)[:, None], (1, 1, 1, 1))
        return functional.conv2d(planes, kernel)[:, 0].movedim(0, -1)

    while bool((known == 0).any()):
        count = around(known)
        found = (known == 0) & (count > 0)
        if not bool(found.any()):
            break
        values = torch.where(found, around(values) / count.clamp(min=1), values)
        known = torch.where(found, 1.0, known)
    return values

"""Spectra by regression: pixels of like colour have like spectra, which the coarse cube tells.

    affine regression   x(p) = W y(p) + b,   W and b fitted on coarse pixels
    GSA                 coarse cube enlarged + what the regression has of finer detail

y is the fine image. Both need no iteration and no parameter.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.denoisers import PatchGaussians
from inverse_inr.problems.spectral.fused.instruments import (
    CoarseCube,
    FineImage,
    coarse_cube,
    filled,
    fine_image,
    noise_level,
)
from inverse_inr.ranges import checked
from inverse_inr.solver import Ended

RIDGE = 1e-9
"""Damping of the regression, as a fraction of each channel's sum of squares: for lone pixels."""


@checked
def affine_regression(problem: Problem) -> Solution:
    """Map the channels of each fine pixel to its spectrum, by least squares on the coarse pixels.

    The fine image is seen through the coarse instrument's operator first, so its point-spread
    function counts.

    Args:
        problem: As `fusion` makes it: a fine image, and a coarse cube.
    """
    began = time.perf_counter()
    cube, _ = regressed(fine_image(problem), coarse_cube(problem))
    return _solution(problem, cube, "affine regression", began)


@checked
def gsa(problem: Problem) -> Solution:
    """Enlarge the coarse cube, and add the detail that affine regression finds in the fine image.

    Adaptive Gram-Schmidt for several channels: the component of each band is its regression on the
    channels, and what the coarse instrument does not resolve of it is added to the band. The mean
    of each band stays that of the coarse cube.

    Args:
        problem: As `fusion` makes it: a fine image, and a coarse cube.

    Source:
        Aiazzi, Baronti & Selva 2007; with one component per band: Selva et al. 2015.
    """
    began = time.perf_counter()
    fine, coarse = fine_image(problem), coarse_cube(problem)
    component, seen = regressed(fine, coarse)
    size = (component.shape[0], component.shape[1])
    wanted = filled(coarse.values, coarse.known)
    cube = component + coarse.enlarged(wanted - seen, size)
    cube = cube + (wanted - coarse.operator.map(cube)).mean((0, 1))
    return _solution(problem, cube, "GSA", began)


@checked
def denoised_regression(problem: Problem) -> Solution:
    """Affine regression of the fine image without its noise, and of the coarse detail it leaves.

    NL-Bayes removes the noise. What the coarse cube has beyond the regression is added where it
    stands above the noise: singular values of the residual, less what noise alone would give.

    Args:
        problem: As `fusion` makes it: a fine image, and a coarse cube, with Gaussian noise.

    Source:
        Lebrun, Buades & Morel 2013 (NL-Bayes); shrinkage: Gavish & Donoho 2017.
    """
    began = time.perf_counter()
    fine, coarse = fine_image(problem), coarse_cube(problem)
    weights = affine_weights(fine, coarse, few=True)
    quiet = PatchGaussians(patch=3)(fine.filled(), noise_level(fine.term))
    cube = torch.einsum("xyn,nl->xyl", quiet, weights[:-1]) + weights[-1]
    left = (coarse.values - coarse.operator.map(cube)) * coarse.known
    left = above_noise(left.flatten(0, 1), noise_level(coarse.term)).reshape(left.shape)
    cube = cube + coarse.enlarged(left, (cube.shape[0], cube.shape[1]))
    return _solution(problem, cube, "denoised regression", began)


def above_noise(values: Tensor, sigma: float) -> Tensor:
    """Shrink the singular values of a noisy matrix, to the best estimate of it in squared error.

    Args:
        values: (n, m).
        sigma: Standard deviation of each value's noise.

    Returns:
        (n, m); zero where all singular values are those of noise.

    Source:
        Gavish & Donoho 2017, Optimal shrinkage of singular values, Frobenius loss.
    """
    left, sizes, right = torch.linalg.svd(values.double(), full_matrices=False)
    n, m = max(values.shape), min(values.shape)
    ratio = m / n
    y = sizes / (n**0.5 * sigma)
    inside = ((y.square() - ratio - 1).square() - 4 * ratio).clamp(min=0).sqrt()
    shrunk = torch.where(y > 1 + ratio**0.5, inside / y, 0)
    return (left * (n**0.5 * sigma * shrunk) @ right).to(values)


def regressed(fine: FineImage, coarse: CoarseCube) -> tuple[Tensor, Tensor]:
    """The cube of affine regression, and what the coarse instrument sees of it.

    Args:
        fine: The fine image.
        coarse: The coarse cube.

    Returns:
        (H, W, L) and (h, w, L).
    """
    weights = affine_weights(fine, coarse)
    cube = torch.einsum("xyn,nl->xyl", fine.filled(), weights[:-1]) + weights[-1]
    return cube, coarse.operator.map(cube)


@torch.no_grad()
def affine_weights(fine: FineImage, coarse: CoarseCube, few: bool = False) -> Tensor:
    """The map from channels to bands that explains the coarse cube best.

    Args:
        fine: The fine image, of n channels.
        coarse: The coarse cube, of L bands.
        few: Whether to remove from the map what may be the coarse cube's noise, by reduced rank:
            it matters where coarse pixels are few.

    Returns:
        (n + 1, L); its last row is what a dark pixel has.
    """
    bands = coarse.values.shape[-1]

    def seen(image: Tensor) -> Tensor:
        """(H, W) through the coarse instrument, in the light of each band: (h, w, L)."""
        return coarse.operator.map(image[..., None].expand(*image.shape, bands).contiguous())

    share = seen(fine.known.to(fine.values))
    inputs = [seen(channel) / share.clamp(min=1e-6) for channel in fine.values.unbind(-1)]
    inputs = torch.stack([*inputs, torch.ones_like(share)], -1).double()  # (h, w, L, n + 1)
    trust = (coarse.known & (share > 0.5)).double()
    x = inputs.flatten(0, 1).movedim(1, 0)  # (L, h w, n + 1)
    z = coarse.values.double().flatten(0, 1).T[..., None]
    w = trust.flatten(0, 1).T[..., None]
    normal = x.mT @ (w * x)
    normal = normal + RIDGE * torch.diag_embed(normal.diagonal(dim1=-2, dim2=-1) + RIDGE)
    weights = torch.linalg.lstsq(normal, x.mT @ (w * z)).solution[..., 0].T
    if few:
        # in these units the noise of all entries is white
        sizes, turn = torch.linalg.eigh(normal.mean(0))
        root = sizes.clamp(min=RIDGE * float(sizes[-1])).sqrt()
        quiet = above_noise(root[:, None] * (turn.T @ weights), noise_level(coarse.term))
        weights = turn @ (quiet / root[:, None])
    return weights.to(fine.values)


def _solution(problem: Problem, cube: Tensor, name: str, began: float) -> Solution:
    return Solution(
        SampledField(cube[..., None].contiguous(), problem.grid),
        problem,
        name,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "least squares on the coarse pixels"),
    )

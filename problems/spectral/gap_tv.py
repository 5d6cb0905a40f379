"""Classical snapshot spectral imaging: GAP and ADMM around any denoiser.

    GAP   r += y - A v;   x = v + A'(A A' + η)⁻¹ (r - A v);   v = denoise(x)
    ADMM  x = v + b + A'(A A' + η)⁻¹ (y - A(v + b));   v = denoise(x - b);   b -= x - v

GAP is generalised alternating projection, accelerated (Liao et al. 2014). With total variation as
denoiser they are GAP-TV (Yuan 2016) and ADMM-TV; any other denoiser makes them plug-and-play. The
camera's `gram` inverts A A' + η exactly. GAP has η = 0 unless the camera blurs: undoing a blur
needs some.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Problem, Solution, Term
from inverse_inr.baselines import Judge
from inverse_inr.operators import CassiOnGrid
from inverse_inr.ranges import Count, Positive, WholeNumber, checked

Strength = Positive | Literal["held-out", "oracle"]
"""A strength, or the rule that chooses one."""

Denoiser = Callable[[Tensor, float], Tensor]
"""Maps a cube (H, W, L) and a strength to the denoised cube."""

STRENGTHS = (1.6, 0.8, 0.4, 0.2, 0.1, 0.05)
"""Strengths of the denoiser, as a fraction of the cube's span, tried from the strongest down."""

BLURRED = 0.03
"""GAP's η where the camera blurs, as a fraction of the mean of A A'."""

TOLERANCE = 1e-3
"""Relative residual at which conjugate gradients stop, where the camera blurs."""


@checked
def total_variation(cube: Tensor, strength: Positive, iterations: Count = 5) -> Tensor:
    """Denoise each band by Chambolle's projection, with scikit-image.

    Args:
        cube: (H, W, L).
        strength: Weight of total variation, in the unit of the cube.
        iterations: The most iterations of the projection.

    Returns:
        (H, W, L).
    """
    from skimage.restoration import denoise_tv_chambolle

    found = denoise_tv_chambolle(
        cube.numpy(), weight=strength, max_num_iter=iterations, channel_axis=-1
    )
    return torch.from_numpy(found)


@checked
def wavelets(cube: Tensor, strength: Positive) -> Tensor:
    """Denoise each band by soft-thresholded wavelets, with scikit-image.

    Args:
        cube: (H, W, L).
        strength: Standard deviation of the noise, in the unit of the cube.

    Returns:
        (H, W, L).
    """
    from skimage.restoration import denoise_wavelet

    found = denoise_wavelet(cube.numpy(), sigma=strength, channel_axis=-1, rescale_sigma=False)
    return torch.from_numpy(found)


@checked
def gap_tv(
    problem: Problem,
    strength: Strength = "held-out",
    *,
    strengths: Sequence[Positive] = STRENGTHS,
    iterations: Count = 100,
    denoiser: Denoiser = total_variation,
    seed: WholeNumber = 0,
) -> Solution:
    """Solve by accelerated GAP around a denoiser.

    Args:
        problem: One CASSI snapshot on a cube.
        strength: Strength of the denoiser for a scene of size 1. "held-out" (detector pixels that
            no iteration sees) or "oracle" choose it from `strengths`, and the iteration with it, by
            the least misfit.
        strengths: The strengths to choose from.
        iterations: Iterations per strength.
        denoiser: By default total variation of each band.
        seed: Of the held-out pixels.

    Raises:
        TypeError: If the problem is not one CASSI snapshot on a cube.
    """
    return _solved(problem, strength, strengths, iterations, denoiser, gap_iterates, "GAP-TV", seed)


@checked
def admm_tv(
    problem: Problem,
    strength: Strength = "held-out",
    *,
    strengths: Sequence[Positive] = STRENGTHS,
    iterations: Count = 100,
    denoiser: Denoiser = total_variation,
    seed: WholeNumber = 0,
) -> Solution:
    """Solve by ADMM around a denoiser, which may leave noise unexplained (η > 0).

    Args:
        problem: One CASSI snapshot on a cube.
        strength: As in `gap_tv`.
        strengths: The strengths to choose from.
        iterations: Iterations per strength.
        denoiser: By default total variation of each band.
        seed: Of the held-out pixels.

    Raises:
        TypeError: If the problem is not one CASSI snapshot on a cube.
    """
    return _solved(
        problem, strength, strengths, iterations, denoiser, admm_iterates, "ADMM-TV", seed
    )


def gap_iterates(
    camera: CassiOnGrid,
    y: Tensor,
    seen: Tensor,
    denoise: Callable[[Tensor], Tensor],
    eta: float | None = None,
) -> Iterator[Tensor]:
    """Yield GAP's iterates v_1, v_2, ... (H, W, L), from zero, without end.

    Args:
        camera: The camera on the cube's grid.
        y: (*shape) measurements.
        seen: (*shape) bool. Rows that were not seen are not projected on.
        denoise: Maps a cube (H, W, L) to a cube.
        eta: Fraction of the mean of A A'. Above 0, it projects less where hardly any light falls.
            By default 0, or `BLURRED` for a camera that blurs.
    """
    if eta is None:
        eta = 0.0
        if camera.camera.psf is not None:
            eta = BLURRED
    solve = _gram(camera, y, seen, eta)
    v = torch.zeros(*camera.grid.shape, dtype=y.dtype)
    back = _adjoint(camera, v)
    residuals = torch.zeros_like(y)
    while True:
        seen_now = camera.snapshot(v)
        residuals = residuals + (y - seen_now) * seen
        v = denoise(v + back(solve((residuals - seen_now) * seen)))
        yield v


def admm_iterates(
    camera: CassiOnGrid,
    y: Tensor,
    seen: Tensor,
    denoise: Callable[[Tensor], Tensor],
    eta: float = 0.05,
) -> Iterator[Tensor]:
    """Yield ADMM's iterates v_1, v_2, ... (H, W, L), from zero, without end.

    Args:
        camera: The camera on the cube's grid.
        y: (*shape) measurements.
        seen: (*shape) bool. Rows that were not seen are not explained.
        denoise: Maps a cube (H, W, L) to a cube.
        eta: Fraction of the mean of A A', above 0.
    """
    solve = _gram(camera, y, seen, eta)
    v = torch.zeros(*camera.grid.shape, dtype=y.dtype)
    back = _adjoint(camera, v)
    b = torch.zeros_like(v)
    while True:
        x = v + b + back(solve((y - camera.snapshot(v + b)) * seen))
        v = denoise(x - b)
        b = b - (x - v)
        yield v


def _gram(camera: CassiOnGrid, y: Tensor, seen: Tensor, eta: float) -> Callable[[Tensor], Tensor]:
    """(A A' + η)⁻¹, η in units of the mean of A A'."""
    level = float(camera.snapshot(torch.ones(*camera.grid.shape, dtype=y.dtype))[seen].mean())
    return camera.gram(eta * level, seen, TOLERANCE)


def one_snapshot(problem: Problem, name: str) -> tuple[CassiOnGrid, Term]:
    """Return the camera and the term of a problem that is one CASSI snapshot of a cube.

    Args:
        problem: The problem.
        name: Who asks, for the error message.

    Raises:
        TypeError: If the problem is another one.
    """
    term = problem.terms[0]
    if not isinstance(term.operator, CassiOnGrid) or len(problem.terms) > 1:
        raise TypeError(
            f"{name} solves one CASSI snapshot of a cube; this problem has {_named(problem)}."
        )
    return term.operator, term


def brightness(camera: CassiOnGrid, y: Tensor) -> float:
    """Return the number to divide a scene by, so that one denoising strength suits all exposures.

    Args:
        camera: The camera on the cube's grid.
        y: (*shape) measurements.

    Returns:
        Twice the value of a constant scene that is as bright as y, in the unit of the scene.
    """
    constant = camera.snapshot(torch.ones(camera.grid.shape, dtype=y.dtype))
    return 2 * float(y.max()) / max(1.0, float(constant.max()))


def _adjoint(camera: CassiOnGrid, like: Tensor) -> Callable[[Tensor], Tensor]:
    pullback = torch.func.vjp(camera.snapshot, torch.zeros_like(like))[1]
    return lambda y: pullback(y)[0]


@torch.no_grad()
def _solved(
    problem: Problem,
    strength: float | str,
    strengths: Sequence[float],
    iterations: int,
    denoiser: Denoiser,
    iterates: Callable[..., Iterator[Tensor]],
    name: str,
    seed: int,
) -> Solution:
    began = time.perf_counter()
    camera, term = one_snapshot(problem, name)
    judge = Judge(problem, strength, seed)
    seen = torch.zeros(len(camera), dtype=torch.bool)
    seen[judge.fit[0]] = True
    seen = seen.reshape(camera.shape)
    y = term.y.detach().reshape(camera.shape) * seen
    scale = brightness(camera, y)
    chooses = isinstance(strength, str)
    for value in _tried(strength, strengths):
        steps = iterates(camera, y / scale, seen, lambda x, value=value: denoiser(x, value))
        for k, image in zip(range(1, iterations + 1), steps, strict=False):
            # noise comes back as iterations go on: a rule that chooses may choose an earlier one
            if k == iterations or (chooses and k % max(1, iterations // 6) == 0):
                judge.consider(scale * image[..., None].to(y.dtype), value)
    solution = judge.solution(name, "strength", time.perf_counter() - began)
    return replace(solution, steps=iterations)


def _tried(strength: float | str, strengths: Sequence[float]) -> list[float]:
    if isinstance(strength, str):
        return sorted(strengths, reverse=True)
    return [float(strength)]


def _named(problem: Problem) -> str:
    return " and ".join(type(t.operator).__name__ for t in problem.terms)

"""Classical snapshot spectral imaging: generalised alternating projection (GAP) and ADMM around any denoiser.

    GAP   r += y - A v;   x = v + A'(A A' + η)⁻¹ (r - A v);   v = denoise(x)        accelerated, Liao et al. (2014)
    ADMM  x = v + b + A'(A A' + η)⁻¹ (y - A(v + b));   v = denoise(x - b);   b -= x - v

With total variation as denoiser they are GAP-TV (Yuan 2016) and ADMM-TV; any other denoiser makes them plug-and-play.
A A' + η is inverted exactly by the camera's `gram`; GAP has η = 0 unless the camera blurs: undoing a blur needs some.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import Problem, Solution, Term
from inverse_inr.baselines import Judge
from inverse_inr.operators import CassiOnGrid

Denoiser = Callable[[Tensor, float], Tensor]
"""(H, W, L) cube and its strength -> cube."""

STRENGTHS = (1.6, 0.8, 0.4, 0.2, 0.1, 0.05)
"""Of the denoiser, as a fraction of the cube's span: tried from the strongest down."""
BLURRED, TOLERANCE = 0.03, 1e-3
"""η where the camera blurs, as a fraction of the mean of A A', and how exactly conjugate gradients invert then."""


def total_variation(cube: Tensor, strength: float, iterations: int = 5) -> Tensor:
    """Chambolle's projection of each band, by scikit-image."""
    from skimage.restoration import denoise_tv_chambolle

    found = denoise_tv_chambolle(
        cube.numpy(), weight=strength, max_num_iter=iterations, channel_axis=-1
    )
    return torch.from_numpy(found)


def wavelets(cube: Tensor, strength: float) -> Tensor:
    """Soft-thresholded wavelets of each band, by scikit-image; `strength` is the noise's standard deviation."""
    from skimage.restoration import denoise_wavelet

    found = denoise_wavelet(cube.numpy(), sigma=strength, channel_axis=-1, rescale_sigma=False)
    return torch.from_numpy(found)


def gap_tv(
    problem: Problem,
    strength: float | str = "held-out",
    *,
    strengths: Sequence[float] = STRENGTHS,
    iterations: int = 100,
    denoiser: Denoiser = total_variation,
    seed: int = 0,
) -> Solution:
    """Accelerated GAP around `denoiser` (default: total variation of each band).

    strength: of the denoiser; "held-out" (detector pixels that are kept out, drawn from `seed`) or "oracle" choose it
    from `strengths`, and the iteration with it: the least misfit.
    Raises TypeError for a problem that is not one CASSI snapshot on a cube.
    """
    return _solved(problem, strength, strengths, iterations, denoiser, gap_iterates, "GAP-TV", seed)


def admm_tv(
    problem: Problem,
    strength: float | str = "held-out",
    *,
    strengths: Sequence[float] = STRENGTHS,
    iterations: int = 100,
    denoiser: Denoiser = total_variation,
    seed: int = 0,
) -> Solution:
    """ADMM around `denoiser`; as `gap_tv`, but noise may remain unexplained (η > 0)."""
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
    """v_1, v_2, ... from zero; y and seen (bool) are (*shape): what was not seen is not projected on.

    eta > 0, a fraction of the mean of A A', projects less where hardly any light falls; default: 0, or for a blur some.
    """
    eta = (0.0 if camera.camera.psf is None else BLURRED) if eta is None else eta
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
    """The same by ADMM; η is a fraction of the mean of A A'."""
    solve = _gram(camera, y, seen, eta)
    v = torch.zeros(*camera.grid.shape, dtype=y.dtype)
    back, b = _adjoint(camera, v), torch.zeros_like(v)
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
    """The camera and the term of a problem that is one CASSI snapshot of a cube; TypeError, by `name`, for another."""
    term = problem.terms[0]
    if not isinstance(term.operator, CassiOnGrid) or len(problem.terms) > 1:
        raise TypeError(
            f"{name} solves one CASSI snapshot of a cube; this problem has {_named(problem)}."
        )
    return term.operator, term


def brightness(camera: CassiOnGrid, y: Tensor) -> float:
    """What to divide a scene by, so that one strength of a denoiser suits all exposures."""
    return (
        2
        * float(y.max())
        / max(1.0, float(camera.snapshot(torch.ones(camera.grid.shape, dtype=y.dtype)).max()))
    )


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
    tried = sorted(strengths, reverse=True) if isinstance(strength, str) else [float(strength)]
    for value in tried:
        steps = iterates(camera, y / scale, seen, lambda x, value=value: denoiser(x, value))
        for k, image in zip(range(1, iterations + 1), steps, strict=False):
            # noise comes back as iterations go on: where something chooses, it may choose an earlier one
            if k == iterations or (isinstance(strength, str) and k % max(1, iterations // 6) == 0):
                judge.consider(scale * image[..., None].to(y.dtype), value)
    solution = judge.solution(name, "strength", time.perf_counter() - began)
    return replace(solution, steps=iterations)


def _named(problem: Problem) -> str:
    return " and ".join(type(t.operator).__name__ for t in problem.terms)

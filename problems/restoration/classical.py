"""Classical restoration from scikit-image as functions Problem -> Solution: the lines that every INR stands beside."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inverse_inr import Field, Grid, OnGrid, Problem, SampledField, Solution, baselines, noise
from inverse_inr.operators import Blur, Mask, psf_kernel
from inverse_inr.operators.optics.psf import PSF
from inverse_inr.solver import Ended


class FramedBlur(OnGrid):
    """A blur of a lattice that reaches beyond the measured frame as far as the kernel: no boundary is assumed.

    On the frame alone, `.on(frame)`, what lies outside has to be made up, as classical methods do: mirrored.
    """

    def __init__(self, blur: Blur) -> None:
        reach = blur.reach()
        super().__init__(blur.on(reach, "valid").map, reach, blur.shape)
        self.blur = blur

    def on(self, grid: Grid, boundary: str = "reflect") -> OnGrid:
        return self.blur.on(grid, "valid" if grid == self.grid else boundary)


def later(method: Callable[[Problem], Solution], problem: Problem) -> Field:
    """The field of a classical solution: solved when it is first looked at, and only then."""
    solved = cache(lambda: method(problem).field)
    return lambda points: solved()(points)


def biharmonic(problem: Problem) -> Solution:
    """Biharmonic inpainting of what a `Mask` lost (Chui & Mhaskar 2010): Δ²f = 0 there."""
    from skimage.restoration import inpaint_biharmonic

    began = time.perf_counter()
    image, lost = _known(problem)
    filled = inpaint_biharmonic(
        image.nan_to_num(0.0).double().numpy(), lost.numpy(), channel_axis=-1
    )
    return _solution("biharmonic", filled, problem, began)


def nearest_known(problem: Problem) -> Solution:
    """Each lost pixel, or lost channel of one, is its nearest known one."""
    began = time.perf_counter()
    return _solution("nearest", _filled(_known(problem)[0]).numpy(), problem, began)


def _filled(image: Tensor) -> Tensor:
    """Each NaN of (h, w, c) is the nearest value of its channel."""
    from scipy.ndimage import distance_transform_edt

    out = torch.empty_like(image)
    for c in range(image.shape[-1]):
        missing = image[..., c].isnan().numpy()
        place = distance_transform_edt(missing, return_distances=False, return_indices=True)
        assert isinstance(place, np.ndarray)
        out[..., c] = image[..., c][tuple(torch.from_numpy(i).long() for i in place)]
    return out


def _trusted(problem: Problem) -> Tensor:
    """Measured values, NaN in rows that are not to be trusted."""
    term = problem.terms[0]
    if term.rows is None:
        return term.y
    y = torch.full_like(term.y, torch.nan)
    y[term.rows] = term.y[term.rows]
    return y


def _known(problem: Problem) -> tuple[Tensor, Tensor]:
    """The measured image, NaN where nothing was, and the pixels of which no channel is known."""
    operator = problem.terms[0].operator
    if not isinstance(operator, Mask):
        raise TypeError(
            f"Inpainting needs measurements of a Mask, not of {type(operator).__name__}."
        )
    image = operator.embed(_trusted(problem))
    image = image[..., None] if image.ndim == problem.grid.ndim else image
    return image, image.isnan().all(-1)


def nonlocal_means(problem: Problem, strength: float = 0.8) -> Solution:
    """Non-local means (Buades, Coll & Morel 2005) with the filter strength `strength` · sigma, sigma from the noise
    model: 0.8 is scikit-image's advice for its fast mode."""
    from skimage.restoration import denoise_nl_means

    began = time.perf_counter()
    image, lost = _known(problem)
    if lost.any():
        raise ValueError(
            f"nonlocal_means: {int(lost.sum())} pixels are missing; inpaint them first."
        )
    sigma = noise_sigma(problem)
    clean = denoise_nl_means(
        image.double().numpy(),
        patch_size=5,
        patch_distance=6,
        h=strength * sigma,
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )
    return _solution("non-local means", clean, problem, began, {"strength": strength})


def estimated_noise(values: Tensor) -> float:
    """The noise's standard deviation from what no smooth image shows: second differences along both axes (Immerkær
    1996), by their median as Donoho & Johnstone (1994) do of wavelet coefficients; mean of channels."""
    second = values.new_tensor([1.0, -2.0, 1.0])
    kernel = (second[:, None] * second)[None, None]
    detail = functional.conv2d(values.movedim(-1, 0)[:, None], kernel).flatten(1)
    return float(detail.abs().median(1).values.mean()) / (
        0.6745 * float(kernel.square().sum().sqrt())
    )


def noise_sigma(problem: Problem) -> float:
    """One standard deviation for all measurements: what the noise model says on average."""
    term = problem.terms[0]
    if not isinstance(term.fidelity, noise.Noise):
        raise TypeError(
            f"The noise level is needed; {type(term.fidelity).__name__} does not say it."
        )
    return float(term.fidelity.least_squares(term.y)[1].rsqrt().mean())


def bicubic(problem: Problem) -> Solution:
    """Bicubic enlargement (Keys 1981, a = -1/2), registered at the centres of the large pixels."""
    began = time.perf_counter()
    small = _filled(measured_image(problem)).movedim(-1, 0)[None]
    # torch's antialiased bicubic is Keys' with a = -1/2; enlarging, there is nothing to filter
    large = functional.interpolate(
        small, problem.grid.shape, mode="bicubic", align_corners=False, antialias=True
    )
    return _solution("bicubic", large[0].movedim(0, -1).numpy(), problem, began)


def measured_image(problem: Problem) -> Tensor:
    """Measurements that are a picture themselves, (h, w, c): a blurred one, large pixels, a mask's (NaN where lost)."""
    term = problem.terms[0]
    if isinstance(term.operator, Mask):
        return _known(problem)[0]
    assert isinstance(term.operator, OnGrid)
    image = term.operator.unflatten(_trusted(problem))
    return image[..., None] if image.ndim == 2 else image


# --- deconvolution --------------------------------------------------------------------------------------------------


def wiener(problem: Problem, balance: float = 10.0) -> Solution:
    """Wiener-Hunt deconvolution of the frame, mirrored at its border; `balance` weighs the Laplacian penalty.

    Noise variance over signal variance, the usual choice, is far too small here: what the mirror made up beyond the
    border is a larger error than the noise, and would be amplified into the frame.
    """
    from skimage.restoration import wiener as deconvolve

    began = time.perf_counter()

    def one(channel: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return np.asarray(deconvolve(channel, kernel, balance, clip=False))

    return _deconvolved("Wiener", one, problem, began, {"balance": balance})


def richardson_lucy(problem: Problem, iterations: int = 5) -> Solution:
    """Richardson-Lucy (1972, 1974) on the frame, mirrored at its border; few iterations, for the reason of `wiener`."""
    from skimage.restoration import richardson_lucy as deconvolve

    began = time.perf_counter()

    def one(channel: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return deconvolve(
            channel.clip(1e-6), kernel, num_iter=iterations, clip=False, filter_epsilon=1e-6
        )

    return _deconvolved("Richardson-Lucy", one, problem, began, {"iterations": iterations})


def _deconvolved(
    name: str,
    one: Callable[[np.ndarray, np.ndarray], np.ndarray],
    problem: Problem,
    began: float,
    details: dict[str, Any],
) -> Solution:
    operator = problem.terms[0].operator
    if not isinstance(operator, FramedBlur) or not isinstance(operator.blur.psf, PSF):
        raise TypeError(
            f"{name} needs one blur for the whole frame, not {type(operator).__name__}."
        )
    kernel = centred_kernel(*psf_kernel(operator.blur.psf, problem.grid.spacing))
    image = measured_image(problem).double().numpy()
    margin = [n // 2 for n in kernel.shape]
    padded = np.pad(image, [(margin[0],) * 2, (margin[1],) * 2, (0, 0)], mode="symmetric")
    channels = [one(padded[..., c], kernel) for c in range(image.shape[-1])]
    inner = tuple(slice(m, m + n) for m, n in zip(margin, image.shape[:2], strict=True))
    return _solution(name, np.stack(channels, -1)[inner], problem, began, details)


def centred_kernel(kernel: Tensor, center: tuple[int, ...]) -> np.ndarray:
    """The same taps in an odd array whose middle is u = 0, as scikit-image takes them."""
    half = [max(c, n - 1 - c) for c, n in zip(center, kernel.shape, strict=True)]
    out = np.zeros([2 * h + 1 for h in half])
    out[
        tuple(slice(h - c, h - c + n) for h, c, n in zip(half, center, kernel.shape, strict=True))
    ] = kernel.numpy()
    return out


def tv_beyond_the_frame(
    problem: Problem, weight: float | str = "held-out", **options: object
) -> Solution:
    """TV of the lattice that the blur reaches: like the INR, it assumes no boundary."""
    from dataclasses import replace

    operator = problem.terms[0].operator
    assert isinstance(operator, FramedBlur)
    solution = baselines.tv(replace(problem, grid=operator.grid), weight, **options)  # type: ignore[arg-type]
    assert isinstance(solution.field, SampledField)
    # as a plain callable it is shown and judged inside the frame, and still measured beyond it
    return replace(
        solution,
        field=solution.field.__call__,
        problem=problem,
        method=solution.method.replace("TV", "TV, no boundary"),
    )


def _solution(
    name: str,
    image: np.ndarray,
    problem: Problem,
    began: float,
    details: dict[str, Any] | None = None,
) -> Solution:
    values = torch.from_numpy(np.ascontiguousarray(image)).to(problem.terms[0].y.dtype)
    values = values.reshape(*problem.grid.shape, -1)
    if not math.isfinite(float(values.sum())):
        raise FloatingPointError(f"{name}: the result holds NaN or Inf.")
    return Solution(
        SampledField(values, problem.grid),
        problem,
        name,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "all measurements seen"),
        details=details or {},
    )

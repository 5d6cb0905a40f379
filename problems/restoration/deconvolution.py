"""Deconvolution of a frame: the blur that `deblur` measures through, and the classical methods.

Classical methods have to make up the image beyond the frame and mirror it; `FramedBlur` and
`tv_beyond_the_frame` assume nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, OnGrid, Problem, SampledField, Solution, baselines
from inverse_inr.baselines import Judge, Rule, on_the_cpu
from inverse_inr.baselines.judge import Iterations
from inverse_inr.operators import Blur, psf_kernel
from inverse_inr.operators.optics.psf import PSF
from inverse_inr.problems.restoration.classical import measured_image
from inverse_inr.problems.restoration.filling import completed
from inverse_inr.ranges import Positive, Seed, checked


class FramedBlur(OnGrid):
    """A blur of a lattice that reaches as far beyond the measured frame as the kernel does.

    So no boundary is assumed. On the frame alone, `.on(frame)`, the image outside has to be made
    up, as in classical methods: it is mirrored.

    Args:
        blur: The blur whose rows are the pixels of the frame.
    """

    def __init__(self, blur: Blur) -> None:
        reach = blur.reach()
        super().__init__(blur.on(reach, "valid").map, reach, blur.shape)
        self.blur = blur

    def on(self, grid: Grid, boundary: str = "reflect") -> OnGrid:
        """The blur as a map on the sampled image.

        Args:
            grid: The lattice of the image.
            boundary: How the image goes on beyond `grid`, unless `grid` is the whole reach.

        Returns:
            An operator with the same rows that looks at the whole of `grid`.
        """
        if grid == self.grid:
            return self.blur.on(grid, "valid")
        return self.blur.on(grid, boundary)


BALANCES = tuple(10.0 ** (0.5 * k) for k in range(6, -7, -1))
"""Weights of the Laplacian that `wiener` tries, from 1000 down to 0.001."""
ITERATIONS = (1, 2, 3, 5, 8, 12, 18, 27, 40)
"""Numbers of iterations that `richardson_lucy` tries."""


@on_the_cpu
@checked
def wiener(problem: Problem, balance: Positive | Rule = "held-out", *, seed: Seed = 0) -> Solution:
    """Wiener-Hunt deconvolution of the frame, mirrored at its border.

    Noise variance over signal variance, the usual choice of `balance`, is far too small here: the
    values that the mirror made up beyond the border are a larger error than the noise, and would be
    amplified into the frame. Pixels that are held out are filled from their neighbours.

    Args:
        problem: A problem measured through a `FramedBlur` with one point-spread function.
        balance: The weight of the Laplacian penalty, "held-out" (one-standard-error rule) or
            "oracle" (best against the reference).
        seed: Decides the held-out rows.

    Returns:
        The sharpened frame.

    Raises:
        TypeError: The operator is no such blur.
    """
    from skimage.restoration import wiener as deconvolve

    def one(channel: np.ndarray, kernel: np.ndarray, weight: float) -> np.ndarray:
        return np.asarray(deconvolve(channel, kernel, weight, clip=False))

    return _deconvolved("Wiener", one, problem, balance, BALANCES, "weight", seed)


@on_the_cpu
@checked
def richardson_lucy(
    problem: Problem, iterations: Iterations | Rule = "held-out", *, seed: Seed = 0
) -> Solution:
    """Richardson-Lucy deconvolution of the frame, mirrored at its border.

    Args:
        problem: A problem measured through a `FramedBlur` with one point-spread function.
        iterations: Number of iterations, "held-out" (least misfit of rows kept out) or "oracle"
            (best against the reference).
        seed: Decides the held-out rows.

    Returns:
        The sharpened frame.

    Raises:
        TypeError: The operator is no such blur.

    Source:
        Richardson 1972, Lucy 1974.
    """
    from skimage.restoration import richardson_lucy as deconvolve

    def one(channel: np.ndarray, kernel: np.ndarray, count: float) -> np.ndarray:
        return deconvolve(
            channel.clip(1e-6), kernel, num_iter=int(count), clip=False, filter_epsilon=1e-6
        )

    return _deconvolved("Richardson-Lucy", one, problem, iterations, ITERATIONS, "iterations", seed)


def _deconvolved(
    name: str,
    one: Callable[[np.ndarray, np.ndarray, float], np.ndarray],
    problem: Problem,
    choice: float | str,
    tried: Sequence[float],
    what: str,
    seed: int,
) -> Solution:
    """The solution of a method that deconvolves one channel, on the mirrored frame."""
    operator = problem.terms[0].operator
    if not isinstance(operator, FramedBlur) or not isinstance(operator.blur.psf, PSF):
        raise TypeError(
            f"{name} needs one blur for the whole frame, not {type(operator).__name__}."
        )
    began = time.perf_counter()
    judge = Judge(problem, choice, seed)
    kernel = centred_kernel(*psf_kernel(operator.blur.psf, problem.grid.spacing))
    kept = replace(problem.terms[0], rows=judge.fit[0])
    image = completed(measured_image(replace(problem, terms=[kept]))).double().numpy()
    margin = [n // 2 for n in kernel.shape]
    padded = np.pad(image, [(margin[0],) * 2, (margin[1],) * 2, (0, 0)], mode="symmetric")
    inner = tuple(slice(m, m + n) for m, n in zip(margin, image.shape[:2], strict=True))
    if not isinstance(choice, str):
        tried = [choice]
    for value in tried:
        channels = [one(padded[..., c], kernel, value)[inner] for c in range(image.shape[-1])]
        judge.consider(torch.from_numpy(np.stack(channels, -1)).to(kept.y), value)
        if judge.hopeless:
            break
    return judge.solution(name, what, time.perf_counter() - began)


def centred_kernel(kernel: Tensor, center: tuple[int, ...]) -> np.ndarray:
    """The kernel in an odd array whose middle is displacement zero, as scikit-image takes it.

    Args:
        kernel: The taps, one axis per axis of the image.
        center: The index of the tap at displacement zero, per axis.

    Returns:
        An array with an odd number of taps per axis, zero where the kernel has none.
    """
    half = [max(c, n - 1 - c) for c, n in zip(center, kernel.shape, strict=True)]
    out = np.zeros([2 * h + 1 for h in half])
    out[
        tuple(slice(h - c, h - c + n) for h, c, n in zip(half, center, kernel.shape, strict=True))
    ] = kernel.numpy()
    return out


def tv_beyond_the_frame(
    problem: Problem, weight: float | str = "held-out", **options: object
) -> Solution:
    """Total variation on the lattice that the blur reaches: like the INR, it assumes no boundary.

    Args:
        problem: A problem measured through a `FramedBlur`.
        weight: The weight of total variation, or how it is chosen, as in `baselines.tv`.
        **options: Further keywords of `baselines.tv`.

    Returns:
        A field on the whole reach of the blur, judged inside the frame.
    """
    solution = beyond_the_frame(problem, partial(baselines.tv, weight=weight, **options))
    return replace(solution, method=solution.method.replace("TV", "TV, no boundary"))


def beyond_the_frame(problem: Problem, method: Callable[[Problem], Solution]) -> Solution:
    """Solve on the lattice that a blur reaches, and be judged inside the frame.

    Args:
        problem: A problem measured through a `FramedBlur`.
        method: A method that gives an image on the problem's grid.

    Returns:
        A field on the whole reach of the blur.
    """
    operator = problem.terms[0].operator
    assert isinstance(operator, FramedBlur)
    solution = method(replace(problem, grid=operator.grid))
    assert isinstance(solution.field, SampledField)
    # as a plain callable it is shown and judged inside the frame, and still measured beyond it
    return replace(solution, field=solution.field.__call__, problem=problem)

"""Regularization by denoising, for any prior.

R(f) = mean |f - D(f, σ)|² / (2 σ²),   of slope (f - D(f, σ)) / σ² with D(f, σ) held fixed

D is any denoiser of the image on a grid, and is never differentiated.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr.denoisers import as_denoiser
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, Memo, sample
from inverse_inr.ranges import Count, Range, checked
from inverse_inr.regularizers.weighted import Regularizer


class RED(Regularizer):
    """The field is what a denoiser makes of it.

    R(f) = mean |f - D(f, σ)|² / (2 σ²) over the pixels of `grid`. The denoiser is not
    differentiated: what it returned is a target that does not move, so that the slope is that of
    the field's distance to it, (f - D(f, σ)) / σ² per pixel, as of RED's penalty ½ f'(f - D(f)).
    By Tweedie's formula this is minus the slope of the logarithm of the density of images blurred
    by noise of σ, if D is the best denoiser there is. With a negative log-likelihood that is a mean
    over m measured values of a field of n, a weight of `n / m` is then the posterior's.

    Args:
        denoiser: A name, a function of (x, sigma), or a network, as `denoisers.as_denoiser` takes.
        sigma: σ, in the unit of the field.
        grid: The pixels.
        every: Evaluations of one field between two calls of the denoiser. Between them the target
            stays, and a run that is resumed asks anew: with more than 1 it does not follow the same
            path to the last bit.

    Source:
        Romano, Elad & Milanfar 2017, The little engine that could; Reehorst & Schniter 2019 (why
        the slope, not the penalty, is what is meant).
    """

    @checked
    def __init__(
        self,
        denoiser: str | nn.Module | Callable[[Tensor, float], Tensor],
        sigma: Annotated[float, Range(least=1e-15)],
        grid: Grid,
        *,
        every: Count = 1,
    ) -> None:
        self.denoiser = as_denoiser(denoiser)
        self.sigma = sigma
        self.grid = grid
        self.every = every
        self._target: Tensor | None = None
        self._of: weakref.ref[object] | None = None
        self._age = 0

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        image = sample(field, self.grid)
        target = self._denoised(field, image.detach())
        return 0.5 * (image - target).abs().square().mean() / self.sigma**2

    def _denoised(self, field: Field, image: Tensor) -> Tensor:
        """The target, new where it is old, of another field, or where nothing is learnt."""
        if isinstance(field, Memo):
            field = field.field
        if self.every == 1 or not torch.is_grad_enabled():
            return self.denoiser(image, self.sigma)
        target = self._target
        same_field = self._of is not None and self._of() is field
        if target is None or not same_field or self._age >= self.every:
            target = self.denoiser(image, self.sigma)
            self._target = target
            self._of = weakref.ref(field)
            self._age = 0
        self._age += 1
        return target.to(image)

"""What a measured snapshot says of its detector: light that the mask does not code, and noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import noise
from inverse_inr.ranges import checked

WINDOWS = 24
"""The fewest windows that tell the noise."""

LARGEST = 2**18
"""The most unknowns of all windows together."""

CHUNK = 256
"""Windows that are fitted at a time."""

ROUNDS = 40
"""Steps of expectation-maximisation."""

FEW = "The snapshot is too small to tell its noise; pass noise_level."
"""How a refusal begins."""


@checked
def uncoded_light(y: Tensor, coded: Tensor) -> float:
    """Return the level that the mask does not modulate.

    It is the intercept of dark pixels' y over what a grey scene gives there. Dark are those below
    the median.

    Args:
        y: (n,) trusted measurements.
        coded: (n,) what the camera measures of a scene that is 1 everywhere.

    Returns:
        The level in the unit of y, not negative.
    """
    below = y <= y.median()
    seen = coded[below].double()
    light = y[below].double()
    slope = ((seen - seen.mean()) * (light - light.mean())).mean() / seen.var().clamp(min=1e-12)
    return max(0.0, float(light.mean() - slope.clamp(min=0) * seen.mean()))


@checked
def shot_noise(y: Tensor, trusted: Tensor, coded: Tensor | None = None) -> noise.Sensor:
    """Return the noise model that a snapshot shows: variance = a y + c.

    In small windows every band is a scene that varies slowly, as its mask codes it; what is left
    after that fit is noise, or texture finer than a window. Texture only adds: a window's variance
    is that of noise times 1 + t, with t = 0 in some and exponentially distributed in the others,
    and the likelihood of all windows decides between the two (expectation-maximisation).
    Windows of two sizes are tried, the larger with curved scenes.

    Args:
        y: (H, W) measurements.
        trusted: (H, W) bool.
        coded: (H, W, L), what the camera measures of a scene that is 1 in one band; None where no
            mask codes the light. Without it, a mask of single pixels is taken for noise.

    Returns:
        The noise model.

    Raises:
        ValueError: Too few pixels are trusted to tell, or shapes differ.

    """
    if coded is None:
        coded = torch.ones(*y.shape, 1, dtype=y.dtype, device=y.device)
    if trusted.shape != y.shape or coded.shape[:2] != y.shape:
        raise ValueError(
            f"shot_noise: y is {tuple(y.shape)}, trusted {tuple(trusted.shape)} and coded "
            f"{tuple(coded.shape)}; the first two axes are the detector's in all of them."
        )
    found = [
        _variance(windows)
        for order, crowd in ((1, 2.0), (2, 1.6))
        if (windows := _residuals(y, trusted, coded, order, crowd)) is not None
    ]
    if not found:
        raise ValueError(
            f"{FEW} No {WINDOWS} windows of trusted pixels; its size is {tuple(y.shape)}."
        )
    level = float(y[trusted].double().mean().clamp(min=0))
    # of two noisy numbers the smaller is too small: compare what they may be at most
    slope, floor, _ = min(found, key=lambda f: (f[0] * level + f[1]) * (1 + 2 * f[2]))
    slope = max(slope, 1e-12)
    return noise.Sensor(1 / slope, max(math.sqrt(max(floor, 0.0)) / slope, 1e-3))


def _residuals(
    y: Tensor, trusted: Tensor, coded: Tensor, order: int, crowd: float
) -> Tensor | None:
    """Squared residuals of n windows, and what noise of variance a y + c makes of them, (6, n).

    The first is their sum; it has the mean a s₁ + c s₀ and the variance 2 (a² q₂ + 2 a c q₁ +
    c² q₀), and s₀, s₁, q₀, q₁, q₂ follow. None where fewer than `WINDOWS` are left.
    """
    powers = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    side = math.ceil(math.sqrt(crowd * len(powers) * coded.shape[-1])) // 2 * 2 + 1
    side = max(side, 5)
    if min(y.shape) < side:
        return None
    # so many windows tell enough, and their least squares fit the memory
    most = LARGEST // (len(powers) * coded.shape[-1])
    step = max(1, side // 4, math.ceil(math.sqrt(y.numel() / most)))
    values, use = (_windows(v.double(), side, step) for v in (y, trusted))
    seen = _windows(coded.double(), side, step)
    at = torch.linspace(-1, 1, side, dtype=torch.float64, device=y.device)
    down, across = (v.flatten() for v in torch.meshgrid(at, at, indexing="ij"))
    shapes = [(down**i * across**j)[:, None] for i, j in powers]
    parts = []
    for code, value, weight in zip(
        seen.split(CHUNK), values.split(CHUNK), use.split(CHUNK), strict=True
    ):
        basis = torch.cat([code * s for s in shapes], -1) * weight[..., None]
        gram, vectors = torch.linalg.eigh(basis.mT @ basis)
        known = gram > 1e-8 * gram[:, -1:].clamp(min=1e-300)
        inverse = torch.where(known, 1 / gram.clamp(min=1e-300), 0.0)
        right = vectors.mT @ (basis.mT @ (value * weight)[..., None])
        fit = (basis @ (vectors @ (inverse[..., None] * right)))[..., 0]
        # a pixel's residual has the part 1 - leverage of its variance
        leverage = (basis @ (vectors * inverse.sqrt()[:, None])).square().sum(-1)
        part = (weight - leverage).clamp(min=0)
        bright = part * fit.clamp(min=0)
        rest = (value * weight - fit).square().sum(1)
        sums = [part, bright, part**2, part * bright, bright**2]
        parts.append(torch.stack([rest, *(v.sum(1) for v in sums)]))
    windows = torch.cat(parts, 1)
    windows = windows[:, windows[1] >= 0.2 * side**2]
    if windows.shape[1] < WINDOWS:
        return None
    return windows


def _windows(values: Tensor, side: int, step: int) -> Tensor:
    """Windows of an array (H, W, *m): (n, side², *m)."""
    cut = values.unfold(0, side, step).unfold(1, side, step)
    return cut.flatten(0, 1).flatten(-2).movedim(-1, 1)


def _variance(windows: Tensor) -> tuple[float, float, float]:
    """The line a y + c through variances of windows that show noise alone, and its relative error.

    Returns:
        a, c and the standard error.
    """
    rest, free, bright, q0, q1, q2 = windows
    level = bright / free
    classes = level.argsort().tensor_split(max(2, min(8, len(level) // 12)))
    x = torch.stack([level[k].mean() for k in classes])
    low = torch.stack([(rest / free)[k].quantile(0.1) for k in classes])
    slope, floor = _line(x, low, low)
    texture = torch.cat([rest.new_zeros(1), torch.logspace(-2, 3, 50).to(rest)])
    even, scale, freedom = 0.5, 1.0, free
    weight = torch.ones_like(rest)
    for _ in range(ROUNDS):
        expected = (slope * bright + floor * free).clamp(min=1e-300)
        spread = slope**2 * q2 + 2 * slope * floor * q1 + floor**2 * q0
        freedom = (expected**2 / spread.clamp(min=1e-300)).clamp(min=1.0)
        chance = _prior_of(texture, even, scale)
        inflated = expected[:, None] * (1 + texture)
        # chi-squared, stretched: the logarithm of its density but for what all textures share
        shape = 0.5 * freedom[:, None]
        log = chance.log() - shape * (inflated.log() + rest[:, None] / inflated)
        belief = log.softmax(1)
        even = float(belief[:, 0].mean().clamp(0.01, 0.99))
        scale = float((belief @ texture).sum() / belief[:, 1:].sum().clamp(min=1e-9))
        weight = belief @ (1 / (1 + texture))
        # the expected logarithm's maximum: each residual divided by the texture that it may have
        slope, floor = _line(level, weight * rest / free, expected / free)
    return slope, floor, math.sqrt(2 / float((weight * freedom).sum().clamp(min=1.0)))


def _prior_of(texture: Tensor, even: float, scale: float) -> Tensor:
    """The chances of textures: none at all, or exponentially distributed ones."""
    scale = max(scale, 0.02)
    edges = (texture[1:-1] * texture[2:]).sqrt()
    below = torch.cat([1 - (-edges / scale).exp(), texture.new_ones(1)])
    bins = below.diff(prepend=texture.new_zeros(1)).clamp(min=1e-12)
    return torch.cat([texture.new_tensor([even]), (1 - even) * bins])


def _line(x: Tensor, variance: Tensor, expected: Tensor) -> tuple[float, float]:
    """The non-negative slope and floor of variances whose errors are relative to `expected`."""
    from scipy.optimize import nnls

    # of snapshots without noise nothing is left to divide by
    least = max(1e-300, 1e-9 * float(expected.max()), 1e-12 * float(variance.max()))
    scale = expected.clamp(min=least)
    design = torch.stack([x, torch.ones_like(x)], 1) / scale[:, None]
    size = design.abs().amax(0).clamp(min=1e-300)
    found, _ = nnls((design / size).cpu().numpy(), (variance / scale).cpu().numpy())
    slope, floor = found / size.cpu().numpy()
    return float(slope), float(floor)

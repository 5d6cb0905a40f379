"""Cubes from snapshots by a trained network whose spectrum is continuous (SINR, Chen et al. 2023, arXiv:2312.01061).

    Z = encoder(A'(A A')⁻¹ y)          features of a pixel, by spectral-wise attention: channels are the tokens,
                                       softmax(τ K'Q) over C x C, keys and queries normalised along the pixels
    f(x, λ) = decoder(Z(x), γ(λ), Δ)   γ: Fourier coordinates of the wavelength, Δ: the distance of the bands asked for

Unlike the priors of a single scene it is trained on cubes, once for a camera: `train(problems)`. The cubes are those of
the problems' references: the user's own files (`cassi(scene=file)`), or generated scenes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Problem, SampledField, Solution, sample
from inverse_inr.operators import CassiOnGrid
from inverse_inr.problems.spectral.trained import (
    affine_map,
    crops,
    draw,
    learn_from,
    mean_spectrum_of,
    root_mean_square,
)
from inverse_inr.solver import Ended


class SpectralAttention(nn.Module):
    """Attention between the channels of an image (1, C, H, W), then a convolutional feed-forward; both residual.

    Multi-head, with depthwise 3 x 3 convolutions in the feed-forward (Cai et al. 2022, MST, whose block SINR's is).
    """

    def __init__(self, channels: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.mix = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.forth = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1),
            nn.GELU(),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels),
            nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        query, key, value = self.mix(_centred(image))[0].flatten(1).chunk(3)
        query, key = (
            nn.functional.normalize(t.unflatten(0, (self.heads, -1)), dim=-1) for t in (query, key)
        )
        weights = torch.softmax(self.temperature * (key @ query.mT), dim=-1)
        mixed = (
            (weights @ value.unflatten(0, (self.heads, -1)))
            .flatten(0, 1)
            .unflatten(1, (height, width))[None]
        )
        image = image + self.out(mixed) + self.position(value.unflatten(1, (height, width))[None])
        return image + self.forth(_centred(image))


class Sinr(nn.Module):
    """Encoder and decoder for a camera of `bands` bands over wavelengths `span` (nm); values in units of `level`."""

    def __init__(
        self,
        bands: int,
        span: tuple[float, float],
        *,
        channels: int = 32,
        blocks: int = 2,
        frequencies: int = 4,
        width: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.bands, self.span, self.frequencies = bands, span, frequencies
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Conv2d(bands, channels, 3, padding=1)
            self.blocks = nn.Sequential(*(SpectralAttention(channels) for _ in range(blocks)))
            self.last = nn.Conv2d(channels, channels, 3, padding=1)
            self.space = nn.Linear(channels, width)
            self.spectrum = nn.Linear(2 * frequencies + 2, width)
            self.decoder = nn.Sequential(
                nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1)
            )

    def encode(self, initial: Tensor) -> Tensor:
        """(H, W, bands) first guess -> (1, C, H, W) features."""
        features = self.first(initial.movedim(-1, 0)[None])
        return features + self.last(self.blocks(features))

    def decode(self, features: Tensor, wavelengths: Tensor) -> Tensor:
        """(1, C, H, W) and (L,) nm -> (H, W, L): every pixel at every wavelength."""
        gaps = (
            wavelengths.diff().mean()
            if len(wavelengths) > 1
            else wavelengths.new_tensor(self._spacing)
        )
        hidden = self.space(features[0].movedim(0, -1))[..., None, :] + self._spectral(
            wavelengths, gaps
        )
        return nn.functional.softplus(self.decoder(hidden)[..., 0] - 1)

    def at(self, features: Tensor, wavelengths: Tensor) -> Tensor:
        """(n, C) features and a wavelength each, (n,) -> (n,)."""
        gap = wavelengths.new_tensor(self._spacing)
        return nn.functional.softplus(
            self.decoder(self.space(features) + self._spectral(wavelengths, gap))[..., 0] - 1
        )

    @property
    def _spacing(self) -> float:
        return (self.span[1] - self.span[0]) / max(1, self.bands - 1)

    def _spectral(self, wavelengths: Tensor, gap: Tensor) -> Tensor:
        low, high = self.span
        u = ((wavelengths - low) / (high - low)).to(self.space.weight)[..., None]
        k = math.pi * torch.arange(1, self.frequencies + 1, device=u.device, dtype=u.dtype)
        factor = torch.full_like(u, float(gap) / self._spacing)
        return self.spectrum(torch.cat([u, torch.sin(k * u), torch.cos(k * u), factor], -1))


class SinrField(nn.Module):
    """A trained network's view of one snapshot as a field: bilinear between the features of pixels, any wavelength."""

    def __init__(self, model: Sinr, features: Tensor, level: float, grid: Grid) -> None:
        super().__init__()
        self.model, self.features, self.level, self.grid = model, nn.Buffer(features), level, grid

    def forward(self, points: Tensor) -> Tensor:
        flat = points.reshape(-1, 3)
        position = self.grid.position(flat)[:, :2].to(self.features)
        size = position.new_tensor(self.grid.shape[:2])
        where = ((2 * position + 1) / size - 1).flip(-1)[None, None]
        near = nn.functional.grid_sample(
            self.features, where, padding_mode="border", align_corners=False
        )
        values = self.model.at(near[0, :, 0].T, flat[:, 2])
        return (self.level * values).reshape(*points.shape[:-1], 1)


def train(
    problems: Sequence[Problem],
    model: Sinr | None = None,
    *,
    steps: int = 400,
    crop: int = 48,
    lr: float = 2e-3,
    seed: int = 0,
) -> Sinr:
    """Learn from simulated snapshots with known cubes, one random crop of one problem a step.

    A quarter of the steps ask for every other band only, so that the distance of bands (the scale factor) means
    something. Raises ValueError for problems without a reference or of different cameras.
    """
    pairs = [_pair(problem) for problem in problems]
    counts = {initial.shape[-1] for initial, _ in pairs}
    if len(counts) != 1:
        raise ValueError(
            f"sinr.train: one camera for all problems; these have {sorted(counts)} bands."
        )
    model = _model_for(problems[0], seed) if model is None else model
    bands = problems[0].grid.axes(torch.float64)[-1]
    generator = torch.Generator().manual_seed(seed)

    def loss(initial: Tensor, cube: Tensor) -> Tensor:
        stride = 2 if draw(4, generator) == 0 and len(bands) > 3 else 1
        return root_mean_square(
            model.decode(model.encode(initial), bands[::stride]), cube[..., ::stride]
        )

    learn_from(model, crops(pairs, steps, crop, generator), loss, steps, lr)
    return model


@torch.no_grad()
def reconstruct(model: Sinr, problem: Problem) -> Solution:
    """The trained network's field of a snapshot, as a Solution: one forward pass, nothing is fitted."""
    began = time.perf_counter()
    initial, level = first_guess(problem)
    field = SinrField(model, model.encode(initial), level, problem.grid)
    return Solution(
        field,
        problem,
        "SINR",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "one forward pass"),
    )


@torch.no_grad()
def first_guess(problem: Problem) -> tuple[Tensor, float]:
    """A'(A A')⁻¹ y, the least-norm cube that explains the snapshot, and the level by which it is divided.

    Raises TypeError for a problem that is not one CASSI snapshot of a cube.
    """
    camera, term = problem.terms[0].operator, problem.terms[0]
    if not isinstance(camera, CassiOnGrid) or len(problem.terms) > 1:
        raise TypeError("sinr: wants one CASSI snapshot of a cube, as `problems.cassi` makes it.")
    y = term.y.reshape(camera.shape)
    pullback = torch.func.vjp(camera.snapshot, torch.zeros(camera.grid.shape, dtype=y.dtype))[1]
    cube = pullback(camera.gram_solve(y))[0]
    level = float(cube.mean().clamp(min=1e-12)) * 2
    return cube / level, level


def _pair(problem: Problem) -> tuple[Tensor, Tensor]:
    if problem.reference is None:
        raise ValueError("sinr.train: a problem without a reference has no cube to learn from.")
    initial, level = first_guess(problem)
    return initial, sample(problem.reference, problem.grid)[..., 0] / level


def _model_for(problem: Problem, seed: int) -> Sinr:
    bands = problem.grid.axes(torch.float64)[-1].tolist()
    return Sinr(len(bands), (bands[0], bands[-1]), seed=seed)


def linear_regression(
    problems: Sequence[Problem], problem: Problem, ridge: float = 1e-3
) -> Solution:
    """The best affine map from a pixel's first guess to its spectrum: what a network must beat."""
    initial, level = first_guess(problem)
    cube = level * affine_map([_pair(p) for p in problems], initial, ridge)
    return Solution(
        SampledField(cube[..., None], problem.grid),
        problem,
        "linear regression",
        stopped=Ended("direct", "closed form"),
    )


def mean_spectrum(problems: Sequence[Problem], problem: Problem) -> Solution:
    """The mean spectrum of the training cubes in every pixel."""
    cube = first_guess(problem)[1] * mean_spectrum_of(
        [_pair(p) for p in problems], problem.grid.shape
    )
    return Solution(
        SampledField(cube[..., None], problem.grid),
        problem,
        "mean spectrum",
        stopped=Ended("direct", "closed form"),
    )


def _centred(image: Tensor) -> Tensor:
    """Layer normalisation over the channels of every pixel, without weights of its own."""
    mean = image.mean(1, keepdim=True)
    return (image - mean) * torch.rsqrt(image.var(1, keepdim=True, correction=0) + 1e-5)

"""Sums of Gaussians, whose line integrals, transforms and blurs are known in closed form: `gaussian_mixture`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.kernels.grouped import group
from inverse_inr.phantoms import off_line
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior

LINEAR_HEADS = ("linear", "complex", "vector")
CUBES = {1: 64, 2: 16}
"""Cubes along the longest side in which near Gaussians are looked up; 8 in more dimensions."""


@dataclass(frozen=True, eq=False)
class Gaussians:
    """A field Σ_i amplitudes[i] exp(-½ |factors[i] (x - centers[i])|²), (*s, d) -> (*s, c).

    centers (n, d); factors (n, d, d) with factorᵀ factor the inverse covariance; amplitudes (n, c), real or complex.
    Everything is differentiable in all of them. Every method visits all n Gaussians at every point.
    """

    centers: Tensor
    factors: Tensor
    amplitudes: Tensor

    def __call__(self, points: Tensor) -> Tensor:
        shift = (self.factors @ self.centers[..., None])[..., 0]
        local = nn.functional.linear(points, self.factors.flatten(0, 1), -shift.flatten())
        return self._sum(torch.exp(local.unflatten(-1, shift.shape).square().sum(-1) / -2))

    def line_integral(self, origin: Tensor, direction: Tensor) -> Tensor:
        """The integral over the whole line origin + t direction, t a length: (*s, d), (*s, d) -> (*s, c).

        `direction` is a unit vector (any other is normalised).
        """
        unit = direction / direction.norm(dim=-1, keepdim=True)
        across = off_line(origin[..., None, :] - self.centers, unit[..., None, :])
        local, along = (
            torch.einsum("nab,...nb->...na", self.factors, v) for v in (across, unit[..., None, :])
        )
        stretch = along.norm(dim=-1)
        distance2 = off_line(local, along / stretch[..., None]).square().sum(-1)
        return self._sum(math.sqrt(2 * math.pi) / stretch * torch.exp(distance2 / -2))

    def fourier(self, frequency: Tensor) -> Tensor:
        """∫ f(x) exp(-2πi k·x) dx at k in cycles per unit: (*s, d) -> complex (*s, c)."""
        inverse = torch.linalg.inv(self.factors)
        spread = torch.einsum("nba,...b->...na", inverse, frequency).square().sum(-1)
        mass = (2 * math.pi) ** (self.centers.shape[-1] / 2) * inverse.det().abs()
        phase = -2 * math.pi * (frequency @ self.centers.mT)
        return self._sum(torch.polar(mass * torch.exp(-2 * math.pi**2 * spread), phase))

    def blurred(self, covariance: Tensor) -> Gaussians:
        """This field convolved with the Gaussian density of `covariance`, (d, d) in squared units."""
        inverse = torch.linalg.inv(self.factors)
        wider = torch.linalg.inv(torch.linalg.cholesky(inverse @ inverse.mT + covariance))
        kept = (wider.det() / self.factors.det()).abs()  # of the peak: the mass stays
        return Gaussians(self.centers, wider, self.amplitudes * kept[:, None])

    def _sum(self, weights: Tensor) -> Tensor:
        dtype = torch.promote_types(weights.dtype, self.amplitudes.dtype)
        return weights.to(dtype) @ self.amplitudes.to(dtype)


class GaussianMixture(nn.Module):
    """n Gaussians of learnable centre, shape and amplitude on normalised coordinates; linear in the amplitudes.

    The inverse covariance is LᵀL, L = (1 + shear) diag(1 / width) with a strictly lower triangular shear: any shape,
    and never an indefinite one. Where many points are asked for, each is told of the Gaussians within `cutoff`
    deviations only (5: all but 4e-6 of each); points outside the box then see those near its faces. None sums all,
    as torch.vmap needs it: how many are near depends on the data.
    """

    roles: ClassVar[dict[str, str]] = {"centers": "centers", "log_width": "shape", "shear": "shape"}
    smoothness = math.inf
    fills_the_box = True

    def __init__(
        self,
        half: Tensor,
        outputs: int,
        *,
        count: int,
        width: float,
        cutoff: float | None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        ndim, self.cutoff = len(half), cutoff
        self.side = 2 / CUBES.get(ndim, 8)
        axes = [
            torch.arange(-n + self.side / 2, n + self.side / 2 - 1e-6, self.side)
            for n in half.tolist()
        ]
        self.cubes = [len(a) for a in axes]
        self.middles = nn.Buffer(torch.cartesian_prod(*axes).reshape(-1, ndim), persistent=False)
        self.centers = nn.Parameter(half * (2 * torch.rand(count, ndim, generator=generator) - 1))
        self.log_width = nn.Parameter(torch.full((count, ndim), math.log(width)))
        lower = [(a, b) for a in range(ndim) for b in range(a)]
        self.shear = nn.Parameter(torch.zeros(count, len(lower))) if lower else None
        places = torch.zeros(len(lower), ndim, ndim)
        for k, (a, b) in enumerate(lower):
            places[k, a, b] = 1
        self.places, self.unit = (
            nn.Buffer(places, persistent=False),
            nn.Buffer(torch.eye(ndim), persistent=False),
        )
        overlap = count * (math.pi * width**2) ** (ndim / 2) / float((2 * half).prod())
        # Gaussians of random signs: this start gives the field a deviation near 0.1
        self.amplitudes = nn.Parameter(
            0.1 / max(1.0, overlap) ** 0.5 * torch.randn(count, outputs, generator=generator)
        )

    def gaussians(self) -> Gaussians:
        """What it is now, in normalised coordinates."""
        shape = (
            self.unit
            if self.shear is None
            else self.unit + torch.einsum("nk,kab->nab", self.shear, self.places)
        )
        return Gaussians(self.centers, shape * torch.exp(-self.log_width)[:, None], self.amplitudes)

    def forward(self, x: Tensor) -> Tensor:
        gaussians, flat = self.gaussians(), x.reshape(-1, x.shape[-1])
        if self.cutoff is not None and len(flat) >= 4 * len(
            self.middles
        ):  # few points do not pay for the search
            near, valid = self._near(gaussians, self.cutoff)
            if 2 * near.shape[1] < len(self.centers):
                return self._sum_near(gaussians, flat, near, valid).reshape(*x.shape[:-1], -1)
        return gaussians(x)

    @torch.no_grad()
    def _near(self, g: Gaussians, cutoff: float) -> tuple[Tensor, Tensor]:
        """For each cube the Gaussians whose box of `cutoff` deviations meets it, and which of these are none."""
        reach = cutoff * torch.linalg.inv(g.factors).square().sum(-1).sqrt()
        meets = ((self.middles[:, None] - g.centers).abs() <= reach + self.side / 2).all(-1)
        valid, near = meets.to(torch.uint8).topk(max(1, int(meets.sum(1).max())), dim=1)
        return near, valid

    def _sum_near(self, g: Gaussians, x: Tensor, near: Tensor, valid: Tensor) -> Tensor:
        block = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        first = self.middles[0] - self.side / 2
        cell = ((x.detach() - first) / self.side).floor().long()
        for k, n in enumerate(self.cubes):
            block = block * n + cell[:, k].clamp(0, n - 1)
        groups = group(block, len(self.middles))
        shift = (g.factors @ g.centers[..., None])[..., 0]
        factors, shifts = (v[near].flatten(1, 2)[groups.block] for v in (g.factors, shift))
        local = groups.pack(x) @ factors.mT - shifts[:, None]
        weights = torch.exp(local.unflatten(-1, (-1, x.shape[-1])).square().sum(-1) / -2)
        amplitudes = (g.amplitudes[near] * valid[..., None].to(x.dtype))[groups.block]
        return groups.unpack(weights @ amplitudes)


class MixturePrior(Prior):
    """A `Prior` that is a sum of Gaussians: also integrates, transforms and blurs itself exactly, in physical units."""

    def gaussians(self) -> Gaussians:
        """The field as `Gaussians` in the box's units, over all space; gradients reach the prior's parameters.

        Raises TypeError for a head that is not linear: its field is no sum of Gaussians.
        """
        if not set(self.head.names) <= set(LINEAR_HEADS):
            raise TypeError(
                f"'{self.name}' with head={self.head.names}: closed forms need a linear head, one of {LINEAR_HEADS}."
            )
        assert isinstance(self.network, GaussianMixture)
        own = self.network.gaussians()
        scale, center = (
            own.centers.new_tensor(self.box.scale),
            own.centers.new_tensor(self.box.center),
        )
        return Gaussians(
            own.centers / scale + center, own.factors * scale, self._values(own.amplitudes)
        )

    def line_integral(self, origin: Tensor, direction: Tensor) -> Tensor:
        """Integrals over whole lines: origin (*s, d) in the box's units, unit direction (*s, d) -> (*s, channels)."""
        return self.gaussians().line_integral(origin, direction)

    def fourier(self, frequency: Tensor) -> Tensor:
        """The continuous Fourier transform at frequencies (*s, d) in cycles per unit: complex (*s, channels)."""
        return self.gaussians().fourier(frequency)

    def blurred(self, covariance: Tensor) -> Gaussians:
        """The field behind a Gaussian point spread of `covariance`, (d, d) in squared units: a field again."""
        return self.gaussians().blurred(covariance)


RATES: Mapping[str, float] = {"centers": 0.3, "shape": 1.0}
"""Centres move by fractions of a width, shapes are logarithms."""


@preset
def gaussian_mixture(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    width: float | None = None,
    count: int = 500,
    cutoff: float | None = 5.0,
    head: HeadName = "linear",
    seed: int = 0,
) -> MixturePrior:
    """A sum of anisotropic Gaussians (Zhang et al. 2024, GaussianImage; Zha et al. 2024, R²-Gaussian).

    `width`: standard deviation at the start, in normalised units. Line integrals, Fourier transform and Gaussian blur
    are exact methods of the prior. Gaussians further than `cutoff` deviations from a point are left out.
    """
    bandwidth, b = band(box, bandwidth)
    width = (
        4 / (math.pi * b) if width is None else width
    )  # a spectrum of deviation b / 8, as Fourier features have
    half = torch.tensor([n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True)])

    def network(outputs: int) -> GaussianMixture:
        return GaussianMixture(
            half, outputs, count=count, width=width, cutoff=cutoff, generator=seeded(seed)
        )

    return MixturePrior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=2e-2,
        rates=RATES,
    )

"""Learnable sums of Gaussians: the preset `gaussian_mixture`.

Their line integrals, Fourier transforms and blurs are known in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.kernels.grouped import group
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.functions.gaussians import Gaussians
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed

LINEAR_HEADS = ("linear", "complex", "vector")
"""Heads of which a sum of Gaussians stays a sum of Gaussians."""

CUBES = {1: 64, 2: 16}
"""Cubes along the longest side in which near Gaussians are looked up, by dimension; 8 in others."""


class GaussianMixture(nn.Module):
    """Gaussians of learnable centre, shape and amplitude on normalised coordinates.

    The inverse covariance is LᵀL, L = (1 + shear) diag(1 / width) with a strictly lower triangular
    shear: any shape, and never an indefinite one. If there are many points, each sees only the
    Gaussians within `cutoff` deviations (5: all but 4e-6 of each); points outside the box then see
    those near its faces.

    Args:
        half: (d,) half the box's sides, in normalised units.
        outputs: Numbers per point.
        count: Number of Gaussians.
        width: Standard deviation at the start, in normalised units.
        cutoff: Standard deviations at which a Gaussian ends. None sums all, as torch.vmap needs it:
            how many are near depends on the data.
        generator: Source of the random starting centres and amplitudes.
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
        ndim = len(half)
        self.cutoff = cutoff
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
        self.places = nn.Buffer(places, persistent=False)
        self.unit = nn.Buffer(torch.eye(ndim), persistent=False)
        overlap = count * (math.pi * width**2) ** (ndim / 2) / float((2 * half).prod())
        # Gaussians of random signs: this start gives the field a deviation near 0.1
        self.amplitudes = nn.Parameter(
            0.1 / max(1.0, overlap) ** 0.5 * torch.randn(count, outputs, generator=generator)
        )

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the amplitudes, of which the values are a linear function."""
        return [self.amplitudes]

    def gaussians(self) -> Gaussians:
        """Give the field as `Gaussians`, in normalised coordinates."""
        shape = self.unit
        if self.shear is not None:
            shape = self.unit + torch.einsum("nk,kab->nab", self.shear, self.places)
        return Gaussians(self.centers, shape * torch.exp(-self.log_width)[:, None], self.amplitudes)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        gaussians = self.gaussians()
        flat = x.reshape(-1, x.shape[-1])
        many = len(flat) >= 4 * len(self.middles)  # few points do not pay for the search
        if self.cutoff is not None and many:
            near, valid = self._near(gaussians, self.cutoff)
            if 2 * near.shape[1] < len(self.centers):
                return self._sum_near(gaussians, flat, near, valid).reshape(*x.shape[:-1], -1)
        return gaussians(x)

    @torch.no_grad()
    def _near(self, g: Gaussians, cutoff: float) -> tuple[Tensor, Tensor]:
        """For each cube the Gaussians within `cutoff` deviations, padded, and which are valid."""
        reach = cutoff * torch.linalg.inv(g.factors).square().sum(-1).sqrt()
        meets = ((self.middles[:, None] - g.centers).abs() <= reach + self.side / 2).all(-1)
        valid, near = meets.to(torch.uint8).topk(max(1, int(meets.sum(1).max())), dim=1)
        return near, valid

    def _sum_near(self, g: Gaussians, x: Tensor, near: Tensor, valid: Tensor) -> Tensor:
        """The field at (n, d) points from the Gaussians near their cubes: (n, outputs)."""
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
    """A `Prior` that is a sum of Gaussians.

    It integrates, transforms and blurs itself exactly, in physical units.
    """

    def gaussians(self) -> Gaussians:
        """Give the field as `Gaussians` in the box's units, over all space.

        Returns:
            A field; gradients reach the prior's parameters.

        Raises:
            TypeError: If the head is not linear: its field is no sum of Gaussians.
        """
        if not set(self.head.names) <= set(LINEAR_HEADS):
            raise TypeError(
                f"'{self.name}' with head={self.head.names}: closed forms need a linear head, "
                f"one of {LINEAR_HEADS}."
            )
        assert isinstance(self.network, GaussianMixture)
        own = self.network.gaussians()
        scale = own.centers.new_tensor(self.box.scale)
        center = own.centers.new_tensor(self.box.center)
        return Gaussians(
            own.centers / scale + center, own.factors * scale, self._values(own.amplitudes)
        )

    def line_integral(self, origin: Tensor, direction: Tensor) -> Tensor:
        """Integrate along whole lines, over their length.

        Args:
            origin: (*s, d) in the box's units, a point of each line.
            direction: (*s, d), of any length.

        Returns:
            (*s, channels).
        """
        return self.gaussians().line_integral(origin, direction)

    def fourier(self, frequency: Tensor) -> Tensor:
        """Evaluate the continuous Fourier transform.

        Args:
            frequency: (*s, d) in cycles per unit of the box.

        Returns:
            (*s, channels), complex.
        """
        return self.gaussians().fourier(frequency)

    def blurred(self, covariance: Tensor) -> Gaussians:
        """Give the field behind a Gaussian point-spread function.

        Args:
            covariance: (d, d) in squared units of the box.

        Returns:
            A field.
        """
        return self.gaussians().blurred(covariance)


RATES: Mapping[str, float] = {"centers": 0.3, "shape": 1.0}
"""Learning rates by role, as factors. Centres move by fractions of a width, shapes are logs."""


@preset
def gaussian_mixture(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    width: Moderate | None = None,
    count: Count = 500,
    cutoff: Positive | None = 5.0,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> MixturePrior:
    """Anisotropic Gaussians (Zhang et al. 2024, GaussianImage; Zha et al. 2024, R²-Gaussian).

    Their sum is the field. Line integrals, Fourier transform and Gaussian blur are exact methods of
    the prior.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        width: Standard deviation at the start, in normalised units; None for 4 / (π b).
        count: Number of Gaussians.
        cutoff: Gaussians further than this many deviations from a point are left out; None for
            none.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting centres and amplitudes.

    Returns:
        The prior, untrained.

    Source:
        Zhang et al. 2024, GaussianImage; Zha et al. 2024, R²-Gaussian.
    """
    bandwidth, b = band(box, bandwidth)
    if width is None:
        width = 4 / (math.pi * b)  # a spectrum of deviation b / 8, as Fourier features have
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

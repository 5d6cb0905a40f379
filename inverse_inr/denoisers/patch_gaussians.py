"""Gaussian models of similar patches as a denoiser: NL-Bayes, here from a first estimate.

    p = μ + C (C + σ² I)⁻¹ (P y - μ)

μ and C are mean and covariance of the patches of a first estimate that are most like P.
`regularizers.LocalGaussians` gives an INR the same prior, beside any data term.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.denoisers.collaborative import CollaborativeFilter, opponent
from inverse_inr.denoisers.denoiser import CheckedDenoiser
from inverse_inr.denoisers.matching import Patches
from inverse_inr.ranges import Count, NonNegative, Positive, checked

SEARCH = {1: 32, 2: 32}
"""How far away similar patches are looked for, by the number of axes; else 3 pixels."""

LOST = 0.1
"""Standard deviation, in units of sigma, of details that a first estimate loses and that the second
step may bring back."""

SAMPLES = 4
"""The noisy patches of a group, for each of its values, that a covariance is estimated from where
there is no first estimate of planes."""

AT_ONCE = 2**22
"""Values of the patches that are treated at a time, which bounds memory."""


@checked
@dataclass(frozen=True)
class PatchGaussians(CheckedDenoiser):
    """Every patch is likely among those that are like it, by a Gaussian of their own: NL-Bayes.

    The first estimate of a plane, whose groups and covariances the step is made of, is that of the
    `CollaborativeFilter`; of a signal or a volume it is that of the noisy groups' own covariances,
    of which the eigenvalues that stand out of the noise are kept. Images of several channels are
    denoised once more from that result.

    All channels belong to a patch, and so do real and imaginary part: the result turns with the
    phase of a complex image.

    Args:
        patch: Pixels along each axis; less where the image is smaller.
        search: Look this many pixels away along each axis; None for 32, and 3 in volumes.
        neighbours: The number of similar patches in a group, beside its own.
        stride: Pixels from one group to the next along each axis, at most a patch.

    Source:
        Lebrun, Buades & Morel 2013, A nonlocal Bayesian image denoising algorithm.
    """

    patch: Count = 5
    search: Count | None = None
    neighbours: Count = 30
    stride: Count = 2

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        clean = self.given(x, self._first(x, sigma), sigma, lost=LOST * sigma)
        if x.shape[-1] > 1:
            # the first estimate of each channel does not know what they have in common
            clean = self.given(x, clean, sigma, lost=LOST * sigma)
        return clean

    @torch.no_grad()
    @checked
    def given(self, x: Tensor, basic: Tensor, sigma: Positive, lost: NonNegative = 0.0) -> Tensor:
        """Denoise by the statistics of a first estimate.

        Args:
            x: (*shape, channels), real or complex.
            basic: (*shape, channels), the first estimate.
            sigma: Standard deviation of the noise, in the unit of x.
            lost: Standard deviation of details that the first estimate does not show.

        Returns:
            (*shape, channels).
        """
        noisy, seen = _real(x), _real(basic)
        patches = Patches(x.shape[:-1], self.patch, self.stride, x.device)
        groups = patches.matched(_plain(seen), self._search(x), self.neighbours + 1).members
        sheets, models = patches.of(noisy), patches.of(seen)
        total = patches.mean(noisy)
        for members in groups.split(self._at_once(noisy, patches)):
            like = models[members].flatten(2)
            mean = like.mean(1, keepdim=True)
            wiener = posterior_mean(
                sheets[members].flatten(2), mean, _covariance(like - mean), sigma, lost
            )
            shape = (*members.shape, -1, noisy.shape[-1])
            total.add(wiener.reshape(shape), members, wiener.new_ones(1))
        return _as(x, total.image())

    def _first(self, x: Tensor, sigma: float) -> Tensor:
        """The first estimate."""
        if x.ndim == 3:
            return CollaborativeFilter(search=self._search(x), stride=self.stride)(x, sigma)
        noisy = _real(x)
        patches = Patches(x.shape[:-1], self.patch, self.stride, x.device)
        sheets = patches.of(noisy)
        most = max(self.neighbours, SAMPLES * sheets.shape[1]) + 1
        groups = patches.matched(_plain(noisy), self._search(x), most).members
        total = patches.mean(noisy)
        for members in groups.split(self._at_once(noisy, patches, most)):
            each = sheets[members].movedim(-1, 1)  # (n, c, k, pixels of a patch)
            clean = shrunk(each, sigma).movedim(1, -1)
            total.add(clean, members, clean.new_ones(1))
        return _as(x, total.image())

    def _search(self, x: Tensor) -> int:
        return self.search or SEARCH.get(x.ndim - 1, 3)

    def _at_once(self, noisy: Tensor, patches: Patches, most: int = 0) -> int:
        """Groups that are treated at a time."""
        each = patches.pixels.shape[1] * noisy.shape[-1] * max(most, self.neighbours + 1)
        return max(1, AT_ONCE // each)


def _plain(image: Tensor) -> Tensor:
    """The channels by which groups are found: of three colours their brightness."""
    if image.shape[-1] == 3:
        return image @ opponent(image)[0][:, None]
    return image


def _real(x: Tensor) -> Tensor:
    """Real and imaginary parts as channels side by side."""
    if x.is_complex():
        return torch.view_as_real(x).flatten(-2)
    return x


def _as(x: Tensor, values: Tensor) -> Tensor:
    """Channels as those of x: complex again."""
    if x.is_complex():
        return torch.view_as_complex(values.unflatten(-1, (-1, 2)).contiguous())
    return values


@checked
def posterior_mean(
    noisy: Tensor, mean: Tensor, covariance: Tensor, sigma: Positive, lost: NonNegative = 0.0
) -> Tensor:
    """The Wiener filter of a Gaussian: μ + C (C + σ² I)⁻¹ (y - μ).

    Args:
        noisy: (*s, k, D), values with noise.
        mean: (*s, 1, D).
        covariance: (*s, D, D).
        sigma: Standard deviation of the noise.
        lost: Standard deviation of what the covariance lacks in every direction.

    Returns:
        (*s, k, D), the posterior means.
    """
    unit = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    whole = covariance + lost**2 * unit
    gain = torch.linalg.solve(whole + sigma**2 * unit, whole)
    return mean + (noisy - mean) @ gain


@checked
def shrunk(noisy: Tensor, sigma: Positive) -> Tensor:
    """The Wiener filter of a Gaussian that is known by noisy samples only.

    The covariance of k samples of pure noise in D dimensions has eigenvalues up to
    σ² (1 + √(D / k))². Larger ones are signal, and are corrected for what noise adds to them.

    Args:
        noisy: (*s, k, D), samples with noise.
        sigma: Standard deviation of the noise.

    Returns:
        (*s, k, D), the denoised samples.

    Source:
        Donoho, Gavish & Johnstone 2018, Optimal shrinkage of eigenvalues in the spiked covariance
        model, section 3.
    """
    mean = noisy.mean(-2, keepdim=True)
    off = noisy - mean
    values, vectors = torch.linalg.eigh(_covariance(off))
    ratio = noisy.shape[-1] / max(1, noisy.shape[-2] - 1)
    seen = values / sigma**2
    middle = seen + 1 - ratio
    true = 0.5 * (middle + (middle.square() - 4 * seen).clamp(min=0).sqrt())
    gain = torch.where(seen > (1 + ratio**0.5) ** 2, 1 - 1 / true.clamp(min=1), 0.0)
    return mean + ((off @ vectors) * gain[..., None, :]) @ vectors.mT


def _covariance(off: Tensor) -> Tensor:
    """(*s, D, D) of deviations (*s, k, D) from their mean."""
    return off.mT @ off / max(1, off.shape[-2] - 1)

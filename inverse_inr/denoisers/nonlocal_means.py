"""Non-local means as a denoiser, by scikit-image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.denoisers.denoiser import CheckedDenoiser
from inverse_inr.ranges import Count, Positive, checked


@checked
@dataclass(frozen=True)
class NonLocalMeans(CheckedDenoiser):
    """Means of pixels whose surroundings look alike, weighted by how much they do.

    All channels are compared together, and so are real and imaginary part: the result turns with
    the phase of a complex image.

    Args:
        patch: Pixels of a patch along each axis.
        search: Look this many pixels away along each axis.
        strength: Width of the weights, as a multiple of sigma.

    Source:
        Buades, Coll & Morel 2005; distances are corrected for the noise as in Buades, Coll & Morel
        2011, and computed as Darbon et al. 2008 do.
    """

    patch: Count = 5
    search: Count = 6
    strength: Positive = 0.8

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        from skimage.restoration import denoise_nl_means

        if x.ndim not in (3, 4):
            raise ValueError(
                f"NonLocalMeans: the image has {x.ndim - 1} axes, {tuple(x.shape[:-1])}; "
                "it denoises planes and volumes."
            )
        longest = max(x.shape[:-1])
        values = x
        if x.is_complex():
            values = torch.view_as_real(x).flatten(-2)
        clean = denoise_nl_means(
            values.detach().double().cpu().numpy(),
            patch_size=min(self.patch, longest),
            patch_distance=min(self.search, longest),
            h=self.strength * sigma,
            sigma=sigma,
            fast_mode=True,
            channel_axis=-1,
        )
        found = torch.from_numpy(clean).reshape(values.shape)
        if x.is_complex():
            return torch.view_as_complex(found.unflatten(-1, (-1, 2)).contiguous())
        return found

"""The encoder of SINR: a snapshot's first guess to features of each pixel.

    features by spectral-wise attention: channels are the tokens, softmax(τ K'Q) over C x C, with
    keys and queries normalised along the pixels

`sinr` has the source.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr.ranges import Count, WholeNumber, checked


class SpectralAttention(nn.Module):
    """Attention between the channels of an image, then a convolutional feed-forward; both residual.

    It has several heads, and depthwise 3 x 3 convolutions in the feed-forward.

    Args:
        channels: Channels C of the image, a multiple of `heads`.
        heads: Number of heads.

    Source:
        Cai et al. (2022), MST, whose block SINR uses.
    """

    @checked
    def __init__(self, channels: Count, heads: Count = 2) -> None:
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
        """Map an image (1, C, H, W) to one of the same shape."""
        space = image.shape[-2:]
        query, key, value = self.mix(_centred(image))[0].flatten(1).chunk(3)
        query, key = (
            nn.functional.normalize(t.unflatten(0, (self.heads, -1)), dim=-1) for t in (query, key)
        )
        weights = torch.softmax(self.temperature * (key @ query.mT), dim=-1)
        mixed = (weights @ value.unflatten(0, (self.heads, -1))).flatten(0, 1)
        attended = self.out(mixed.unflatten(1, space)[None])
        image = image + attended + self.position(value.unflatten(1, space)[None])
        return image + self.forth(_centred(image))


class SpectralEncoder(nn.Module):
    """Features of each pixel of a cube, the same at all its wavelengths.

    Args:
        bands: Bands of the cube.
        channels: Features of a pixel, a multiple of 2.
        blocks: Blocks of spectral attention.
        seed: Of the weights.
    """

    @checked
    def __init__(
        self, bands: Count, *, channels: Count = 32, blocks: Count = 2, seed: WholeNumber = 0
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Conv2d(bands, channels, 3, padding=1)
            self.blocks = nn.Sequential(*(SpectralAttention(channels) for _ in range(blocks)))
            self.last = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, cubes: Tensor) -> Tensor:
        """Map cubes (b, 1, H, W, bands) to features (b, channels, H, W, 1)."""
        return torch.cat([self._encode(cube.movedim(-1, 1)) for cube in cubes])[..., None]

    def _encode(self, bands_first: Tensor) -> Tensor:
        """Features (1, channels, H, W) of one cube (1, bands, H, W)."""
        features = self.first(bands_first)
        return features + self.last(self.blocks(features))


def _centred(image: Tensor) -> Tensor:
    """Layer normalisation over the channels of every pixel, without weights of its own."""
    mean = image.mean(1, keepdim=True)
    return (image - mean) * torch.rsqrt(image.var(1, keepdim=True, correction=0) + 1e-5)

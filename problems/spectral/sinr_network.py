"""The network of SINR: an encoder of a snapshot's first guess, and a decoder at any wavelength.

    features of a pixel by spectral-wise attention: channels are the tokens, softmax(τ K'Q) over
    C x C, with keys and queries normalised along the pixels

`sinr` trains it, and has the source.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Grid
from inverse_inr.ranges import Count, Positive, WholeNumber, checked


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


class Sinr(nn.Module):
    """Encoder and decoder for the cubes of one camera.

    Args:
        bands: Bands of the camera.
        span: First and last wavelength in nm.
        channels: Channels C of the features.
        blocks: Blocks of spectral attention.
        frequencies: Fourier coordinates of the wavelength.
        width: Hidden width of the decoder.
        seed: Of the weights.
    """

    @checked
    def __init__(
        self,
        bands: Count,
        span: tuple[float, float],
        *,
        channels: Count = 32,
        blocks: Count = 2,
        frequencies: Count = 4,
        width: Count = 64,
        seed: WholeNumber = 0,
    ) -> None:
        super().__init__()
        self.bands = bands
        self.span = span
        self.frequencies = frequencies
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
        """Return features of a first guess.

        Args:
            initial: (H, W, bands), in units of its level.

        Returns:
            (1, C, H, W).
        """
        features = self.first(initial.movedim(-1, 0)[None])
        return features + self.last(self.blocks(features))

    def decode(self, features: Tensor, wavelengths: Tensor) -> Tensor:
        """Return every pixel at every wavelength.

        Args:
            features: (1, C, H, W).
            wavelengths: (L,) in nm. Their mean distance is the scale factor of the decoder.

        Returns:
            (H, W, L), in units of the first guess's level.
        """
        gap = wavelengths.new_tensor(self._spacing)
        if len(wavelengths) > 1:
            gap = wavelengths.diff().mean()
        pixels = self.space(features[0].movedim(0, -1))[..., None, :]
        return self._values(pixels + self._spectral(wavelengths, gap))

    def at(self, features: Tensor, wavelengths: Tensor) -> Tensor:
        """Return values at points, each with a wavelength of its own.

        Args:
            features: (n, C).
            wavelengths: (n,) in nm.

        Returns:
            (n,), in units of the first guess's level.
        """
        gap = wavelengths.new_tensor(self._spacing)
        return self._values(self.space(features) + self._spectral(wavelengths, gap))

    @property
    def _spacing(self) -> float:
        """Mean distance of the camera's bands in nm."""
        return (self.span[1] - self.span[0]) / max(1, self.bands - 1)

    def _values(self, hidden: Tensor) -> Tensor:
        return nn.functional.softplus(self.decoder(hidden)[..., 0] - 1)

    def _spectral(self, wavelengths: Tensor, gap: Tensor) -> Tensor:
        """Hidden features (*s, width) of wavelengths (*s) that lie `gap` nm apart."""
        low, high = self.span
        u = ((wavelengths - low) / (high - low)).to(self.space.weight)[..., None]
        k = math.pi * torch.arange(1, self.frequencies + 1, device=u.device, dtype=u.dtype)
        factor = torch.full_like(u, float(gap) / self._spacing)
        return self.spectrum(torch.cat([u, torch.sin(k * u), torch.cos(k * u), factor], -1))


class SinrField(nn.Module):
    """A trained network's view of one snapshot as a field.

    It is bilinear between the features of pixels, and takes any wavelength.

    Args:
        model: The trained network.
        features: (1, C, H, W) of the snapshot.
        level: The unit of the network's values, in the unit of the field.
        grid: (H, W, L) of the cube.
    """

    @checked
    def __init__(self, model: Sinr, features: Tensor, level: Positive, grid: Grid) -> None:
        super().__init__()
        self.model = model
        self.features = nn.Buffer(features)
        self.level = level
        self.grid = grid

    def forward(self, points: Tensor) -> Tensor:
        """Return values (*s, 1) at points (*s, 3)."""
        flat = points.reshape(-1, 3)
        position = self.grid.position(flat)[:, :2].to(self.features)
        size = position.new_tensor(self.grid.shape[:2])
        where = ((2 * position + 1) / size - 1).flip(-1)[None, None]
        near = nn.functional.grid_sample(
            self.features, where, padding_mode="border", align_corners=False
        )
        values = self.model.at(near[0, :, 0].T, flat[:, 2])
        return (self.level * values).reshape(*points.shape[:-1], 1)


def _centred(image: Tensor) -> Tensor:
    """Layer normalisation over the channels of every pixel, without weights of its own."""
    mean = image.mean(1, keepdim=True)
    return (image - mean) * torch.rsqrt(image.var(1, keepdim=True, correction=0) + 1e-5)

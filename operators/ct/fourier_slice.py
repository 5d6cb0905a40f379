"""The Radon transform of a sampled image by the Fourier-slice theorem (Bracewell 1956).

    P(ν, θ) = F(ν cos θ, ν sin θ) sinc(ν pitch)      p(s, θ) = ∫ P(ν, θ) exp(2πi ν s) dν

F at polar frequencies comes from Kaiser-Bessel gridding, p from one inverse FFT per view. The
factor sinc is the detector bin.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Gridding


class ParallelRays(Protocol):
    """A parallel beam that says at which angles its views are and where their detector bins lie.

    Attributes:
        box: The box of the field; the axis of rotation goes through its centre.
        angles: (views,) in radians.
        center: Shift of the axis of rotation along the detector, in the box's unit: a scalar, or
            (views,).
        pitch: Width of a detector bin, in the box's unit.
        shape: (views, detectors).
    """

    box: Box
    angles: Tensor
    center: Tensor
    pitch: float
    shape: tuple[int, ...]


class FourierSlice(nn.Module):
    """A linear map from an image (H, W) to bin-averaged line integrals (views, detectors).

    Its adjoint by autograd is exact. The image is taken as the samples of a band-limited field, so
    fields that are smooth on the scale of a pixel are exact.

    Args:
        beam: The parallel beam, whose geometry is read now.
        grid: The 2-D grid of the image.

    Raises:
        ValueError: The grid is not 2-D.
    """

    def __init__(self, beam: ParallelRays, grid: Grid) -> None:
        super().__init__()
        if grid.ndim != 2:
            raise ValueError(f"ParallelBeam.on: the grid has {grid.ndim} axes; it must have 2.")
        self.shape = (beam.shape[0], beam.shape[1])
        angles = beam.angles.detach().double().cpu().numpy()
        center = np.broadcast_to(beam.center.detach().double().cpu().numpy(), angles.shape)
        h = np.array(grid.spacing)
        pitch = beam.pitch
        detectors = beam.shape[1]
        shift = np.array(grid.box.center) - np.array(beam.box.center)
        # views are periodic in s: the period must keep wrapped copies of the object off the
        # detector
        reach = 0.5 * grid.box.diagonal + float(np.hypot(*shift))
        farthest = reach + 0.5 * detectors * pitch + float(np.abs(center).max())
        bins = _fast(math.ceil(farthest / pitch * 1.05) + 8)
        period = bins * pitch
        direction = np.stack([np.cos(angles), np.sin(angles)], -1)  # (views, 2)
        # the frequency at which each view's slice leaves the square of Nyquist
        highest = (0.5 / np.maximum(np.abs(direction * h), 1e-300)).min(-1)
        count = math.floor(highest.max() * period) + 1
        frequency = np.arange(count) / period
        k = frequency[None, :, None] * direction[:, None]  # (views, count, 2) cycles per unit
        inside = (np.abs(k * h) < 0.5).all(-1)
        # detector samples may be coarser than the image: compute them `fold` times denser, and keep
        # every fold-th
        self.fold = max(1, math.ceil(2 * (count - 1) / bins))
        self.length = bins * self.fold
        first = -0.5 * (detectors - 1) * pitch - center  # (views,)
        phase = frequency * first[:, None] - k @ shift
        weight = np.exp(2j * np.pi * phase) * np.sinc(frequency * pitch)
        weight *= np.prod(h) / period * self.length
        dtype = beam.angles.dtype
        shape = (grid.shape[0], grid.shape[1])
        self.gridding = Gridding(
            shape, (k * h)[inside], scale=weight[inside], real=True, dtype=dtype
        )
        self.where = nn.Buffer(torch.from_numpy(np.flatnonzero(inside)), persistent=False)
        self.count = count

    def forward(self, image: Tensor) -> Tensor:
        """Project an image.

        Args:
            image: (H, W), or (H, W, c) with channels.

        Returns:
            (views, detectors), or (views, detectors, c).
        """
        if image.ndim == 3:
            return torch.stack([self(channel) for channel in image.unbind(-1)], -1)
        values = self.gridding(image)
        spectrum = values.new_zeros(self.shape[0] * self.count)
        spectrum = spectrum.index_copy(0, self.where, values)
        views = torch.fft.irfft(spectrum.reshape(self.shape[0], self.count), n=self.length)
        return views[:, : self.shape[1] * self.fold : self.fold]


def _fast(n: int) -> int:
    """The least length from `n` up that the FFT handles fast."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(n, real=True))  # pyright: ignore[reportArgumentType]

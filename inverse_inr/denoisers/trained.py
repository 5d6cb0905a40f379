"""`TrainedNetwork`: the denoiser of photographs that comes with the library.

Its numbers were trained by `benchmarks/denoising/train.py`, which names the pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from inverse_inr.denoisers.collaborative import opponent
from inverse_inr.denoisers.denoiser import CheckedDenoiser
from inverse_inr.denoisers.networks import Network, require_rising
from inverse_inr.denoisers.planes import turned, turned_back
from inverse_inr.denoisers.unet import UNet
from inverse_inr.ranges import checked

WEIGHTS = Path(__file__).with_name("photographs.safetensors")
"""The numbers of the network, in half precision."""

MIDDLE = 0.5
"""Brightness at which differences of colours are shown to the network: their zero."""

PIXELS_AT_ONCE = 2**20
"""Pixels of the planes of a volume that are denoised at once."""


@checked
@dataclass(frozen=True)
class TrainedNetwork(CheckedDenoiser):
    """A small network that was trained on photographs, for images of values about 0 to 1.

    Colours are denoised as brightness and two differences, real and imaginary part as planes, a
    volume plane by plane. It computes where the image is.

    Args:
        turned: Take the mean of what becomes of the image turned and mirrored in all eight ways:
            eight times the work, better by about a tenth of a dB.
        span: The values that become 0 and 1; None for the least and the largest of each image.
        axis: The axis of a volume that planes are cut across; None for the shortest one.

    Raises:
        ValueError: The span is empty.
    """

    turned: bool = True
    span: tuple[float, float] | None = (0.0, 1.0)
    axis: int | None = None

    def __post_init__(self) -> None:
        require_rising("TrainedNetwork", self.span)

    @property
    def name(self) -> str:
        """The name for tables and messages."""
        return "trained network"

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        module: nn.Module = trained(x.device, x.dtype.to_real())
        if self.turned:
            module = _AllWays(module)
        return Network(_Colours(module), self.span, axis=self.axis).denoised(x, sigma)


@cache
def trained(device: torch.device, dtype: torch.dtype) -> UNet:
    """The network with its trained numbers, read once for each device and precision.

    Args:
        device: Where it computes.
        dtype: In which precision.

    Returns:
        The network, whose parameters take no gradient.
    """
    from safetensors.torch import load_file

    network = UNet()
    network.load_state_dict(load_file(WEIGHTS))
    return network.to(device, dtype).eval().requires_grad_(False)


class _Colours(nn.Module):
    """A network of grey planes for images of any channels: three are taken as opponent colours."""

    def __init__(self, grey: nn.Module) -> None:
        super().__init__()
        self.grey = grey

    def forward(self, x: Tensor, sigma: float) -> Tensor:
        """Denoise (b, c, h, w)."""
        if x.shape[1] != 3:
            return self._planes(x, sigma)
        # divided by √3, brightness is the mean of the colours, and its noise so much less
        matrix = opponent(x) / math.sqrt(3)
        middle = x.new_tensor([0.0, MIDDLE, MIDDLE])[:, None, None]
        seen = torch.einsum("ij,bjhw->bihw", matrix, x) + middle
        clean = self._planes(seen, sigma / math.sqrt(3)) - middle
        return 3 * torch.einsum("ij,bihw->bjhw", matrix, clean)

    def _planes(self, x: Tensor, sigma: float) -> Tensor:
        """Denoise each channel of (b, c, h, w) on its own, so many at once as memory likes."""
        at_once = max(1, PIXELS_AT_ONCE // (x.shape[2] * x.shape[3]))
        planes = x.flatten(0, 1)[:, None].split(at_once)
        clean = torch.cat([self.grey(each, sigma) for each in planes])
        return clean[:, 0].unflatten(0, x.shape[:2])


class _AllWays(nn.Module):
    """The mean of what a network makes of planes turned and mirrored in all eight ways."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, sigma: float) -> Tensor:
        """Denoise (b, 1, h, w)."""
        found = [turned_back(self.network(turned(x, k), sigma), k) for k in range(8)]
        return torch.stack(found).mean(0)

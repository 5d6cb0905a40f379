"""Networks as denoisers: modules called as `module(x, sigma)` on stacks (b, channels, h, w).

This is the convention of the denoisers of deepinv, which is not imported.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from inverse_inr.denoisers.denoiser import CheckedDenoiser
from inverse_inr.denoisers.planes import by_planes
from inverse_inr.precision import placement
from inverse_inr.ranges import Count, checked


@checked
@dataclass(frozen=True)
class Network(CheckedDenoiser):
    """A network that was trained on images between 0 and 1.

    Args:
        module: Called as `module(x, sigma)` with x (b, channels, h, w) and sigma in the unit of x.
            It is put in evaluation mode for the call.
        span: The values that become 0 and 1; None for the least and the largest of each image.
        channels: The number of channels that the module takes. None for those of the image
            together; 1 for each on its own; with more, each is shown as often, and the mean taken.
        axis: The axis of a volume that planes are cut across; None for the shortest one.

    Raises:
        ValueError: The span is empty.
    """

    module: nn.Module
    span: tuple[float, float] | None = None
    channels: Count | None = None
    axis: int | None = None

    def __post_init__(self) -> None:
        require_rising("Network", self.span)

    @property
    def name(self) -> str:
        """The name of the network's class."""
        return type(self.module).__name__

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        from inverse_inr.protocol import evaluating

        low, high = self._span(x)
        width = max(high - low, 1e-12 * max(1.0, abs(high)))
        dtype, device = placement(self.module)

        def planes(stack: Tensor) -> Tensor:
            batch = ((stack - low) / width).movedim(-1, 1).to(device, dtype)
            copies = 1
            if self.channels is not None and batch.shape[1] == 1:
                copies = self.channels
            seen = self.module(batch.repeat(1, copies, 1, 1), sigma / width)
            if copies > 1:
                seen = seen.mean(1, keepdim=True)
            return (low + width * seen.movedim(1, -1)).to(stack)

        with evaluating(self.module):
            together = self.channels is None or self.channels == x.shape[-1]
            return by_planes(x, planes, name=self.name, together=together, axis=self.axis)

    def _span(self, x: Tensor) -> tuple[float, float]:
        if self.span is not None:
            return self.span
        if x.is_complex():
            largest = float(x.abs().max())
            return -largest, largest
        return float(x.min()), float(x.max())


def require_rising(owner: str, span: tuple[float, float] | None) -> None:
    """Refuse a span of values that is empty.

    Args:
        owner: Who asks, for the message.
        span: The two values; None is no span.

    Raises:
        ValueError: The second value is not larger than the first.
    """
    if span is not None and not span[0] < span[1]:
        raise ValueError(f"{owner}: span={span} must be two rising numbers.")

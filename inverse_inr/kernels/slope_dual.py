"""The dual variable of total variation: a flow whose length is bounded at each pixel.

    max_q <q, ∇x>   over |q| ≤ r at each pixel        is r Σ |∇x|

A step q <- P(q + σ ∇x), with P the projection into the balls, and the image ∇'q that it gives. One
array an axis, changed in place: on a volume of 128^3 voxels that takes a third of the time of new
arrays with the axes last.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class SlopeDual:
    """The flow q, zero at first, and what it does to an image.

    Args:
        image: (*shape, c) an image like those of the steps, real or complex.
        spacing: (d,) pixel size along each axis.
        radius: The bound r of |q| at each pixel and channel.
    """

    def __init__(self, image: Tensor, spacing: Sequence[float], radius: float) -> None:
        self.spacing = tuple(spacing)
        self.radius = radius
        self._is_complex = image.is_complex()
        self._flow = [torch.zeros_like(self._real(image)) for _ in self.spacing]

    def resize(self, radius: float) -> float:
        """Give the balls another radius, and stretch the flow by as much.

        Args:
            radius: The new bound of |q| at each pixel and channel, positive.

        Returns:
            The factor by which the flow, and so ∇'q, has grown.
        """
        factor = radius / self.radius
        self.radius = radius
        for flow in self._flow:
            flow.mul_(factor)
        return factor

    def squared_length(self) -> float:
        """Compute Σ |q|² over all pixels and axes."""
        return sum(float(flow.square().sum()) for flow in self._flow)

    def step(self, image: Tensor, sigma: float) -> Tensor:
        """Let the flow follow an image's slopes, and stay in its balls.

        Args:
            image: (*shape, c) image x; its differences past the last pixel are zero.
            sigma: Length σ of the step.

        Returns:
            (*shape, c) image ∇'q of the flow after the step.
        """
        values = self._real(image)
        squared = None
        for axis, (flow, h) in enumerate(zip(self._flow, self.spacing, strict=True)):
            count = values.shape[axis] - 1
            within = flow.narrow(axis, 0, count)
            within.add_(values.narrow(axis, 1, count), alpha=sigma / h)
            within.sub_(values.narrow(axis, 0, count), alpha=sigma / h)
            if squared is None:
                squared = flow * flow
            else:
                squared.addcmul_(flow, flow)
        assert squared is not None
        if self._is_complex:
            squared = squared.sum(-1, keepdim=True)
        # a ball of no size holds next to nothing
        excess = squared.sqrt_().div_(max(self.radius, 1e-30)).clamp_(min=1)
        back = torch.zeros_like(values)
        for axis, (flow, h) in enumerate(zip(self._flow, self.spacing, strict=True)):
            flow.div_(excess)
            count = values.shape[axis] - 1
            within = flow.narrow(axis, 0, count)
            back.narrow(axis, 1, count).add_(within, alpha=1 / h)
            back.narrow(axis, 0, count).sub_(within, alpha=1 / h)
        if self._is_complex:
            return torch.view_as_complex(back)
        return back

    def _real(self, image: Tensor) -> Tensor:
        """Complex values as pairs of real ones."""
        if self._is_complex:
            return torch.view_as_real(image)
        return image

"""Fidelities that compare images by correlation and are blind to gain and offset."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from inverse_inr.ranges import Count, Positive, checked

POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
"""Torch's means in a window, by the number of axes of the image."""


@checked
@dataclass(frozen=True)
class NCC:
    """1 minus the normalised cross-correlation of all measurements at hand.

    It is blind to gain and offset, and lies between 0 and 2.

    Args:
        epsilon: Least product of the two norms that is divided by, in squared units of y.
    """

    epsilon: Positive = 1e-8

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        a = prediction - prediction.mean()
        b = y - y.mean()
        norms = (a.square().sum() * b.square().sum()).clamp(min=self.epsilon**2).sqrt()
        return 1 - (a * b).sum() / norms


@checked
@dataclass(frozen=True)
class LocalNCC:
    """1 minus the mean squared correlation in windows: blind to gain and offset that vary.

    It needs all rows in order: pass batch=len(operator) and a stopping rule that holds none out.

    Args:
        shape: Shape of the image whose pixels are the rows, 1-D to 3-D.
        window: Odd number of pixels of a window along each axis. Windows are cut at the border.
        epsilon: Variance that counts as flat, in squared units of y.

    Raises:
        ValueError: The window is even, below 3 or larger than the image, the shape is not 1-D to
            3-D, or (when called) the number of measurements is another.

    Source:
        Avants et al. 2008, eq. 5.
    """

    shape: tuple[Count, ...]
    window: Count = 9
    epsilon: Positive = 1e-5

    def __post_init__(self) -> None:
        if self.window % 2 == 0 or self.window < 3 or len(self.shape) not in POOLS:
            raise ValueError(
                f"LocalNCC: window={self.window} must be odd, 3 or more, "
                f"shape={self.shape} 1-D to 3-D."
            )
        if min(self.shape) < self.window:
            raise ValueError(
                f"LocalNCC: a window of {self.window} pixels does not fit an image of {self.shape}."
            )

    def _image(self, values: Tensor) -> Tensor:
        """Flat values as an image of mean zero, which loses fewer digits: (channels, 1, *shape)."""
        centred = values - values.mean()
        return centred.reshape(*self.shape, -1).movedim(-1, 0)[:, None]

    def _mean(self, image: Tensor) -> Tensor:
        """The mean of each pixel's window."""
        pool = POOLS[len(self.shape)]
        return pool(image, self.window, 1, self.window // 2, count_include_pad=False)

    def variance(self, y: Tensor) -> Tensor:
        """Compute the variance of the image's values in each pixel's window, plus `epsilon`.

        Args:
            y: (rows,) or (rows, channels) values.

        Returns:
            (channels, 1, *shape) variances in squared units of y.
        """
        image = self._image(y)
        return (self._mean(image * image) - self._mean(image) ** 2).clamp(min=0) + self.epsilon

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        if prediction.shape != y.shape or len(y) != math.prod(self.shape):
            raise ValueError(
                f"LocalNCC of shape {self.shape} needs all {math.prod(self.shape)} rows; "
                f"got {tuple(prediction.shape)} and {tuple(y.shape)}. "
                "Pass batch=len(operator) and stopping=Never()."
            )
        a = self._image(prediction)
        b = self._image(y)
        covariance = self._mean(a * b) - self._mean(a) * self._mean(b)
        return 1 - (covariance**2 / (self.variance(prediction) * self.variance(y))).mean()

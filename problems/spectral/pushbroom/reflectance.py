"""Reflectance from radiance by an empirical line through panels of known reflectance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.ranges import FiniteTensor, checked


@checked
@dataclass(frozen=True, eq=False)
class EmpiricalLine:
    """radiance = gain · reflectance + offset in each band, found from panels.

    The offset is the light that the air scatters into the path, the gain what the panels were lit
    by. Both are the same for the whole scene only where light and air are.

    Args:
        gain: (L,) radiance per reflectance.
        offset: (L,) radiance of a black surface.
        residual: (panels, L) measured minus fitted radiance of each panel.
        deviation: (L,) standard deviation of the radiance about the line, from the residuals with
            panels - 2 degrees of freedom; NaN for two panels, which any line meets.
        covariance: (L, 2, 2) of gain and offset, as far as `deviation` is known.

    Source:
        Smith & Milton (1999), The use of the empirical line method to calibrate remotely sensed
        data to reflectance.
    """

    gain: Tensor
    offset: Tensor
    residual: Tensor
    deviation: Tensor
    covariance: Tensor

    @checked
    def reflectance(self, radiance: Tensor) -> Tensor:
        """Turn radiances into reflectances.

        Args:
            radiance: (*space, L).

        Returns:
            (*space, L); NaN stays.

        Raises:
            ValueError: There is another number of bands.
        """
        self._check(radiance)
        return (radiance - self.offset.to(radiance)) / self.gain.to(radiance)

    @checked
    def uncertainty(self, radiance: Tensor) -> Tensor:
        """Propagate the uncertainty of the line, without the noise of the radiances themselves.

        Args:
            radiance: (*space, L).

        Returns:
            (*space, L) standard deviations of the reflectances; NaN for two panels.
        """
        reflectance = self.reflectance(radiance).double()
        # d reflectance / d gain = -reflectance / gain, / d offset = -1 / gain
        c = self.covariance
        variance = reflectance**2 * c[:, 0, 0] + 2 * reflectance * c[:, 0, 1] + c[:, 1, 1]
        return (variance.clamp(min=0).sqrt() / self.gain.abs()).to(radiance)

    def _check(self, radiance: Tensor) -> None:
        if radiance.ndim < 1 or radiance.shape[-1] != len(self.gain):
            raise ValueError(
                f"EmpiricalLine: radiances of shape {tuple(radiance.shape)} for "
                f"{len(self.gain)} bands. Bands come last."
            )


@checked
def empirical_line(radiance: FiniteTensor, reflectance: FiniteTensor) -> EmpiricalLine:
    """Fit the line of each band through panels by least squares.

    Args:
        radiance: (panels, L) mean radiance of each panel.
        reflectance: (panels, L) known reflectance of each panel, or (panels,) for grey ones.

    Returns:
        The line, with its residuals and its uncertainty.

    Raises:
        ValueError: There are fewer than two panels, the shapes disagree, or all panels have one
            reflectance in a band, through which no line is determined.
    """
    if reflectance.ndim == 1:
        reflectance = reflectance[:, None].expand(-1, radiance.shape[-1])
    if radiance.ndim != 2 or reflectance.shape != radiance.shape or len(radiance) < 2:
        raise ValueError(
            f"empirical_line: radiance {tuple(radiance.shape)} and reflectance "
            f"{tuple(reflectance.shape)} must both be (panels, bands), of two panels or more."
        )
    y = radiance.double()
    x = reflectance.double()
    mean = x.mean(0)
    spread = (x - mean).square().sum(0)
    same = torch.nonzero(spread < 1e-6)[:, 0].tolist()
    if same:
        raise ValueError(
            f"empirical_line: all panels have one reflectance in bands {same[:5]}; a dark and a "
            "bright one are needed."
        )
    gain = ((x - mean) * y).sum(0) / spread
    offset = y.mean(0) - gain * mean
    residual = y - gain * x - offset
    count = len(y)
    variance = torch.full_like(gain, torch.nan)
    if count > 2:
        variance = residual.square().sum(0) / (count - 2)
    shared = -mean / spread
    unit = torch.stack([1 / spread, shared, shared, 1 / count + mean**2 / spread], -1)
    covariance = variance[:, None, None] * unit.reshape(-1, 2, 2)
    return EmpiricalLine(gain, offset, residual, variance.sqrt(), covariance)

"""`LearntScale`: noise whose scale is learnt together with the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr.fidelity.rows import Fidelity
from inverse_inr.ranges import Positive, checked


class LearntScale(nn.Module):
    """Noise with a learnt scale σ for each group of rows: bad groups lose weight by themselves.

    Gaussian, ½ r²/σ² + log σ, or with `degrees` ν Student's t,
    ½ (ν+1) log(1 + r²/(ν σ²)) + log σ. Student's t also lets each single measurement have its own
    variance, because it is a Gaussian whose precision is gamma-distributed.

    Args:
        groups: (rows,) number of each row's group (its slice, view, coil ...), from 0.
        scale: First guess of σ, in the unit of y.
        degrees: Degrees of freedom ν of Student's t; Gaussian if None.
        floor: Least σ as a fraction of `scale`. Without it a group that can be fitted exactly would
            take all the weight.

    Attributes:
        level: (groups,) learnt values of log(σ / scale), before the floor is added.

    Raises:
        ValueError: `groups` are no (rows,) integers from 0, or `scale`, `floor` or `degrees` are
            not positive.
    """

    @checked
    def __init__(
        self,
        groups: Tensor,
        scale: Positive,
        *,
        degrees: Positive | None = None,
        floor: Positive = 0.05,
    ) -> None:
        super().__init__()
        flat_integers = groups.ndim == 1 and not groups.is_floating_point()
        if not flat_integers or not len(groups) or int(groups.min()) < 0:
            raise ValueError(
                f"LearntScale: groups must be (rows,) integers from 0, got {tuple(groups.shape)}."
            )
        if not (scale > 0 and floor > 0 and (degrees is None or degrees > 0)):
            raise ValueError(
                f"LearntScale: scale={scale}, floor={floor} and degrees={degrees} must be positive."
            )
        self.scale = float(scale)
        self.floor = float(floor)
        self.degrees = degrees
        self.groups = nn.Buffer(groups.long(), persistent=False)
        self.level = nn.Parameter(torch.zeros(int(groups.max()) + 1))

    def sigma(self) -> Tensor:
        """σ of each group, (groups,), in the unit of y."""
        return self.scale * (self.level.exp() + self.floor)

    def _loss(self, prediction: Tensor, y: Tensor, groups: Tensor) -> Tensor:
        if len(groups) != len(y):
            raise ValueError(
                f"LearntScale of {len(groups)} rows was given {len(y)} measurements. at_rows(...)?"
            )
        sigma = self.sigma().to(y.dtype.to_real())[groups].reshape(-1, *(1,) * (y.ndim - 1))
        squared = ((prediction - y) / sigma).abs().square()
        if self.degrees is None:
            return (0.5 * squared + sigma.log()).mean()
        return (0.5 * (self.degrees + 1) * torch.log1p(squared / self.degrees) + sigma.log()).mean()

    def forward(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute the loss of all rows.

        Args:
            prediction: (rows, *m) predicted measurements.
            y: (rows, *m) measurements.

        Returns:
            The mean over measurements, a scalar.
        """
        return self._loss(prediction, y, self.groups)

    def at(self, rows: Tensor) -> Fidelity:
        """Make the fidelity of some rows alone.

        Args:
            rows: (b,) indices of the measurements.

        Returns:
            A function of (b, *m) predictions and measurements, with the same learnt scales.
        """
        return lambda prediction, y: self._loss(
            prediction, y, self.groups[rows.to(self.groups.device)]
        )

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Name the least-squares problem for classical methods, at the scales learnt so far.

        Args:
            y: (rows, *m) measurements.

        Returns:
            The target y and the precision 1/σ², (rows, *m) each.
        """
        precision = self.sigma().detach().to(y.dtype.to_real())[self.groups] ** -2
        return y, precision.reshape(-1, *(1,) * (y.ndim - 1)).expand(y.shape)

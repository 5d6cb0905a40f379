"""The head phantoms of Shepp & Logan and of Kak & Slaney, as sums of ellipsoids."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.phantoms.ellipsoids import Ellipsoids
from inverse_inr.ranges import checked

# The tables' x points right and y up. Each row holds the semi-axes, the centre, and the rotation
# about z in degrees counter-clockwise.
_SHEPP_LOGAN = (
    ((0.69, 0.92), (0.0, 0.0), 0),
    ((0.6624, 0.874), (0.0, -0.0184), 0),
    ((0.11, 0.31), (0.22, 0.0), -18),
    ((0.16, 0.41), (-0.22, 0.0), 18),
    ((0.21, 0.25), (0.0, 0.35), 0),
    ((0.046, 0.046), (0.0, 0.1), 0),
    ((0.046, 0.046), (0.0, -0.1), 0),
    ((0.046, 0.023), (-0.08, -0.605), 0),
    ((0.023, 0.023), (0.0, -0.605), 0),
    ((0.023, 0.046), (0.06, -0.605), 0),
)
_KAK_SLANEY = (
    ((0.69, 0.92, 0.9), (0.0, 0.0, 0.0), 0),
    ((0.6624, 0.874, 0.88), (0.0, 0.0, 0.0), 0),
    ((0.41, 0.16, 0.21), (-0.22, 0.0, -0.25), 108),
    ((0.31, 0.11, 0.22), (0.22, 0.0, -0.25), 72),
    ((0.21, 0.25, 0.5), (0.0, 0.35, -0.25), 0),
    ((0.046, 0.046, 0.046), (0.0, 0.1, -0.25), 0),
    ((0.046, 0.023, 0.02), (-0.08, -0.65, -0.25), 0),
    ((0.046, 0.023, 0.02), (0.06, -0.65, -0.25), 90),
    ((0.056, 0.04, 0.1), (0.06, -0.105, 0.625), 90),
    ((0.056, 0.056, 0.1), (0.0, 0.1, 0.625), 0),
)


@checked
def shepp_logan(box: Box, *, modified: bool = True) -> Ellipsoids:
    """Make the 2-D head phantom of Shepp & Logan.

    The table's square [-1, 1]^2 fits the box's shortest side, centred. Axis 0 points down the
    usual picture.

    Args:
        box: The region, 2-D.
        modified: Take Toft's stronger contrast instead of the original one.

    Returns:
        A field with values in [0, 1] (original: [0, 2]), up to rounding.

    Raises:
        ValueError: The box is not 2-D.

    Source:
        Shepp & Logan, IEEE TNS 21, 1974; contrast of Toft, PhD thesis, 1996.
    """
    values = (2, -0.98, -0.02, -0.02) + (0.01,) * 6
    if modified:
        values = (1, -0.8, -0.2, -0.2) + (0.1,) * 6
    return _head("shepp_logan", box, _SHEPP_LOGAN, values)


@checked
def shepp_logan_3d(box: Box, *, modified: bool = True) -> Ellipsoids:
    """Make the 3-D head phantom of Kak & Slaney.

    Coordinates are (-y, x, z) of the table, whose cube [-1, 1]^3 fits the box's shortest side,
    centred.

    Args:
        box: The region, 3-D.
        modified: Take the stronger contrast of Yu, Ye & Wang instead of the original one.

    Returns:
        A field with values in [0, 1] (original: [0, 2]), up to rounding.

    Raises:
        ValueError: The box is not 3-D.

    Source:
        Kak & Slaney 1988, table 3.2 with its errata; contrast of Yu, Ye & Wang 2004.
    """
    values = (2, -0.98, -0.02, -0.02, 0.02, 0.02, 0.01, 0.01, 0.02, -0.02)
    if modified:
        values = (1, -0.8, -0.2, -0.2, 0.2, 0.2, 0.1, 0.1, 0.2, -0.2)
    return _head("shepp_logan_3d", box, _KAK_SLANEY, values)


def _head(name: str, box: Box, table: tuple, values: tuple[float, ...]) -> Ellipsoids:
    """The table's ellipsoids, scaled to the box and turned from (x, y[, z]) to (-y, x[, z])."""
    axes, centers, degrees = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*table, strict=True)
    )
    d = axes.shape[-1]
    if box.ndim != d:
        raise ValueError(
            f"{name} is {d}-D but the box is {box.ndim}-D; "
            "shepp_logan is 2-D and shepp_logan_3d 3-D."
        )
    scale = min(box.lengths) / 2
    center = torch.tensor(box.center, dtype=torch.float64)
    quarter = _rotations(torch.tensor([90.0], dtype=torch.float64), d)
    return Ellipsoids(
        centers=center + scale * centers @ quarter[0].mT,
        semi_axes=scale * axes,
        rotations=quarter @ _rotations(degrees, d),
        values=torch.tensor(values, dtype=torch.float64),
    )


def _rotations(degrees: Tensor, d: int) -> Tensor:
    """Counter-clockwise turns of the first two axes: (n,) -> (n, d, d)."""
    cos = degrees.deg2rad().cos()
    sin = degrees.deg2rad().sin()
    turns = torch.eye(d, dtype=torch.float64).repeat(len(degrees), 1, 1)
    turns[:, 0, 0] = cos
    turns[:, 0, 1] = -sin
    turns[:, 1, 0] = sin
    turns[:, 1, 1] = cos
    return turns

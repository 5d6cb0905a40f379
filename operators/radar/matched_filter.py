"""Matched filters: range profiles, and backprojection exact or through interpolated range profiles.

    I(x) = Σ_p conj(a_p(x)) exp(-sign · j 2π turns(tau_p(x))) q_p(tau_p(x)),        q_p(tau) = Σ_k conj(W_k(tau)) y_p[k]

The exact image is the adjoint of the operator. The fast one takes q_p from a table, linearly: it is no longer exactly
the adjoint of any forward operator here, so use it for pictures, not inside a solver.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT
from inverse_inr.operators.radar.operator import RadarOperator


def range_profiles(
    operator: RadarOperator, y: Tensor, oversampling: int = 4, box: Box | None = None
) -> tuple[Tensor, Tensor]:
    """Two-way paths (n,) in m, relative to the reference, and q (P, n): the pulses compressed in range.

    The table spans the paths of `box` (default: the operator's), `oversampling` samples to a resolution cell c / B.
    """
    near, far = operator.geometry.path_limits(operator.box if box is None else box)
    reference, geometry = operator.geometry.reference_path, operator.geometry
    first, last = float((near - reference).min()), float((far - reference).max())
    step = SPEED_OF_LIGHT * operator.transform.table_step(oversampling)
    count = max(8, int((last - first) / step) + 3)
    paths = first + step * torch.arange(count, dtype=torch.float64, device=y.device)
    upright = y if geometry.sign > 0 else y.conj().resolve_conj()
    return paths, operator.transform.table(
        first / SPEED_OF_LIGHT, step / SPEED_OF_LIGHT, count, upright
    )


def backproject(
    operator: RadarOperator,
    y: Tensor,
    points: Grid | Tensor | None = None,
    *,
    weights: Tensor | None = None,
    interpolate: bool = True,
    oversampling: int = 16,
) -> Tensor:
    """The image of (P, K) echoes at a grid's voxels (*shape,) or (n, 3) points; default: the operator's own.

    `weights` (K,) or (P, K) taper the data: they belong here, not to an adjoint. A unit point's peak is their sum,
    the number of samples without them, where spreading is none. `oversampling` of the range profiles: 16 is right to
    1 % of the peak. Raises ValueError for another number of pulses.
    """
    if y.shape != (len(operator), operator.transform.count):
        expected = (len(operator), operator.transform.count)
        raise ValueError(
            f"backproject: y has shape {tuple(y.shape)}; the operator has pulses x samples {expected}."
        )
    seen = operator if points is None else operator.at(points)
    y = y if weights is None else y * weights.to(y.dtype)
    if interpolate:
        image = _interpolated(seen, y, oversampling)
    else:
        measure = seen(torch.arange(len(seen)))[1]
        zeros = torch.zeros(seen.size, (seen.degree + 1) ** 2, dtype=y.dtype, device=y.device)
        image = torch.func.vjp(measure, zeros)[1](y)[0][:, 0]
    return image.reshape(seen.where.shape) if seen.where is not None else image


def _interpolated(operator: RadarOperator, y: Tensor, oversampling: int) -> Tensor:
    points = operator.points
    low, high = points.amin(0) - 1e-3, points.amax(0) + 1e-3
    paths, profiles = range_profiles(
        operator, y, oversampling, Box(tuple(low.tolist()), tuple(high.tolist()))
    )
    rise = nn.functional.pad(profiles.diff(dim=1), (0, 1))
    step = float(paths[1] - paths[0])
    image = torch.zeros(len(points), dtype=y.dtype, device=y.device)
    tile = 2**13  # what a cache holds
    for k in range(0, len(points), tile):
        place, part = points[k : k + tile], image[k : k + tile]
        for row in range(len(operator)):
            rows = torch.tensor([row], device=y.device)
            factor, path = operator.carrier(place, rows, y.dtype)
            position = (path[0] - paths[0]) / step
            cell = position.int().clamp_(0, len(paths) - 2)
            fraction = (position - cell).to(y.dtype.to_real())
            value = torch.addcmul(
                profiles[row].index_select(0, cell), rise[row].index_select(0, cell), fraction
            )
            part += value * factor[0]
    return image if operator.geometry.sign > 0 else image.conj().resolve_conj()


def image_entropy(image: Tensor) -> float:
    """-Σ p log p with p = |I|² / Σ|I|²: less is sharper (natural logarithm)."""
    p = image.abs().double().square().flatten()
    p = p / p.sum().clamp(min=1e-300)
    return float(-torch.special.xlogy(p, p).sum())


def focus(operator: RadarOperator, y: Tensor, points: Grid | None = None) -> float:
    """How much sharper the image is under the geometry's sign than under the opposite one: below 1, the sign is wrong.

    The ratio of Σ|I|⁴ / (Σ|I|²)² of both. A far, narrow aperture tells little: its image is merely mirrored.
    """
    other = operator.with_geometry(operator.geometry.reversed())
    sharpness = []
    for each in (operator, other):
        power = backproject(each, y, points).abs().double().square()
        sharpness.append(float(power.square().sum() / power.sum().square().clamp(min=1e-300)))
    return sharpness[0] / max(sharpness[1], 1e-300)


def check_sign(operator: RadarOperator, y: Tensor, points: Grid | None = None) -> None:
    """Raises ValueError where the opposite phase sign focuses the image clearly better (Σ|I|⁴ by a fifth)."""
    ratio = focus(operator, y, points)
    if ratio < 1 / 1.2:
        raise ValueError(
            f"Backprojection is out of focus with sign={operator.geometry.sign:+d}: with {-operator.geometry.sign:+d} "
            f"the image is {1 / ratio:.2f} times as sharp (Σ|I|⁴). Wrong sign convention? +1 is tx · conj(rx), -1 SAR "
            "phase history; or conjugate the data."
        )

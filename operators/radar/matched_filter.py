"""Matched filters: range profiles, and backprojection, exact or by interpolated range profiles.

    I(x) = Σ_p conj(a_p(x)) exp(-sign · j 2π turns(tau_p(x))) q_p(tau_p(x))
    q_p(tau) = Σ_k conj(W_k(tau)) y_p[k]

The exact image is the adjoint of the operator. The fast one interpolates q_p linearly in a table.
It is no longer exactly the adjoint of any forward operator here, so use it for pictures and not
inside a solver.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, memory
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.ranges import Count, FiniteTensor, checked

TILE = 2**13
"""Points imaged at once, with which a cache holds the tables of one pulse."""


@checked
def range_profiles(
    operator: RadarOperator, y: Tensor, oversampling: Count = 4, box: Box | None = None
) -> tuple[Tensor, Tensor]:
    """Compress pulses in range.

    Args:
        operator: The radar with P pulses of K values.
        y: (P, K) complex echoes, K values for each of P pulses.
        oversampling: Samples per resolution cell c / B of path.
        box: The table spans its paths, in metres; None for the operator's box.

    Returns:
        Two-way paths (n,) in metres relative to the reference, and q (P, n) complex.

    Raises:
        ValueError: As `check_echoes`.
    """
    check_echoes(operator, y, "range_profiles")
    geometry = operator.geometry
    near, far = geometry.path_limits(operator.box if box is None else box)
    first = float((near - geometry.reference_path).min())
    last = float((far - geometry.reference_path).max())
    step = SPEED_OF_LIGHT * operator.transform.table_step(oversampling)
    count = max(8, int((last - first) / step) + 3)
    memory.require(
        f"range_profiles: {len(operator)} profiles of {count} ranges",
        3 * y.element_size() * len(operator) * count,
        f"Less than oversampling={oversampling}, a smaller box, or interpolate=False.",
    )
    paths = first + step * torch.arange(count, dtype=torch.float64, device=y.device)
    upright = _under_plus(operator, y)
    return paths, operator.transform.table(
        first / SPEED_OF_LIGHT, step / SPEED_OF_LIGHT, count, upright
    )


@checked
def backproject(
    operator: RadarOperator,
    y: Tensor,
    points: Grid | Tensor | None = None,
    *,
    weights: FiniteTensor | None = None,
    interpolate: bool = True,
    oversampling: Count = 16,
) -> Tensor:
    """Image echoes by backprojection.

    A unit point's peak is the sum of the weights, or the number of samples without them, where
    spreading is none.

    Args:
        operator: The radar with P pulses of K values.
        y: (P, K) complex echoes, K values for each of P pulses.
        points: A grid, or (n, 3) in metres; None for the operator's own.
        weights: (K,) or (P, K) taper of the data. They belong here, not to an adjoint.
        interpolate: True for the fast image by range profiles, False for the exact adjoint.
        oversampling: Samples per resolution cell of the range profiles; 16 is accurate to 1 % of
            the peak.

    Returns:
        Complex (*grid.shape,) or (n,).

    Raises:
        ValueError: As `check_echoes`, or weights have another shape.
    """
    check_echoes(operator, y, "backproject")
    seen = operator if points is None else operator.at(points)
    if weights is not None:
        if weights.shape not in (y.shape, y.shape[1:]):
            raise ValueError(
                f"backproject: weights have shape {tuple(weights.shape)}; they are (samples,) "
                f"or (pulses, samples) of {tuple(y.shape)}."
            )
        y = y * weights.to(y.dtype)
    if interpolate:
        image = _interpolated(seen, y, oversampling)
    else:
        measure = seen(torch.arange(len(seen)))[1]
        zeros = torch.zeros(seen.size, (seen.degree + 1) ** 2, dtype=y.dtype, device=y.device)
        image = torch.func.vjp(measure, zeros)[1](y)[0][:, 0]
    if seen.where is None:
        return image
    return image.reshape(seen.where.shape)


def check_echoes(operator: RadarOperator, y: Tensor, name: str) -> None:
    """Check that echoes are those of an operator, and that there is no dead pulse among them.

    One NaN would spoil the whole image.

    Args:
        operator: The radar with P pulses of K values.
        y: (P, K) complex echoes.
        name: Who asks, for the message.

    Raises:
        ValueError: If y has another shape, is not complex, or holds NaN or Inf; the message names
            the pulses.
    """
    expected = (len(operator), operator.transform.count)
    if y.shape != expected or not y.is_complex():
        raise ValueError(
            f"{name}: y is {y.dtype} of shape {tuple(y.shape)}; "
            f"the operator has complex echoes of pulses x samples {expected}."
        )
    bad = (~torch.isfinite(y).all(1)).nonzero()[:, 0].tolist()
    if bad:
        raise ValueError(
            f"{name}: y holds NaN or Inf in {len(bad)} of {len(y)} pulses, the first is pulse "
            f"{bad[0]}. Leave them out: rows = torch.isfinite(y).all(1).nonzero()[:, 0], then "
            "operator.pulses(rows) and y[rows]."
        )


def _interpolated(operator: RadarOperator, y: Tensor, oversampling: int) -> Tensor:
    """The image (n,) at the operator's points, by linear interpolation of range profiles."""
    points = operator.points
    low = points.amin(0) - 1e-3
    high = points.amax(0) + 1e-3
    box = Box(tuple(low.tolist()), tuple(high.tolist()))
    paths, profiles = range_profiles(operator, y, oversampling, box)
    rise = nn.functional.pad(profiles.diff(dim=1), (0, 1))
    step = float(paths[1] - paths[0])
    image = torch.zeros(len(points), dtype=y.dtype, device=y.device)
    for k in range(0, len(points), TILE):
        place = points[k : k + TILE]
        part = image[k : k + TILE]
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
    return _under_plus(operator, image)


def _under_plus(operator: RadarOperator, values: Tensor) -> Tensor:
    """Values under phase sign +1 from those of the operator's sign, and back."""
    if operator.geometry.sign > 0:
        return values
    return values.conj().resolve_conj()


@checked
def image_entropy(image: FiniteTensor) -> float:
    """Entropy -Σ p log p of an image with p = |I|² / Σ|I|²: less is sharper.

    Args:
        image: Any shape, real or complex.

    Returns:
        In nats (natural logarithm).
    """
    p = image.abs().double().square().flatten()
    p = p / p.sum().clamp(min=1e-300)
    return float(-torch.special.xlogy(p, p).sum())

"""Ellipsoids and Gaussian blobs against closed forms and quadrature.

Values, line integrals and Fourier transforms are compared.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.phantoms import Ellipsoids, GaussianBlobs

DOUBLE = torch.float64


def turn(*angles: float, d: int) -> Tensor:
    """A generic rotation of d dimensions from `angles` about successive coordinate planes."""
    result = torch.eye(d, dtype=DOUBLE)
    for k, angle in enumerate(angles):
        i, j = k % d, (k + 1) % d
        step = torch.eye(d, dtype=DOUBLE)
        step[i, i] = step[j, j] = math.cos(angle)
        step[i, j], step[j, i] = -math.sin(angle), math.sin(angle)
        result = result @ step
    return result


def disc(radius: float = 0.7, value: float = 1.5) -> Ellipsoids:
    return Ellipsoids(
        torch.zeros(1, 2),
        torch.tensor([[radius, radius]], dtype=DOUBLE),
        torch.eye(2)[None],
        torch.tensor([value]),
    )


def ellipses() -> Ellipsoids:
    """Two overlapping, shifted, rotated ellipses, one of them negative."""
    return Ellipsoids(
        torch.tensor([[0.2, -0.1], [-0.1, 0.15]], dtype=DOUBLE),
        torch.tensor([[0.6, 0.25], [0.2, 0.5]], dtype=DOUBLE),
        torch.stack([turn(0.4, d=2), turn(-1.1, d=2)]),
        torch.tensor([1.3, -0.6], dtype=DOUBLE),
    )


def ellipsoids() -> Ellipsoids:
    return Ellipsoids(
        torch.tensor([[0.2, -0.1, 0.1], [0.0, 0.1, -0.2]], dtype=DOUBLE),
        torch.tensor([[0.6, 0.25, 0.4], [0.3, 0.5, 0.35]], dtype=DOUBLE),
        torch.stack([turn(0.4, 0.7, -0.2, d=3), turn(-1.1, 0.3, 0.9, d=3)]),
        torch.tensor([1.3, -0.6], dtype=DOUBLE),
    )


def blobs(d: int) -> GaussianBlobs:
    centers = torch.tensor([[0.2, -0.1, 0.1], [-0.3, 0.2, 0.0]], dtype=DOUBLE)[:, :d]
    return GaussianBlobs(centers, torch.tensor([0.12, 0.2]), torch.tensor([1.3, -0.6]))


SHAPES: list[Callable[[], Ellipsoids | GaussianBlobs]] = [
    ellipses,
    ellipsoids,
    lambda: blobs(2),
    lambda: blobs(3),
]
shapes = pytest.mark.parametrize("make", SHAPES, ids=["ellipses", "ellipsoids", "blobs2", "blobs3"])


def lines(d: int, count: int = 12) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    origin = 0.4 * torch.randn(count, d, dtype=DOUBLE, generator=g)
    direction = torch.randn(count, d, dtype=DOUBLE, generator=g)
    return origin, direction / direction.norm(dim=-1, keepdim=True)


def test_line_integral_of_a_disc_is_its_chord() -> None:
    s = torch.linspace(-1, 1, 41, dtype=DOUBLE)
    origin = torch.stack([s, torch.full_like(s, 5.0)], -1)
    got = disc(0.7, 1.5).line_integral(origin, torch.tensor([0.0, 1.0], dtype=DOUBLE))
    expected = 2 * 1.5 * (0.49 - s**2).clamp(min=0).sqrt()
    assert torch.allclose(got, expected, atol=1e-7)  # tangents: sqrt(eps)


@shapes
def test_line_integral_equals_quadrature_along_the_line(
    make: Callable[[], Ellipsoids | GaussianBlobs],
) -> None:
    field = make()
    origin, direction = lines(field.ndim)
    t = torch.linspace(-4, 4, 40001, dtype=DOUBLE)
    values = field(origin[:, None] + t[:, None] * direction[:, None])[..., 0]
    step = 8 / 40000
    # the midpoint sum of an indicator is wrong by at most one step at each end of each chord;
    # that of a Gaussian is exact
    atol = 1e-10
    if isinstance(field, Ellipsoids):
        atol = 4 * step * 1.9
    expected = values.sum(-1) * step
    assert expected.abs().max() > 0.1
    assert torch.allclose(field.line_integral(origin, direction), expected, rtol=0, atol=atol)


@shapes
def test_line_integral_belongs_to_the_line(make: Callable[[], Ellipsoids | GaussianBlobs]) -> None:
    field = make()
    origin, direction = lines(field.ndim)
    expected = field.line_integral(origin, direction)
    assert torch.allclose(
        field.line_integral(origin + 30 * direction, direction), expected, atol=1e-10
    )
    assert torch.allclose(field.line_integral(origin, -3 * direction), expected, atol=1e-10)


@shapes
def test_line_integral_has_a_gradient_even_where_it_misses(
    make: Callable[[], Ellipsoids | GaussianBlobs],
) -> None:
    field = make()
    origin, direction = lines(field.ndim)
    origin = torch.cat([origin, origin[:1] + 50]).requires_grad_()
    direction = torch.cat([direction, direction[:1].roll(1, -1)]).requires_grad_()
    assert torch.autograd.gradcheck(field.line_integral, (origin, direction))


@pytest.mark.parametrize("field", [ellipses(), ellipsoids()], ids=["2-D", "3-D"])
def test_fourier_at_zero_is_the_mass(field: Ellipsoids) -> None:
    volume = {2: math.pi, 3: 4 / 3 * math.pi}[field.ndim]
    mass = (volume * field.semi_axes.prod(-1) * field.values).sum()
    zero = field.fourier(torch.zeros(field.ndim, dtype=DOUBLE))
    assert zero.shape == ()
    assert torch.allclose(zero, mass.to(torch.complex128), rtol=1e-14)
    # the limit is approached without a jump, on both sides of where the formulas switch
    for size in (1e-9, 1e-5, 1e-4):
        near = field.fourier(torch.full((field.ndim,), size, dtype=DOUBLE))
        assert abs(near - zero) < 10 * size


def test_ball_transform_agrees_across_its_switch() -> None:
    ball = Ellipsoids(torch.zeros(1, 3), torch.ones(1, 3), torch.eye(3)[None], torch.ones(1))
    u = torch.tensor([1 - 1e-12, 1 + 1e-12], dtype=DOUBLE)
    below, above = ball.fourier(torch.stack([u, 0 * u, 0 * u], -1) / (2 * math.pi)).real
    assert abs(below - above) < 1e-11
    assert abs(below - 4 * math.pi * (math.sin(1) - math.cos(1))) < 1e-11


def projected(field: Ellipsoids, axes: Tensor, s: Tensor) -> Tensor:
    """Integrals of the field over all that is across axes[0], at the places s along it."""
    if field.ndim == 2:
        return field.line_integral(s[:, None] * axes[0], axes[-1])
    offsets = s[:, None, None] * axes[0] + s[:, None] * axes[1]
    return field.line_integral(offsets, axes[-1]).sum(-1) * (s[1] - s[0])


@pytest.mark.parametrize(
    ("make", "angles", "count"),
    [(ellipses, (0.7,), 4001), (ellipsoids, (0.7, 0.3, -0.4), 401)],
    ids=["2-D", "3-D"],
)
def test_the_transform_of_a_projection_is_a_slice_of_the_transform(
    make: Callable[[], Ellipsoids], angles: tuple[float, ...], count: int
) -> None:
    """Fourier on the line k·n is the 1-D transform of the integrals over all that is across n."""
    field = make()
    axes = turn(*angles, d=field.ndim).T  # rows: n, then the directions across
    k = torch.linspace(-6, 6, 13, dtype=DOUBLE)
    s = torch.linspace(-1.2, 1.2, count, dtype=DOUBLE)
    projection = projected(field, axes, s)
    got = (projection * torch.exp(-2j * math.pi * k[:, None] * s)).sum(-1) * (s[1] - s[0])
    expected = field.fourier(k[:, None] * axes[0])
    assert expected.abs().max() > 0.05
    assert torch.allclose(got, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("d", [2, 3])
def test_fourier_of_blobs_equals_quadrature(d: int) -> None:
    field = blobs(d)
    # exponentially accurate: the field is smooth and next to nothing at the faces
    grid = Grid(Box((-1.7,) * d, (1.7,) * d), (50,) * d)
    points = grid.points(DOUBLE).reshape(-1, d)
    k = torch.tensor([[0.0, 0.0, 0.0], [1.0, -0.5, 0.7], [-2.0, 0.3, 0.2]], dtype=DOUBLE)[:, :d]
    waves = torch.exp(-2j * math.pi * (k @ points.T))
    got = (waves * field(points)[:, 0]).sum(-1) * math.prod(grid.spacing)
    assert torch.allclose(got, field.fourier(k), atol=1e-9)


@shapes
def test_fourier_is_differentiable(make: Callable[[], Ellipsoids | GaussianBlobs]) -> None:
    field = make()
    k = lines(field.ndim)[0].requires_grad_()
    assert torch.autograd.gradcheck(field.fourier, (k,))
    zero = torch.zeros(1, field.ndim, dtype=DOUBLE, requires_grad=True)
    torch.view_as_real(field.fourier(zero)).sum().backward()
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


@shapes
@pytest.mark.parametrize(
    ("dtype", "atol"),
    [(torch.float32, 1e-4), (torch.float64, 1e-14)],
    ids=["dtype0", "dtype1"],
)
def test_results_follow_the_arguments(
    make: Callable[[], Ellipsoids | GaussianBlobs], dtype: torch.dtype, atol: float
) -> None:
    field = make()
    assert field.centers.dtype == field.values.dtype == DOUBLE
    origin, direction = (v.to(dtype).reshape(3, 4, -1) for v in lines(field.ndim))
    results = field(origin), field.line_integral(origin, direction), field.fourier(origin)
    assert [r.shape for r in results] == [(3, 4, 1), (3, 4), (3, 4)]
    assert [r.dtype for r in results] == [dtype, dtype, dtype.to_complex()]
    exact = field.line_integral(origin.double(), direction.double()), field.fourier(origin.double())
    for got, expected in zip(results[1:], exact, strict=True):
        assert torch.allclose(got.to(expected.dtype), expected, atol=atol)


def test_a_boundary_point_is_inside() -> None:
    points = torch.tensor([[0.5, 0.0], [0.0, -0.5], [0.5000001, 0.0]], dtype=DOUBLE)
    assert disc(0.5, 2.0)(points).flatten().tolist() == [2.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centers": torch.zeros(2)}, r"centers has shape \(2,\)"),
        ({"centers": torch.zeros(1, 4)}, r"must be \(n, 2\) or \(n, 3\)"),
        ({"semi_axes": torch.ones(2, 2)}, r"semi_axes has shape \(2, 2\); it must be \(1, 2\)"),
        ({"semi_axes": torch.tensor([[1.0, 0.0]])}, "semi_axes must be positive, got 0"),
        ({"rotations": torch.eye(2)}, r"rotations has shape \(2, 2\)"),
        ({"rotations": torch.ones(1, 2, 2)}, "orthonormal"),
        ({"values": torch.tensor([math.nan])}, "values=.* must be a tensor of finite numbers"),
        ({"values": torch.ones(2)}, r"values has shape \(2,\)"),
    ],
)
def test_wrong_ellipsoids_are_refused(change: dict[str, Tensor], message: str) -> None:
    good = {
        "centers": torch.zeros(1, 2),
        "semi_axes": torch.ones(1, 2),
        "rotations": torch.eye(2)[None],
        "values": torch.ones(1),
    }
    with pytest.raises(ValueError, match=message):
        Ellipsoids(**(good | change))


def test_blobs_without_width_are_refused() -> None:
    with pytest.raises(ValueError, match="widths must be positive"):
        GaussianBlobs(torch.zeros(1, 2), torch.zeros(1), torch.ones(1))


def test_points_of_another_dimension_are_refused() -> None:
    message = r"in 2-D takes real floating \(\*s, 2\), got torch.float32 of shape \(5, 3\)"
    with pytest.raises(ValueError, match=message):
        disc()(torch.zeros(5, 3))


def test_whole_numbers_as_frequencies_are_refused() -> None:
    with pytest.raises(ValueError, match="int64"):
        disc().fourier(torch.zeros(5, 2, dtype=torch.int64))

"""Boxes and grids against closed forms."""

import math

import pytest
import torch

from inverse_inr.domain import Box, Grid

BOXES = [
    Box((-1.0,), (3.0,)),
    Box((0.0, -2.0), (1.0, 5.0), ("mm", "mm")),
    Box((0.0, -2.0, 400.0), (2.0, 2.0, 700.0), ("mm", "mm", "nm")),
]


@pytest.mark.parametrize(
    ("lower", "upper", "units", "message"),
    [
        ((), (), (), "0 coordinates"),
        ((0, 0), (1,), (), "lower has 2 coordinates and upper has 1"),
        ((0, 0), (1, 1), ("mm",), "one unit an axis"),
        ((0, math.nan), (1, 1), (), "Box: lower=.* Number 1 is nan"),
        ((0, 0), (1, math.inf), (), "Box: upper=.* Number 1 is inf"),
        ((0, 1), (1, 1), (), "Swapped corners"),
        ((0, 2), (1, 1), (), "below upper"),
    ],
)
def test_wrong_corners_and_units_of_a_box_are_refused(
    lower: tuple, upper: tuple, units: tuple, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Box(lower, upper, units)


def test_box_refuses_one_string_for_all_units() -> None:
    """tuple("cm") is ("c", "m"): two units, and so an anisotropic scale that nobody asked for."""
    with pytest.raises((TypeError, ValueError), match="unit"):
        Box((0, 0), (1, 4), units="cm")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("units", "scale"),
    [
        (("mm",) * 3, (0.5, 0.5, 0.5)),
        (("mm", "mm", "nm"), (1.0, 1.0, 0.5)),
        (("a", "b", "c"), (2.0, 1.0, 0.5)),
    ],
)
def test_axes_that_share_a_unit_share_a_scale(
    units: tuple[str, ...], scale: tuple[float, ...]
) -> None:
    box = Box((0, 0, 0), (1, 2, 4), units)
    assert box.scale == scale
    corner = box.normalize(torch.tensor(box.upper))
    torch.testing.assert_close(corner, torch.tensor([0.5, 1.0, 2.0]) * torch.tensor(scale))


@pytest.mark.parametrize("box", BOXES)
def test_normalizing_is_undone_by_denormalizing(box: Box) -> None:
    x = box.random_points(100, dtype=torch.float64)
    z = box.normalize(x)
    torch.testing.assert_close(box.denormalize(z), x)
    assert z.abs().max() <= 1
    torch.testing.assert_close(box.normalize(torch.tensor(box.center)), torch.zeros(box.ndim))
    message = rf"{box.ndim} dimensions: points have shape \(5, {box.ndim + 1}\)"
    with pytest.raises(ValueError, match=message):
        box.normalize(torch.zeros(5, box.ndim + 1))


def test_normalize_of_whole_numbers_is_that_of_floats() -> None:
    x = torch.tensor([[1, 5], [0, -2]])
    torch.testing.assert_close(BOXES[1].normalize(x), BOXES[1].normalize(x.float()))


def test_normalize_after_inference_mode_still_differentiates() -> None:
    box = Box((0.0,), (math.e,))  # a box that no other test has put in a cache
    with torch.inference_mode():
        box.normalize(torch.zeros(1, 1))
    x = torch.zeros(1, 1, requires_grad=True)
    box.normalize(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.full((1, 1), 2 / math.e))


def test_random_points_fill_the_box() -> None:
    box = BOXES[2]
    x = box.random_points(20000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(x, box.random_points(20000, generator=torch.Generator().manual_seed(0)))
    lengths = torch.tensor(box.lengths)
    assert ((x >= torch.tensor(box.lower)) & (x <= torch.tensor(box.upper))).all()
    torch.testing.assert_close(
        (x.mean(0) - torch.tensor(box.center)) / lengths, torch.zeros(3), rtol=0, atol=0.01
    )
    torch.testing.assert_close(x.std(0) / lengths, torch.full((3,), 12**-0.5), rtol=0.02, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("origin", "direction", "near", "far"),
    [
        ((-5, 0.5), (1, 0), 5, 7),  # parallel to an axis
        ((-5, 0.5), (-1, 0), -7, -5),  # backwards
        ((1, 9), (0, -3), 8 / 3, 3),  # direction of length 3
        ((1, 0.5), (1, 1), -0.5, 0.5),  # from within, through two faces
        ((0, 0), (2, 1), 0, 1),  # the diagonal, corner to corner
        ((-1, 0), (1, 1), 1, 1),  # touches a corner only
        ((-5, 1.5), (1, 0), 0, 0),  # parallel and outside
        ((-1, 0.5), (-1, 1.0), 0, 0),  # misses
    ],
)
def test_a_chord_enters_and_leaves_where_the_line_meets_the_box(
    origin: tuple, direction: tuple, near: float, far: float, dtype: torch.dtype
) -> None:
    box = Box((0, 0), (2, 1))
    got = box.chord(torch.tensor(origin, dtype=dtype), torch.tensor(direction, dtype=dtype))
    torch.testing.assert_close(got[1] - got[0], torch.tensor(far - near, dtype=dtype))
    if far > near:
        torch.testing.assert_close(torch.stack(got), torch.tensor([near, far], dtype=dtype))


def test_a_chord_has_gradients() -> None:
    box = Box((0, 0, 0), (2, 1, 1))
    g = torch.Generator().manual_seed(1)
    origin = torch.tensor([1.0, 0.4, 0.6], dtype=torch.float64).repeat(8, 1).requires_grad_()
    direction = torch.randn(8, 3, dtype=torch.float64, generator=g).requires_grad_()
    torch.autograd.gradcheck(box.chord, (origin, direction))
    parallel = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    start = torch.tensor([[-1.0, 0.5, 0.5]], requires_grad=True)
    d_start, d_parallel = torch.autograd.grad(
        sum(box.chord(start, parallel)).sum(), (start, parallel)
    )  # type: ignore
    torch.testing.assert_close(d_start, torch.tensor([[-2.0, 0.0, 0.0]]))
    assert d_parallel.isfinite().all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4,), "1 axes but the box has 2"),
        ((4, 0), "at least 1. Number 1 is 0"),
        ((4, -2), "at least 1. Number 1 is -2"),
    ],
)
def test_wrong_shapes_of_a_grid_are_refused(shape: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Grid(BOXES[1], shape)


@pytest.mark.parametrize("shape", [(4, 2.5), (4, True), (4, "4"), 4, "44", None])
def test_shapes_of_another_kind_are_refused(shape: object) -> None:
    with pytest.raises(TypeError, match=r"Grid: shape=.* must be a sequence"):
        Grid(BOXES[1], shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("units", ["cm", 3, (1, 2)])
def test_units_of_another_kind_are_refused(units: object) -> None:
    with pytest.raises(TypeError, match=r"Box: units=.* must be a sequence, each a text"):
        Box((0, 0), (1, 1), units)  # type: ignore[arg-type]


def test_pixel_centres_are_half_integers() -> None:
    grid = Grid(Box((0, 0), (8, 3)), (4, 6))
    assert (grid.spacing, grid.nyquist, grid.numel, grid.ndim) == ((2.0, 0.5), (0.25, 1.0), 24, 2)
    x = grid.points(torch.float64)
    assert x.shape == (4, 6, 2)
    torch.testing.assert_close(x[:, 0, 0], torch.tensor([1.0, 3, 5, 7], dtype=torch.float64))
    torch.testing.assert_close(x[2, :, 1], torch.arange(6, dtype=torch.float64) / 2 + 0.25)
    fine = grid.refined(2).points(torch.float64)
    torch.testing.assert_close(fine.unflatten(1, (6, 2)).unflatten(0, (4, 2)).mean((1, 3)), x)
    assert Box((0, -3), (3, 1)).diagonal == 5


def test_crop_is_a_slice() -> None:
    grid = Grid(BOXES[1], (7, 9))
    part = grid.crop((2, 5), (3, 4))
    torch.testing.assert_close(part.points(torch.float64), grid.points(torch.float64)[2:5, 5:9])
    assert part.box.units == grid.box.units


@pytest.mark.parametrize("numel", [1, 9, 20, 63, 10**6])
def test_slabs_cover_the_grid_once(numel: int) -> None:
    grid = Grid(BOXES[1], (7, 9))
    slabs = list(grid.slabs(numel))
    torch.testing.assert_close(
        torch.cat([s.points(torch.float64) for s in slabs]), grid.points(torch.float64)
    )
    assert max(s.numel for s in slabs) <= max(numel, 9)

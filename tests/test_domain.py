"""Box, Grid, sampling and the memo against closed forms."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Memo, evaluate, sample

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
        ((0, math.nan), (1, 1), (), "finite"),
        ((0, 0), (1, math.inf), (), "finite"),
        ((0, 1), (1, 1), (), "Swapped corners"),
        ((0, 2), (1, 1), (), "below upper"),
    ],
)
def test_box_refuses(lower: tuple, upper: tuple, units: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Box(lower, upper, units)


def test_box_refuses_one_string_for_all_units() -> None:
    """tuple("cm") is ("c", "m"): two units, hence an anisotropic scale that nobody asked for."""
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
def test_normalize_round_trip(box: Box) -> None:
    x = box.random_points(100, dtype=torch.float64)
    z = box.normalize(x)
    torch.testing.assert_close(box.denormalize(z), x)
    assert z.abs().max() <= 1
    torch.testing.assert_close(box.normalize(torch.tensor(box.center)), torch.zeros(box.ndim))
    with pytest.raises(
        ValueError, match=rf"{box.ndim} dimensions: points have shape \(5, {box.ndim + 1}\)"
    ):
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
def test_chord(
    origin: tuple, direction: tuple, near: float, far: float, dtype: torch.dtype
) -> None:
    box = Box((0, 0), (2, 1))
    got = box.chord(torch.tensor(origin, dtype=dtype), torch.tensor(direction, dtype=dtype))
    torch.testing.assert_close(got[1] - got[0], torch.tensor(far - near, dtype=dtype))
    if far > near:
        torch.testing.assert_close(torch.stack(got), torch.tensor([near, far], dtype=dtype))


def test_chord_differentiates() -> None:
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
        ((4, 0), "positive integers"),
        ((4, 2.5), "positive integers"),
    ],
)
def test_grid_refuses(shape: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Grid(BOXES[1], shape)


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


@pytest.mark.parametrize("average", [1, 2, 5])
@pytest.mark.parametrize("chunk", [None, 7])
def test_pixel_average_of_a_linear_field_is_its_centre(average: int, chunk: int | None) -> None:
    grid = Grid(BOXES[1], (5, 6))

    def field(p: Tensor) -> Tensor:
        return torch.stack([3 * p[..., 0] - p[..., 1], p[..., 1] + 2], -1)

    torch.testing.assert_close(
        sample(field, grid, average=average, chunk=chunk), field(grid.points())
    )


def test_pixel_average_of_an_indicator_is_its_area() -> None:
    grid = Grid(Box((0, 0), (4, 4)), (4, 4))
    values = sample(lambda p: ((p[..., :1] < 1.75) & (p[..., 1:] > 2.5)).float(), grid, average=4)[
        ..., 0
    ]
    torch.testing.assert_close(
        values, torch.outer(torch.tensor([1, 0.75, 0, 0]), torch.tensor([0, 0, 0.5, 1]))
    )


def tanh_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3)).double()


def gradients(network: nn.Module, run: Callable[[], Tensor]) -> tuple[Tensor, list[Tensor]]:
    out = run()
    weight = torch.linspace(0, 1, out.numel(), dtype=out.dtype).reshape(out.shape)
    return out, list(torch.autograd.grad((weight * out.square()).sum(), list(network.parameters())))


@pytest.mark.parametrize("average", [1, 2])
@pytest.mark.parametrize("chunk", [1, 13, 64])
def test_chunked_sampling_equals_whole(chunk: int, average: int) -> None:
    network, grid = tanh_network(), Grid(BOXES[1], (6, 9))
    whole = gradients(network, lambda: sample(network, grid, average=average, chunk=10**6))
    parts = gradients(network, lambda: sample(network, grid, average=average, chunk=chunk))
    torch.testing.assert_close(parts, whole)
    points = grid.refined(average).points(torch.float64).requires_grad_()
    whole, parts = (
        gradients(network, lambda c=c: evaluate(network, points, c)) for c in (None, chunk)
    )
    torch.testing.assert_close(parts, whole)
    slopes = [
        torch.autograd.grad(evaluate(network, points, c).sum(), points)[0] for c in (chunk, None)
    ]
    torch.testing.assert_close(*slopes)


def test_chunks_inside_torch_func() -> None:
    """vjp cannot recompute: chunks are stored there, and the gradient is the same. Other errors pass unchanged."""
    network = tanh_network()
    points = Grid(BOXES[1], (6, 9)).points(torch.float64)
    pulled = [torch.func.vjp(lambda p, c=c: evaluate(network, p, c), points) for c in (7, None)]
    ones = torch.ones_like(pulled[0][0])
    torch.testing.assert_close(pulled[0][1](ones), pulled[1][1](ones))

    def broken(p: Tensor) -> Tensor:
        raise RuntimeError("broken field")

    with pytest.raises(RuntimeError, match="broken field"):
        evaluate(broken, points, 7)


@pytest.mark.parametrize(
    ("shape", "average"), [((200,), 1), ((50, 60), 1), ((4, 40, 40), 1), ((2, 8, 8), 3)]
)
def test_no_more_than_chunk_points_in_flight(shape: tuple[int, ...], average: int) -> None:
    seen: list[int] = []

    def field(p: Tensor) -> Tensor:
        seen.append(p[..., 0].numel())
        return p[..., :1]

    sample(
        field, Grid(Box((0,) * len(shape), (1,) * len(shape)), shape), average=average, chunk=100
    )
    assert sum(seen) == math.prod(shape) * average ** len(shape)
    assert max(seen) <= 100


def counted() -> tuple[Memo, list[int]]:
    calls: list[int] = []
    network = tanh_network()

    def field(p: Tensor) -> Tensor:
        calls.append(p[..., 0].numel())
        return network(p.double())

    return Memo(field), calls


def test_memo_evaluates_each_lattice_once() -> None:
    memo, calls = counted()
    grid = Grid(BOXES[1], (4, 5))
    first = sample(memo, grid)
    assert sample(memo, Grid(BOXES[1], (4, 5))) is first
    assert calls == [20]
    assert sample(memo, grid.crop((0, 0), (2, 5))).shape == (2, 5, 3)
    assert calls == [20, 10]
    memo(torch.zeros(3, 2))
    assert calls == [20, 10, 3]


def test_memo_of_pixel_averages_differentiates_in_chunks() -> None:
    network, grid = tanh_network(), Grid(BOXES[1], (6, 9))
    whole = gradients(network, lambda: sample(network, grid, average=2))
    memo = gradients(network, lambda: sample(Memo(network), grid, average=2, chunk=50))
    torch.testing.assert_close(memo, whole)


def test_memo_knows_its_module() -> None:
    network = tanh_network()
    assert Memo(network).module is network
    with pytest.raises(TypeError, match="no parameters"):
        _ = counted()[0].module

"""Sampling and the memo against closed forms, whole and in chunks."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Memo, evaluate, sample

OBLONG = Box((0.0, -2.0), (1.0, 5.0), ("mm", "mm"))


@pytest.mark.parametrize("average", [1, 2, 5])
@pytest.mark.parametrize("chunk", [None, 7])
def test_pixel_average_of_a_linear_field_is_its_centre(average: int, chunk: int | None) -> None:
    grid = Grid(OBLONG, (5, 6))

    def field(p: Tensor) -> Tensor:
        return torch.stack([3 * p[..., 0] - p[..., 1], p[..., 1] + 2], -1)

    torch.testing.assert_close(
        sample(field, grid, average=average, chunk=chunk), field(grid.points())
    )


def test_pixel_average_of_an_indicator_is_its_area() -> None:
    grid = Grid(Box((0, 0), (4, 4)), (4, 4))

    def corner(p: Tensor) -> Tensor:
        return ((p[..., :1] < 1.75) & (p[..., 1:] > 2.5)).float()

    values = sample(corner, grid, average=4)[..., 0]
    expected = torch.outer(torch.tensor([1, 0.75, 0, 0]), torch.tensor([0, 0, 0.5, 1]))
    torch.testing.assert_close(values, expected)


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
    network = tanh_network()
    grid = Grid(OBLONG, (6, 9))
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
    """The transform `vjp` cannot recompute: chunks are stored there, the gradient is the same.

    Other errors pass unchanged.
    """
    network = tanh_network()
    points = Grid(OBLONG, (6, 9)).points(torch.float64)
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

    box = Box((0,) * len(shape), (1,) * len(shape))
    sample(field, Grid(box, shape), average=average, chunk=100)
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
    grid = Grid(OBLONG, (4, 5))
    first = sample(memo, grid)
    assert sample(memo, Grid(OBLONG, (4, 5))) is first
    assert calls == [20]
    assert sample(memo, grid.crop((0, 0), (2, 5))).shape == (2, 5, 3)
    assert calls == [20, 10]
    memo(torch.zeros(3, 2))
    assert calls == [20, 10, 3]


def test_memo_of_pixel_averages_differentiates_in_chunks() -> None:
    network = tanh_network()
    grid = Grid(OBLONG, (6, 9))
    whole = gradients(network, lambda: sample(network, grid, average=2))
    memo = gradients(network, lambda: sample(Memo(network), grid, average=2, chunk=50))
    torch.testing.assert_close(memo, whole)


def test_memo_knows_its_module() -> None:
    network = tanh_network()
    assert Memo(network).module is network
    with pytest.raises(TypeError, match="no parameters"):
        _ = counted()[0].module


@pytest.mark.parametrize("chunk", [None, 7])
def test_values_can_be_written_into_a_tensor_that_is_there(chunk: int | None) -> None:
    network = tanh_network()
    grid = Grid(OBLONG, (6, 9))
    out = torch.empty(6, 9, 3, dtype=torch.float64)
    assert sample(network, grid, chunk=chunk, out=out) is out
    torch.testing.assert_close(out, sample(network, grid).detach())
    assert not out.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(sample(network, grid, chunk=7), out)


@pytest.mark.parametrize(
    "out",
    [torch.empty(6, 9, 2), torch.empty(9, 6, 3), torch.empty(6, 9)],
    ids=["channels", "transposed", "no channels"],
)
def test_a_tensor_of_another_shape_is_refused(out: Tensor) -> None:
    with pytest.raises(ValueError, match="out holds"):
        sample(tanh_network(), Grid(OBLONG, (6, 9)), out=out)

"""`predict`, rows, adjoints and composition: the narrow waist against dense matrices."""

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from inverse_inr.compose import Detector, OnGrid, Warp, as_linear_map, with_adjoint
from inverse_inr.domain import Box, Grid
from inverse_inr.protocol import Query, adjoint, evaluating, predict
from inverse_inr.sampled import SampledField

F64 = torch.float64
BOX = Box((0, 0), (2, 3))
GRID = Grid(BOX, (4, 6))


def field(p: Tensor) -> Tensor:
    return torch.sin(p[..., :1]) + p[..., 1:]


class Line:
    """Rows of four weighted samples on a line; imports nothing and returns a plain tuple."""

    def __init__(self, rows: int = 7, seed: int = 0, dtype: torch.dtype = F64) -> None:
        g = torch.Generator().manual_seed(seed)
        self.points = torch.rand(rows, 4, 2, generator=g, dtype=F64) * torch.tensor([2, 3])
        self.weight = torch.randn(rows, 4, generator=g, dtype=dtype)

    def __len__(self) -> int:
        return len(self.points)

    def __call__(self, rows: Tensor):
        return self.points[rows], lambda values: (self.weight[rows] * values[..., 0]).sum(-1)

    def truth(self) -> Tensor:
        return (self.weight * field(self.points)[..., 0]).sum(-1)


class Module(nn.Module):
    """A learnable operator that records its mode."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        self.inner = nn.Dropout()

    def __len__(self) -> int:
        return len(self.line)

    def forward(self, rows: Tensor) -> Query:
        points, measure = self.line(rows)
        gain = 1
        if self.training:
            gain = 0
        return Query(points, lambda v: gain * measure(v))


def on_grid(trailing: int = 0) -> OnGrid:
    shape = (3, 5) + (2,) * trailing
    matrix = torch.randn(
        math.prod(shape), GRID.numel, dtype=F64, generator=torch.Generator().manual_seed(3)
    )
    return OnGrid(
        lambda v: (matrix.to(v.dtype) @ v.reshape(-1)).reshape(shape),
        GRID,
        shape,
        trailing=trailing,
    )


@pytest.mark.parametrize("rows", [[3], [6, 0, 2], [1, 1, 5, 1], list(range(7))])
@pytest.mark.parametrize("chunk", [None, 3])
def test_predict_of_a_plain_tuple(rows: list[int], chunk: int | None) -> None:
    line = Line()
    got = predict(line, field, torch.tensor(rows), chunk=chunk)
    torch.testing.assert_close(got, line.truth()[rows])


@pytest.mark.parametrize("chunk", [None, 3])
def test_predict_without_rows_is_of_all_of_them(chunk: int | None) -> None:
    line = Line()
    torch.testing.assert_close(predict(line, field, None, chunk=chunk), line.truth())


def test_predict_of_a_plain_closure() -> None:
    """A user's operator may be a plain closure; its rows must be given."""
    line = Line()
    rows = torch.tensor([2, 0])
    got = predict(lambda r: line(r), field, rows)  # type: ignore[arg-type]
    torch.testing.assert_close(got, line.truth()[rows])


@pytest.mark.parametrize(("trailing", "shape"), [(0, (15,)), (1, (15, 2))], ids=["0", "1"])
def test_predict_on_a_grid(trailing: int, shape: tuple[int, ...]) -> None:
    operator = on_grid(trailing)
    everything = predict(operator, lambda p: field(p.double()))
    assert everything.shape == shape
    expected = operator.map(field(GRID.points().double())[..., 0])
    torch.testing.assert_close(operator.unflatten(everything), expected)
    torch.testing.assert_close(operator.flatten(expected), everything)
    rows = torch.tensor([14, 3, 3])
    torch.testing.assert_close(
        predict(operator, lambda p: field(p.double()), rows, chunk=5), everything[rows]
    )


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (torch.ones(7, dtype=torch.bool), ValueError, "boolean mask"),
        (torch.zeros(0, dtype=torch.int64), ValueError, "empty"),
        (torch.tensor([0.0, 1.0]), ValueError, "integer tensor, got torch.float32"),
        (torch.tensor([0, 7]), IndexError, "from 0 to 7, but Line has 7 rows"),
        (torch.tensor([-1, 2]), IndexError, "from -1 to 2"),
    ],
)
def test_wrong_rows_are_refused(rows: Tensor, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        predict(Line(), field, rows)


class Hatch(Line):
    def predict(self, field, rows: Tensor) -> Tensor:
        return -self.truth()[rows]


@pytest.mark.parametrize(
    ("operator", "sign"),
    [(Hatch(), -1), (Detector(torch.neg) @ Hatch(), 1)],
    ids=["alone", "detected"],
)
def test_an_operator_may_predict_for_itself(operator, sign: int) -> None:
    expected = Line().truth()[[4]] * sign
    torch.testing.assert_close(predict(operator, field, torch.tensor([4])), expected)


@pytest.mark.parametrize("dtype", [F64, torch.complex128])
def test_adjoint_is_the_conjugate_transpose(dtype: torch.dtype) -> None:
    line = Line(dtype=dtype)
    rows = torch.tensor([5, 1, 1])
    residual = torch.randn(3, dtype=dtype)
    expected = (line.weight[rows].conj() * residual[:, None])[..., None]
    torch.testing.assert_close(adjoint(line, rows, residual), expected)


def pair(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.randn(4, 3, dtype=dtype), torch.randn(3, dtype=dtype)


@pytest.mark.parametrize("dtype", [F64, torch.complex128])
def test_with_adjoint_differentiates_twice(dtype: torch.dtype) -> None:
    matrix, x = pair(dtype)
    apply = with_adjoint(lambda v: matrix @ v, lambda v: matrix.mH @ v)
    x.requires_grad_()
    torch.autograd.gradcheck(apply, (x,))
    torch.autograd.gradgradcheck(apply, (x,))
    # a linear map alone has no second derivative
    torch.autograd.gradgradcheck(lambda v: apply(v).abs().square(), (x,))


# torch's own jvp warns
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_with_adjoint_works_in_functional_transforms() -> None:
    matrix, x = pair(F64)
    apply = with_adjoint(lambda v: matrix @ v, lambda v: matrix.mT @ v)
    t, r = torch.randn(3, dtype=F64), torch.randn(4, dtype=F64)
    pullback = torch.func.vjp(apply, x)[1]  # type: ignore[misc]
    torch.testing.assert_close(pullback(r)[0], matrix.mT @ r)
    torch.testing.assert_close(torch.func.jvp(apply, (x,), (t,)), (matrix @ x, matrix @ t))
    torch.testing.assert_close(
        torch.func.jvp(lambda v: apply(v) ** 2, (x,), (t,))[1], 2 * (matrix @ x) * (matrix @ t)
    )


def test_detectors_act_outside_and_the_last_warp_acts_last() -> None:
    line = Line()
    inner = Detector(lambda y: y + 3) @ line @ Warp(lambda p: p + 1) @ Warp(lambda p: 2 * p)
    whole = Detector(lambda y: y * 5) @ inner
    assert whole.shape == (7,)
    looked = field(2 * (line.points + 1))[..., 0]  # the last warp acts last
    expected = 5 * ((line.weight * looked).sum(-1) + 3)
    torch.testing.assert_close(predict(whole, field), expected)


def test_composition_keeps_parameters_and_shape() -> None:
    whole = Detector(nn.Linear(1, 1)) @ on_grid() @ Warp(nn.Linear(2, 2))
    assert whole.shape == (3, 5)
    assert len(list(whole.parameters())) == 4
    there = whole.unflatten(torch.arange(15))  # type: ignore[operator]
    assert whole.flatten(there).tolist() == [*range(15)]  # type: ignore[operator]


@pytest.mark.parametrize(
    "compose",
    [
        lambda: Warp(torch.sin) @ Line(),
        lambda: Line() @ Detector(torch.exp),
        lambda: Detector(torch.exp) @ Warp(abs),
        lambda: Detector(torch.exp) @ Line() @ (Detector(torch.exp) @ Line()),
    ],
    ids=["warp first", "detector last", "no operator", "two operators"],
)
def test_composition_refuses_another_order(compose) -> None:
    with pytest.raises(TypeError, match="Detector @ operator @ Warp"):
        compose()


def test_a_map_that_gives_another_shape_is_named_with_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(3, 5\).*\(4, 6\)"):
        predict(OnGrid(lambda v: v, GRID, (3, 5)), field)


def test_measurements_of_another_shape_are_named_with_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"natural shape \(3, 5\); y has shape \(5, 3\)"):
        on_grid().flatten(torch.zeros(5, 3))


def test_evaluating_restores_modes() -> None:
    operator = Module()
    operator.inner.eval()
    with evaluating(operator, field):
        assert not operator.training
    # in training mode it measures nothing
    assert as_linear_map(operator, GRID, dtype=F64).norm() > 0
    assert operator.training
    assert not operator.inner.training


def dense(apply, shape: tuple[int, ...], dtype: torch.dtype = F64) -> Tensor:
    eye = torch.eye(math.prod(shape), dtype=dtype)
    return torch.stack([apply(e.reshape(shape)).reshape(-1) for e in eye], -1)


@pytest.mark.parametrize("dtype", [F64, torch.complex128])
@pytest.mark.parametrize("rows", [None, torch.tensor([2, 2, 0])], ids=["all", "some"])
def test_linear_map_of_a_pointwise_operator(dtype: torch.dtype, rows: Tensor | None) -> None:
    line = Line(dtype=dtype)
    matrix = as_linear_map(line, GRID, rows=rows, dtype=dtype)
    image = torch.randn(4, 6, 1, dtype=dtype)
    y = matrix(image)
    torch.testing.assert_close(y, predict(line, SampledField(image, GRID), rows))
    r = torch.randn(y.shape, dtype=dtype)
    assert abs(torch.vdot(y, r) - torch.vdot(image.flatten(), matrix.adjoint(r).flatten())) < 1e-12
    torch.testing.assert_close(
        matrix.norm(300), float(torch.linalg.matrix_norm(dense(matrix, (4, 6, 1), dtype), 2))
    )


def test_linear_map_on_its_grid() -> None:
    matrix = as_linear_map(on_grid(), GRID, dtype=F64)
    a = dense(matrix, (4, 6, 1))
    torch.testing.assert_close(dense(matrix.adjoint, (15,)), a.mT)
    torch.testing.assert_close(matrix.norm(300), float(torch.linalg.matrix_norm(a, 2)))
    assert as_linear_map(OnGrid(lambda v: 0 * v, GRID, (4, 6)), GRID).norm() == 0
    with pytest.raises(ValueError, match=r"grid of shape \(4, 6\), not \(3, 3\)"):
        as_linear_map(on_grid(), Grid(BOX, (3, 3)))


MEMORY = """
import resource, torch
torch.set_num_threads(1)
from inverse_inr import Box, predict, priors
prior = priors.siren(Box((-1, -1), (1, 1)), width=256, depth=3)
points = torch.rand(2000, 150, 2) * 2 - 1
class Rays:
    def __len__(self): return 2000
    def __call__(self, rows): return points[rows], lambda v: v[..., 0].mean(-1)
predict(Rays(), prior, torch.arange(2)).sum().backward()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
before = peak()
y = predict(Rays(), prior)
print(peak() - before)
y.sum().backward()
print(peak() - before)
"""


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_points() -> None:
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    forward, backward = map(float, run.stdout.split())
    assert forward < 1.0
    assert backward < 1.0

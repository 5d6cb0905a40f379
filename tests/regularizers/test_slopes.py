"""Penalties against closed forms on points and on lattices."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inverse_inr.derivatives import grid_gradient, grid_laplacian
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Memo, sample
from inverse_inr.protocol import predict
from inverse_inr.regularizers import (
    L1,
    EdgePreserving,
    PairDifference,
    Regularizer,
    Sobolev,
    TotalVariation,
    WeightDecay,
    Weighted,
)

F64 = torch.float64
BOX = Box((0, 0), (2, 3))
GRID = Grid(BOX, (16, 24))
POINTS = BOX.random_points(400, dtype=F64, generator=torch.Generator().manual_seed(0))
SLOPE = (3.0, 4.0)


def ramp(p: Tensor) -> Tensor:
    return 3 * p[..., :1] + 4 * p[..., 1:] + 0 * p[..., :1] ** 2


def wave(p: Tensor) -> Tensor:
    """A wave with |∇f|² = 4 cos²(2x) and Δf = -4 sin 2x."""
    return torch.sin(2 * p[..., :1]) + 0 * p[..., 1:]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2)).double()


class Counted:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, p: Tensor) -> Tensor:
        self.calls += 1
        return wave(p)


# --- values -------------------------------------------------------------------------------------


def test_total_variation_of_a_ramp_is_its_slope() -> None:
    assert float(TotalVariation()(ramp, POINTS).detach()) == pytest.approx(5, rel=1e-6)
    values = sample(lambda p: ramp(p.double()), GRID)
    inner = grid_gradient(values, GRID.spacing)[:-1, :-1, 0]
    slope = torch.tensor(SLOPE, dtype=F64).expand_as(inner)
    torch.testing.assert_close(inner, slope, rtol=1e-5, atol=0)
    along = float(TotalVariation(grid=GRID)(lambda p: 2 * p[..., :1], POINTS))
    assert along == pytest.approx(2 * 15 / 16, rel=1e-5)  # nothing lies past the last pixel


@pytest.mark.parametrize("grid", [None, GRID])
def test_penalties_of_complex_fields_do_not_know_their_phase(grid: Grid | None) -> None:
    penalty = TotalVariation(grid=grid, epsilon=0.0)

    def turned(turn: complex) -> float:
        return float(penalty(lambda p: turn * ramp(p), POINTS).detach())

    values = [turned(turn) for turn in (2.0, 2j, 1.2 - 1.6j)]
    assert values == pytest.approx([values[0]] * 3)


@pytest.mark.parametrize(("delta", "expected"), [(None, 5.0), (5.0, 5.0 * (2**0.5 - 1))])
def test_pair_differences_are_slopes_where_the_operator_looked(
    delta: float | None, expected: float
) -> None:
    """Pairs along the ramp's gradient have its slope; the field is not asked again."""
    memo = Memo(ramp)
    direction = torch.tensor(SLOPE, dtype=F64) / 5
    along = torch.tensor([-0.2, -0.1, 0.1, 0.2], dtype=F64)[:, None] * direction

    def pairs(rows: Tensor):
        return POINTS[rows][:, None] + along, lambda v: v.mean((1, 2))

    predict(pairs, memo, torch.arange(7))
    memo.field = None  # pyright: ignore
    assert float(PairDifference(delta)(memo, POINTS)) == pytest.approx(expected, rel=1e-4)


def test_pair_differences_need_an_operator_that_has_looked() -> None:
    with pytest.raises(TypeError, match="no operator has looked"):
        PairDifference()(Memo(ramp), POINTS)


def test_total_variation_of_a_disc_is_its_perimeter() -> None:
    grid = Grid(Box((-1, -1), (1, 1)), (256, 256))

    def disc(p: Tensor) -> Tensor:
        return ((0.6 - torch.linalg.vector_norm(p, dim=-1, keepdim=True)) / 0.1 + 0.5).clamp(0, 1)

    total = 4 * float(TotalVariation(grid=grid)(disc, POINTS))
    assert total == pytest.approx(2 * math.pi * 0.6, rel=0.01)
    sharp = 4 * float(TotalVariation(grid=grid)(lambda p: (disc(p) > 0.5).float(), POINTS))
    assert 0.95 < sharp / total < 1.35  # isotropic only up to the lattice


def test_epsilon_rounds_the_corner() -> None:
    assert float(TotalVariation(epsilon=12.0)(ramp, POINTS).detach()) == pytest.approx(13 - 12)
    assert float(TotalVariation()(lambda p: 0 * p[..., :1] ** 2, POINTS).detach()) == 0


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (1, 4 * torch.cos(2 * POINTS[:, 0]).square()),
        (2, 16 * torch.sin(2 * POINTS[:, 0]).square()),
    ],
    ids=["1", "2"],
)
def test_sobolev_of_a_wave(order: int, expected: Tensor) -> None:
    torch.testing.assert_close(Sobolev(order=order)(wave, POINTS), expected.mean())


def test_sobolev_of_a_ramp_on_a_grid() -> None:
    found = Sobolev(grid=GRID)(lambda p: 2 * p[..., :1], POINTS)
    assert float(found) == pytest.approx(4 * 15 / 16, rel=1e-5)


def test_edge_preserving_is_quadratic_then_linear() -> None:
    """The penalty is quadratic far below delta, linear far above, and its formula between."""
    value = {d: float(EdgePreserving(delta=d)(ramp, POINTS).detach()) for d in (1e-6, 12.0, 1e4)}
    assert value[1e-6] == pytest.approx(5, rel=1e-5)
    assert value[12.0] == pytest.approx(13 - 12)
    assert value[1e4] * 1e4 == pytest.approx(25 / 2, rel=1e-3)


def test_l1_and_weight_decay() -> None:
    torch.testing.assert_close(L1()(wave, POINTS), wave(POINTS).abs().mean())
    torch.testing.assert_close(L1(grid=GRID)(wave, POINTS), wave(GRID.points()).abs().mean())
    module = network()
    expected = torch.stack([p.square().sum() for p in module.parameters()]).sum()
    for field in (module, Memo(module)):
        torch.testing.assert_close(WeightDecay()(field, POINTS), expected)


def test_weight_decay_needs_parameters() -> None:
    with pytest.raises(TypeError, match="needs a prior with parameters"):
        WeightDecay()(wave, POINTS)


def test_sobolev_of_second_order_on_a_grid() -> None:
    """It is exact for quadratics inside; at the border the missing slope counts as zero."""
    grid = Grid(Box((0.0, 0.0), (2.0, 3.0)), (16, 12))
    bowl = lambda p: (p[..., :1] ** 2 + 0.5 * p[..., 1:] ** 2).double()  # noqa: E731
    curved = grid_laplacian(sample(bowl, grid), grid.spacing)
    inside = torch.full((14, 10, 1), 3.0).double()
    torch.testing.assert_close(curved[1:-1, 1:-1], inside, rtol=1e-4, atol=0)
    energy = float(Sobolev(order=2, grid=grid)(bowl, POINTS))
    assert energy == pytest.approx(float(curved.square().mean()))
    flat = lambda p: torch.ones(*p.shape[:-1], 1)  # noqa: E731
    assert float(Sobolev(order=2, grid=grid)(flat, POINTS)) == 0.0


@pytest.mark.parametrize(
    "options", [{"order": 3}, {"order": 0}, {"order": 2, "grid": GRID, "patch": 4}]
)
def test_sobolev_refuses_other_orders(options: dict) -> None:
    with pytest.raises(ValueError, match=r"order is 1, or 2 without|order=. must be 1 or 2"):
        Sobolev(**options)


# --- algebra ------------------------------------------------------------------------------------


def mean_value(field: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """A penalty that is a plain function."""
    return field(points).mean()


def test_sums_and_multiples_of_penalties_add_up() -> None:
    tv, smooth, sparse = TotalVariation(), Sobolev(), L1()
    a, b, c = (r(wave, POINTS) for r in (tv, smooth, sparse))
    cases: list[tuple[Regularizer, Tensor]] = [
        (2 * tv, 2 * a),
        (tv * 2, 2 * a),
        (2 * tv + 3 * smooth, 2 * a + 3 * b),
        (tv + smooth + sparse, a + b + c),
        (5 * (2 * tv + smooth) + (sparse + 0 * tv), 10 * a + 5 * b + c),
        (tv + mean_value, a + wave(POINTS).mean()),  # type: ignore[operator]
        (np.float64(2) * tv, 2 * a),
    ]
    for regularizer, expected in cases:
        assert isinstance(regularizer, Weighted)
        torch.testing.assert_close(regularizer(wave, POINTS), expected)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    "regularizer", [TotalVariation(), TotalVariation() + L1()], ids=["one", "sum"]
)
def test_weights_that_are_negative_or_not_finite_are_refused(regularizer, weight: float) -> None:
    with pytest.raises(ValueError, match=r"weight=.* must be a number of at least 0"):
        _ = weight * regularizer


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weights_on_the_right_are_refused_as_well(weight: float) -> None:
    with pytest.raises(ValueError, match=r"weight=.* must be a number of at least 0"):
        _ = (TotalVariation() + L1()) * weight


# --- gradients, lattices, patches ---------------------------------------------------------------


@pytest.mark.parametrize(
    "regularizer",
    [
        TotalVariation(),
        EdgePreserving(delta=0.5),
        Sobolev(),
        Sobolev(order=2),
        TotalVariation(grid=GRID),
        L1(),
    ],
    ids=["tv", "edge", "sobolev", "laplacian", "grid", "l1"],
)
def test_gradients_in_the_parameters(regularizer: Regularizer) -> None:
    module = network()
    names, values = zip(*module.named_parameters(), strict=True)

    def run(*parameters: Tensor) -> Tensor:
        fixed = dict(zip(names, parameters, strict=True))

        def field(p: Tensor) -> Tensor:
            return torch.func.functional_call(module, fixed, (p.double(),))

        return regularizer(field, POINTS[:7])

    torch.autograd.gradcheck(run, tuple(v.detach().requires_grad_() for v in values))


def test_patches_are_crops() -> None:
    sizes: list[tuple[int, ...]] = []

    def field(p: Tensor) -> Tensor:
        sizes.append(tuple(p.shape))
        return p[..., :1]

    TotalVariation(grid=GRID, patch=20)(field, POINTS)
    assert all(16 <= n <= 21 for n in sizes[0][:2])
    assert sizes[0][0] == 16


@pytest.mark.parametrize("axis", [0, 1])
def test_patches_see_the_total_variation_of_the_whole(axis: int) -> None:
    """Patches make a step cheap: λ must mean the same with and without them."""
    texture = Grid(BOX, (32, 48))

    def field(p: Tensor) -> Tensor:
        return 2 * p[..., axis : axis + 1] + 0.3 * torch.sin(20 * p[..., axis : axis + 1])

    whole = float(TotalVariation(grid=texture)(field, POINTS))
    patches = TotalVariation(grid=texture, patch=8)
    torch.manual_seed(0)
    mean = sum(float(patches(field, POINTS)) for _ in range(300)) / 300
    assert mean == pytest.approx(whole, rel=0.05)


def test_a_patch_needs_a_grid() -> None:
    with pytest.raises(ValueError, match="patch"):
        TotalVariation(patch=8)(wave, POINTS)


def test_memo_makes_lattice_penalties_free() -> None:
    counted = Counted()
    memo = Memo(counted)
    data = sample(memo, GRID)
    (TotalVariation(grid=GRID) + L1(grid=GRID) + Sobolev(grid=GRID))(memo, POINTS)
    assert counted.calls == 1
    assert data.shape == (16, 24, 1)

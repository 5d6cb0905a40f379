"""Structured priors pass the kit and learn; factorised and multiresolution grids on their own."""

import copy
import math
import operator
from collections.abc import Callable

import pytest
import torch
from cases.prior import BOXES, FOUR, SQUARE, ct, points, seeded
from torch import Tensor

from inverse_inr import Box, Grid, Solver, phantoms, priors
from inverse_inr.evaluation import sample
from inverse_inr.priors import Prior
from inverse_inr.priors.lattices.decomposition import TensorDecomposition
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.lattices.factors import Planes
from inverse_inr.regularizers import TotalVariation
from inverse_inr.stopping import Never
from inverse_inr.testing import PriorTests

NEW = ["acorn", "gaussian_mixture", "miner", "planes", "tensor"]
SMALL: dict[str, dict] = {
    "acorn": {"level": 2, "nodes": 5, "features": 4, "width": 32},
    "gaussian_mixture": {"count": 60},
    "miner": {},
    "planes": {"features": 4},
    "tensor": {"rank": 8},
}


class _Kit(PriorTests):
    name = ""

    def make(self) -> Prior:
        return priors.create(self.name, self.box, self.channels, bandwidth=6.0, **SMALL[self.name])


class TestPlanes(_Kit):
    name = "planes"


class TestTensor(_Kit):
    name = "tensor"


class TestMixture(_Kit):
    name = "gaussian_mixture"


class TestMiner(_Kit):
    name = "miner"


class TestAcorn(_Kit):
    name = "acorn"


# --- all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEW)
def test_it_learns_an_image(name: str) -> None:
    grid = Grid(SQUARE, (32, 32))
    image = sample(phantoms.shepp_logan(SQUARE), grid, average=4).float()
    prior = priors.create(name, SQUARE, bandwidth=priors.bandwidth_of(grid), **SMALL[name])
    optimizer = torch.optim.Adam(prior.param_groups(), betas=(0.9, 0.99), eps=1e-15)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (prior.sample(grid) - image).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert all(map(math.isfinite, losses))
    assert losses[-1] < 0.5 * float(image.var())


@pytest.mark.parametrize("name", NEW)
def test_it_learns_through_an_operator_at_its_defaults(name: str) -> None:
    problem = ct()
    options = {"bandwidth": priors.bandwidth_of(problem.grid)}
    if name == "gaussian_mixture":
        options["count"] = 60
    prior = priors.create(name, SQUARE, **options)
    term = problem.terms[0]
    before = float(term.loss(prior, torch.arange(len(term.y))).detach())
    solver = Solver(
        problem,
        prior,
        steps=30,
        batch=96,
        points=128,
        stopping=Never(every=10),
        regularizers=[1e-3 * TotalVariation()],
    )
    solver.run()
    assert solver.stopped is None
    assert float(term.loss(prior, torch.arange(len(term.y))).detach()) < 0.5 * before


@pytest.mark.parametrize("name", ["gaussian_mixture", "miner"])
def test_many_signals_at_once(name: str) -> None:
    """Stacked parameters under torch.vmap: three priors in one call."""
    several = [priors.create(name, SQUARE, bandwidth=8.0, **SMALL[name], seed=k) for k in range(3)]
    parameters, buffers = torch.func.stack_module_state(several)  # type: ignore[arg-type]
    base = copy.deepcopy(several[0])
    x = points(SQUARE)

    def call(p: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(base, (p, b), (x,))

    together = torch.vmap(call)(parameters, buffers)
    torch.testing.assert_close(together, torch.stack([p(x) for p in several]), rtol=1e-4, atol=1e-5)


# --- planes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "join"), [("sum", operator.mul), ("product", operator.pow)])
@pytest.mark.parametrize("box", [*BOXES, FOUR], ids=lambda b: f"{b.ndim}d")
def test_constant_planes_give_the_constant_of_their_kind(
    box: Box, kind: str, join: Callable[[float, int], float]
) -> None:
    """The sum of n planes of 2 is 2 n, and their product 2ⁿ."""
    planes = Planes(box, [4.0, 9.0], 3, kind=kind, interpolation="cubic", generator=seeded())
    for p in planes.parameters():
        torch.nn.init.constant_(p, 2.0)
    count = {1: 1, 2: 2, 3: 3, 4: 6}[box.ndim]
    expected = torch.full((500, 6), join(2.0, count))
    if box.ndim == 2:  # with its two lines, a plane of all resolutions but the finest
        expected = torch.cat([expected, torch.full((500, 3), 2.0)], -1)
    torch.testing.assert_close(planes(box.normalize(points(box))), expected)


def test_a_tri_plane_is_a_sum_of_functions_of_two_coordinates() -> None:
    planes = Planes(BOXES[2], [8.0], 4, kind="sum", interpolation="linear", generator=seeded())
    box = BOXES[2]
    x = box.normalize(points(box))
    y = box.normalize(points(box).flip(0))
    total = torch.zeros(500, 4)  # the mixed third difference over all corners of a box vanishes
    for corner in range(8):
        chosen = torch.tensor([bool(corner >> k & 1) for k in range(3)])
        total += (-1) ** int(chosen.sum()) * planes(torch.where(chosen, x, y))
    torch.testing.assert_close(total, torch.zeros(500, 4), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["vm", "cp"])
@pytest.mark.parametrize("box", [*BOXES, FOUR], ids=lambda b: f"{b.ndim}d")
def test_a_tensor_on_a_lattice_is_its_points(box: Box, kind: str) -> None:
    options = {"kind": kind, "cells": 6.0, "rank": 3, "interpolation": "linear"}
    tensor = TensorDecomposition(box, 2, generator=seeded(), **options)
    extents = [n * s for n, s in zip(box.lengths, box.scale, strict=True)]
    axes = [torch.linspace(-extent / 2, extent / 2, 5) for extent in extents]
    x = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    torch.testing.assert_close(tensor.on_axes(axes), tensor(x), rtol=0, atol=1e-6)
    assert tensor(x).std() > 0.01


def test_cp_of_one_term_is_a_product_of_lines() -> None:
    tensor = TensorDecomposition(
        BOXES[2], 1, kind="cp", cells=8.0, rank=1, interpolation="linear", generator=seeded()
    )
    matrix = tensor.on_axes([torch.linspace(-0.4, 0.4, 7)] * 3)[..., 0].flatten(1).double()
    values = torch.linalg.svdvals(matrix)
    assert values[1] < 1e-6 * values[0]


# --- multiresolution grids ----------------------------------------------------------------------


def test_levels_come_in_from_coarse_to_fine() -> None:
    """Absent levels change nothing and cost no rows.

    Values, lattice and a restored state agree at every stage.
    """
    box = Box((0.0, 0.0), (1.0, 2.0))
    options = {"levels": 4, "coarsest": 4, "finest": 32, "log2_table": 8, "width": 8, "depth": 1}
    grown = priors.hash(box, coarse_to_fine=0.4, **options)
    whole = priors.hash(box, **options)
    points = box.random_points(50, generator=torch.Generator().manual_seed(0))
    normalized = box.normalize(points)
    grid = Grid(box, (5, 7))
    assert torch.equal(grown(points), whole(points))  # no solver has touched it
    for progress, levels in ((0.0, 1), (0.1, 2), (0.25, 3), (0.35, 4), (0.4, 4), (1.0, 4)):
        grown.anneal(progress)
        encoding = grown.encoding
        assert isinstance(encoding, GridEncoding)
        features = encoding(normalized).unflatten(-1, (4, 2))
        assert len(encoding.stencil(normalized)[0]) == levels * 50
        assert not features[:, levels:].any()
        every = whole.encoding(normalized).unflatten(-1, (4, 2))
        assert torch.equal(features[:, :levels], every[:, :levels])
        torch.testing.assert_close(sample(grown, grid), grown(grid.points()), atol=1e-6, rtol=0)
        other = priors.hash(box, coarse_to_fine=0.4, **options)
        other.load_state_dict(grown.state_dict())
        assert torch.equal(other(points), grown(points))


def test_coarse_to_fine_is_a_fraction_of_the_run() -> None:
    with pytest.raises(ValueError, match=r"coarse_to_fine=1\.5 must be a number from 0 to 1"):
        priors.hash(SQUARE, coarse_to_fine=1.5)

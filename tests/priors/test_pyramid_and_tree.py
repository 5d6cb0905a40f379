"""Pyramids of local networks and adaptive trees: tilings, splitting, blocks that a solver moves."""

import math
from typing import Any

import pytest
import torch
from cases.prior import BOXES, F64, SQUARE, ct, points, seeded

from inverse_inr import Box, Solver, priors
from inverse_inr.kernels.grouped import group
from inverse_inr.priors.blocks import Adapt, slope_indicator, tree
from inverse_inr.priors.blocks.linear_tree import LinearTree
from inverse_inr.priors.blocks.tree import AdaptiveTree
from inverse_inr.priors.networks.tiles import Scale
from inverse_inr.priors.pyramid import Pyramid, refined
from inverse_inr.solver import Checkpoint
from inverse_inr.stopping import Never


@pytest.mark.parametrize("rows", [None, 1, 4, 64])
@pytest.mark.parametrize(("n", "blocks"), [(1, 1), (100, 7), (1000, 3), (5, 50), (1000, 1)])
def test_groups_hold_every_point_once_in_a_tile_of_its_block(
    n: int, blocks: int, rows: int | None
) -> None:
    block = torch.randint(0, blocks, (n,), generator=seeded()) ** 2 // blocks  # crowded
    groups = group(block, blocks, rows)
    values = torch.randn(n, 3)
    assert torch.equal(groups.unpack(groups.pack(values)), values)
    assert len(groups.slot.unique()) == n
    assert torch.equal(groups.block.repeat_interleave(groups.rows)[groups.slot], block)


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_a_scale_is_a_network_a_block(box: Box) -> None:
    """Batched products agree with those of each block, evaluated one by one."""
    extent = tuple(n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True))
    scale = Scale(extent, 0.5, 2, width=5, depth=2, omega=9.0, overlap=0.0, generator=seeded())
    x = box.normalize(points(box, 60))
    for point, value in zip(x, scale(x), strict=True):
        tile = ((point + torch.tensor(extent)) / 0.5).floor()
        block = 0
        for count, k in zip(scale.tiles, tile.long().tolist(), strict=True):
            block = block * count + k
        h = 2 * ((point + torch.tensor(extent)) / 0.5 - tile) - 1
        for k, (weight, bias) in enumerate(zip(scale.weights, scale.biases, strict=True)):
            if k > 0:
                h = torch.sin(9.0 * h)
            h = h @ weight[block] + bias[block]
        torch.testing.assert_close(value, h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_tiling_again_preserves_the_function(box: Box) -> None:
    prior = priors.miner(box, 2, 8.0 * box.scale[0], scales=3, overlap=None).double()
    assert isinstance(prior.network, Pyramid)
    scale = prior.network.scales[-1]
    x = box.normalize(points(box, dtype=F64))
    assert isinstance(scale, Scale)
    torch.testing.assert_close(scale.split()(x), scale(x))


@pytest.mark.parametrize("overlap", [None, 0.25])
@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_a_refined_pyramid_is_the_same_field_with_more_to_learn(
    box: Box, overlap: float | None
) -> None:
    prior = priors.miner(box, 2, 8.0 * box.scale[0], scales=2, overlap=overlap)
    x = points(box)
    finer = refined(prior)
    assert torch.equal(finer(x), prior(x))
    assert finer.parameter_count > prior.parameter_count
    again = priors.create("miner", box, **finer.recipe.options)
    again.load_state_dict(finer.state_dict())
    assert torch.equal(again(x), finer(x))
    finer(x).square().sum().backward()
    last = finer.network.scales[-1].weights[-1]  # type: ignore[index, union-attr]
    assert last.grad.abs().sum() > 0


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_a_prior_without_scales_is_not_refined(box: Box) -> None:
    with pytest.raises(TypeError, match="'siren' has no scales"):
        refined(priors.siren(box))


def largest_jump(prior: priors.Prior) -> float:
    """The largest difference across the border x = 0 between two blocks."""
    step = torch.tensor([1e-9, 0], dtype=F64)
    x = torch.stack([torch.zeros(50, dtype=F64), torch.linspace(-0.9, 0.9, 50, dtype=F64)], -1)
    return float((prior(x + step) - prior(x - step)).abs().max().detach())


def test_blocks_without_overlap_jump() -> None:
    prior = priors.miner(SQUARE, scales=2, overlap=None).double()
    assert largest_jump(prior) > 1e-3
    assert prior.smoothness == -1


def test_blocks_that_overlap_blend() -> None:
    prior = priors.miner(SQUARE, scales=2, overlap=0.25).double()
    assert largest_jump(prior) < 1e-6
    assert prior.smoothness == 2


@pytest.mark.parametrize("overlap", [None, 0.25])
def test_blocks_are_a_partition_of_unity(overlap: float | None) -> None:
    prior = priors.miner(SQUARE, scales=2, overlap=overlap).double()
    assert isinstance(prior.network, Pyramid)
    scale = prior.network.scales[-1]
    assert isinstance(scale, Scale)
    for weight, bias in zip(scale.weights, scale.biases, strict=True):
        torch.nn.init.zeros_(weight)
        torch.nn.init.ones_(bias)
    torch.testing.assert_close(scale(points(SQUARE, dtype=F64)), torch.ones(500, 1, dtype=F64))


# --- tree ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_leaves_tile_the_box(box: Box) -> None:
    """Every point lies in its leaf, before and after leaves were split and merged."""
    prior = priors.acorn(box, 1, level=3, nodes=3, features=2, width=8)
    network = prior.network
    x = box.normalize(points(box, 4000))
    assert isinstance(network, AdaptiveTree)
    for _ in range(4):
        leaf = network.tree.leaf(x)
        corner, side = network.tree.corner(x.dtype)
        local = (x - corner[leaf]) / side[leaf, None]
        assert local.min() >= -1e-5
        assert local.max() <= 1 + 1e-5
        network.adapt(x, torch.exp(-20 * (x - 0.2).square().sum(-1)))
    assert len(network.tree.level.unique()) > 1
    code = network.tree.start[network.tree.start < 2**62]
    assert torch.equal(network.tree.morton(network.tree.cell(code)), code)


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_nodes_made_one_by_one_are_those_of_the_table(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"level": 1, "blocks": 40, "nodes": 4, "features": 3, "width": 16}
    prior = priors.acorn(box, 2, **options).double()
    network = prior.network
    assert isinstance(network, AdaptiveTree)
    generator = torch.Generator().manual_seed(0)
    network.carry.copy_(torch.randn(network.carry.shape, generator=generator))
    found = []
    for few in (10**9, 0):
        monkeypatch.setattr(tree, "SMALL", 0)
        monkeypatch.setattr(tree, "FEW", few)
        x = points(box, 50, F64).requires_grad_()
        values = prior(x)
        found.append([values, *torch.autograd.grad(values.sum(), [x, *prior.parameters()])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_splitting_leaves_preserves_the_function(box: Box) -> None:
    options: dict[str, Any] = {"level": 1, "blocks": 40, "nodes": 4, "features": 3, "width": 16}
    prior = priors.acorn(box, 2, **options).double()
    x = points(box, 2000, F64)
    before = prior(x)
    shapes = {k: v.shape for k, v in prior.network.state_dict().items()}
    normalized = box.normalize(x)
    assert isinstance(prior.network, AdaptiveTree)
    assert prior.network.adapt(normalized, normalized[:, 0].exp(), fraction=0.05) > 0
    assert prior.network.tree.level.max() == 2
    torch.testing.assert_close(prior(x), before, rtol=0, atol=1e-9)
    assert {k: v.shape for k, v in prior.network.state_dict().items()} == shapes
    other = priors.acorn(box, 2, **options, seed=1).double()
    other.load_state_dict(prior.state_dict())
    assert torch.equal(other(x), prior(x))


def test_merging_keeps_the_field_at_the_parents_nodes() -> None:
    prior = priors.acorn(SQUARE, level=2, nodes=5, features=3, width=16).double()
    network = prior.network
    assert isinstance(network, AdaptiveTree)
    # nodes of the parent at (-1, -1)
    lower = torch.cartesian_prod(*[torch.linspace(-1, -1e-9, 5, dtype=F64)] * 2)
    kept = (lower + 0.5).abs().min(-1).values > 1e-6  # the border of its children has two values
    before = prior(lower)
    network._rebuild([], [(0, 1)])  # nothing is split, four leaves are merged
    torch.testing.assert_close(prior(lower)[kept], before[kept], rtol=0, atol=1e-6)
    assert int((network.tree.start < 2**62).sum()) == 13


def test_trades_pay_and_keep_the_budget() -> None:
    """Leaves are split where the error is.

    They are merged where four times their error is less than a quarter of the worst leaf's.
    """
    tree = LinearTree((1.0, 1.0), 2, None)
    error = torch.full((16,), 1e-3)
    error[5] = 1.0
    split, merge = tree.exchange(error, 4)
    assert split == [(int(tree.start[5]), 2)]
    assert len(merge) == 1
    assert merge[0][1] == 1
    assert tree.exchange(torch.full((16,), 1.0), 4) == ([], [])
    unknown = torch.full((16,), math.nan)
    assert tree.exchange(unknown, 4) == ([], [])


def test_a_solver_moves_blocks_and_resumes_exactly(tmp_path) -> None:
    def solver() -> Solver:
        prior = priors.acorn(SQUARE, level=2, blocks=24, nodes=5, features=4, width=16)
        return Solver(
            ct(),
            prior,
            steps=20,
            batch=96,
            points=16,
            stopping=Never(every=5),
            regularizers=[],
            callbacks=[Adapt(every=5, points=2000)],
        )

    whole = solver()
    whole.run()
    assert sum(record.get("splits", 0) for record in whole.history) > 0
    part, rest = solver(), solver()
    part.run(10)
    Checkpoint(tmp_path / "state.pt").write(part)
    rest.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    rest.run()
    x = points(SQUARE)
    assert torch.equal(rest.prior(x), whole.prior(x))
    assert (slope_indicator(whole, x) > 0).any()


def test_only_trees_adapt() -> None:
    solver = Solver(
        ct(), "siren", steps=5, stopping=Never(every=5), callbacks=[Adapt(every=5)], batch=10
    )
    with pytest.raises(TypeError, match="'siren' has no blocks to move"):
        solver.run()

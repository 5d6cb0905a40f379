"""Factorised grids, Gaussian mixtures, pyramids and adaptive trees: the exact properties of their structure."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Solver, Term, noise, phantoms, predict, priors
from inverse_inr.callbacks import Adapt, Checkpoint, slope_indicator
from inverse_inr.domain import sample
from inverse_inr.kernels.grouped import group
from inverse_inr.operators import ParallelBeam
from inverse_inr.priors import Prior
from inverse_inr.priors.grids import GridEncoding
from inverse_inr.priors.mixture import GaussianMixture, Gaussians, MixturePrior
from inverse_inr.priors.planes import Planes, TensorDecomposition
from inverse_inr.priors.pyramid import Pyramid, Scale, refined
from inverse_inr.priors.tree import AdaptiveTree, LinearTree
from inverse_inr.regularizers import TotalVariation
from inverse_inr.stopping import Never
from inverse_inr.testing import PriorTests

F64 = torch.float64
SQUARE = Box((-1, -1), (1, 1), ("cm", "cm"))
BOXES = [
    Box((-1.0,), (2.0,)),
    Box((0.0, -0.1), (1.0, 2.9), ("mm", "mm")),
    Box((0.0, 0.0, 400.0), (2.0, 1.0, 700.0), ("mm", "mm", "nm")),
]
FOUR = Box((0, 0, 0, 0), (2, 1, 3, 1), ("mm", "mm", "nm", "s"))
NEW = ["acorn", "gaussian_mixture", "miner", "planes", "tensor"]
SMALL: dict[str, dict] = {
    "acorn": {"level": 2, "nodes": 5, "features": 4, "width": 32}, "gaussian_mixture": {"count": 60},
    "miner": {}, "planes": {"features": 4}, "tensor": {"rank": 8},
}  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(box: Box, count: int = 500, dtype: torch.dtype = torch.float32) -> Tensor:
    return box.random_points(count, dtype=dtype, generator=seeded(3))


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


# --- all ------------------------------------------------------------------------------------------------------------


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


def ct(views: int = 12, size: int = 24) -> Problem:
    grid = Grid(SQUARE, (size, size))
    truth = phantoms.shepp_logan(SQUARE)
    operator = ParallelBeam(SQUARE, angles=torch.arange(views) * torch.pi / views, detectors=size)
    y = noise.Gaussian(0.01).sample(predict(operator, truth), generator=seeded())
    return Problem([Term(operator, y, noise.Gaussian(0.01))], box=SQUARE, grid=grid, reference=truth)


@pytest.mark.parametrize("name", NEW)
def test_it_learns_through_an_operator_at_its_defaults(name: str) -> None:
    problem = ct()
    options = {"count": 60} if name == "gaussian_mixture" else {}
    prior = priors.create(name, SQUARE, bandwidth=priors.bandwidth_of(problem.grid), **options)
    term = problem.terms[0]
    before = float(term.loss(prior, torch.arange(len(term.y))).detach())
    solver = Solver(problem, prior, steps=30, batch=96, points=128, stopping=Never(every=10),
                    regularizers=[1e-3 * TotalVariation()])  # fmt: skip
    solver.run()
    assert solver.stopped is None
    assert float(term.loss(prior, torch.arange(len(term.y))).detach()) < 0.5 * before


@pytest.mark.parametrize("name", ["gaussian_mixture", "miner"])
def test_many_signals_at_once(name: str) -> None:
    """torch.vmap over stacked parameters: three priors in one call."""
    several = [priors.create(name, SQUARE, bandwidth=8.0, **SMALL[name], seed=k) for k in range(3)]
    parameters, buffers = torch.func.stack_module_state(several)  # type: ignore[arg-type]
    base, x = copy.deepcopy(several[0]), points(SQUARE)

    def call(p: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(base, (p, b), (x,))

    together = torch.vmap(call)(parameters, buffers)
    torch.testing.assert_close(together, torch.stack([p(x) for p in several]), rtol=1e-4, atol=1e-5)


# --- planes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sum", "product"])
@pytest.mark.parametrize("box", [*BOXES, FOUR], ids=lambda b: f"{b.ndim}d")
def test_constant_planes_give_the_constant_of_their_kind(box: Box, kind: str) -> None:
    planes = Planes(box, [4.0, 9.0], 3, kind=kind, interpolation="cubic", generator=seeded())
    for p in planes.parameters():
        torch.nn.init.constant_(p, 2.0)
    count = {1: 1, 2: 2, 3: 3, 4: 6}[box.ndim]
    joined = 2.0 * count if kind == "sum" else 2.0**count
    expected = torch.full((500, 6), joined)
    if box.ndim == 2:  # beside its two lines, a plane of all resolutions but the finest
        expected = torch.cat([expected, torch.full((500, 3), 2.0)], -1)
    torch.testing.assert_close(planes(box.normalize(points(box))), expected)


def test_a_tri_plane_is_a_sum_of_functions_of_two_coordinates() -> None:
    planes = Planes(BOXES[2], [8.0], 4, kind="sum", interpolation="linear", generator=seeded())
    x, y = BOXES[2].normalize(points(BOXES[2])), BOXES[2].normalize(points(BOXES[2]).flip(0))
    total = torch.zeros(500, 4)  # the mixed third difference over all corners of a box vanishes
    for corner in range(8):
        chosen = torch.tensor([bool(corner >> k & 1) for k in range(3)])
        total += (-1) ** int(chosen.sum()) * planes(torch.where(chosen, x, y))
    torch.testing.assert_close(total, torch.zeros(500, 4), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["vm", "cp"])
@pytest.mark.parametrize("box", [*BOXES, FOUR], ids=lambda b: f"{b.ndim}d")
def test_a_tensor_on_a_lattice_is_its_points(box: Box, kind: str) -> None:
    tensor = TensorDecomposition(box, 2, kind=kind, cells=6.0, rank=3, interpolation="linear", generator=seeded())
    axes = [torch.linspace(-n * s / 2, n * s / 2, 5) for n, s in zip(box.lengths, box.scale, strict=True)]
    x = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    torch.testing.assert_close(tensor.on_axes(axes), tensor(x), rtol=0, atol=1e-6)
    assert tensor(x).std() > 0.01


def test_cp_of_one_term_is_a_product_of_lines() -> None:
    tensor = TensorDecomposition(BOXES[2], 1, kind="cp", cells=8.0, rank=1, interpolation="linear", generator=seeded())
    matrix = tensor.on_axes([torch.linspace(-0.4, 0.4, 7)] * 3)[..., 0].flatten(1).double()
    values = torch.linalg.svdvals(matrix)
    assert values[1] < 1e-6 * values[0]


# --- Gaussian mixture -----------------------------------------------------------------------------------------------


def mixture(ndim: int = 2, count: int = 5, channels: int = 1) -> MixturePrior:
    """Sheared narrow Gaussians well inside a box whose centre and scale are not 0 and 1."""
    box = Box((2.0, 1.0, 0.0)[:ndim], (8.0, 5.0, 6.0)[:ndim], ("mm",) * ndim)
    prior = priors.gaussian_mixture(box, channels, count=count, width=0.08, cutoff=None).double()
    with torch.no_grad():
        for name, p in prior.network.named_parameters():
            noise = torch.randn(p.shape, dtype=F64, generator=seeded(1))
            p.copy_(0.15 * noise.clamp(-2, 2)) if name == "centers" else p.add_(0.3 * noise)
    return prior


@pytest.mark.parametrize("ndim", [2, 3])
def test_its_gaussians_in_physical_units_are_the_prior(ndim: int) -> None:
    prior = mixture(ndim, channels=2)
    x = points(prior.box, dtype=F64)
    torch.testing.assert_close(prior.gaussians()(x), prior(x))


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_the_cutoff_leaves_out_nothing_that_matters(box: Box) -> None:
    prior = priors.gaussian_mixture(box, 2, count=80, width=0.02)
    x = points(box, 5000)
    with torch.no_grad():
        prior.network.get_parameter("log_width").add_(0.3 * torch.randn(80, box.ndim, generator=seeded()))
    network, normalized = prior.network, box.normalize(x)
    assert isinstance(network, GaussianMixture)
    near, _ = network._near(network.gaussians(), 5.0)
    assert len(x) >= 4 * len(network.middles)  # else all are summed, and nothing is tested
    assert near.shape[1] < 40
    every = network.gaussians()(normalized)
    torch.testing.assert_close(network(normalized), every, rtol=0, atol=1e-5 * float(every.detach().abs().max()))
    slopes = [torch.autograd.grad(v.square().sum(), network.parameters()) for v in (network(normalized), every)]  # type: ignore[arg-type]
    for got, expected in zip(*slopes, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_mixture_integrates_along_lines(ndim: int) -> None:
    """Against a Riemann sum, which for Gaussians converges faster than any power; from near and from far."""
    prior = mixture(ndim)
    center = torch.tensor(prior.box.center, dtype=F64)
    direction = torch.randn(20, ndim, dtype=F64, generator=seeded(2))
    unit = direction / direction.norm(dim=-1, keepdim=True)
    origin = center + 0.3 * torch.randn(20, ndim, dtype=F64, generator=seeded(4))
    t = torch.linspace(-8, 8, 4001, dtype=F64)
    expected = prior(origin[:, None] + t[:, None] * unit[:, None]).sum(1) * (t[1] - t[0])
    torch.testing.assert_close(prior.line_integral(origin, direction), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(prior.line_integral(origin - 1e6 * unit, unit), expected, rtol=0, atol=1e-8)


def test_round_gaussians_are_those_of_the_phantom() -> None:
    """An independent implementation: values, line integrals and transforms of `phantoms.GaussianBlobs`."""
    blobs = phantoms.gaussian_blobs(SQUARE, count=7)
    factors = torch.eye(2, dtype=F64) / blobs.widths[:, None, None]
    field = Gaussians(blobs.centers, factors, blobs.values[:, None])
    x, u = points(SQUARE, dtype=F64), torch.randn(500, 2, dtype=F64, generator=seeded())
    torch.testing.assert_close(field(x), blobs(x))
    torch.testing.assert_close(field.line_integral(x, u)[:, 0], blobs.line_integral(x, u))
    torch.testing.assert_close(field.fourier(3 * x)[:, 0], blobs.fourier(3 * x))


def test_a_transform_is_the_integral() -> None:
    prior, grid = mixture(2, channels=2), Grid(Box((-1, -2), (11, 8)), (480, 400))
    k = torch.tensor([[0.0, 0.0], [0.3, -0.2], [0.0, 0.5]], dtype=F64)
    x = grid.points(F64).reshape(-1, 2)
    wave = torch.exp(-2j * math.pi * (k.to(torch.complex128) @ x.to(torch.complex128).mT))
    expected = wave @ prior(x).to(torch.complex128) * math.prod(grid.spacing)
    torch.testing.assert_close(prior.fourier(k), expected, rtol=0, atol=1e-9)


def test_a_blur_is_a_product_of_transforms() -> None:
    prior = mixture()
    covariance = torch.tensor([[0.05, 0.02], [0.02, 0.09]], dtype=F64)
    k = 0.5 * torch.randn(50, 2, dtype=F64, generator=seeded())
    damped = torch.exp(-2 * math.pi**2 * ((k @ covariance) * k).sum(-1, keepdim=True))
    torch.testing.assert_close(prior.blurred(covariance).fourier(k), damped * prior.fourier(k))
    again = prior.blurred(covariance / 2).blurred(covariance / 2)
    x = points(prior.box, dtype=F64)
    torch.testing.assert_close(again(x), prior.blurred(covariance)(x))


def test_closed_forms_need_a_linear_head_and_reach_the_parameters() -> None:
    with pytest.raises(TypeError, match="linear head"):
        priors.gaussian_mixture(SQUARE, head="softplus", count=3).line_integral(torch.zeros(2), torch.ones(2))
    prior = priors.gaussian_mixture(SQUARE, head="complex", count=3)
    value = prior.line_integral(torch.zeros(2), torch.ones(2))
    assert value.is_complex()
    value.abs().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in prior.parameters())


def test_the_radon_transform_of_a_mixture_is_that_of_the_operator() -> None:
    """What `ParallelBeam` integrates numerically, the prior knows: along the ray of each detector."""
    prior = priors.gaussian_mixture(SQUARE, count=20, width=0.1)
    with torch.no_grad():
        prior.network.get_parameter("centers").mul_(0.5)
    angle = torch.tensor(0.4)
    operator = ParallelBeam(SQUARE, angles=angle[None], detectors=41).eval()
    with torch.no_grad():
        measured = predict(operator, prior)
        points, _ = operator(torch.arange(41))
        assert isinstance(points, Tensor)
        rays = points.reshape(41, -1, 2)
        direction = rays[20, -1] - rays[20, 0]
        exact = prior.line_integral(rays[:, 0], direction.expand(41, 2))[:, 0]
    assert (measured.flatten()[5:36] - exact[5:36]).abs().max() < 0.02 * exact.abs().max()


# --- grouped products and the pyramid -------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [None, 1, 4, 64])
@pytest.mark.parametrize(("n", "blocks"), [(1, 1), (100, 7), (1000, 3), (5, 50), (1000, 1)])
def test_groups_hold_every_point_once_in_a_tile_of_its_block(n: int, blocks: int, rows: int | None) -> None:
    block = torch.randint(0, blocks, (n,), generator=seeded()) ** 2 // blocks  # crowded
    groups, values = group(block, blocks, rows), torch.randn(n, 3)
    assert torch.equal(groups.unpack(groups.pack(values)), values)
    assert len(groups.slot.unique()) == n
    assert torch.equal(groups.block.repeat_interleave(groups.rows)[groups.slot], block)


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_a_scale_is_a_network_a_block(box: Box) -> None:
    """Batched products against each block's own, evaluated one by one."""
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
            h = (torch.sin(9.0 * h) if k else h) @ weight[block] + bias[block]
        torch.testing.assert_close(value, h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_tiling_again_preserves_the_function(box: Box) -> None:
    prior = priors.miner(box, 2, 8.0 * box.scale[0], scales=3, overlap=None).double()
    assert isinstance(prior.network, Pyramid)
    scale, x = prior.network.scales[-1], box.normalize(points(box, dtype=F64))
    assert isinstance(scale, Scale)
    torch.testing.assert_close(scale.split()(x), scale(x))


@pytest.mark.parametrize("overlap", [None, 0.25])
@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_a_refined_pyramid_is_the_same_field_with_more_to_learn(box: Box, overlap: float | None) -> None:
    prior, x = priors.miner(box, 2, 8.0 * box.scale[0], scales=2, overlap=overlap), points(box)
    finer = refined(prior)
    assert torch.equal(finer(x), prior(x))
    assert finer.parameter_count > prior.parameter_count
    again = priors.create("miner", box, **finer.recipe.options)
    again.load_state_dict(finer.state_dict())
    assert torch.equal(again(x), finer(x))
    finer(x).square().sum().backward()
    assert finer.network.scales[-1].weights[-1].grad.abs().sum() > 0  # type: ignore[index, union-attr]
    with pytest.raises(TypeError, match="'siren' has no scales"):
        refined(priors.siren(box))


@pytest.mark.parametrize("overlap", [None, 0.25])
def test_blocks_blend_or_jump(overlap: float | None) -> None:
    """Across the border between two blocks, and the overlap is a partition of unity."""
    prior = priors.miner(SQUARE, scales=2, overlap=overlap).double()
    step = torch.tensor([1e-9, 0], dtype=F64)
    x = torch.stack([torch.zeros(50, dtype=F64), torch.linspace(-0.9, 0.9, 50, dtype=F64)], -1)
    jump = float((prior(x + step) - prior(x - step)).abs().max().detach())
    assert jump > 1e-3 if overlap is None else jump < 1e-6
    assert prior.smoothness == (-1 if overlap is None else 2)
    assert isinstance(prior.network, Pyramid)
    scale = prior.network.scales[-1]
    assert isinstance(scale, Scale)
    for weight, bias in zip(scale.weights, scale.biases, strict=True):
        torch.nn.init.zeros_(weight)
        torch.nn.init.ones_(bias)
    torch.testing.assert_close(scale(points(SQUARE, dtype=F64)), torch.ones(500, 1, dtype=F64))


# --- tree -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_leaves_tile_the_box(box: Box) -> None:
    """Every point lies in the leaf that it is given, before and after leaves were split and merged."""
    prior = priors.acorn(box, 1, level=3, nodes=3, features=2, width=8)
    network, x = prior.network, box.normalize(points(box, 4000))
    assert isinstance(network, AdaptiveTree)
    for _ in range(4):
        leaf = network.tree.leaf(x)
        corner, side = network.tree.corner(x.dtype)
        local = (x - corner[leaf]) / side[leaf, None]
        assert local.min() >= -1e-5
        assert local.max() <= 1 + 1e-5
        network.adapt(x, torch.exp(-20 * (x - 0.2).square().sum(-1)))
    assert len(network.tree.level.unique()) > 1
    code = network.tree.start
    assert torch.equal(network.tree.morton(network.tree.cell(code[code < 2**62])), code[code < 2**62])


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_splitting_leaves_preserves_the_function(box: Box) -> None:
    options: dict[str, Any] = {"level": 1, "blocks": 40, "nodes": 4, "features": 3, "width": 16}
    prior, x = priors.acorn(box, 2, **options).double(), points(box, 2000, F64)
    before, spread = prior(x), prior.network.state_dict()
    normalized = box.normalize(x)
    assert isinstance(prior.network, AdaptiveTree)
    assert prior.network.adapt(normalized, normalized[:, 0].exp(), fraction=0.05) > 0
    assert prior.network.tree.level.max() == 2
    torch.testing.assert_close(prior(x), before, rtol=0, atol=1e-9)
    assert {k: v.shape for k, v in prior.network.state_dict().items()} == {k: v.shape for k, v in spread.items()}
    other = priors.acorn(box, 2, **options, seed=1).double()
    other.load_state_dict(prior.state_dict())
    assert torch.equal(other(x), prior(x))


def test_merging_keeps_the_field_at_the_parents_nodes() -> None:
    prior = priors.acorn(SQUARE, level=2, nodes=5, features=3, width=16).double()
    network = prior.network
    assert isinstance(network, AdaptiveTree)
    lower = torch.cartesian_prod(*[torch.linspace(-1, -1e-9, 5, dtype=F64)] * 2)  # nodes of the parent at (-1, -1)
    kept = (lower + 0.5).abs().min(-1).values > 1e-6  # the border of its children has two values
    before = prior(lower)
    split, merge = [], [(0, 1)]
    network._rebuild(split, merge)
    torch.testing.assert_close(prior(lower)[kept], before[kept], rtol=0, atol=1e-6)
    assert int((network.tree.start < 2**62).sum()) == 13


def test_trades_pay_and_keep_the_budget() -> None:
    """Splits where the error is, mergers where four times it is less than a quarter of the worst leaf's."""
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
        return Solver(ct(), prior, steps=20, batch=96, points=16, stopping=Never(every=5),
                      regularizers=[], callbacks=[Adapt(every=5, points=2000)])  # fmt: skip

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
    solver = Solver(ct(), "siren", steps=5, stopping=Never(every=5), callbacks=[Adapt(every=5)], batch=10)
    with pytest.raises(TypeError, match="'siren' has no blocks to move"):
        solver.run()


def test_levels_come_in_from_coarse_to_fine() -> None:
    """Absent levels change nothing and cost no rows; values, lattice and a restored state agree at every stage."""
    box = Box((0.0, 0.0), (1.0, 2.0))
    options = {"levels": 4, "coarsest": 4, "finest": 32, "log2_table": 8, "width": 8, "depth": 1}
    grown, whole = priors.hash(box, coarse_to_fine=0.4, **options), priors.hash(box, **options)
    points, grid = box.random_points(50, generator=torch.Generator().manual_seed(0)), Grid(box, (5, 7))
    assert torch.equal(grown(points), whole(points))  # no solver has touched it
    for progress, levels in ((0.0, 1), (0.1, 2), (0.25, 3), (0.35, 4), (0.4, 4), (1.0, 4)):
        grown.anneal(progress)
        encoding = grown.encoding
        assert isinstance(encoding, GridEncoding)
        features = encoding(box.normalize(points)).unflatten(-1, (4, 2))
        assert len(encoding.stencil(box.normalize(points))[0]) == levels * 50
        assert not features[:, levels:].any()
        assert torch.equal(
            features[:, :levels], whole.encoding(box.normalize(points)).unflatten(-1, (4, 2))[:, :levels]
        )
        torch.testing.assert_close(sample(grown, grid), grown(grid.points()), atol=1e-6, rtol=0)
        other = priors.hash(box, coarse_to_fine=0.4, **options)
        other.load_state_dict(grown.state_dict())
        assert torch.equal(other(points), grown(points))
    with pytest.raises(ValueError, match=r"coarse_to_fine=1.5 is a fraction"):
        priors.hash(box, coarse_to_fine=1.5)

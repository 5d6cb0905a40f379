"""Grids and hash grids: constants, images, and lattices that are sampled through matrices."""

import copy

import pytest
import torch
from cases.prior import BOXES
from torch import nn

from inverse_inr import Box, Grid, priors, sample
from inverse_inr.kernels.sparse import SparseMatrix
from inverse_inr.priors.lattices import encoding as module
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.lattices.stencils import STENCILS


@pytest.mark.parametrize("box", BOXES, ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("interpolation", STENCILS)
def test_a_constant_table_gives_a_constant(interpolation: str, box: Box) -> None:
    encoding = GridEncoding(box, [5.0, 11.0, 40.0], 2, interpolation=interpolation, table=64)
    assert any(encoding.hashed) == (box.ndim > 1)
    nn.init.constant_(encoding.table, 3.0)
    outside = 2.5 * torch.rand(200, box.ndim) - 1.25
    torch.testing.assert_close(encoding(outside), torch.full((200, 6), 3.0))


@pytest.mark.parametrize(
    ("name", "options"), [("grid", {"order": 3}), ("hash", {"levels": 3, "log2_table": 8})]
)
def test_a_lattice_without_gradients_is_a_function_of_the_parameters(
    name: str, options: dict
) -> None:
    """It is the same to the last bit, whatever a fit asked for before.

    With gradients it is the same to the rounding of float32.
    """
    box = Box((0.0, 0.0), (1.0, 1.0))
    prior = priors.create(name, box, **options)
    lattice = Grid(box, (30, 31))
    for parameter in prior.parameters():
        nn.init.normal_(parameter)
    with torch.no_grad():
        first = sample(prior, lattice)
    recorded = sample(prior, lattice)  # builds a matrix
    with torch.no_grad():
        assert torch.equal(sample(prior, lattice), first)
        assert torch.equal(sample(copy.deepcopy(prior), lattice), first)
    # at most 64 products of numbers of size 1 per value, in another order: only rounding differs
    torch.testing.assert_close(recorded, first, rtol=0, atol=64 * 6e-8 * float(first.abs().max()))


def test_slabs_of_a_lattice_build_their_matrices_once(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box((0.0, 0.0), (1.0, 1.0))
    lattice = Grid(box, (40, 10))
    prior = priors.create("grid", box, cells=20.0)
    built: list[object] = []

    def counted(*given) -> SparseMatrix:
        built.append(given)
        return SparseMatrix(*given)

    monkeypatch.setattr(module, "SparseMatrix", counted)
    values = [sample(prior, lattice, chunk=40) for _ in range(3)]
    assert len(built) == 10, "one matrix per slab of four rows, whatever the number of steps"
    assert all(torch.equal(v, values[0]) for v in values)
    monkeypatch.setattr(module, "MATRICES", 4 * 400)
    other = Grid(box, (41, 10))
    direct = sample(prior, other, chunk=41)
    assert len(built) == 10, "beyond that memory it goes without"
    torch.testing.assert_close(direct[..., 0], prior(other.points().reshape(-1, 2)).reshape(41, 10))


@pytest.mark.parametrize("shape", [(12,), (6, 9), (4, 6, 3)])
def test_a_grid_with_one_cell_a_pixel_is_the_image(shape: tuple[int, ...]) -> None:
    box = Box((0,) * len(shape), tuple(0.5 * n for n in shape))
    grid = Grid(box, shape)
    prior = priors.grid(box, cells=max(shape))
    image = torch.randn(*shape, 1)
    prior.encoding.table.data.copy_(image.reshape(-1, 1))  # type: ignore[union-attr]
    torch.testing.assert_close(prior.sample(grid), image)
    torch.testing.assert_close(prior(grid.points()), image)
    nyquist = priors.grid(box, bandwidth=priors.bandwidth_of(grid))
    assert nyquist.parameter_count == grid.numel

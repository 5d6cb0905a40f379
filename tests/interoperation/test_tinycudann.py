"""Networks of tiny-cuda-nn, by a module of their form: points of the box go in as [0, 1]."""

import pytest
import torch

from inverse_inr import Box, Grid, Problem, Term, noise, predict, solve
from inverse_inr.interoperation import from_tinycudann, tinycudann_prior
from inverse_inr.operators import Mask

BOX = Box((-1.0, 2.0), (3.0, 4.0), units=("mm", "mm"))


class Network(torch.nn.Module):
    """Two axes to one channel, in half precision; it refuses what tiny-cuda-nn would."""

    n_input_dims = 2
    n_output_dims = 1

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[1.0], [10.0]]))

    def forward(self, x):
        assert x.ndim == 2
        assert x.dtype == torch.float32
        assert ((x >= 0) & (x <= 1)).all()
        return (x @ self.weight).half()


def test_the_box_is_the_unit_square_to_the_network():
    field = from_tinycudann(Network(), BOX)
    points = torch.tensor([[[-1.0, 2.0], [3.0, 2.0]], [[1.0, 4.0], [3.0, 4.0]]])
    values = field(points)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values[..., 0], torch.tensor([[0.0, 1.0], [10.5, 11.0]]))


def test_it_is_a_prior_of_a_problem():
    grid = Grid(BOX, (6, 5))
    mask = Mask(torch.ones(6, 5, dtype=torch.bool), grid)
    y = predict(mask, lambda x: 0.5 * x[..., :1])
    problem = Problem([Term(mask, y, noise.Gaussian(0.01))], BOX, grid)
    field = from_tinycudann(Network(), BOX)
    before = field.network.weight.detach().clone()
    solution = solve(problem, field, steps=3, lr=0.1, stopping=None)
    assert solution.image().shape == (6, 5, 1)
    assert not torch.equal(solution.field.network.weight, before)


def test_what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="Identity is no module of tinycudann"):
        from_tinycudann(torch.nn.Identity(), BOX)
    with pytest.raises(ValueError, match="points of 2 axes, the box has 1"):
        from_tinycudann(Network(), Box((0.0,), (1.0,)))


def test_without_a_gpu_it_says_so_and_what_to_take(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ImportError, match=r'needs a CUDA GPU.*prior "hash"'):
        tinycudann_prior(BOX, {"otype": "HashGrid"}, {"otype": "FullyFusedMLP"})


def test_without_the_package_it_says_how_it_is_built(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(__import__("sys").modules, "tinycudann", None)
    with pytest.raises(ImportError, match="bindings/torch, and needs nvcc"):
        tinycudann_prior(BOX, {"otype": "HashGrid"}, {"otype": "FullyFusedMLP"})

"""Tangent kernels and embeddings against closed forms."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Problem, Query, priors
from inverse_inr.analysis import (
    embedding_singular_values,
    features,
    local_lipschitz,
    ntk_spectrum,
)

# --- tangent kernels ----------------------------------------------------------------------------


class Linear(nn.Module):
    """The linear model w · x."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, points: Tensor) -> Tensor:
        return points @ self.w


class Mixture:
    """Fixed linear combinations of the values at fixed points, one per row."""

    def __init__(self, points: Tensor, weights: Tensor) -> None:
        self.points = points
        self.weights = weights

    def __len__(self) -> int:
        return len(self.weights)

    def __call__(self, rows: Tensor) -> Query:
        def measure(values: Tensor) -> Tensor:
            return self.weights[rows] @ values[..., 0].to(self.weights.dtype)

        return Query(self.points, measure)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def check_kernel(found: Any, gram: Tensor):
    rebuilt = found.eigenvectors @ torch.diag(found.eigenvalues) @ found.eigenvectors.mT
    assert torch.allclose(rebuilt, gram, atol=1e-10)
    assert (found.eigenvalues.diff() <= 1e-12).all()


def test_the_kernel_of_a_linear_model_is_the_gram_matrix(monkeypatch: pytest.MonkeyPatch):
    x = random(11, 3)
    weights = random(5, 11, seed=1)
    check_kernel(ntk_spectrum(Linear(random(3, 1)), x), x @ x.mT)
    check_kernel(
        ntk_spectrum(Linear(random(3, 1).float()), operator=Mixture(x, weights), chunk=2),
        weights @ x @ x.mT @ weights.mT,
    )
    rows = torch.tensor([4, 1])
    check_kernel(
        ntk_spectrum(Linear(random(3, 1)), operator=Mixture(x, weights), rows=rows),
        (weights @ x @ x.mT @ weights.mT)[rows][:, rows],
    )
    # two rows of the Jacobian at a time
    monkeypatch.setattr("inverse_inr.analysis.kernel.MEMORY", 100)
    check_kernel(ntk_spectrum(Linear(random(3, 1)), x), x @ x.mT)


def test_outputs_of_several_channels_and_complex_ones():
    x = random(6, 3)
    # outputs in order: both channels of a point, then those of the next point
    found = ntk_spectrum(Linear(random(3, 2)), x)
    check_kernel(found, torch.kron(x @ x.mT, torch.eye(2, dtype=torch.float64)))
    weights = torch.complex(random(4, 6), random(4, 6, seed=2))
    a = torch.cat([weights.real, weights.imag]) @ x
    y = torch.complex(a[:4, 0], a[4:, 0])
    found = ntk_spectrum(Linear(random(3, 1)), operator=Mixture(x, weights), data=y)
    check_kernel(found, a @ a.mT)
    assert found.energy is not None
    # y lies in the range of A x, which has dimension 3
    assert float(found.energy[:3].sum()) == pytest.approx(1, abs=1e-9)


def test_energy_and_effective_rank():
    x = torch.diag(torch.tensor([3.0, 2.0, 0.1], dtype=torch.float64))
    found = ntk_spectrum(Linear(random(3, 1)), x, data=torch.tensor([[3.0], [0.0], [4.0]]))
    assert found.eigenvalues.tolist() == pytest.approx([9, 4, 0.01])
    assert found.energy is not None
    assert found.energy.tolist() == pytest.approx([0.36, 0, 0.64])
    assert found.energy_above(0.1) == pytest.approx(0.36)
    assert found.effective_rank == pytest.approx(13.01**2 / (81 + 16 + 1e-4))
    assert len(found.plot()) == 2


def test_kernels_of_priors_and_projections(problem: Problem):
    prior = priors.hash(problem.box, levels=2, coarsest=4, finest=8, width=8, depth=1)
    before = {k: v.clone() for k, v in prior.state_dict().items()}
    rows = torch.arange(0, 192, 16)
    found = ntk_spectrum(
        prior, operator=problem.terms[0].operator, rows=rows, data=problem.terms[0].y[rows]
    )
    assert found.eigenvalues.shape == (12,)
    assert found.eigenvalues[0] > 0
    assert float(found.energy.sum()) == pytest.approx(1)
    assert all(torch.equal(v, before[k]) for k, v in prior.state_dict().items())


@pytest.mark.parametrize(
    ("points", "message"),
    [((), "one of them"), ((torch.zeros(5000, 2),), "more than 4096 outputs")],
    ids=["neither points nor operator", "too many"],
)
def test_kernels_of_nothing_or_too_much_are_refused(
    problem: Problem, points: tuple[Tensor, ...], message: str
):
    prior = priors.hash(problem.box, levels=2, coarsest=4, finest=8, width=8, depth=1)
    with pytest.raises(ValueError, match=message):
        ntk_spectrum(prior, *points)


# --- embeddings ---------------------------------------------------------------------------------


def test_lipschitz_constants_of_sines():
    x = torch.linspace(-1, 1, 201, dtype=torch.float64)[:, None]
    w = 7.0
    one = local_lipschitz(lambda p: torch.sin(w * p), x)
    assert torch.allclose(one.values, (w * torch.cos(w * x[:, 0])).abs(), atol=1e-12)
    assert one.constant == pytest.approx(w)
    pair = local_lipschitz(lambda p: torch.cat([torch.sin(w * p), torch.cos(w * p)], 1), x)
    assert torch.allclose(pair.values, torch.full_like(x[:, 0], w))
    assert len(one.plot()[0].lines) == 1
    matrix = random(5, 2)
    linear = local_lipschitz(lambda p: p @ matrix.mT, random(9, 2))
    assert linear.constant == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)))
    with pytest.raises(ValueError, match="An embedding maps"):
        local_lipschitz(lambda p: p[:, 0], x)


def test_singular_values_of_a_full_circle():
    """Sine and cosine of k periods over n even points are orthogonal, each of norm √(n/2)."""
    x = torch.arange(64, dtype=torch.float64)[:, None] / 64
    k = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)

    def circle(p: Tensor) -> Tensor:
        return torch.cat([torch.sin(2 * math.pi * k * p), torch.cos(2 * math.pi * k * p)], 1)

    found = embedding_singular_values(circle, x)
    assert torch.allclose(found.values, torch.full((6,), 32**0.5, dtype=torch.float64))
    assert found.stable_rank == pytest.approx(6)
    assert found.condition == pytest.approx(1)
    assert found.plot()[0].get_yscale() == "log"


def test_features_of_priors_are_per_unit_of_the_box():
    box = Box((0.0, 0.0), (10.0, 10.0), ("mm", "mm"))
    points = box.random_points(20, generator=torch.Generator().manual_seed(0))
    prior = priors.siren(box, omega0=5.0, width=32)
    assert features(prior)(points).shape == (20, 32)
    weight = prior.network.layers[0].linears[0].weight.detach()
    bound = 5.0 * float(torch.linalg.matrix_norm(weight, 2)) * box.scale[0]
    found = local_lipschitz(prior, points).constant
    assert 0.3 * bound < found <= bound
    random_features = priors.fourier(box, deviation=2.0, features=16)
    frequencies = 2 * math.pi * random_features.encoding.frequencies
    # sine and cosine together: the same constant everywhere
    expected = float(torch.linalg.matrix_norm(frequencies, 2)) * box.scale[0]
    values = local_lipschitz(random_features, points).values
    assert torch.allclose(values, torch.tensor(expected), rtol=1e-4)
    assert embedding_singular_values(random_features, points).values.shape == (20,)

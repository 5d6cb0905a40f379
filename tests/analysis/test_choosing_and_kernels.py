"""Tangent kernels, embeddings, harmonics and activations against closed forms."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy.special import jv
from torch import Tensor, nn

from inverse_inr import Box, Problem, Query, priors
from inverse_inr.analysis import (
    activation_curves,
    embedding_singular_values,
    features,
    harmonics,
    local_lipschitz,
    ntk_spectrum,
    plot_activation,
    riesz,
)

# --- tangent kernels ------------------------------------------------------------------------------------------------


class Linear(nn.Module):
    """w · x."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, points: Tensor) -> Tensor:
        return points @ self.w


class Mixture:
    """Fixed linear combinations of the values at fixed points, one a row."""

    def __init__(self, points: Tensor, weights: Tensor) -> None:
        self.points, self.weights = points, weights

    def __len__(self) -> int:
        return len(self.weights)

    def __call__(self, rows: Tensor) -> Query:
        return Query(
            self.points, lambda values: self.weights[rows] @ values[..., 0].to(self.weights.dtype)
        )


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def check_kernel(found: Any, gram: Tensor):
    rebuilt = found.eigenvectors @ torch.diag(found.eigenvalues) @ found.eigenvectors.mT
    assert torch.allclose(rebuilt, gram, atol=1e-10)
    assert (found.eigenvalues.diff() <= 1e-12).all()


def test_the_kernel_of_a_linear_model_is_the_gram_matrix(monkeypatch: pytest.MonkeyPatch):
    x, weights = random(11, 3), random(5, 11, seed=1)
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
    monkeypatch.setattr(
        "inverse_inr.analysis.kernel.MEMORY", 100
    )  # two rows of the Jacobian at a time
    check_kernel(ntk_spectrum(Linear(random(3, 1)), x), x @ x.mT)


def test_outputs_of_several_channels_and_complex_ones():
    x = random(6, 3)
    found = ntk_spectrum(
        Linear(random(3, 2)), x
    )  # outputs in order: both channels of a point, then the next point
    check_kernel(found, torch.kron(x @ x.mT, torch.eye(2, dtype=torch.float64)))
    weights = torch.complex(random(4, 6), random(4, 6, seed=2))
    a = torch.cat([weights.real, weights.imag]) @ x
    y = torch.complex(a[:4, 0], a[4:, 0])
    found = ntk_spectrum(Linear(random(3, 1)), operator=Mixture(x, weights), data=y)
    check_kernel(found, a @ a.mT)
    assert found.energy is not None
    assert float(found.energy[:3].sum()) == pytest.approx(
        1, abs=1e-9
    )  # y lies in the range of A x, of dimension 3


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
    with pytest.raises(ValueError, match="one of them"):
        ntk_spectrum(prior)
    with pytest.raises(ValueError, match="more than 4096 outputs"):
        ntk_spectrum(prior, torch.zeros(5000, 2))


# --- embeddings -----------------------------------------------------------------------------------------------------


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
    assert local_lipschitz(lambda p: p @ matrix.mT, random(9, 2)).constant == pytest.approx(
        float(torch.linalg.matrix_norm(matrix, 2))
    )
    with pytest.raises(ValueError, match="An embedding maps"):
        local_lipschitz(lambda p: p[:, 0], x)


def test_singular_values_of_a_full_circle():
    """sin and cos of k periods over n even points are orthogonal, each of norm √(n/2)."""
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
    expected = (
        float(torch.linalg.matrix_norm(frequencies, 2)) * box.scale[0]
    )  # sin and cos together: everywhere
    assert torch.allclose(
        local_lipschitz(random_features, points).values, torch.tensor(expected), rtol=1e-4
    )
    assert embedding_singular_values(random_features, points).values.shape == (20,)


# --- harmonics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0.7, 2.0])
def test_a_sine_of_a_sine_has_bessel_amplitudes(k: float):
    """sin(k sin u) = 2 Σ J_{2n+1}(k) sin((2n+1) u); with u = 2π 3 x they stand at 3, 9, 15."""
    found = harmonics(
        lambda x: torch.sin(k * torch.sin(6 * math.pi * x)), torch.tensor([3.0]), order=5
    )
    for n in range(3):
        assert float(found.amplitudes[3 * (2 * n + 1)]) == pytest.approx(
            2 * abs(jv(2 * n + 1, k)), abs=1e-12
        )
        assert int(found.orders[3 * (2 * n + 1)]) == 2 * n + 1
    assert float(found.amplitudes[6]) < 1e-12
    energy = [(2 * jv(2 * n + 1, k)) ** 2 for n in range(20)]
    expected = [sum(energy[: (order + 1) // 2]) / sum(energy) for order in range(1, 6)]
    assert found.explained.tolist() == pytest.approx(expected)


def test_orders_of_two_frequencies():
    """sin(a + b): with a phase inside, J_0 too; combinations of 10 and 3."""

    def field(x: Tensor) -> Tensor:
        u = 2 * math.pi * x
        return torch.sin(0.8 + torch.sin(10 * u) + 0.5 * torch.sin(3 * u))

    found = harmonics(field, torch.tensor([10.0, -3.0]), order=3)
    assert {k: int(found.orders[k]) for k in (0, 3, 10, 6, 7, 13, 4, 16, 17, 1)} == {
        0: 0,
        3: 1,
        10: 1,
        6: 2,
        7: 2,
        13: 2,
        4: 3,
        16: 3,
        17: 3,
        1: -1,
    }
    assert float(found.amplitudes[0]) == pytest.approx(math.sin(0.8) * jv(0, 1) * jv(0, 0.5))
    assert float(found.amplitudes[13]) == pytest.approx(2 * math.sin(0.8) * jv(1, 1) * jv(1, 0.5))
    assert float(found.amplitudes[10]) == pytest.approx(2 * math.cos(0.8) * jv(1, 1) * jv(0, 0.5))
    assert (found.explained.diff() >= 0).all()
    assert float(found.explained[-1]) > 0.97
    assert len(found.plot()[0].collections) == 4
    with pytest.raises(ValueError, match="whole numbers"):
        harmonics(field, torch.tensor([10.5]))
    with pytest.raises(ValueError, match="must be given"):
        harmonics(field)


def test_harmonics_of_priors():
    box = Box((0.0, 0.0), (4.0, 4.0))
    shallow = priors.siren(box, omega0=10.0, width=3, depth=1)
    assert float(harmonics(shallow, order=1).explained[0]) == pytest.approx(
        1
    )  # one sine layer: its own frequencies
    deep = harmonics(priors.siren(box, omega0=10.0, width=3, depth=2), order=3)
    assert deep.explained[0] < deep.explained[2] - 1e-3
    assert float(deep.explained[-1]) > float(deep.covered[-1])
    single = priors.fourier(box, features=2, depth=0)
    assert float(harmonics(single, order=1).explained[0]) == pytest.approx(1)
    for other in (priors.wire(box), priors.hash(box)):
        with pytest.raises(TypeError, match="no periodic first layer"):
            harmonics(other)


# --- activations ----------------------------------------------------------------------------------------------------


def spline(degree: int) -> Callable[[Tensor], Tensor]:
    def box(t: Tensor) -> Tensor:
        return ((t >= -0.5) & (t < 0.5)).to(t.dtype)

    def hat(t: Tensor) -> Tensor:
        return (1 - t.abs()).clamp(min=0)

    def cubic(t: Tensor) -> Tensor:
        a = t.abs()
        return torch.where(a < 1, 2 / 3 - a**2 + a**3 / 2, (2 - a).clamp(min=0) ** 3 / 6)

    return {0: box, 1: hat, 3: cubic}[degree]


@pytest.mark.parametrize(("degree", "lower"), [(0, 1.0), (1, 1 / 3), (3, 17 / 315)])
def test_riesz_bounds_of_splines(degree: int, lower: float):
    """Σ a(n) (-1)ⁿ of the autocorrelation at the integers, B-splines of twice the order (Unser 2000, table 1)."""
    found = riesz(spline(degree))
    assert (found.lower, found.upper) == pytest.approx((lower, 1.0), abs=2e-5)
    assert found.unity < 1e-9
    assert found.verdict.startswith("Riesz basis with")
    assert len(found.plot()[0].lines) == 3


def test_sinc_is_an_orthonormal_basis():
    found = riesz(torch.sinc)
    assert (found.lower, found.upper) == pytest.approx((1.0, 1.0), abs=1e-3)
    assert found.verdict.startswith("Riesz basis with")
    wide = riesz(torch.sinc, spacing=0.5)  # band-limited to half the band: gaps
    assert wide.verdict.startswith("no Riesz basis")


@pytest.mark.parametrize("s", [0.4, 0.7])
def test_a_gaussian_is_a_weak_basis(s: float):
    """φ̂ = s √2π exp(-s² ω² / 2); Σ φ(t - n) = s √2π (1 + 2 exp(-2π² s²) cos 2πt + ...)."""
    found = riesz(lambda t: torch.exp(-0.5 * (t / s).square()))
    sums = [
        2
        * math.pi
        * s**2
        * sum(math.exp(-((s * (w + 2 * math.pi * k)) ** 2)) for k in range(-9, 10))
        for w in (math.pi, 0.0)
    ]
    assert (found.lower, found.upper) == pytest.approx(tuple(sums), rel=1e-9)
    assert found.unity == pytest.approx(2 * math.exp(-2 * math.pi**2 * s**2), rel=2e-2)
    assert found.verdict.startswith("weak" if s < 0.6 else "Riesz basis with")


@pytest.mark.parametrize(
    "activation", [torch.relu, torch.sin, torch.tanh, torch.nn.functional.softplus]
)
def test_what_does_not_decay_is_not_in_l2(activation: Callable[[Tensor], Tensor]):
    found = riesz(activation)
    assert not found.in_l2
    assert math.isnan(found.lower)
    assert found.verdict.startswith("not in L²")


def test_activation_curves():
    curves = activation_curves(lambda z: torch.sin(3 * z))
    assert torch.allclose(curves.first, 3 * torch.cos(3 * curves.z), atol=1e-14)
    assert torch.allclose(curves.second, -9 * torch.sin(3 * curves.z), atol=1e-14)
    axes, numbers = plot_activation(torch.relu)
    assert len(axes.lines) == 3
    assert numbers.second.abs().max() == 0
    assert torch.equal(numbers.first, (numbers.z > 0).double())
    assert activation_curves(lambda z: 2 * z).second.abs().max() == 0

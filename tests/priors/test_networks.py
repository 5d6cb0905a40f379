"""Exact properties of networks: heads, annealing, complex numbers, bands, polynomials, collapse."""

import math

import pytest
import torch
from cases.network import BOX, F64, make, points
from torch import Tensor, nn

from inverse_inr import Problem, Solver, priors
from inverse_inr.domain import Box
from inverse_inr.priors import Prior
from inverse_inr.priors.encodings import FourierFeatures, octave_frequencies
from inverse_inr.priors.multiplicative import level
from inverse_inr.priors.networks.products import MultiplicativeNetwork
from inverse_inr.priors.polynomial import FusionNetwork, chebyshev
from inverse_inr.priors.reparameterized import ReparameterizedLinear
from inverse_inr.priors.topologies import MLP, ComplexLinear, Linear
from inverse_inr.stopping import HeldOut


def test_only_some_networks_collapse() -> None:
    with pytest.raises(TypeError, match=r"'siren'.*nothing to collapse"):
        make("siren").collapse()


# --- heads --------------------------------------------------------------------------------------


def test_heads_give_values_of_their_kind() -> None:
    x = points()
    assert (make("siren", head="sigmoid")(x) < 1).all()
    phasor = make("siren", head="amplitude_phase", channels=2)(x)
    assert phasor.is_complex()
    assert phasor.shape == (40, 2)
    several = make("siren", channels=3, head=("softplus", "linear", "sigmoid"))(x)
    assert (several[:, 0] > 0).all()
    assert several.shape == (40, 3)
    mm = Box((0.0, 0.0), (20.0, 20.0), ("mm", "mm"))
    plain, vector = (priors.siren(mm, 2, bandwidth=0.5, head=h) for h in ("linear", "vector"))
    # half the box is one normalised unit
    torch.testing.assert_close(vector(10 * x + 10), 10 * plain(10 * x + 10))


@pytest.mark.parametrize(
    ("channels", "head", "message"),
    [
        (2, ("linear", "linear", "linear"), "names 3 channels; the field has 2"),
        (2, ("linear", "complex"), "real or complex"),
        (1, "vector", "2 axes need as many channels"),
    ],
)
def test_heads_that_cannot_be_are_refused(channels: int, head, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("siren", channels=channels, head=head)


# --- Fourier features ---------------------------------------------------------------------------


def test_annealing_lets_octaves_in_one_after_the_other() -> None:
    frequencies, octave = octave_frequencies(1, 4.0)
    encoding = FourierFeatures(frequencies, raw=True, octave=octave)
    x = torch.full((1, 1), 0.3)
    plain = FourierFeatures(frequencies, raw=True)(x)
    torch.testing.assert_close(encoding(x), plain)
    encoding.anneal(0.0)
    assert encoding(x)[0, :-1].abs().max() == 0
    encoding.anneal(0.25)  # half of the first half of the run: two of four octaves
    window = torch.tensor([1.0, 1.0, 0.0, 0.0]).repeat(2)
    torch.testing.assert_close(encoding(x)[0, :-1], plain[0, :-1] * window)


def test_the_solver_anneals(problem: Problem) -> None:
    options = {"spacing": "octaves", "anneal": True, "width": 8, "depth": 1, "highest": 4.0}
    prior = priors.fourier(problem.box, **options)
    solver = Solver(problem, prior, steps=20, stopping=HeldOut(every=20))
    solver.run(1)
    assert float(prior.encoding.progress) == 0
    solver.run()
    assert float(prior.encoding.progress) == 1


# --- complex networks ---------------------------------------------------------------------------


def torch_complex(prior: Prior, x: Tensor) -> Tensor:
    """WIRE by its definition, in torch's complex arithmetic."""
    network = prior.network
    assert isinstance(network, MLP)
    h = x
    for layer in network.layers:
        (linear,), act = layer.linears, layer.activation
        if isinstance(linear, ComplexLinear):
            half = len(linear.bias) // 2
            bias = torch.complex(linear.bias[:half], linear.bias[half:])
            z = h @ torch.complex(linear.real, linear.imag).mT + bias
        else:
            z = torch.complex(linear(h), torch.zeros(()).to(h))
        h = torch.exp(1j * act.omega * z - (act.scale * z.abs()) ** 2)
    head = network.head
    half = len(head.bias) // 2
    bias = torch.complex(head.bias[:half], head.bias[half:])
    return (h @ torch.complex(head.real, head.imag).mT + bias).real


def test_real_pairs_are_complex_numbers() -> None:
    prior = make("wire", omega0=5.0).double()
    x = points(dtype=F64)
    torch.testing.assert_close(prior(x), torch_complex(prior, x))
    mine = torch.autograd.grad(prior(x).square().sum(), list(prior.parameters()))
    defined = torch.autograd.grad(torch_complex(prior, x).square().sum(), list(prior.parameters()))
    for a, b in zip(mine, defined, strict=True):
        torch.testing.assert_close(a, b)


def test_wire_with_a_zero_second_map_has_one_envelope() -> None:
    two = make("wire", variant="two", omega0=5.0, width=32)
    one = make("wire", omega0=5.0, width=round(32 / 2 * math.sqrt(2)))
    state = two.state_dict()
    for key, value in state.items():
        if ".linears.1." in key:
            value.zero_()
    one.load_state_dict({k: v for k, v in state.items() if ".linears.1." not in k})
    torch.testing.assert_close(two(points()), one(points()))


# --- products of filters ------------------------------------------------------------------------


def outside_band(field: nn.Module, limit: float, size: int = 128) -> float:
    """The largest amplitude above `limit` cycles per unit, as a share of the largest of all.

    The field has period 2 and is sampled on one period.
    """
    axis = -1 + 2 * torch.arange(size, dtype=F64) / size
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    with torch.no_grad():
        spectrum = torch.fft.fft2(field(grid)[..., 0]).abs()
    frequency = torch.fft.fftfreq(size, 2 / size, dtype=F64).abs()
    beyond = torch.maximum(frequency[:, None], frequency[None]) > limit + 1e-9
    return float(spectrum[beyond].max() / spectrum.max())


def test_bacon_stays_inside_its_stated_band() -> None:
    prior = priors.bacon(BOX, limit=20.0).double()
    network = prior.network
    assert isinstance(network, MultiplicativeNetwork)
    limits = network.band_limits
    assert limits[-1] <= 20 + 1e-5
    for k, limit in enumerate(limits):
        assert outside_band(level(prior, k), limit) < 1e-6
        assert outside_band(level(prior, k), 0.3 * limit) > 1e-3
    torch.testing.assert_close(level(prior, -1)(points(dtype=F64)), prior(points(dtype=F64)))
    assert len(priors.bacon(BOX, every_level=False).network.heads) == 1


def test_a_network_of_one_output_has_no_levels() -> None:
    with pytest.raises(ValueError, match="'siren' has no such output"):
        level(make("siren"), 0)


def test_fourier_net_is_a_finite_sum_of_sines() -> None:
    prior = priors.fourier_net(BOX, bandwidth=16.0).double()
    network = prior.network
    assert isinstance(network, MultiplicativeNetwork)
    with torch.no_grad():
        for f in network.filters:  # to whole cycles, so that a period can be sampled
            f.omega.copy_(math.pi * torch.round(f.omega / math.pi))
    assert outside_band(prior, network.band_limits[-1]) < 1e-6


# --- series in the first layer ------------------------------------------------------------------


def test_chebyshev_polynomials_are_cosines_of_multiples() -> None:
    t = torch.linspace(-1, 1, 51, dtype=F64)
    expected = torch.cos(torch.arange(33) * torch.acos(t)[:, None])
    torch.testing.assert_close(chebyshev(t, 32), expected, rtol=0, atol=1e-10)


def test_sl2a_has_finite_gradients_everywhere() -> None:
    network = priors.sl2a(BOX, degree=64).network
    assert isinstance(network, FusionNetwork)
    x = torch.tensor([[100.0, -100.0], [9.2, 9.5], [0.0, 0.0], [20.0, -9.3]], requires_grad=True)
    network(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


# --- reparameterised training -------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["sine", "relu"])
def test_collapse_leaves_an_ordinary_network_of_the_same_values(activation: str) -> None:
    prior = priors.fr(BOX, activation=activation, bandwidth=16.0, width=64)
    plain = prior.collapse()
    torch.testing.assert_close(plain(points()), prior(points()), rtol=0, atol=1e-5)
    assert type(plain.network) is MLP
    assert not any(isinstance(m, ReparameterizedLinear) for m in plain.modules())
    linears = [linear for layer in plain.network.layers for linear in layer.linears]
    assert all(isinstance(linear, Linear) for linear in linears)
    assert plain.parameter_count < prior.parameter_count
    hidden = prior.network.layers[1].linears[0]
    assert 60 <= int(torch.linalg.matrix_rank(hidden.basis)) <= 64

"""Exact properties of the catalogue's networks, and what every prior must do: derivatives, training, many signals."""

import math

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Problem, Solver, Term, noise, priors, solve
from inverse_inr.domain import Box, Grid
from inverse_inr.operators import ParallelBeam
from inverse_inr.priors import Prior, functional
from inverse_inr.priors.conditioned import Cosmo, Incode, image_features
from inverse_inr.priors.encodings import FourierFeatures, octave_frequencies
from inverse_inr.priors.multiplicative import MultiplicativeNetwork, level
from inverse_inr.priors.polynomial import FusionNetwork, chebyshev
from inverse_inr.priors.reparameterized import ReparameterizedLinear
from inverse_inr.priors.topologies import MLP, ComplexLinear, Linear
from inverse_inr.regularizers import PriorPenalty, TotalVariation, gradient, laplacian
from inverse_inr.selection import choose_activations
from inverse_inr.stopping import HeldOut

F64 = torch.float64
BOX = Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
SMALL = {
    "cosmo": {"width": 24, "depth": 2, "omega0": 0.05},
    "finer_plus": {"omega0": 6.0, "scale0": 1.0},
    "grid": {"cells": 9.0},
}
names = pytest.mark.parametrize("name", priors.names())


def make(name: str, **options) -> Prior:
    """A prior of low band whose tables are filled: its derivatives are then within reach of differences."""
    prior = priors.create(name, BOX, **{"bandwidth": 3.0, **SMALL.get(name, {}), **options})
    if name == "grid":
        nn.init.normal_(next(prior.parameters()), generator=torch.Generator().manual_seed(1))
    return prior


def points(count: int = 40, dtype: torch.dtype = torch.float32) -> Tensor:
    return 0.9 * BOX.random_points(count, dtype=dtype, generator=torch.Generator().manual_seed(3))


# --- every prior ------------------------------------------------------------------------------------------------


@names
def test_gradients_are_central_differences(name: str) -> None:
    prior, x, h = make(name).double(), points(dtype=F64), 1e-5
    slope = gradient(prior, x)[:, 0].detach()
    with torch.no_grad():
        stencil = ((-2, 1), (-1, -8), (1, 8), (2, -1))
        steps = [sum(w * prior(x + k * h * e) for k, w in stencil) for e in torch.eye(2, dtype=F64)]
    numeric = torch.cat(steps, -1) / (12 * h)
    off = (slope - numeric).abs() / slope.abs().max()
    assert float(slope.abs().max()) > 0
    assert float(off.quantile(0.9 if prior.smoothness < 2 else 1.0)) < 1e-5


@names
def test_laplacians_are_central_differences_or_refused(name: str) -> None:
    options = {"order": 3} if name == "grid" else {}
    prior, x = make(name, **options).double(), points(dtype=F64)
    h = 2e-4 if prior.smoothness > 2 else 5e-5  # FINER's second derivative jumps where a pre-activation is zero
    if prior.smoothness < 1:
        with pytest.raises(TypeError, match=f"'{name}'.*'siren'"):
            laplacian(prior, x)
        return
    got = laplacian(prior, x).detach()
    with torch.no_grad():
        stencil = ((-2, -1), (-1, 16), (0, -30), (1, 16), (2, -1))
        numeric = sum(w * prior(x + k * h * e) for k, w in stencil for e in torch.eye(2, dtype=F64)) / (12 * h * h)
    off = (got - numeric).abs() / got.abs().max()
    assert float(off.quantile(1.0 if prior.smoothness > 2 else 0.5)) < 1e-5


@names
def test_many_signals_are_one_function(name: str) -> None:
    several = [make(name, seed=s) for s in range(3)]
    call, parameters = functional(several)
    apart = torch.stack([points(20) + 0.01 * k for k in range(3)])
    expected = torch.stack([prior(x) for prior, x in zip(several, apart, strict=True)])
    got = call(parameters, apart)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(call(parameters, points(20)), torch.stack([p(points(20)) for p in several]), rtol=1e-4,
                               atol=1e-5)  # fmt: skip
    key = next(iter(parameters))
    (together,) = torch.autograd.grad(got.abs().square().sum(), parameters[key])
    (alone,) = torch.autograd.grad(several[1](apart[1]).abs().square().sum(), dict(several[1].named_parameters())[key])
    torch.testing.assert_close(together[1], alone, rtol=1e-3, atol=1e-5 * float(alone.abs().max() + 1e-12))


def test_only_one_architecture_is_one_function() -> None:
    with pytest.raises(ValueError, match="one architecture"):
        functional([make("siren"), make("finer")])


@names
def test_it_says_what_it_is(name: str) -> None:
    text = make(name).describe()
    assert text.startswith(f"{name}: ")
    assert "parameters" in text
    assert "cycles per cm" in text
    assert len(text.splitlines()[0]) > 30


class Pixels:
    """Every measurement is the field at a pixel's centre."""

    def __init__(self, grid: Grid) -> None:
        self.places = grid.points().reshape(-1, grid.ndim)

    def __len__(self) -> int:
        return len(self.places)

    def __call__(self, rows: Tensor):
        return self.places[rows], lambda values: values[..., 0]


@names
def test_it_fits_an_image_and_a_sinogram_at_its_defaults(name: str) -> None:
    grid = Grid(BOX, (32, 32))
    x = grid.points()
    image = torch.exp(-4 * x.square().sum(-1)) + (x[..., 0] > 0.3)
    beam = ParallelBeam(BOX, torch.arange(6) * math.pi / 6, 16)
    y = torch.rand(96, generator=torch.Generator().manual_seed(0))
    for operator, data in ((Pixels(grid), image.flatten()), (beam, y)):
        term = Term(operator, data, noise.Gaussian(0.1))
        if make(name)(points(1)).is_complex():
            term = Term(operator, data.to(torch.complex64), noise.ComplexGaussian(0.1))
        problem = Problem([term], BOX, grid)
        solution = solve(problem, name, steps=4, batch=96, regularizers=[1e-3 * TotalVariation()], points=64,
                         stopping=HeldOut(every=4), callbacks=[])  # fmt: skip
        losses = [record["loss"] for record in solution.history]
        assert losses
        assert all(map(math.isfinite, losses)), solution.stopped
        assert torch.isfinite(solution.sample()).all()


@names
def test_points_of_another_dimension_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="Box of 2 dimensions: points have shape"):
        make(name)(torch.zeros(5, 3))


def test_a_state_of_another_architecture_names_the_field() -> None:
    with pytest.raises(ValueError, match=r"'siren'.*network\.layers\.0\.linears\.0\.weight.*\(16, 2\).*\(24, 2\)"):
        make("siren", width=24).load_state_dict(make("siren", width=16).state_dict())
    with pytest.raises(ValueError, match="missing from the state"):
        make("wire").load_state_dict(make("siren").state_dict())


def test_the_state_holds_the_frequency() -> None:
    a, b = make("siren", omega0=5.0), make("siren", omega0=25.0, seed=1)
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(points()), b(points()))


def test_only_some_networks_collapse() -> None:
    with pytest.raises(TypeError, match=r"'siren'.*nothing to collapse"):
        make("siren").collapse()


# --- heads ------------------------------------------------------------------------------------------------------


def test_heads() -> None:
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
    torch.testing.assert_close(vector(10 * x + 10), 10 * plain(10 * x + 10))  # half the box is one normalised unit


@pytest.mark.parametrize(
    ("channels", "head", "message"),
    [
        (2, ("linear", "linear", "linear"), "names 3 channels; the field has 2"),
        (2, ("linear", "complex"), "real or complex"),
        (1, "vector", "2 axes need as many channels"),
    ],
)
def test_heads_that_cannot_be(channels: int, head, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("siren", channels=channels, head=head)


# --- Fourier features -------------------------------------------------------------------------------------------


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
    prior = priors.fourier(problem.box, spacing="octaves", anneal=True, width=8, depth=1, highest=4.0)
    solver = Solver(problem, prior, steps=20, stopping=HeldOut(every=20))
    solver.run(1)
    assert float(prior.encoding.progress) == 0
    solver.run()
    assert float(prior.encoding.progress) == 1


# --- complex networks -------------------------------------------------------------------------------------------


def torch_complex(prior: Prior, x: Tensor) -> Tensor:
    """WIRE in torch's complex arithmetic: the definition."""
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
    return (h @ torch.complex(head.real, head.imag).mT + torch.complex(head.bias[:half], head.bias[half:])).real


def test_real_pairs_are_complex_numbers() -> None:
    prior, x = make("wire", omega0=5.0).double(), points(dtype=F64)
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


# --- products of filters ----------------------------------------------------------------------------------------


def outside_band(field: nn.Module, limit: float, size: int = 256) -> float:
    """Share of the amplitude above `limit` cycles per unit, of a field of period 2 sampled on its period."""
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
    with pytest.raises(ValueError, match="'siren' has no such output"):
        level(make("siren"), 0)


def test_fourier_net_is_a_finite_sum_of_sines() -> None:
    prior = priors.fourier_net(BOX, bandwidth=16.0).double()
    network = prior.network
    assert isinstance(network, MultiplicativeNetwork)
    with torch.no_grad():
        for f in network.filters:
            f.omega.copy_(math.pi * torch.round(f.omega / math.pi))  # to whole cycles, so that a period can be sampled
    assert outside_band(prior, network.band_limits[-1]) < 1e-6


# --- series in the first layer ----------------------------------------------------------------------------------


def test_chebyshev_polynomials() -> None:
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


# --- reparameterised training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["sine", "relu"])
def test_collapse_leaves_an_ordinary_network_of_the_same_values(activation: str) -> None:
    prior = priors.fr(BOX, activation=activation, bandwidth=16.0, width=64)
    plain = prior.collapse()
    torch.testing.assert_close(plain(points()), prior(points()), rtol=0, atol=1e-5)
    assert type(plain.network) is MLP
    assert not any(isinstance(m, ReparameterizedLinear) for m in plain.modules())
    assert all(isinstance(linear, Linear) for layer in plain.network.layers for linear in layer.linears)
    assert plain.parameter_count < prior.parameter_count
    hidden = prior.network.layers[1].linears[0]
    assert 60 <= int(torch.linalg.matrix_rank(hidden.basis)) <= 64


# --- conditioned networks ---------------------------------------------------------------------------------------


def test_incode_without_a_composer_is_siren() -> None:
    prior, plain = make("incode", omega0=9.0), make("siren", omega0=9.0)
    network = prior.network
    assert isinstance(network, Incode)
    for linear in network.composer.maps:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    plain.network.load_state_dict(network.network.state_dict())
    torch.testing.assert_close(prior(points()), plain(points()))


@pytest.mark.parametrize("name", ["incode", "cosmo"])
def test_composers_see_the_measurements_that_are_fitted_and_no_others(name: str, problem: Problem) -> None:
    def features(y: Tensor) -> Tensor:
        term = Term(problem.terms[0].operator, y, noise.Gaussian(0.01))
        solver = Solver(Problem([term], problem.box, problem.grid), name, steps=1, seed=0)
        return solver.prior.network.composer.features.clone(), solver.watched_rows[0]

    y = problem.terms[0].y
    plain, watched = features(y)
    changed = y.clone()
    changed[watched] += 100
    assert plain.abs().max() > 0
    assert torch.equal(features(changed)[0], plain)
    assert not torch.equal(features(y.flip(0))[0], plain)
    assert torch.equal(features(3 * y)[0].round(decimals=4), plain.round(decimals=4))  # no unit, no scale


def test_image_features_tell_smooth_from_rough() -> None:
    generator = torch.Generator().manual_seed(0)
    rough = torch.randn(32, 32, 1, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(rough[None, ..., 0], 9, 1, 4)[0][..., None]
    assert image_features(rough)[-1] > image_features(smooth)[-1]
    assert torch.isfinite(image_features(torch.zeros(8, 8, 1))).all()


def test_incode_has_a_penalty_of_its_own() -> None:
    prior = make("incode")
    assert PriorPenalty()(prior, points()).item() == 0  # all numbers start positive
    for linear in prior.network.composer.maps:
        nn.init.zeros_(linear.weight)
    nn.init.constant_(prior.network.composer.maps[-1].bias, -2.0)
    assert PriorPenalty()(prior, points()).item() == pytest.approx(2 * (0.1993 + 0.0196 + 0.0588 + 0.0269))
    with pytest.raises(TypeError, match="no penalty of its own"):
        PriorPenalty()(make("siren"), points())


def test_cosmo_keeps_its_layers_on_the_circle() -> None:
    z = torch.randn(50, 2 * 8)
    value = Cosmo(1.0, 0.3, project=True)(z, torch.tensor(0.3), torch.tensor(0.3))
    torch.testing.assert_close(torch.hypot(*value.chunk(2, -1)), torch.ones(50, 8))


# --- another activation in each layer ---------------------------------------------------------------------------


def test_greedy_search_keeps_the_best_held_out_atom(problem: Problem) -> None:
    native = {"width": 16, "bandwidth": 4.0}
    solution = choose_activations(problem, ("sine", "gaussian", "sinc"), depth=2, native=native, steps=30,
                                  stopping=HeldOut(every=10))  # fmt: skip
    scores = solution.details["held-out by sequence"]
    assert len(scores) == 6
    first = min((v, k) for k, v in scores.items() if ">" not in k)[1]
    assert solution.details["activations"][0] == first
    assert solution.held_out() == pytest.approx(min(v for k, v in scores.items() if ">" in k))
    assert solution.field.recipe.options["activations"] == tuple(solution.details["activations"])
    with pytest.raises(ValueError, match=r"unknown activation 'sinus'.*'sin"):
        choose_activations(problem, ("sinus",))

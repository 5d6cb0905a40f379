"""Every prior of the catalogue as a field: derivatives, many signals, fits, states, refusals."""

import math

import pytest
import torch
from cases.network import BOX, F64, make, points
from torch import Tensor

from inverse_inr import Problem, Term, noise, priors, solve
from inverse_inr.derivatives import gradient, laplacian
from inverse_inr.domain import Grid
from inverse_inr.operators import ParallelBeam
from inverse_inr.priors import functional
from inverse_inr.regularizers import TotalVariation
from inverse_inr.stopping import HeldOut

names = pytest.mark.parametrize("name", priors.names())


@names
def test_gradients_are_central_differences(name: str) -> None:
    prior = make(name).double()
    x = points(dtype=F64)
    if prior.smoothness == -math.inf:
        with pytest.raises(TypeError, match=f"'{name}' makes whole frames.*'siren'"):
            gradient(prior, x)
        return
    h = 1e-5
    slope = gradient(prior, x)[:, 0].detach()
    with torch.no_grad():
        stencil = ((-2, 1), (-1, -8), (1, 8), (2, -1))
        steps = [sum(w * prior(x + k * h * e) for k, w in stencil) for e in torch.eye(2, dtype=F64)]
    numeric = torch.cat(steps, -1) / (12 * h)
    off = (slope - numeric).abs() / slope.abs().max()
    assert float(slope.abs().max()) > 0
    held = 1.0
    if prior.smoothness < 2:  # the slope of some points jumps
        held = 0.9
    assert float(off.quantile(held)) < 1e-5


@names
def test_laplacians_are_central_differences_or_refused(name: str) -> None:
    options = {}
    if name == "grid":
        options = {"order": 3}
    prior = make(name, **options).double()
    x = points(dtype=F64)
    if prior.smoothness < 1:
        with pytest.raises(TypeError, match=f"'{name}'.*'siren'"):
            laplacian(prior, x)
        return
    h, held = 2e-4, 1.0
    if prior.smoothness <= 2:  # FINER's second derivative jumps where a pre-activation is zero
        h, held = 5e-5, 0.9
    got = laplacian(prior, x).detach()
    with torch.no_grad():
        stencil = ((-2, -1), (-1, 16), (0, -30), (1, 16), (2, -1))
        axes = torch.eye(2, dtype=F64)
        weighted = sum(w * prior(x + k * h * e) for k, w in stencil for e in axes)
    numeric = weighted / (12 * h * h)
    off = (got - numeric).abs() / got.abs().max()
    assert float(off.quantile(held)) < 1e-5


@names
def test_many_signals_are_one_function(name: str) -> None:
    several = [make(name, seed=s) for s in range(3)]
    call, parameters = functional(several)
    apart = torch.stack([points(20) + 0.01 * k for k in range(3)])
    expected = torch.stack([prior(x) for prior, x in zip(several, apart, strict=True)])
    got = call(parameters, apart)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    shared = torch.stack([p(points(20)) for p in several])
    torch.testing.assert_close(call(parameters, points(20)), shared, rtol=1e-4, atol=1e-5)
    key = next(iter(parameters))
    (together,) = torch.autograd.grad(got.abs().square().sum(), parameters[key])
    energy = several[1](apart[1]).abs().square().sum()
    (alone,) = torch.autograd.grad(energy, dict(several[1].named_parameters())[key])
    rounding = 1e-5 * float(alone.abs().max() + 1e-12)
    torch.testing.assert_close(together[1], alone, rtol=1e-3, atol=rounding)


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
    smooth = TotalVariation()
    if make(name).smoothness == -math.inf:
        smooth = TotalVariation(grid=grid)
    for operator, data in ((Pixels(grid), image.flatten()), (beam, y)):
        term = Term(operator, data, noise.Gaussian(0.1))
        if make(name)(points(1)).is_complex():
            term = Term(operator, data.to(torch.complex64), noise.ComplexGaussian(0.1))
        problem = Problem([term], BOX, grid)
        solution = solve(
            problem,
            name,
            steps=4,
            batch=96,
            regularizers=[1e-3 * smooth],
            points=64,
            stopping=HeldOut(every=4),
            callbacks=[],
        )
        losses = [record["loss"] for record in solution.history]
        assert losses
        assert all(map(math.isfinite, losses)), solution.stopped
        assert torch.isfinite(solution.sample()).all()


@names
def test_points_of_another_dimension_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="Box of 2 dimensions: points have shape"):
        make(name)(torch.zeros(5, 3))


def test_a_state_of_another_width_names_the_field_and_both_shapes() -> None:
    message = r"'siren'.*network\.layers\.0\.linears\.0\.weight.*\(16, 2\).*\(24, 2\)"
    with pytest.raises(ValueError, match=message):
        make("siren", width=24).load_state_dict(make("siren", width=16).state_dict())


def test_a_state_of_another_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="missing from the state"):
        make("wire").load_state_dict(make("siren").state_dict())


def test_the_state_holds_the_frequency() -> None:
    a, b = make("siren", omega0=5.0), make("siren", omega0=25.0, seed=1)
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(points()), b(points()))
